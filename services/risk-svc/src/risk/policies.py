"""What risk-svc does when others speak of partners, and what follows by itself from its own decisions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from engine import CancelTimer, Fact, Policy, Reaction, Send, SetTimer
from events.risk import ProbationStarted, RestrictionImposed, RestrictionLifted, RiskFlagged

from risk.domain.activation import CallForPlan, PlanCalledFor, activation_id, activations
from risk.domain.adjustment import EndProbation
from risk.domain.assessment import AssessEvaluation
from risk.domain.contingency import (
    Activate,
    CallStepOverdue,
    StepDone,
    StepsPlanned,
    contingencies,
)
from risk.domain.evaluation import Evaluation
from risk.domain.restriction import ExpireRestriction
from risk.domain.risk_profile import risk_profiles
from risk.domain.rule import RulePublished
from risk.domain.signal import Signal
from risk.domain.watch import (
    CallForReview,
    ClearSignal,
    JudgeAgain,
    NoteSignal,
    ReviewDue,
    ReviewPlanned,
)
from risk.gathering import Gathered, Moved, Review, for_own_facts, what_it_means
from risk.heard import Cleared


def judge(fact: Fact[Any], gathered: Gathered | Moved | None) -> Iterator[Reaction]:
    """An evaluation is assessed by each rule that it is for; a signal is taken in once and judged by all rules; at a
    period's close rules on concentration are judged of everybody who sold."""
    if isinstance(gathered, Moved):
        for code in gathered.rules:
            for id in gathered.partners:
                due = CallForReview(partner_id=id, rule=code)
                yield SetTimer(review(id, code), fact.occurred_at, Send(risk_profiles, id, due))
    if not isinstance(gathered, Gathered):
        return
    heard, partner_id = gathered.heard, gathered.heard.partner_id
    match heard.what:
        case Evaluation() as evaluation:
            for rule in gathered.on_evaluations:
                if evaluation.is_for(rule.terms):
                    assess = AssessEvaluation(
                        partner_id=partner_id, rule=rule.terms, retired=rule.retired, evaluation=evaluation
                    )
                    yield Send(risk_profiles, partner_id, assess)
        case Signal() as signal:
            note = NoteSignal(
                partner_id=partner_id,
                rules=gathered.on_events,
                concentration=gathered.concentration,
                signal=signal,
            )
            yield Send(risk_profiles, partner_id, note)
        case Cleared(subject=subject):
            clear = ClearSignal(
                partner_id=partner_id,
                rules=gathered.on_events,
                concentration=gathered.concentration,
                subject=subject,
                because=heard.id,
            )
            yield Send(risk_profiles, partner_id, clear)


def follow(fact: Fact[Any], gathered: Any) -> Iterator[Reaction]:
    match fact.event:
        case ReviewPlanned(partner_id=id, rule=rule, at=at):
            yield SetTimer(review(id, rule), at, Send(risk_profiles, id, CallForReview(partner_id=id, rule=rule)))
        case ReviewDue(partner_id=id) if isinstance(gathered, Review):
            again = JudgeAgain(
                partner_id=id, rules=gathered.rules, concentration=gathered.concentration, because=fact.event_id
            )
            yield Send(risk_profiles, id, again)
        case RulePublished(code=rule) if gathered:
            # Each partner in a transaction of its own.
            for id in gathered:
                due = CallForReview(partner_id=id, rule=rule)
                yield SetTimer(review(id, rule), fact.occurred_at, Send(risk_profiles, id, due))
        case RestrictionImposed(partner_id=id, restriction_id=restriction, expires_at=at) if at is not None:
            expire = ExpireRestriction(restriction_id=restriction)
            yield SetTimer(expiry(id, restriction), at, Send(risk_profiles, id, expire))
        case RiskFlagged() as flag if gathered:
            for plan in gathered:
                call = CallForPlan(partner_id=flag.partner_id, plan=plan, flag_id=flag.flag_id, reason=flag.explanation)
                yield Send(activations, activation_id(flag.partner_id, plan.code), call)
        case PlanCalledFor(contingency_id=id) as called:
            yield Send(contingencies, id, Activate(**dict(called)))
        case StepsPlanned(contingency_id=id, due=due):
            for step, at in sorted(due.items()):
                yield SetTimer(f"{id}/step/{step}", at, Send(contingencies, id, CallStepOverdue(step=step)))
        case StepDone(contingency_id=id, step=step):
            yield CancelTimer(f"{id}/step/{step}")
        case RestrictionLifted(partner_id=id, restriction_id=restriction):
            yield CancelTimer(expiry(id, restriction))
        case ProbationStarted(partner_id=id, adjustment_id=adjustment, ends_at=at):
            end = EndProbation(adjustment_id=adjustment)
            yield SetTimer(f"{id}/probation/{adjustment}", at, Send(risk_profiles, id, end))


def review(partner_id: UUID, rule: str) -> str:
    return f"{partner_id}/review/{rule}"


def expiry(partner_id: UUID, restriction_id: UUID) -> str:
    return f"{partner_id}/expiry/{restriction_id}"


POLICIES = (
    Policy("assessment", source="performance", react=judge, gather=what_it_means),
    Policy("training_signals", source="training", react=judge, gather=what_it_means),
    Policy("contract_signals", source="contract", react=judge, gather=what_it_means),
    Policy("following", source="risk", react=follow, gather=for_own_facts),
)

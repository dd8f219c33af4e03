"""A partner's risk profile: its evaluations under each rule, the flags they raise, the restrictions it is under."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import assert_never
from uuid import UUID

from engine import Command, Decider, Rejected, Unknown
from events import Event, Period
from events.risk import AdjustmentDecided, RestrictionImposed, RestrictionLifted, RiskFlagged, RiskResolved

from risk.domain import judgement
from risk.domain.flag import AcknowledgeFlag, DismissFlag, Flag, FlagAcknowledged, acknowledge, dismiss, flagging
from risk.domain.judgement import Figure, History
from risk.domain.restriction import ImposeRestriction, LiftRestriction, Restriction, impose, lift, suspending
from risk.domain.rule import RuleTerms


class EvaluationAssessed(Event, type="cauce.risk.EvaluationAssessed.v1"):
    """A figure came in for a period, first or restated, and was judged by these terms."""

    partner_id: UUID
    rule: RuleTerms
    period: Period
    value: Decimal
    evaluation_id: UUID


RiskProfileEvent = (
    EvaluationAssessed
    | RiskFlagged
    | RiskResolved
    | FlagAcknowledged
    | RestrictionImposed
    | RestrictionLifted
    | AdjustmentDecided
)


class AssessEvaluation(Command):
    """`value` is the rule's metric in the evaluation, or its restatement, that the event `evaluation_id` told.

    Under a retired rule, evaluations only close what is open.
    """

    partner_id: UUID
    rule: RuleTerms
    retired: bool = False
    period: Period
    value: Decimal
    evaluation_id: UUID


RiskProfileCommand = AssessEvaluation | AcknowledgeFlag | DismissFlag | ImposeRestriction | LiftRestriction


@dataclass(frozen=True)
class RiskProfile:
    """`histories` by rule. `partner_id` is None until something is known of the partner."""

    partner_id: UUID | None = None
    histories: dict[str, History] = field(default_factory=dict)
    flags: dict[UUID, Flag] = field(default_factory=dict)
    restrictions: dict[UUID, Restriction] = field(default_factory=dict)

    def history(self, rule: str) -> History:
        return self.histories.get(rule, ())

    def open_flag(self, rule: str) -> Flag | None:
        return next((flag for flag in self.flags.values() if flag.rule == rule and flag.status == "open"), None)

    def suspension(self, rule: str) -> Restriction | None:
        """The one that the rule imposed and that holds."""
        return next((r for r in self.restrictions.values() if r.rule == rule and r.lifted_by is None), None)


def assess(profile: RiskProfile, command: AssessEvaluation) -> Sequence[RiskProfileEvent]:
    """Takes the figure in, then closes and opens what no longer, or newly, follows from the history."""
    code = command.rule.code
    history, flag, held = profile.history(code), profile.open_flag(code), profile.suspension(code)
    if any(command.evaluation_id in judged.told_by for judged in history):
        return []
    if command.retired and flag is None and held is None:
        raise Rejected("risk.rule_retired", rule=code)
    figure = Figure(command.evaluation_id, command.value)
    history, just_in = judgement.take_in(history, command.period, figure, command.rule)
    assessed = EvaluationAssessed(
        partner_id=command.partner_id,
        rule=just_in.terms,
        period=command.period,
        value=command.value,
        evaluation_id=command.evaluation_id,
    )
    return [
        assessed,
        *flagging(command.partner_id, history, just_in, flag, closing_only=command.retired),
        *suspending(command.partner_id, history, just_in, held, closing_only=command.retired),
    ]


def decide(command: RiskProfileCommand, profile: RiskProfile, now: datetime) -> list[RiskProfileEvent]:
    if isinstance(command, AssessEvaluation):
        return [*assess(profile, command)]
    if isinstance(command, ImposeRestriction):
        return [*impose(profile.restrictions, command)]
    partner_id = profile.partner_id
    if partner_id is None:
        raise Unknown("risk.risk_profile_unknown")
    match command:
        case AcknowledgeFlag():
            return [*acknowledge(partner_id, profile.flags, command)]
        case DismissFlag():
            return [*dismiss(partner_id, profile.flags, command)]
        case LiftRestriction():
            return [*lift(partner_id, profile.restrictions, command)]
        case _:
            assert_never(command)


def evolve(profile: RiskProfile, event: RiskProfileEvent) -> RiskProfile:
    if profile.partner_id is None:
        profile = replace(profile, partner_id=event.partner_id)
    match event:
        case EvaluationAssessed(rule=rule, period=period, value=value, evaluation_id=id):
            history, _ = judgement.take_in(profile.history(rule.code), period, Figure(id, value), rule)
            return _with_history(profile, rule.code, history)
        case RiskFlagged():
            return _with_flag(profile, Flag(event.flag_id, event.rule, event.evidence))
        case FlagAcknowledged(flag_id=id):
            return _with_flag(profile, replace(profile.flags[id], acknowledged=True))
        case RiskResolved(flag_id=id, rule=rule_code, resolution=resolution, explanation=reason):
            if resolution == "dismissed":
                dismissed = judgement.dismiss_low_run(profile.history(rule_code))
                profile = _with_history(profile, rule_code, dismissed)
            return _with_flag(profile, replace(profile.flags[id], status=resolution, closed_because=reason))
        case RestrictionImposed(restriction_id=id, kind=kind, rule=by_rule, reason=reason, evidence=evidence):
            return _with_restriction(profile, Restriction(id, kind, by_rule, reason, evidence))
        case AdjustmentDecided():
            return profile  # carried out by the owning services
        case RestrictionLifted(restriction_id=id, by=by, reason=reason):
            lifted = replace(profile.restrictions[id], lifted_by=by, lifted_because=reason)
            if lifted.rule is not None and by == "person":
                forgiven = judgement.forgive(profile.history(lifted.rule))
                profile = _with_history(profile, lifted.rule, forgiven)
            return _with_restriction(profile, lifted)
        case _:
            assert_never(event)


def _with_history(profile: RiskProfile, rule: str, history: History) -> RiskProfile:
    return replace(profile, histories={**profile.histories, rule: history})


def _with_flag(profile: RiskProfile, flag: Flag) -> RiskProfile:
    return replace(profile, flags={**profile.flags, flag.id: flag})


def _with_restriction(profile: RiskProfile, restriction: Restriction) -> RiskProfile:
    return replace(profile, restrictions={**profile.restrictions, restriction.id: restriction})


risk_profiles = Decider(
    "risk_profile",
    decide,
    evolve,
    initial=RiskProfile,
    events=RiskProfileEvent,
    owner=lambda profile: profile.partner_id,
)

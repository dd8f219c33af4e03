"""A partner's risk profile: what is decided about it, and what it is after that."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import assert_never
from uuid import UUID

from engine import Decider, Unknown
from events.risk import (
    CreditLimitChanged,
    ProbationStarted,
    RestrictionImposed,
    RestrictionLifted,
    RiskCauseAdded,
    RiskFlagged,
    RiskResolved,
)

from risk.domain import adjustment as adjustments
from risk.domain import judgement, watch
from risk.domain import proposal as proposals
from risk.domain import restriction as restrictions
from risk.domain import signal as signals
from risk.domain.adjustment import (
    AdjustmentCommand,
    AdjustmentEvent,
    DecideAdjustment,
    EndProbation,
    ProbationEnded,
    TurnDownAdjustment,
)
from risk.domain.assessment import AssessEvaluation, EvaluationAssessed, assess
from risk.domain.flag import AcknowledgeFlag, DismissFlag, Flag, FlagAcknowledged, acknowledge, dismiss
from risk.domain.judgement import Assessment, History
from risk.domain.profile import RiskProfile
from risk.domain.proposal import ContestAdjustment, ProposeAdjustment, WithdrawAdjustment
from risk.domain.restriction import (
    ChangeCreditLimit,
    ExpireRestriction,
    ImposeRestriction,
    LiftRestriction,
    Restriction,
    RestrictionCommand,
)
from risk.domain.signal import SignalCleared, SignalNoted
from risk.domain.watch import (
    CallForReview,
    ClearSignal,
    JudgeAgain,
    JudgementFailed,
    JudgementRecovered,
    NoteSignal,
    ReviewDue,
    ReviewPlanned,
    RiskPassed,
    WatchCommand,
)

RiskProfileEvent = (
    EvaluationAssessed
    | RiskFlagged
    | RiskCauseAdded
    | RiskResolved
    | FlagAcknowledged
    | RestrictionImposed
    | RestrictionLifted
    | CreditLimitChanged
    | SignalNoted
    | SignalCleared
    | JudgementFailed
    | JudgementRecovered
    | RiskPassed
    | ReviewPlanned
    | ReviewDue
    | AdjustmentEvent
)


RiskProfileCommand = (
    AssessEvaluation | AcknowledgeFlag | DismissFlag | RestrictionCommand | WatchCommand | AdjustmentCommand
)


# -- decide


def observe(
    profile: RiskProfile, command: NoteSignal | ClearSignal | JudgeAgain, now: datetime
) -> Iterator[RiskProfileEvent]:
    """Takes a signal in, or away, and judges by the rules that are judged on events."""
    partner_id = command.partner_id
    match command:
        case NoteSignal(signal=signal):
            noted = SignalNoted(partner_id=partner_id, signal=signal)
            yield noted
            profile = evolve(profile, noted)
            yield from watch.judged(profile, partner_id, command, signal.events[-1], now)
        case ClearSignal(subject=subject, because=because):
            if subject in profile.signals:
                cleared = SignalCleared(partner_id=partner_id, subject=subject, because=because)
                yield cleared
                yield from watch.judged(evolve(profile, cleared), partner_id, command, because, now)
        case JudgeAgain(because=because):
            yield from watch.judged(profile, partner_id, command, because, now)
        case _:
            assert_never(command)


def known(profile: RiskProfile) -> UUID:
    """Raises Unknown for a partner of whom nothing is."""
    if profile.partner_id is None:
        raise Unknown("risk.risk_profile_unknown")
    return profile.partner_id


def decide(command: RiskProfileCommand, profile: RiskProfile, now: datetime) -> list[RiskProfileEvent]:
    match command:
        case AssessEvaluation():
            return [*assess(profile, command, now)]
        case NoteSignal() | ClearSignal() | JudgeAgain():
            return [*observe(profile, command, now)]
        case CallForReview(partner_id=id, rule=rule):
            return [ReviewDue(partner_id=id, rule=rule)]
        case AcknowledgeFlag():
            return [*acknowledge(known(profile), profile.flags, command)]
        case DismissFlag():
            return [*dismiss(known(profile), profile.flags, command)]
        case ImposeRestriction():
            return [*restrictions.impose(profile.restrictions, command, now)]
        case ChangeCreditLimit():
            return [*restrictions.change_limit(known(profile), profile.restrictions, command)]
        case LiftRestriction():
            return [*restrictions.lift(known(profile), profile.restrictions, command, now)]
        case ExpireRestriction():
            return [*restrictions.expire(known(profile), profile.restrictions, command, now)]
        case ProposeAdjustment():
            told = {id: flag.evidence for id, flag in profile.flags.items()}
            return [*proposals.propose(profile.adjustments, told, command, now)]
        case ContestAdjustment():
            return [*proposals.contest(known(profile), profile.adjustments, command, now)]
        case DecideAdjustment():
            return [*adjustments.decide_on(known(profile), profile.adjustments, command, now)]
        case TurnDownAdjustment():
            return [*adjustments.turn_down(known(profile), profile.adjustments, command)]
        case WithdrawAdjustment():
            return [*proposals.withdraw(known(profile), profile.adjustments, command)]
        case EndProbation():
            return [*adjustments.end_probation(known(profile), profile.probation, command)]
        case _:
            assert_never(command)


# -- evolve


def evolve(profile: RiskProfile, event: RiskProfileEvent) -> RiskProfile:
    if profile.partner_id is None:
        profile = replace(profile, partner_id=event.partner_id)
    match event:
        case EvaluationAssessed(rule=rule, evaluation=evaluation, verdict=verdict, next=following):
            assessment = Assessment(rule, verdict, following)
            history, _ = judgement.take_in(profile.history(rule.code), evaluation, assessment)
            return _with_history(profile, rule.code, history)
        case RiskFlagged(flag_id=id, rule=by_rule, evidence=evidence, severity=severity):
            return _with_flag(profile, Flag(id, by_rule, evidence, severity=severity))
        case RiskCauseAdded(flag_id=id, evidence=evidence):
            return _with_flag(profile, replace(profile.flags[id], evidence=evidence, acknowledged=False))
        case FlagAcknowledged(flag_id=id):
            return _with_flag(profile, replace(profile.flags[id], acknowledged=True))
        case RiskResolved():
            return _closed(profile, event)
        case RestrictionImposed() | RestrictionLifted() | CreditLimitChanged():
            return _restricted(profile, event)
        case SignalNoted(signal=signal):
            return replace(profile, signals=signals.noted(profile.signals, signal))
        case SignalCleared(subject=subject):
            return replace(profile, signals=signals.cleared(profile.signals, subject))
        case JudgementFailed(rule=code):
            return replace(profile, failing=tuple(sorted({*profile.failing, code})))
        case JudgementRecovered(rule=code):
            return replace(profile, failing=tuple(each for each in profile.failing if each != code))
        case RiskPassed(rule=code):
            return _passed(profile, code)
        case ReviewPlanned() | ReviewDue():
            return profile
        case ProbationStarted(adjustment_id=id):
            return replace(profile, probation=id)
        case ProbationEnded(adjustment_id=id):
            return replace(profile, probation=None)
        case _:
            return replace(profile, adjustments=adjustments.evolve(profile.adjustments, event))


def _closed(profile: RiskProfile, event: RiskResolved) -> RiskProfile:
    code = event.rule
    if event.resolution == "resolved":
        profile = _passed(profile, code)
    else:
        profile = _with_history(profile, code, judgement.dismiss_low_run(profile.history(code)))
        profile = replace(profile, dismissed={**profile.dismissed, code: profile.seen})
    closed = replace(profile.flags[event.flag_id], status=event.resolution, closed_because=event.explanation)
    return _with_flag(profile, closed)


def _passed(profile: RiskProfile, rule: str) -> RiskProfile:
    if rule not in profile.dismissed and rule not in profile.forgiven:
        return profile
    return replace(
        profile,
        dismissed={code: seen for code, seen in profile.dismissed.items() if code != rule},
        forgiven={code: seen for code, seen in profile.forgiven.items() if code != rule},
    )


def _restricted(
    profile: RiskProfile, event: RestrictionImposed | RestrictionLifted | CreditLimitChanged
) -> RiskProfile:
    id = event.restriction_id
    match event:
        case RestrictionImposed():
            new = Restriction(
                id,
                event.kind,
                event.rule,
                event.reason,
                event.evidence,
                imposed_at=event.imposed_at,
                expires_at=event.expires_at,
                limit=event.limit,
                adjustment_id=event.adjustment_id,
            )
            return _with_restriction(profile, new)
        case RestrictionLifted(by=by, reason=reason, lifted_at=at):
            lifted = replace(profile.restrictions[id], lifted_by=by, lifted_because=reason, lifted_at=at)
            if lifted.rule is not None and by == "person":
                forgiven = judgement.forgive(profile.history(lifted.rule))
                profile = _with_history(profile, lifted.rule, forgiven)
                profile = replace(profile, forgiven={**profile.forgiven, lifted.rule: profile.seen})
            return _with_restriction(profile, lifted)
        case CreditLimitChanged(limit=limit):
            return _with_restriction(profile, replace(profile.restrictions[id], limit=limit))
        case _:
            assert_never(event)


def _with_history(profile: RiskProfile, rule: str, history: History) -> RiskProfile:
    if not history:
        return profile
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

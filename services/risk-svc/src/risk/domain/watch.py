"""What events mean for a partner under rules that are judged on them: flags and suspensions as of the moment of the
newest signal, of a signal's clearing, of one leaving a rule's window, or of a rule's publication.

A rule's flag is open while its `when` is true, one at most; a cause that comes while it is joins it, and is told of. A
cause is what a signal is about: the same payment told of again is none. What a person dismissed raises no flag again
until there is a signal that they did not see, or the risk has passed in between. A rule that cannot be judged leaves
everything as it is, and is told of: that is never "no risk".
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from engine import Command
from events import Event
from events.risk import RestrictionImposed, RestrictionLifted, RiskCauseAdded, RiskFlagged, RiskResolved

from risk.domain import signal as signals
from risk.domain.evaluation import Verdict, verdict
from risk.domain.expression import Broken
from risk.domain.flag import flag_id, resolved
from risk.domain.profile import RiskProfile
from risk.domain.restriction import restriction_id
from risk.domain.rule import RuleTerms
from risk.domain.signal import Concentration, Signal, SignalCleared, SignalNoted
from risk.domain.words import plain

# -- events that stay in the house


class JudgementFailed(Event, type="cauce.risk.JudgementFailed.v1"):
    """The rule could not be judged for this partner: what it opened stays as it is."""

    partner_id: UUID
    rule: str
    rule_version: int
    error: str
    because: UUID


class JudgementRecovered(Event, type="cauce.risk.JudgementRecovered.v1"):
    """The rule can be judged for this partner again."""

    partner_id: UUID
    rule: str


class RiskPassed(Event, type="cauce.risk.RiskPassed.v1"):
    """The risk that a person had dismissed is no more: when it comes again, it is flagged again."""

    partner_id: UUID
    rule: str


class ReviewPlanned(Event, type="cauce.risk.ReviewPlanned.v1"):
    """At `at` a signal leaves the rule's window: the flag is to be looked at again."""

    partner_id: UUID
    rule: str
    at: datetime


class ReviewDue(Event, type="cauce.risk.ReviewDue.v1"):
    """That moment has come."""

    partner_id: UUID
    rule: str


WatchEvent = SignalNoted | SignalCleared | JudgementFailed | JudgementRecovered | RiskPassed | ReviewPlanned | ReviewDue


# -- commands


@dataclass(frozen=True)
class RuleInUse:
    """`retired`: the rule only closes what it opened."""

    terms: RuleTerms
    retired: bool = False


class _Watch(Command):
    partner_id: UUID
    rules: tuple[RuleInUse, ...] = ()
    concentration: Concentration | None = None


class NoteSignal(_Watch):
    signal: Signal


class ClearSignal(_Watch):
    """Of something that nothing was noted about, nothing is cleared."""

    subject: UUID
    because: UUID


class JudgeAgain(_Watch):
    """`because` is the event that asks for it."""

    because: UUID


class CallForReview(Command):
    """What was planned has come."""

    partner_id: UUID
    rule: str


WatchCommand = NoteSignal | ClearSignal | JudgeAgain | CallForReview
Consequence = (
    RiskFlagged
    | RiskCauseAdded
    | RiskResolved
    | RestrictionImposed
    | RestrictionLifted
    | JudgementFailed
    | JudgementRecovered
    | RiskPassed
    | ReviewPlanned
)


# -- decide


def judged(
    profile: RiskProfile, partner_id: UUID, command: NoteSignal | ClearSignal | JudgeAgain, because: UUID, now: datetime
) -> Iterator[Consequence]:
    """By each of the rules, with the signals that the profile knows by now."""
    for rule in command.rules:
        yield from _under(_Case(profile, partner_id, rule, because, now, command.concentration))


@dataclass(frozen=True)
class _Case:
    """A partner under a rule."""

    profile: RiskProfile
    partner_id: UUID
    rule: RuleInUse
    because: UUID
    now: datetime
    concentration: Concentration | None

    @property
    def terms(self) -> RuleTerms:
        return self.rule.terms


def _under(case: _Case) -> Iterator[Consequence]:
    profile, terms = case.profile, case.terms
    counts = signals.counted(profile.signals, terms, case.now, profile.suspensions)
    variables = signals.variables(
        counts,
        suspended=profile.suspended,
        on_probation=profile.probation is not None,
        concentration=case.concentration,
    )
    failing = terms.code in profile.failing
    try:
        found = verdict(terms, variables)
    except Broken as error:
        if not failing:
            yield failed(case.partner_id, terms, error, case.because)
        return
    if failing:
        yield JudgementRecovered(partner_id=case.partner_id, rule=terms.code)
    rests_on = signals.evidence(counts, terms)
    yield from _flagging(case, found, rests_on)
    yield from _suspending(case, found, rests_on)
    at = signals.leaves_at(rests_on, terms, case.now) if found.low else None
    if at is not None:
        yield ReviewPlanned(partner_id=case.partner_id, rule=terms.code, at=at)


def failed(partner_id: UUID, terms: RuleTerms, error: Broken, because: UUID) -> JudgementFailed:
    return JudgementFailed(
        partner_id=partner_id,
        rule=terms.code,
        rule_version=terms.version,
        error=str(error)[:500],
        because=because,
    )


def _flagging(case: _Case, found: Verdict, rests_on: Sequence[Signal]) -> Iterator[Consequence]:
    profile, terms = case.profile, case.terms
    flag, dismissed = profile.open_flag(terms.code), profile.dismissed.get(terms.code)
    if not found.low:
        if flag is not None:
            yield resolved(case.partner_id, flag, f"{_words(case, found)} (not {terms.when})", (case.because,))
        elif dismissed is not None:
            yield RiskPassed(partner_id=case.partner_id, rule=terms.code)
        return
    if case.rule.retired:
        return
    causes, told = tuple(each.subject for each in rests_on), _told(rests_on)
    words = f"{_words(case, found)} ({terms.when})"
    seen = dismissed is not None and all(set(each.events) <= set(dismissed) for each in rests_on)
    if flag is None and not seen:
        yield RiskFlagged(
            flag_id=flag_id(case.partner_id, terms.code, case.because),
            partner_id=case.partner_id,
            rule=terms.code,
            rule_version=terms.version,
            severity=terms.severity,
            period=None,
            explanation=words,
            evidence=told,
            causes=causes,
        )
    added = tuple(each.subject for each in rests_on if flag is not None and not set(each.events) & set(flag.evidence))
    if flag is not None and added:
        yield RiskCauseAdded(
            flag_id=flag.id,
            partner_id=case.partner_id,
            rule=terms.code,
            rule_version=terms.version,
            added=added,
            causes=causes,
            explanation=words,
            evidence=told,
        )


def _suspending(case: _Case, found: Verdict, rests_on: Sequence[Signal]) -> Iterator[Consequence]:
    profile, terms = case.profile, case.terms
    held = profile.suspension(terms.code)
    if held is not None and found.lifts:
        yield RestrictionLifted(
            restriction_id=held.id,
            partner_id=case.partner_id,
            kind=held.kind,
            reason=f"{_words(case, found)} ({terms.lifts_when or f'not {terms.when}'})",
            evidence=(case.because,),
            by="rule",
            lifted_at=case.now,
        )
    told = _told(rests_on)
    forgiven = profile.forgiven.get(terms.code)
    seen = forgiven is not None and set(told) <= set(forgiven)
    if held is None and found.low and terms.suspend_after is not None and not seen and not case.rule.retired:
        yield RestrictionImposed(
            restriction_id=restriction_id(case.partner_id, terms.code, case.because),
            partner_id=case.partner_id,
            kind="suspension",
            reason=f"{_words(case, found)} ({terms.when})",
            evidence=told,
            by="rule",
            rule=terms.code,
            rule_version=terms.version,
            imposed_at=case.now,
        )


def _told(rests_on: Sequence[Signal]) -> tuple[UUID, ...]:
    return tuple(dict.fromkeys(id for each in rests_on for id in each.events))


def _words(case: _Case, found: Verdict) -> str:
    return f"{case.terms.figure} {plain(found.value)} on {case.now.date()}"

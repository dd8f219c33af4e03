"""A breach of conduct: reported, answered by the partner, and then found to be one, with a sanction, or none.

The same breach leads to the same sanction: the code has one for each rule and repetition. To decide on another takes a
second person, and the case shows ever after that it departs.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import assert_never

from engine import Decider, Proposal, Rejected, Unknown, seconds
from events.days import day_in
from events.training import ConductBreached

from training.domain.conduct_events import (
    AnswerBreach,
    BreachAnswered,
    BreachDismissed,
    BreachReported,
    ConductBreach,
    ConductCommand,
    ConductEvent,
    DecideBreach,
    DismissBreach,
    ReportBreach,
    SanctionProposed,
    SanctionReasoned,
    Status,
    Wanted,
)

# -- decide


def report(breach: ConductBreach, command: ReportBreach, now: datetime) -> list[ConductEvent]:
    """Raises `training.breach_differs`, `training.partner_unknown`, `training.conduct_code_not_in_use`,
    `training.rule_unknown`, `training.happened_in_the_future`."""
    content, terms, known = command.content, command.terms, breach.reported
    if known is not None:
        same = ("partner_id", "outlet_id", "conduct_code", "happened_on", "account", "evidence")
        if all(getattr(known, name) == getattr(content, name) for name in same) and known.rule.code == content.rule:
            return []
        raise Rejected("training.breach_differs", breach_id=known.breach_id)
    if not command.partner_known:
        raise Unknown("training.partner_unknown", partner_id=content.partner_id)
    if terms is None:
        raise Rejected("training.conduct_code_not_in_use", conduct_code=content.conduct_code)
    rule = terms.content.rule(content.rule)
    if rule is None:
        raise Unknown("training.rule_unknown", rule=content.rule, rules=[each.code for each in terms.content.rules])
    zone = terms.content.time_zone
    today = day_in(zone, now)
    if content.happened_on > today:
        raise Rejected("training.happened_in_the_future", today=today, time_zone=zone)
    until = today + timedelta(days=terms.content.answer_within_days)
    return [
        BreachReported(
            breach_id=command.breach_id,
            code_version=terms.version,
            rule=rule,
            reported_on=today,
            answer_until=until,
            time_zone=zone,
            by=command.by,
            **content.model_dump(exclude={"occurred_at", "rule"}),
        )
    ]


def answer(breach: ConductBreach, reported: BreachReported, account: str, today: date) -> list[ConductEvent]:
    if breach.answer == account:
        return []
    refuse_closed(breach)
    return [BreachAnswered(breach_id=reported.breach_id, account=account, answered_on=today)]


def refuse_closed(breach: ConductBreach) -> None:
    if breach.status is not Status.REPORTED:
        raise Rejected("training.breach_closed", standing=breach.status.value)


def judge(breach: ConductBreach, reported: BreachReported, command: DecideBreach, today: date) -> list[ConductEvent]:
    """Raises `training.breach_closed`, `training.hearing_open` and `training.second_person_needed`."""
    rule, repetition = reported.rule, command.before + 1
    expected = rule.expected(repetition)
    sanction = command.sanction or expected
    if breach.decided is not None and (breach.decided.sanction, breach.reason) == (sanction, command.reason):
        return []
    refuse_closed(breach)
    if breach.answer is None and today <= reported.answer_until:
        raise Rejected("training.hearing_open", answer_until=reported.answer_until)
    if set(command.by) & set(reported.by):
        raise Rejected("training.second_person_needed", reported_by=list(reported.by))
    departs = sanction != expected
    if departs:
        proposal = Proposal(command.reason, command.by)
        before = breach.wanted
        same = before.proposal if before is not None and before.sanction == sanction else None
        if not seconds(proposal, same, "training.second_person_needed"):
            return [
                SanctionProposed(breach_id=reported.breach_id, sanction=sanction, reason=command.reason, by=command.by)
            ]
    return [
        ConductBreached(
            breach_id=reported.breach_id,
            partner_id=reported.partner_id,
            outlet_id=reported.outlet_id,
            conduct_code=reported.conduct_code,
            code_version=reported.code_version,
            rule=rule.code,
            severity=rule.severity,
            repetition=repetition,
            sanction=sanction,
            departs=departs,
            happened_on=reported.happened_on,
            decided_on=today,
        ),
        SanctionReasoned(breach_id=reported.breach_id, reason=command.reason, expected=expected, by=command.by),
    ]


def dismiss(breach: ConductBreach, reported: BreachReported, reason: str, today: date) -> list[ConductEvent]:
    if breach.status is Status.DISMISSED and breach.reason == reason:
        return []
    refuse_closed(breach)
    return [BreachDismissed(breach_id=reported.breach_id, reason=reason, dismissed_on=today)]


def decide(command: ConductCommand, breach: ConductBreach, now: datetime) -> list[ConductEvent]:
    if isinstance(command, ReportBreach):
        return report(breach, command, now)
    reported = breach.reported
    if reported is None:
        raise Unknown("training.conduct_breach_unknown")
    today = day_in(reported.time_zone, now)
    match command:
        case AnswerBreach(account=account):
            return answer(breach, reported, account, today)
        case DecideBreach():
            return judge(breach, reported, command, today)
        case DismissBreach(reason=reason):
            return dismiss(breach, reported, reason, today)
        case _:
            assert_never(command)


# -- evolve


def evolve(breach: ConductBreach, event: ConductEvent) -> ConductBreach:
    match event:
        case BreachReported():
            return ConductBreach(event)
        case BreachAnswered(account=account):
            return replace(breach, answer=account)
        case SanctionProposed(sanction=sanction, reason=reason, by=by):
            return replace(breach, wanted=Wanted(sanction, Proposal(reason, by)))
        case ConductBreached():
            return replace(breach, status=Status.DECIDED, decided=event, wanted=None)
        case SanctionReasoned(reason=reason):
            return replace(breach, reason=reason)
        case BreachDismissed(reason=reason):
            return replace(breach, status=Status.DISMISSED, reason=reason)
        case _:
            assert_never(event)


conduct_breaches = Decider(
    "conduct_breach",
    decide,
    evolve,
    initial=ConductBreach,
    events=ConductEvent,
    owner=lambda breach: None if breach.reported is None else breach.reported.partner_id,
)

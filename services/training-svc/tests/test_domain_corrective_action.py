from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from engine import Command, Rejected, Unknown
from engine.testing import scenario
from events import Event
from events.training import CorrectiveActionOverdue, CorrectiveActionVerified
from hypothesis import given as for_all
from hypothesis import strategies as st
from training.domain.action_events import (
    BecomeOverdue,
    CorrectiveActionOpened,
    CorrectiveActionWaived,
    EvidenceRejected,
    EvidenceSubmitted,
    OpenCorrectiveAction,
    RejectEvidence,
    SubmitEvidence,
    VerifyAction,
    WaiveAction,
    WaiverProposed,
    action_id,
)
from training.domain.corrective_action import corrective_actions

AUDIT, PARTNER, OUTLET = (UUID(int=n) for n in (1, 2, 3))
ID = action_id(AUDIT, "cold")
DUE = date(2026, 3, 9)
OPENED_AT = datetime(2026, 3, 2, 20, tzinfo=UTC)
IN_TIME = datetime(2026, 3, 10, 7, tzinfo=UTC)  # still the 9th in Alaska
LATE = datetime(2026, 3, 10, 8, tzinfo=UTC)  # the first instant of the 10th
OPEN = OpenCorrectiveAction(
    action_id=ID,
    audit_id=AUDIT,
    partner_id=PARTNER,
    outlet_id=OUTLET,
    item="cold",
    title="Cold food at 5 degrees or less",
    critical=True,
    owner="cook",
    due_on=DUE,
    time_zone="America/Anchorage",
)
OPENED = CorrectiveActionOpened(
    **OPEN.model_dump(exclude={"occurred_at"}), opened_on=date(2026, 3, 2), due_at=LATE
)  # fmt: skip
NAMED: dict[str, Any] = {
    "action_id": ID, "audit_id": AUDIT, "partner_id": PARTNER, "outlet_id": OUTLET, "item": "cold", "critical": True,
    "due_on": DUE,
}  # fmt: skip
OVERDUE = CorrectiveActionOverdue(**NAMED)
SHOW = SubmitEvidence(references=("photo-2",), note="New fridge", by=("pia",))
REJECT = RejectEvidence(reason="It is another fridge.")
REJECTED = EvidenceRejected(action_id=ID, reason=REJECT.reason)
VERIFY = VerifyAction(by=("ana",))


def submitted(on: date = date(2026, 3, 9), *references: str) -> EvidenceSubmitted:
    return EvidenceSubmitted(
        action_id=ID, references=references or ("photo-2",), note="New fridge", submitted_on=on, by=("pia",)
    )


def verified(on: date = date(2026, 3, 9), *, late: bool = False) -> CorrectiveActionVerified:
    return CorrectiveActionVerified(**NAMED, verified_on=on, late=late)


def waive(*by: str, reason: str = "The shop moves.") -> WaiveAction:
    return WaiveAction(reason=reason, by=by)


PROPOSED = WaiverProposed(action_id=ID, reason="The shop moves.", by=("ana",))
WAIVED = CorrectiveActionWaived(action_id=ID, reason="The shop moves.", waived_on=date(2026, 3, 9))


def judged(given: list[Event], when: Command, then: Any, *, at: datetime = IN_TIME) -> None:
    scenario(corrective_actions, given=given, when=when, at=at, then=then)


def test_a_finding_has_to_be_put_right_until_the_end_of_its_day_where_the_partner_is() -> None:
    judged([], OPEN, OPENED, at=OPENED_AT)
    judged([OPENED], OPEN, [], at=OPENED_AT)


def test_evidence_is_submitted_and_seen_by_somebody_else() -> None:
    judged([OPENED], SHOW, submitted())
    judged([OPENED, submitted()], VERIFY, verified())


def test_the_same_again_changes_nothing() -> None:
    judged([OPENED, submitted()], SHOW, [])
    judged([OPENED, submitted(), REJECTED], REJECT, [])
    judged([OPENED, submitted(), verified()], VERIFY, [])
    judged([OPENED, OVERDUE], BecomeOverdue(), [], at=LATE)
    judged([OPENED, PROPOSED, WAIVED], waive("eva"), [])


def test_other_evidence_takes_the_place_of_what_waits() -> None:
    more = SHOW.model_copy(update={"references": ("photo-3", "invoice-9")})
    judged([OPENED, submitted()], more, submitted(DUE, "photo-3", "invoice-9"))


def test_who_brought_the_evidence_does_not_verify_it_not_even_in_anothers_name() -> None:
    refusal = Rejected("training.second_person_needed", submitted_by=["pia"])
    for by in (("pia",), ("ana", "pia")):
        judged([OPENED, submitted()], VerifyAction(by=by), refusal)


def test_without_evidence_there_is_nothing_to_verify_or_to_reject() -> None:
    for given in ([OPENED], [OPENED, submitted(), REJECTED]):
        judged(given, VERIFY, Rejected("training.no_evidence"))
    judged([OPENED], REJECT, Rejected("training.no_evidence"))


# -- the day


def test_it_is_overdue_after_its_last_day_and_not_on_it() -> None:
    judged([OPENED], BecomeOverdue(), Rejected("training.not_yet_due", due_on=DUE), at=IN_TIME)
    judged([OPENED], BecomeOverdue(), OVERDUE, at=LATE)


def test_evidence_that_came_in_time_keeps_it_from_being_overdue_while_it_is_looked_at() -> None:
    judged([OPENED, submitted()], BecomeOverdue(), Rejected("training.evidence_waits"), at=LATE)
    judged([OPENED, submitted()], VERIFY, verified(date(2026, 3, 10)), at=LATE)


def test_evidence_that_is_turned_down_after_the_day_makes_it_overdue_at_once() -> None:
    judged([OPENED, submitted()], REJECT, REJECTED, at=IN_TIME)
    judged([OPENED, submitted()], REJECT, [REJECTED, OVERDUE], at=LATE)


def test_evidence_after_the_day_records_that_it_was_overdue_if_the_timer_has_not() -> None:
    judged([OPENED], SHOW, [OVERDUE, submitted(date(2026, 3, 10))], at=LATE)
    judged([OPENED, OVERDUE], SHOW, submitted(date(2026, 3, 10)), at=LATE)


def test_what_is_verified_after_it_was_overdue_was_late() -> None:
    given = [OPENED, OVERDUE, submitted(date(2026, 3, 10))]
    judged(given, VERIFY, verified(date(2026, 3, 10), late=True), at=LATE)


# -- waived


def test_two_persons_waive_it_for_one_reason() -> None:
    judged([OPENED], waive("ana"), PROPOSED)
    judged([OPENED, PROPOSED], waive("eva"), WAIVED)
    judged([OPENED, submitted(), PROPOSED], waive("eva"), WAIVED)


def test_one_person_does_not_waive_it_alone_and_another_reason_is_another_proposal() -> None:
    refusal = Rejected("training.second_person_needed", proposed_by=["ana"])
    for by in (("ana",), ("eva", "ana")):
        judged([OPENED, PROPOSED], waive(*by), refusal)
    other = WaiverProposed(action_id=ID, reason="It is small.", by=("eva",))
    judged([OPENED, PROPOSED], waive("eva", reason="It is small."), other)
    judged([OPENED, PROPOSED, other], waive("ana"), PROPOSED)


@pytest.mark.parametrize("end", [[submitted(), verified()], [PROPOSED, WAIVED]], ids=["verified", "waived"])
def test_what_is_closed_stays_closed(end: list[Event]) -> None:
    given = [OPENED, *end]
    refusal = Rejected("training.action_closed", standing=corrective_actions.fold(given).status.value)
    others: list[Command] = [SHOW, REJECT, BecomeOverdue(), waive("ana", reason="Another.")]
    for command in others if end[-1] != WAIVED else [*others, VERIFY]:
        judged(given, command, refusal, at=LATE)


@pytest.mark.parametrize(
    "command", [SHOW, REJECT, VERIFY, waive("ana"), BecomeOverdue()], ids=lambda c: type(c).__name__
)
def test_there_is_nothing_to_do_with_a_finding_that_nobody_made(command: Command) -> None:
    judged([], command, Unknown("training.corrective_action_unknown"))


# -- whatever happens in whichever order

STEPS: list[Command] = [SHOW, REJECT, VERIFY, waive("ana"), waive("eva"), BecomeOverdue()]


@for_all(st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 9)), max_size=12))
def test_it_is_overdue_at_most_once_and_never_while_evidence_that_came_in_time_waits(
    steps: list[tuple[Command, int]],
) -> None:
    state, said, day = corrective_actions.fold([OPENED]), [], 0
    for command, days in steps:
        day += days
        now = OPENED_AT + timedelta(days=day)
        try:
            events = corrective_actions.decide(command, state, now)
        except Rejected:
            continue
        for event in events:
            if isinstance(event, CorrectiveActionOverdue):
                assert day > 7, "before its day"
                assert state.status == "open", "while somebody else was waited for"
            state = corrective_actions.evolve(state, event)
        said += events
    assert [type(event) for event in said].count(CorrectiveActionOverdue) == int(state.overdue)
    ends = [event for event in said if isinstance(event, CorrectiveActionVerified | CorrectiveActionWaived)]
    assert len(ends) == (state.status in ("verified", "waived"))
    assert not ends or said[-1] == ends[-1], "something happened after its end"

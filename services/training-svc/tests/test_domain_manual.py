from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from engine import Rejected, Unknown
from engine.drafts import DiscardDraft, Publish, Retire
from engine.testing import scenario
from events.training import ManualAcknowledged
from training.domain.acknowledgement import (
    AcknowledgeManual,
    AcknowledgementAsked,
    AcknowledgementOverdue,
    AcknowledgementWithdrawn,
    AskAcknowledgement,
    CallAcknowledgementOverdue,
    WithdrawRequest,
    acknowledgement_id,
    acknowledgements,
)
from training.domain.manual import (
    DraftManual,
    ManualContent,
    ManualDraftDiscarded,
    ManualDrafted,
    ManualPublished,
    ManualRetired,
    ManualSent,
    RequestsWithdrawn,
    SendManual,
    WithdrawRequests,
    manuals,
)

NOW = datetime(2026, 3, 2, 20, tzinfo=UTC)  # 11:00 in Anchorage
TODAY = date(2026, 3, 2)


def content(**changes: Any) -> ManualContent:
    said = {
        "title": "Operations",
        "document": "dam://manuals/operations-1",
        "summary": "First edition.",
        "kinds": ("franchisee",),
        "time_zone": "America/Anchorage",
    }
    return ManualContent.model_validate({**said, **changes})


DRAFTED = ManualDrafted(code="operations", content=content())
PUBLISHED = ManualPublished(code="operations", version=1, content=content(), published_on=TODAY)


def test_a_manual_is_drafted_and_published_and_only_then_has_a_version() -> None:
    draft = DraftManual(code="operations", content=content())
    scenario(manuals, when=draft, at=NOW, then=DRAFTED)
    scenario(manuals, given=[DRAFTED], when=draft, at=NOW, then=[])
    scenario(manuals, given=[DRAFTED], when=Publish(), at=NOW, then=PUBLISHED)
    scenario(manuals, given=[DRAFTED, PUBLISHED], when=draft, at=NOW, then=[])


def test_without_anything_new_there_is_nothing_to_publish() -> None:
    given = [DRAFTED, PUBLISHED]
    none = Rejected("training.nothing_drafted", version=1)
    scenario(manuals, given=given, when=Publish(), at=NOW, then=none)
    newer = ManualDrafted(code="operations", content=content(summary="Second."))
    back = [*given, newer, DRAFTED]
    scenario(manuals, given=back, when=Publish(), at=NOW, then=Rejected("training.draft_changes_nothing", version=1))
    discarded = ManualDraftDiscarded(code="operations")
    scenario(manuals, given=[*given, newer], when=DiscardDraft(), at=NOW, then=discarded)
    scenario(manuals, given=[*given, newer, discarded], when=DiscardDraft(), at=NOW, then=[])


def test_a_version_is_sent_on_page_by_page_and_a_newer_one_begins_anew() -> None:
    given = [DRAFTED, PUBLISHED]
    one, two = UUID(int=1), UUID(int=2)
    sent = ManualSent(code="operations", version=1, through=one)
    scenario(manuals, given=given, when=SendManual(version=1, through=one), at=NOW, then=sent)
    scenario(manuals, given=[*given, sent], when=SendManual(version=1, through=one), at=NOW, then=[])
    further = ManualSent(code="operations", version=1, through=two)
    scenario(manuals, given=[*given, sent], when=SendManual(version=1, through=two), at=NOW, then=further)
    again = [*given, sent, ManualDrafted(code="operations", content=content(summary="Second."))]
    second = ManualPublished(code="operations", version=2, content=content(summary="Second."), published_on=TODAY)
    scenario(manuals, given=again, when=Publish(), at=NOW, then=second)
    scenario(manuals, given=[*again, second], when=SendManual(version=1, through=two), at=NOW, then=[])
    first = ManualSent(code="operations", version=2, through=one)
    scenario(manuals, given=[*again, second], when=SendManual(version=2, through=one), at=NOW, then=first)


def test_a_retired_manual_has_no_next_version() -> None:
    retired = ManualRetired(code="operations")
    scenario(manuals, given=[DRAFTED, PUBLISHED], when=Retire(), at=NOW, then=retired)
    given = [DRAFTED, PUBLISHED, retired]
    scenario(manuals, given=given, when=Retire(), at=NOW, then=[])
    refusal = Rejected("training.manual_retired", manual="operations")
    for command in (DraftManual(code="operations", content=content(summary="New.")), Publish()):
        scenario(manuals, given=given, when=command, at=NOW, then=refusal)
    scenario(manuals, given=given, when=SendManual(version=1, through=UUID(int=1)), at=NOW, then=[])


def test_requests_for_a_retired_manual_are_withdrawn_page_by_page_however_far_it_was_sent() -> None:
    one, two = UUID(int=1), UUID(int=2)
    in_use = [DRAFTED, PUBLISHED, ManualSent(code="operations", version=1, through=two)]
    scenario(manuals, given=in_use, when=WithdrawRequests(through=one), at=NOW, then=[])
    retired = [*in_use, ManualRetired(code="operations")]
    first = RequestsWithdrawn(code="operations", through=one)
    scenario(manuals, given=retired, when=WithdrawRequests(through=one), at=NOW, then=first)
    scenario(manuals, given=[*retired, first], when=WithdrawRequests(through=one), at=NOW, then=[])
    second = RequestsWithdrawn(code="operations", through=two)
    scenario(manuals, given=[*retired, first], when=WithdrawRequests(through=two), at=NOW, then=second)


@pytest.mark.parametrize("command", [Publish(), DiscardDraft(), Retire()], ids=lambda c: type(c).__name__)
def test_a_manual_that_nobody_drafted_is_unknown(command: Any) -> None:
    scenario(manuals, when=command, at=NOW, then=Unknown("training.manual_unknown"))


# -- acknowledged

PARTNER = UUID("11111111-1111-4111-8111-111111111111")
ID = acknowledgement_id(PARTNER, "operations")
DUE, LAST = date(2026, 3, 16), datetime(2026, 3, 17, 8, tzinfo=UTC)  # midnight in Anchorage, in summer time
NAMED: dict[str, Any] = {"acknowledgement_id": ID, "partner_id": PARTNER, "manual": "operations", "version": 1}


def ask(version: int = 1) -> AskAcknowledgement:
    return AskAcknowledgement(
        partner_id=PARTNER,
        manual="operations",
        version=version,
        title="Operations",
        document="dam://manuals/operations-1",
        within_days=14,
        time_zone="America/Anchorage",
    )


def asked(version: int = 1) -> AcknowledgementAsked:
    return AcknowledgementAsked(
        **{**NAMED, "version": version},
        title="Operations",
        document="dam://manuals/operations-1",
        asked_on=TODAY,
        due_on=DUE,
        due_at=LAST,
        time_zone="America/Anchorage",
    )


OVERDUE = AcknowledgementOverdue(**NAMED, due_on=DUE)


def acknowledged(on: date = TODAY, late: bool = False) -> ManualAcknowledged:
    return ManualAcknowledged(**NAMED, document="dam://manuals/operations-1", due_on=DUE, acknowledged_on=on, late=late)


def test_a_partner_is_asked_once_for_each_version() -> None:
    scenario(acknowledgements, when=ask(), at=NOW, then=asked())
    scenario(acknowledgements, given=[asked()], when=ask(), at=NOW, then=[])
    scenario(acknowledgements, given=[asked(), acknowledged()], when=ask(2), at=NOW, then=asked(2))
    scenario(acknowledgements, given=[asked(2)], when=ask(1), at=NOW, then=[])


def test_one_of_the_partners_own_people_acknowledges_and_nobody_of_ours() -> None:
    theirs = AcknowledgeManual(version=1, theirs=True)
    scenario(acknowledgements, given=[asked()], when=theirs, at=NOW, then=acknowledged())
    scenario(acknowledgements, given=[asked(), acknowledged()], when=theirs, at=NOW, then=[])
    hint = "one of the partner's own people has read it, not one of us"
    ours = AcknowledgeManual(version=1, theirs=False)
    scenario(
        acknowledgements, given=[asked()], when=ours, at=NOW, then=Rejected("training.partner_acknowledges", hint=hint)
    )
    scenario(acknowledgements, when=theirs, at=NOW, then=Unknown("training.manual_acknowledgement_unknown"))


def test_what_is_not_the_newest_any_more_is_not_acknowledged() -> None:
    old = AcknowledgeManual(version=1, theirs=True)
    refusal = Rejected("training.manual_superseded", version=2, document="dam://manuals/operations-1")
    scenario(acknowledgements, given=[asked(), asked(2)], when=old, at=NOW, then=refusal)


def test_after_its_last_day_it_is_overdue_once_and_may_still_come_late() -> None:
    call = CallAcknowledgementOverdue(version=1)
    early = Rejected("training.not_yet_due", due_on=DUE)
    scenario(acknowledgements, given=[asked()], when=call, at=LAST - timedelta(seconds=1), then=early)
    scenario(acknowledgements, given=[asked()], when=call, at=LAST, then=OVERDUE)
    scenario(acknowledgements, given=[asked(), OVERDUE], when=call, at=LAST, then=[])
    late = acknowledged(date(2026, 3, 17), late=True)
    theirs = AcknowledgeManual(version=1, theirs=True)
    scenario(acknowledgements, given=[asked(), OVERDUE], when=theirs, at=LAST, then=late)
    scenario(acknowledgements, given=[asked()], when=theirs, at=LAST, then=[OVERDUE, late])


def test_a_timer_of_a_version_before_says_nothing() -> None:
    for given in ([asked(), asked(2)], [asked(), acknowledged()]):
        scenario(acknowledgements, given=given, when=CallAcknowledgementOverdue(version=1), at=LAST, then=[])


WITHDRAWN = AcknowledgementWithdrawn(**NAMED)


def test_a_request_is_withdrawn_once_overdue_or_not_and_never_after_it_was_acknowledged() -> None:
    for given in ([asked()], [asked(), OVERDUE]):
        scenario(acknowledgements, given=given, when=WithdrawRequest(), at=LAST, then=WITHDRAWN)
        scenario(acknowledgements, given=[*given, WITHDRAWN], when=WithdrawRequest(), at=LAST, then=[])
    scenario(acknowledgements, given=[asked(), acknowledged()], when=WithdrawRequest(), at=LAST, then=[])


def test_what_is_withdrawn_is_neither_overdue_nor_acknowledged_any_more() -> None:
    given = [asked(), OVERDUE, WITHDRAWN]
    assert not acknowledgements.fold(given).overdue
    scenario(acknowledgements, given=given, when=CallAcknowledgementOverdue(version=1), at=LAST, then=[])
    refusal = Rejected("training.manual_retired", manual="operations")
    theirs = AcknowledgeManual(version=1, theirs=True)
    scenario(acknowledgements, given=given, when=theirs, at=LAST, then=refusal)

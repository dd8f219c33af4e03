from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import pytest
from engine import Command, Rejected, Unknown
from engine.drafts import DiscardDraft, Publish
from engine.testing import scenario
from events.partner import OutletClosed, OutletOpened, PartnerRegistered, PartnerSuspended, SuspensionCause
from partner.domain.checklist import (
    OPENING_CHECKLIST,
    ChecklistContent,
    ChecklistTerms,
    DraftChecklist,
    Item,
    OpeningChecklistDraftDiscarded,
    OpeningChecklistDrafted,
    OpeningChecklistPublished,
    checklist_id,
    opening_checklists,
)
from partner.domain.launch import ContractSigned
from partner.domain.outlet import (
    ChangeOutlet,
    CloseOutlet,
    LinkOutletReference,
    OpenOutlet,
    OutletPlanned,
    OutletReferenceLinked,
    PlanOutlet,
)
from partner.domain.partner import RegisterPartner, partners
from partner.domain.readiness import (
    ChecklistDrawnUp,
    ChecklistItemCompleted,
    ChecklistItemDated,
    ChecklistItemWaived,
    ChecklistWaiverProposed,
    CompleteChecklistItem,
    DateChecklistItem,
    WaiveChecklistItem,
)
from partner.domain.registration import Registration, outlet_id

NOW = datetime(2000, 2, 15, 21, tzinfo=UTC)
SECOND = UUID(int=77)
STOCK = "opening_stock_delivered"
LATER = "The supplier is late."


class Story:
    def __init__(self, id: UUID, registration: Registration) -> None:
        self.id, self.first, self.registration = id, outlet_id(id), registration
        self.here = {"partner_id": id, "outlet_id": self.first}
        self.there = {"partner_id": id, "outlet_id": SECOND}
        self.registered: list[Any] = [
            PartnerRegistered(
                partner_id=id,
                application_id=registration.application_id,
                legal_name=registration.legal_name,
                kind=registration.kind,
                area=registration.area,
                outlet_id=self.first,
                outlet_name=registration.outlet_name,
                external_refs=registration.external_refs,
            ),
            ChecklistDrawnUp(**self.here, items=OPENING_CHECKLIST),
        ]
        signed = ContractSigned(partner_id=id, contract_id=UUID(int=101), effective_from=date(2000, 2, 1))
        self.signed: list[Any] = [*self.registered, signed]
        self.ready = [*self.signed, ChecklistItemCompleted(**self.here, item="premises_approved")]
        self.planned: list[Any] = [
            OutletPlanned(**self.there, name="Downtown", area="US-WA"),
            ChecklistDrawnUp(**self.there, items=OPENING_CHECKLIST),
        ]
        self.opened = OutletOpened(**self.here, name="Seward Highway", area="US-AK", opened_on=date(2000, 2, 15))
        self.closed = OutletClosed(**self.here, closed_on=date(2000, 2, 15), reason="The road is closed.")
        self.proposed = ChecklistWaiverProposed(**self.here, item=STOCK, reason=LATER, by=("ben",))
        self.waived = ChecklistItemWaived(**self.here, item=STOCK, reason=LATER)


@pytest.fixture
def story(partner: UUID, registration: Callable[..., Registration]) -> Story:
    return Story(partner, registration())


PLAN = PlanOutlet(outlet_id=SECOND, name="Downtown", area="US-WA")
WAIVE = WaiveChecklistItem(item=STOCK, reason=LATER, by=("ana",))
CLOSE = CloseOutlet(reason="The road is closed.")


# -- more than one


def test_a_partner_who_has_signed_gets_one_more_outlet_with_a_checklist_of_its_own(story: Story) -> None:
    scenario(partners, given=story.signed, when=PLAN, at=NOW, then=story.planned)
    scenario(partners, given=[*story.signed, *story.planned], when=PLAN, at=NOW, then=[])
    elsewhere = PLAN.model_copy(update={"area": "US-OR"})
    refused = Rejected("partner.outlet_already_planned", outlet_id=SECOND)
    scenario(partners, given=[*story.signed, *story.planned], when=elsewhere, at=NOW, then=refused)
    scenario(partners, given=story.registered, when=PLAN, at=NOW, then=Rejected("partner.not_signed"))


def test_what_is_said_of_an_outlet_is_said_of_the_first_unless_another_is_named(story: Story) -> None:
    given = [*story.signed, *story.planned]
    here = ChecklistItemCompleted(**story.here, item=STOCK)
    scenario(partners, given=given, when=CompleteChecklistItem(item=STOCK), at=NOW, then=here)
    there = ChecklistItemCompleted(**story.there, item=STOCK)
    scenario(partners, given=given, when=CompleteChecklistItem(item=STOCK, outlet_id=SECOND), at=NOW, then=there)


@pytest.mark.parametrize(
    "command",
    [
        CompleteChecklistItem(item=STOCK, outlet_id=SECOND),
        DateChecklistItem(item=STOCK, due_on=date(2000, 3, 1), outlet_id=SECOND),
        WaiveChecklistItem(item=STOCK, reason=LATER, by=("ana",), outlet_id=SECOND),
        OpenOutlet(outlet_id=SECOND),
        ChangeOutlet(name="Uptown", area="US-WA", outlet_id=SECOND),
        CloseOutlet(reason="No.", outlet_id=SECOND),
        LinkOutletReference(outlet_id=SECOND, system="erp", key="S-2"),
    ],
    ids=lambda command: type(command).__name__,
)
def test_an_outlet_that_the_partner_does_not_have_is_unknown(story: Story, command: Command) -> None:
    unknown = Unknown("partner.outlet_unknown", outlet_id=SECOND)
    scenario(partners, given=story.signed, when=command, at=NOW, then=unknown)


def test_a_partner_trades_from_whichever_outlet_is_ready(story: Story) -> None:
    given = [*story.signed, *story.planned]
    done = [ChecklistItemCompleted(**story.there, item=code) for code in ("premises_approved", STOCK)]
    opened = OutletOpened(**story.there, name="Downtown", area="US-WA", opened_on=date(2000, 2, 15))
    assert "an open outlet" in partners.fold([*given, *done]).missing_for_launch()
    state = partners.fold([*given, *done, opened])
    assert state.missing_for_launch() == ["a contract in force", "a completed training"]
    gone = OutletClosed(**story.there, closed_on=date(2000, 2, 15), reason="No.")
    assert "an open outlet" in partners.fold([*given, *done, opened, gone]).missing_for_launch()


# -- days and waivers


def test_a_mandatory_item_gets_a_day_that_is_to_come(story: Story) -> None:
    dated = ChecklistItemDated(**story.here, item=STOCK, due_on=date(2000, 3, 1))
    command = DateChecklistItem(item=STOCK, due_on=date(2000, 3, 1))
    scenario(partners, given=story.ready, when=command, at=NOW, then=dated)
    scenario(partners, given=[*story.ready, dated], when=command, at=NOW, then=[])
    past = DateChecklistItem(item=STOCK, due_on=date(2000, 2, 14))
    refused = Rejected("partner.due_day_past", item=STOCK, due_on=date(2000, 2, 14))
    scenario(partners, given=story.ready, when=past, at=NOW, then=refused)
    done = Rejected("partner.checklist_item_done", item="premises_approved")
    late = DateChecklistItem(item="premises_approved", due_on=date(2000, 3, 1))
    scenario(partners, given=story.ready, when=late, at=NOW, then=done)


def test_a_mandatory_item_is_waived_by_two_persons_for_one_reason(story: Story) -> None:
    first = story.proposed.model_copy(update={"by": ("ana",)})
    scenario(partners, given=story.ready, when=WAIVE, at=NOW, then=first)
    scenario(partners, given=[*story.ready, story.proposed], when=WAIVE, at=NOW, then=story.waived)
    alone = Rejected("partner.second_person_needed", proposed_by=["ana"])
    scenario(partners, given=[*story.ready, first], when=WAIVE, at=NOW, then=alone)
    other = WAIVE.model_copy(update={"reason": "There is a depot."})
    anew = first.model_copy(update={"reason": "There is a depot."})
    scenario(partners, given=[*story.ready, story.proposed], when=other, at=NOW, then=anew)
    scenario(partners, given=[*story.ready, story.proposed, story.waived], when=WAIVE, at=NOW, then=[])


@pytest.mark.parametrize(("item", "severity"), [("premises_approved", "critical"), ("opening_event_held", "optional")])
def test_nobody_waives_what_is_critical_nor_what_is_optional(story: Story, item: str, severity: str) -> None:
    command = WaiveChecklistItem(item=item, reason=LATER, by=("ana",))
    refused = Rejected("partner.only_mandatory_items_waived", item=item, severity=severity)
    scenario(partners, given=story.signed, when=command, at=NOW, then=refused)


def test_an_outlet_opens_without_what_was_waived_and_its_partner_may_trade(story: Story) -> None:
    given = [*story.ready, story.proposed]
    refused = Rejected("partner.mandatory_items_open", items=[STOCK])
    scenario(partners, given=given, when=OpenOutlet(), at=NOW, then=refused)
    scenario(partners, given=[*given, story.waived], when=OpenOutlet(), at=NOW, then=story.opened)
    state = partners.fold([*given, story.waived, story.opened])
    assert state.missing_for_launch() == ["a contract in force", "a completed training"]


# -- closed, and called by others


def test_an_outlet_closes_once_and_does_not_open_again(story: Story) -> None:
    given = [*story.ready, story.waived, story.opened]
    scenario(partners, given=given, when=CLOSE, at=NOW, then=story.closed)
    scenario(partners, given=[*given, story.closed], when=CLOSE, at=NOW, then=[])
    refused = Rejected("partner.outlet_closed", outlet_id=story.first, closed_on=date(2000, 2, 15))
    scenario(partners, given=[*given, story.closed], when=OpenOutlet(), at=NOW, then=refused)
    not_open = Rejected("partner.outlet_not_open", outlet_id=story.first)
    scenario(partners, given=story.ready, when=CLOSE, at=NOW, then=not_open)


def test_a_suspended_partner_may_close_an_outlet_and_opens_none(story: Story) -> None:
    cause = SuspensionCause(cause_id=UUID(int=9), reason="Unpaid.")
    suspended = PartnerSuspended(partner_id=story.id, cause=cause)
    given = [*story.ready, story.waived, story.opened, suspended]
    scenario(partners, given=given, when=CLOSE, at=NOW, then=story.closed)
    refused = Rejected("partner.suspended", reasons=["Unpaid."])
    scenario(partners, given=[*story.ready, story.waived, suspended], when=OpenOutlet(), at=NOW, then=refused)


def test_each_system_has_one_name_for_an_outlet(story: Story) -> None:
    link = LinkOutletReference(outlet_id=story.first, system="erp", key="S-1")
    linked = OutletReferenceLinked(**story.here, system="erp", key="S-1", replaces=None)
    scenario(partners, given=story.registered, when=link, at=NOW, then=linked)
    scenario(partners, given=[*story.registered, linked], when=link, at=NOW, then=[])
    other = LinkOutletReference(outlet_id=story.first, system="erp", key="S-2")
    replaced = OutletReferenceLinked(**story.here, system="erp", key="S-2", replaces="S-1")
    scenario(partners, given=[*story.registered, linked], when=other, at=NOW, then=replaced)


# -- the list in versions

CONTENT = ChecklistContent.model_validate(
    {"items": [{"code": "licence", "title": "The licence is there", "severity": "critical"}]}
)
TERMS = ChecklistTerms(kind="agent", version=1, **dict(CONTENT))


def test_a_checklist_is_drafted_published_and_discarded_by_kind() -> None:
    drafted = OpeningChecklistDrafted(kind="agent", content=CONTENT)
    draft = DraftChecklist(kind="agent", content=CONTENT)
    scenario(opening_checklists, when=draft, at=NOW, then=drafted)
    scenario(opening_checklists, given=[drafted], when=draft, at=NOW, then=[])
    published = OpeningChecklistPublished(terms=TERMS)
    scenario(opening_checklists, given=[drafted], when=Publish(), at=NOW, then=published)
    given = [drafted, published, drafted]
    changes_nothing = Rejected("partner.draft_changes_nothing")
    scenario(opening_checklists, given=given, when=Publish(), at=NOW, then=changes_nothing)
    discarded = OpeningChecklistDraftDiscarded(kind="agent")
    scenario(opening_checklists, given=given, when=DiscardDraft(), at=NOW, then=discarded)
    scenario(opening_checklists, when=Publish(), at=NOW, then=Unknown("partner.opening_checklist_unknown"))
    twice = DraftChecklist(kind="agent", content=ChecklistContent(items=CONTENT.items * 2))
    refused = Rejected("partner.checklist_item_twice", items=["licence"])
    scenario(opening_checklists, when=twice, at=NOW, then=refused)
    assert checklist_id("agent") != checklist_id("reseller")


def test_a_newcomer_gets_the_list_of_its_kind_and_keeps_it(story: Story) -> None:
    command = RegisterPartner(registration=story.registration, checklist=TERMS)
    items = (Item("licence", "The licence is there", "critical"),)
    then = [story.registered[0], ChecklistDrawnUp(**story.here, items=items, version=1)]
    scenario(partners, when=command, at=NOW, then=then)
    planned = [story.planned[0], ChecklistDrawnUp(**story.there, items=items, version=1)]
    more = PLAN.model_copy(update={"checklist": TERMS})
    scenario(partners, given=story.signed, when=more, at=NOW, then=planned)

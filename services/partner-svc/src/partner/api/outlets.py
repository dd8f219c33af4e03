"""Routes: outlets, their opening checklists, and the lists that they get, in versions."""

from __future__ import annotations

from datetime import date
from typing import Annotated
from uuid import UUID

from engine import Command
from events.partner import PartnerKind
from fastapi import APIRouter
from pydantic import Field
from service import (
    At,
    By,
    Collection,
    Drafts,
    Filter,
    Handle,
    HandlePut,
    HandleSeen,
    NewId,
    Read,
    Receipt,
    history_of,
    list_of,
    own,
    scope,
)

from partner.api.shown_outlets import ChecklistItemView, ChecklistPreview, ChecklistView, OutletRow, checklist_view
from partner.api.versioned import shown_differences
from partner.domain.checklist import ChecklistContent, DraftChecklist, checklist_id, opening_checklists
from partner.domain.outlet import ChangeOutlet, CloseOutlet, LinkOutletReference, OpenOutlet, PlanOutlet
from partner.domain.partner import partners
from partner.domain.readiness import CompleteChecklistItem, DateChecklistItem, WaiveChecklistItem, Which
from partner.domain.words import Area, Code, Reason, Text
from partner.outlet_views import view
from partner.policies import checklist_of
from partner.standard_views import opening_checklists_view

READ, WRITE, DECIDE = scope("partner:read"), scope("partner:write"), scope("partner:decide")

router = APIRouter(prefix="/partners/{partner_id}", tags=["outlets"])
lists = APIRouter(prefix="/outlets", tags=["outlets"])
items = APIRouter(prefix="/checklist-items", tags=["outlets"])
checklists = APIRouter(prefix="/opening-checklists", tags=["opening checklists"])

OUTLETS = Collection(
    partners,
    view,
    OutletRow,
    key="outlet_id",
    filters=("partner_id", "status", "area"),
    sorts=("name", "opened_on"),
    unknown="partner.outlet_unknown",
)
CHECKLIST_ITEMS = Collection(
    partners,
    view,
    ChecklistItemView,
    key=("outlet_id", "item"),
    filters=(
        "partner_id",
        "outlet_id",
        "status",
        "severity",
        Filter("due_before", date, "due_on < {}", description="Only what is due before this day."),
    ),
    sorts=("due_on",),
    source="select * from {checklist_items}",
    name="checklist_items",
)
CHECKLISTS = Collection(opening_checklists, opening_checklists_view, ChecklistView, key="kind", shown=checklist_view)
WAITING = "select count(*) from partners where kind = $1 and stage in ('prospective', 'onboarding')"


class NewOutlet(Command):
    name: Text
    area: Area


class Completion(Command):
    """The item is in place."""

    outlet_id: Which = None


class Promise(Command):
    due_on: Annotated[date, Field(examples=["2027-03-02"])]
    outlet_id: Which = None


class Waiver(Command):
    reason: Reason
    outlet_id: Which = None


class Key(Command):
    """How the other system calls the outlet."""

    key: Text


class DraftedChecklist(Command):
    content: ChecklistContent


# -- a partner's outlets


@router.post("/outlets", status_code=201, dependencies=[WRITE])
async def plan_outlet(partner_id: UUID, body: NewOutlet, id: NewId, db: Read, handle: Handle) -> Receipt:
    """One more outlet, with the opening checklist of the partner's kind as it is now. The outlet's id is told in the
    list of outlets; with an Idempotency-Key it follows from the key."""
    loaded = await db.state(partners, partner_id, partner_id=partner_id)
    kind = "" if loaded.state.registration is None else loaded.state.registration.kind
    command = PlanOutlet(outlet_id=id, checklist=await checklist_of(db, kind), **dict(body))
    return await handle(partners, partner_id, command)


@router.post("/checklist/{item}/completion", status_code=201, dependencies=[WRITE])
async def complete_checklist_item(partner_id: UUID, item: Code, body: Completion, handle: Handle) -> Receipt:
    """An item of the outlet's checklist is in place."""
    return await handle(partners, partner_id, CompleteChecklistItem(item=item, **dict(body)))


@router.put("/checklist/{item}/due-day", dependencies=[WRITE])
async def date_checklist_item(partner_id: UUID, item: Code, body: Promise, handle: Handle) -> Receipt:
    """The item will be in place by that day. With it an outlet opens although a mandatory item is open."""
    return await handle(partners, partner_id, DateChecklistItem(item=item, **dict(body)))


@router.post("/checklist/{item}/waiver", status_code=201, dependencies=[DECIDE])
async def waive_checklist_item(partner_id: UUID, item: Code, body: Waiver, by: By, handle: HandleSeen) -> Receipt:
    """The outlet does without a mandatory item. It takes two persons who say so for the same reason; the first only
    proposes it. If-Match names the version of the partner that was looked at."""
    return await handle(partners, partner_id, WaiveChecklistItem(item=item, by=by, **dict(body)))


@router.post("/outlet-opening", status_code=201, dependencies=[WRITE])
async def open_outlet(partner_id: UUID, command: OpenOutlet, handle: Handle) -> Receipt:
    """The outlet opens its doors, on this day in its time zone: once every critical item is in place, and every
    mandatory one is, or has a day to come, or is waived."""
    return await handle(partners, partner_id, command)


@router.post("/outlet-closing", status_code=201, dependencies=[DECIDE])
async def close_outlet(partner_id: UUID, command: CloseOutlet, handle: Handle) -> Receipt:
    """The outlet closes for good."""
    return await handle(partners, partner_id, command)


@router.put("/outlet", status_code=200, dependencies=[WRITE])
async def change_outlet(partner_id: UUID, command: ChangeOutlet, handle: HandlePut) -> Receipt:
    """The outlet is called so, and is there, from now on."""
    return await handle(partners, partner_id, command)


@router.put("/outlets/{outlet_id}/external-references/{system}", status_code=200, dependencies=[WRITE])
async def link_outlet_reference(partner_id: UUID, outlet_id: UUID, system: Code, body: Key, handle: Handle) -> Receipt:
    """Another system calls the outlet so from now on."""
    command = LinkOutletReference(outlet_id=outlet_id, system=system, **dict(body))
    return await handle(partners, partner_id, command)


lists.add_api_route("", list_of(OUTLETS), methods=["GET"], dependencies=[READ, own(query="partner_id")])
items.add_api_route(
    "",
    list_of(CHECKLIST_ITEMS, "What outlets need before they open: what is open, by when, and what is waived."),
    methods=["GET"],
    dependencies=[READ, own(query="partner_id")],
)


# -- the lists that outlets get


@checklists.put("/{kind}/draft", dependencies=[DECIDE])
async def draft_opening_checklist(kind: PartnerKind, body: DraftedChecklist, handle: HandlePut) -> Receipt:
    """What the next version for partners of the kind is to be; no outlet gets it yet."""
    command = DraftChecklist(kind=kind, content=body.content, occurred_at=body.occurred_at)
    return await handle(opening_checklists, checklist_id(kind), command)


@checklists.get("/{kind}/draft/preview", dependencies=[READ])
async def preview_opening_checklist(kind: PartnerKind, db: Read) -> ChecklistPreview:
    """What publishing the draft would change. Outlets that are planned already keep the list that was drawn up."""
    state = (await db.state(opening_checklists, checklist_id(kind), kind=kind)).state
    drafted = state.drafted()
    return ChecklistPreview(
        kind=kind,
        version=drafted.version,
        differences=shown_differences(state.terms, state.draft or drafted),
        newcomers_who_keep_theirs=await db.fetchval(WAITING, kind),
    )


drafts = Drafts(checklists, opening_checklists, checklist_id, {"kind": PartnerKind}, DECIDE)
drafts.publication(
    "publish_opening_checklist",
    "Outlets that are planned from now on get the draft. If-Match names the version that was looked at.",
)
drafts.discarding("discard_opening_checklist")

checklists.add_api_route(
    "",
    list_of(CHECKLISTS, "Lists by the partner's kind; other kinds get what came with the software."),
    methods=["GET"],
    dependencies=[READ],
)


@checklists.get("/{kind}", dependencies=[READ])
async def read_opening_checklist(kind: PartnerKind, db: Read, at: At) -> ChecklistView:
    """The list in its newest version, and the draft of the next if there is one."""
    return await db.one(CHECKLISTS, at, of=checklist_id(kind), kind=kind)


checklists.add_api_route(
    "/{kind}/history", history_of(opening_checklists, "kind", checklist_id), methods=["GET"], dependencies=[READ]
)

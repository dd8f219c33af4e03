"""Read models: outlets and their checklists. Written with the append."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from engine import Fact, Statement, Table, View
from events.partner import OutletChanged, OutletClosed, OutletOpened, PartnerRegistered

from partner.domain.outlet import OutletPlanned
from partner.domain.readiness import ChecklistDrawnUp, ChecklistItemCompleted, ChecklistItemDated, ChecklistItemWaived

OUTLETS = Table(
    "outlets",
    """
    outlet_id uuid primary key,
    partner_id uuid not null,
    status text not null,
    name text not null,
    area text not null,
    opened_on date,
    closed_on date,
    closed_because text
    """,
    indexes=("(partner_id)", "(status, outlet_id)", "(area, outlet_id)"),
)

CHECKLIST_ITEMS = Table(
    "checklist_items",
    """
    outlet_id uuid not null,
    item text not null,
    partner_id uuid not null,
    title text not null,
    severity text not null,
    status text not null,
    due_on date,
    waived_because text,
    primary key (outlet_id, item)
    """,
    indexes=("(partner_id)", "(status, due_on)"),
)


def project(fact: Fact[Any]) -> Iterator[Statement]:
    match fact.event:
        case PartnerRegistered() as registered:
            yield OUTLETS.upsert(
                "outlet_id",
                outlet_id=registered.outlet_id,
                partner_id=registered.partner_id,
                status="planned",
                name=registered.outlet_name,
                area=registered.area,
            )
        case OutletPlanned() as planned:
            yield OUTLETS.upsert("outlet_id", status="planned", **planned.model_dump())
        case OutletOpened(outlet_id=id, opened_on=day):
            yield OUTLETS.update({"outlet_id": id}, status="open", opened_on=day)
        case OutletChanged(outlet_id=id, name=name, area=area):
            yield OUTLETS.update({"outlet_id": id}, name=name, area=area)
        case OutletClosed(outlet_id=id, closed_on=day, reason=reason):
            yield OUTLETS.update({"outlet_id": id}, status="closed", closed_on=day, closed_because=reason)
        case ChecklistDrawnUp(outlet_id=id, items=items):
            for item in items:
                yield CHECKLIST_ITEMS.upsert(
                    "outlet_id",
                    "item",
                    outlet_id=id,
                    item=item.code,
                    partner_id=fact.stream_id,
                    title=item.title,
                    severity=item.severity,
                    status="open",
                )
        case ChecklistItemCompleted(outlet_id=id, item=code):
            yield CHECKLIST_ITEMS.update({"outlet_id": id, "item": code}, status="done")
        case ChecklistItemDated(outlet_id=id, item=code, due_on=day):
            yield CHECKLIST_ITEMS.update({"outlet_id": id, "item": code}, due_on=day)
        case ChecklistItemWaived(outlet_id=id, item=code, reason=reason):
            yield CHECKLIST_ITEMS.update({"outlet_id": id, "item": code}, status="waived", waived_because=reason)


view = View("outlets", version=1, tables=(OUTLETS, CHECKLIST_ITEMS), project=project, inline=True)

"""What is shown of outlets, of their checklists, and of the lists that outlets get."""

from __future__ import annotations

from datetime import date
from typing import Any, Literal
from uuid import UUID

from events.partner import ExternalRef, PartnerKind
from pydantic import AwareDatetime, BaseModel

from partner.api.shown import read_json
from partner.api.versioned import DifferenceView
from partner.domain.checklist import ChecklistContent, ChecklistTerms, Outlet, Severity


class ItemView(BaseModel):
    """`due_on` is the day by which it will be in place; `waived_because` why the outlet does without it."""

    code: str
    title: str
    severity: Severity
    done: bool
    due_on: date | None
    waived_because: str | None
    waiver_proposed_by: list[str]


class OutletView(BaseModel):
    outlet_id: UUID
    name: str
    area: str
    opened_on: date | None
    closed_on: date | None
    external_refs: list[ExternalRef]
    checklist: list[ItemView]


def outlet_view(outlet: Outlet) -> OutletView:
    return OutletView(
        outlet_id=outlet.outlet_id,
        name=outlet.name,
        area=outlet.area,
        opened_on=outlet.opened_on,
        closed_on=outlet.closed_on,
        external_refs=[ExternalRef(system=system, key=key) for system, key in outlet.references.items()],
        checklist=[
            ItemView(
                code=item.code,
                title=item.title,
                severity=item.severity,
                done=item.code in outlet.done,
                due_on=outlet.due.get(item.code),
                waived_because=outlet.waived.get(item.code),
                waiver_proposed_by=list(outlet.waivers[item.code].by) if item.code in outlet.waivers else [],
            )
            for item in outlet.items
        ],
    )


class OutletRow(BaseModel):
    outlet_id: UUID
    partner_id: UUID
    status: Literal["planned", "open", "closed"]
    name: str
    area: str
    opened_on: date | None
    closed_on: date | None
    closed_because: str | None


class ChecklistItemView(BaseModel):
    outlet_id: UUID
    item: str
    partner_id: UUID
    title: str
    severity: Severity
    status: Literal["open", "done", "waived"]
    due_on: date | None
    waived_because: str | None


class ChecklistView(BaseModel):
    """`terms` are what outlets get, null before the first version: then they get what came with the software."""

    kind: PartnerKind
    version: int | None
    terms: ChecklistTerms | None
    draft: ChecklistContent | None
    published_at: AwareDatetime | None


def checklist_view(**row: Any) -> ChecklistView:
    return ChecklistView(**{**row, **read_json(row, terms=ChecklistTerms, draft=ChecklistContent)})


class ChecklistPreview(BaseModel):
    """What publishing the draft would change. `newcomers_who_keep_theirs` do not trade yet, and have a list already."""

    kind: PartnerKind
    version: int
    differences: list[DifferenceView]
    newcomers_who_keep_theirs: int

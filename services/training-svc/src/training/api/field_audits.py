"""Routes: audits of partners on the spot."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from engine import Command, Unknown
from events.training import SectionScore
from fastapi import APIRouter
from pydantic import AwareDatetime, BaseModel, Field
from service import (
    At,
    By,
    Collection,
    Filter,
    Handle,
    HandleSeen,
    NewId,
    Read,
    Receipt,
    history_of,
    list_of,
    own,
    scope,
)

from training.api.known import Known
from training.audit_views import ANSWERS, SECTIONS, audits_view
from training.domain.audit_answers import Answered
from training.domain.audit_events import (
    AuditContent,
    AuditRevision,
    PublishAudit,
    RecordAudit,
    ReturnAudit,
    ReviseAudit,
    Status,
)
from training.domain.field_audit import field_audits

READ, WRITE, DECIDE = scope("training:read"), scope("training:write"), scope("training:decide")

router = APIRouter(prefix="/field-audits", tags=["field-audits"])

WITH_PREVIOUS = """
select a.*, p.audit_id as previous_id, p.audited_on as previous_on, p.total as previous_total,
    p.passed as previous_passed, p.sections as previous_sections
from {field_audits} a left join lateral (
    select * from {field_audits} b
    where b.audited_partner = a.audited_partner and b.template = a.template and b.status = 'published'
        and b.outlet_id is not distinct from a.outlet_id and (b.audited_on, b.audit_id) < (a.audited_on, a.audit_id)
    order by b.audited_on desc, b.audit_id desc limit 1
) p on true
"""


class Approval(Command):
    """Nothing but that it is approved."""


class FieldAuditView(BaseModel):
    """`total` from 0 to 100; scores by section. A partner's own people find it once it is published."""

    audit_id: UUID
    partner_id: UUID
    outlet_id: UUID | None
    source: str | None
    source_ref: str | None
    template: str
    template_version: int
    audited_on: date
    status: Status
    total: Decimal
    passed: bool
    critical_missed: list[str]
    sections: tuple[SectionScore, ...]
    returned_because: str | None
    recorded_at: AwareDatetime
    published_at: AwareDatetime | None


class PreviousAudit(BaseModel):
    audit_id: UUID
    audited_on: date
    total: Decimal
    passed: bool
    sections: tuple[SectionScore, ...]


class FieldAuditDetail(FieldAuditView):
    """With every answer beside what was asked, and the published audit before it."""

    answers: tuple[Answered, ...]
    previous: PreviousAudit | None = Field(
        description="The last one before it by the same template at the same place, as it is now; null where another "
        "time was asked for."
    )


def shown(**row: Any) -> FieldAuditView:
    return FieldAuditView(**_columns(row))


def shown_whole(**row: Any) -> FieldAuditDetail:
    previous = {name: row.pop(f"previous_{name}") for name in ("id", "on", "total", "passed", "sections")}
    return FieldAuditDetail(
        answers=ANSWERS.validate_json(row.pop("answers")),
        previous=None
        if previous["id"] is None
        else PreviousAudit(
            audit_id=previous["id"],
            audited_on=previous["on"],
            total=previous["total"],
            passed=previous["passed"],
            sections=SECTIONS.validate_json(previous["sections"]),
        ),
        **_columns(row),
    )


def _columns(row: dict[str, Any]) -> dict[str, Any]:
    return row | {"partner_id": row["audited_partner"], "sections": SECTIONS.validate_json(row["sections"])}


AUDITS = Collection(
    field_audits,
    audits_view,
    FieldAuditView,
    key="audit_id",
    filters=(
        "status",
        Filter("partner_id", UUID, "audited_partner = {}", description="Only those of this `partner_id`."),
        "outlet_id",
        "template",
        "passed",
    ),
    sorts=("audited_on", "total"),
    shown=shown,
)
AUDIT = Collection(
    field_audits, audits_view, FieldAuditDetail, key="audit_id", source=WITH_PREVIOUS, shown=shown_whole, name="audit"
)


@router.post("", status_code=201, dependencies=[WRITE])
async def record_audit(content: AuditContent, by: By, new_id: NewId, db: Read, handle: Handle) -> Receipt:
    """An audit as it was seen, scored by the template's version of now. It waits for somebody else's approval."""
    known, id = Known(db), content.id(new_id)
    command = RecordAudit(
        occurred_at=content.occurred_at,
        audit_id=id,
        content=content,
        terms=(await known.in_use([content.template])).get(content.template),
        partner_known=bool(await known.partners([content.partner_id])),
        by=by,
    )
    return await handle(field_audits, id, command)


@router.post("/{audit_id}/return", status_code=201, dependencies=[WRITE])
async def return_audit(audit_id: UUID, command: ReturnAudit, handle: HandleSeen) -> Receipt:
    """Not approved as it is: it has to be looked at again. If-Match names the version that was looked at."""
    return await handle(field_audits, audit_id, command)


@router.post("/{audit_id}/revision", status_code=201, dependencies=[WRITE])
async def revise_audit(audit_id: UUID, body: AuditRevision, by: By, db: Read, handle: Handle) -> Receipt:
    """What was seen, put right after the audit was returned; scored by the version that it was recorded by."""
    recorded = (await db.load(field_audits, audit_id)).state.recorded
    if recorded is None:
        raise Unknown("training.field_audit_unknown")
    terms = await Known(db).version(recorded.template, recorded.template_version)
    command = ReviseAudit(occurred_at=body.occurred_at, revision=body, terms=terms, by=by)
    return await handle(field_audits, audit_id, command)


@router.post("/{audit_id}/publication", status_code=201, dependencies=[DECIDE])
async def publish_audit(audit_id: UUID, body: Approval, by: By, handle: HandleSeen) -> Receipt:
    """Approves it, by another person than who recorded it: the partner sees it, what was missed has to be put right,
    and its total is a report of the template's metric. If-Match names the version that was looked at."""
    return await handle(field_audits, audit_id, PublishAudit(by=by, **body.model_dump()))


router.add_api_route("", list_of(AUDITS), methods=["GET"], dependencies=[READ, own(query="partner_id")])


@router.get("/{audit_id}", dependencies=[READ, own("audit_id", field_audits)])
async def read_audit(audit_id: UUID, db: Read, at: At) -> FieldAuditDetail:
    """The audit with its answers, and beside it the one before."""
    return await db.one(AUDIT, at, audit_id=audit_id)


router.add_api_route("/{id}/history", history_of(field_audits), methods=["GET"], dependencies=[READ])

"""Uploads of audits as jobs: inspections that were made elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import uuid5

from engine import Send
from service import Import, import_routes, scope
from service.imports import Upload
from service.intake import Good

from training.api.known import Known
from training.domain.audit_events import AuditContent, RecordAudit
from training.domain.field_audit import field_audits

FIELDS = {
    "training.partner_unknown": "partner_id",
    "training.template_not_in_use": "template",
    "training.audited_in_the_future": "audited_on",
    "training.answers_do_not_fit_template": "answers",
    "training.answered_twice": "answers",
    "training.nothing_applied": "answers",
}


async def sends(upload: Upload, lines: Sequence[Good[AuditContent]]) -> list[Send]:
    """A line is known by its own source and source_ref, whichever upload brings it, or by the upload and its number.
    Who uploads records them, so somebody else approves them."""
    known = Known(upload.db)
    terms = await known.in_use(line.content.template for line in lines)
    partners = await known.partners(line.content.partner_id for line in lines)
    made = []
    for line in lines:
        content = line.content
        id = content.id(uuid5(upload.job, str(line.line)))
        command = RecordAudit(
            occurred_at=content.occurred_at or upload.occurred_at,
            audit_id=id,
            content=content,
            terms=terms.get(content.template),
            partner_known=content.partner_id in partners,
            by=(upload.actor,),
        )
        made.append(Send(field_audits, id, command))
    return made


FIELD_AUDITS = Import("field_audit", AuditContent, sends, FIELDS)

router = import_routes(
    FIELD_AUDITS, "/field-audits/imports", read=scope("training:read"), write=scope("training:write")
)

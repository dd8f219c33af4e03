"""Routes: the templates that partners are audited by."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from engine import Command
from engine.drafts import drafted
from events.training import SectionScore
from fastapi import APIRouter
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from service import At, Collection, Drafts, HandlePut, Read, Receipt, history_of, list_of

from training.api.shown import DECIDE, READ, DifferenceView, shown_differences
from training.audit_views import ANSWERS, CONTENT, templates_view
from training.domain.audit_answers import Answers, ratings
from training.domain.audit_scoring import score
from training.domain.audit_template import DraftTemplate, TemplateContent, audit_templates, template_id
from training.domain.template_content import Content
from training.domain.words import Code

router = APIRouter(prefix="/audit-templates", tags=["audit-templates"])


class TemplateView(BaseModel):
    """`version` is the one that holds; null before the first. `draft` is what the next one is to be."""

    code: str
    title: str
    version: int | None
    retired: bool
    content: Content | None
    draft: Content | None


class VersionView(BaseModel):
    code: str
    version: int
    content: Content
    published_at: AwareDatetime


class Preview(BaseModel):
    """Answers to try a template with; nothing is recorded."""

    model_config = ConfigDict(extra="forbid")

    answers: Answers


class PreviewView(BaseModel):
    """What an audit with these answers would come to."""

    of_draft: bool = Field(description="By the draft; false: by the version that holds.")
    total: Decimal
    passed: bool
    critical_missed: tuple[str, ...]
    sections: tuple[SectionScore, ...]


class AuditUnderDraft(BaseModel):
    """A published audit, which stays as it is, and what the draft would have made of the same answers. Null: it asks
    for what was not looked at then."""

    audit_id: UUID
    audited_on: date
    total: Decimal
    passed: bool
    under_the_draft: Decimal | None
    would_pass: bool | None


class DraftPreview(BaseModel):
    """What publishing the draft would change, and the newest audits by the version that holds (at most 50) that would
    have come to something else."""

    code: str
    version: int
    differences: list[DifferenceView]
    otherwise: list[AuditUnderDraft]


def shown(**row: Any) -> TemplateView:
    content, draft = (row.pop(name) for name in ("content", "draft"))
    return TemplateView(
        content=content and CONTENT.validate_json(content), draft=draft and CONTENT.validate_json(draft), **row
    )


def shown_version(**row: Any) -> VersionView:
    return VersionView(content=CONTENT.validate_json(row.pop("content")), **row)


TEMPLATES = Collection(
    audit_templates,
    templates_view,
    TemplateView,
    key="code",
    filters=("retired",),
    sorts=("title",),
    source="select t.*, v.content from {audit_templates} t left join {audit_template_versions} v using (code, version)",
    shown=shown,
)
VERSIONS = Collection(
    audit_templates,
    templates_view,
    VersionView,
    key=("code", "version"),
    source="select * from {audit_template_versions}",
    shown=shown_version,
    name="audit_template_versions",
)


@router.put("/{code}/draft", dependencies=[DECIDE])
async def draft_template(code: Code, content: TemplateContent, handle: HandlePut) -> Receipt:
    """What the next version is to be; the same content again changes nothing."""
    return await handle(audit_templates, template_id(code), DraftTemplate(code=code, **content.model_dump()))


AUDITS = """
select audit_id, audited_on, total, passed, answers from field_audits
where template = $1 and template_version = $2 and status = 'published' order by audited_on desc, audit_id limit 50
"""


@router.get("/{code}/draft/preview", dependencies=[READ])
async def preview_draft(code: Code, db: Read) -> DraftPreview:
    """What publishing would change. Audits that there are keep the version that they were scored by."""
    template = (await db.state(audit_templates, template_id(code), template=code)).state
    draft, terms = drafted(template.draft, "training", {"template": code}), template.terms
    rows = [] if terms is None else await db.fetch(AUDITS, code, terms.version)
    audits = (_under(draft, **row) for row in rows)
    return DraftPreview(
        code=code,
        version=1 if terms is None else terms.version + 1,
        differences=shown_differences(None if terms is None else terms.content, draft),
        otherwise=[each for each in audits if (each.under_the_draft, each.would_pass) != (each.total, each.passed)],
    )


def _under(draft: Content, answers: bytes, **audit: Any) -> AuditUnderDraft:
    """Items that the draft does not ask for any more are left out; ones that it asks for anew were not looked at."""
    asked = {item.code for _, item in draft.items}
    seen = {each.item: each.rating for each in ANSWERS.validate_json(answers) if each.item in asked}
    if asked != seen.keys() or all(rating is None for rating in seen.values()):
        return AuditUnderDraft(under_the_draft=None, would_pass=None, **audit)
    scored = score(draft, seen)
    return AuditUnderDraft(under_the_draft=scored.total, would_pass=scored.passed, **audit)


class DiscardTemplateDraft(Command):
    pass


class PublishTemplate(Command):
    pass


class RetireTemplate(Command):
    pass


drafts = Drafts(router, audit_templates, template_id, {"code": Code}, DECIDE)
drafts.discarding("discard_draft", DiscardTemplateDraft)


@router.post("/{code}/preview", dependencies=[READ])
async def preview_template(code: Code, body: Preview, db: Read) -> PreviewView:
    """What an audit with these answers would come to by the draft, or by the version that holds if there is none."""
    template = (await db.load(audit_templates, template_id(code))).state
    scored = score(template.newest(), ratings(body.answers))
    return PreviewView(of_draft=template.draft is not None, **vars(scored))


drafts.publication(
    "publish_template",
    "Makes the draft the version that audits are scored by from now on. If-Match names the version that was seen.",
    PublishTemplate,
)
drafts.retirement("retire_template", "Nothing is audited by it any more; audits that there are go on.", RetireTemplate)

router.add_api_route("", list_of(TEMPLATES), methods=["GET"], dependencies=[READ])


@router.get("/{code}", dependencies=[READ])
async def read_template(code: Code, db: Read, at: At) -> TemplateView:
    """The template in the version that holds, and its draft."""
    return await db.one(TEMPLATES, at, of=template_id(code), code=code)


@router.get("/{code}/versions/{version}", dependencies=[READ])
async def read_template_version(code: Code, version: int, db: Read) -> VersionView:
    """A version as audits were scored by it."""
    return await db.one(VERSIONS, of=template_id(code), code=code, version=version)


router.add_api_route(
    "/{code}/history", history_of(audit_templates, "code", template_id), methods=["GET"], dependencies=[READ]
)

"""Routes: the templates that partners are audited by."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from events.training import SectionScore
from fastapi import APIRouter
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from service import At, Collection, Handle, HandlePut, HandleSeen, Read, Receipt, history_of, list_of, scope

from training.audit_views import CONTENT, templates_view
from training.domain.audit_answers import Answers, ratings
from training.domain.audit_scoring import score
from training.domain.audit_template import (
    Content,
    DraftTemplate,
    PublishTemplate,
    RetireTemplate,
    TemplateContent,
    audit_templates,
    template_id,
)
from training.domain.words import Code

READ, DECIDE = scope("training:read"), scope("training:decide")

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


@router.post("/{code}/preview", dependencies=[READ])
async def preview_template(code: Code, body: Preview, db: Read) -> PreviewView:
    """What an audit with these answers would come to by the draft, or by the version that holds if there is none."""
    template = (await db.load(audit_templates, template_id(code))).state
    scored = score(template.newest(), ratings(body.answers))
    return PreviewView(of_draft=template.draft is not None, **vars(scored))


@router.post("/{code}/publication", status_code=201, dependencies=[DECIDE])
async def publish_template(code: Code, command: PublishTemplate, handle: HandleSeen) -> Receipt:
    """Makes the draft the version that audits are scored by from now on. If-Match names the version that was seen."""
    return await handle(audit_templates, template_id(code), command)


@router.post("/{code}/retirement", status_code=201, dependencies=[DECIDE])
async def retire_template(code: Code, command: RetireTemplate, handle: Handle) -> Receipt:
    """Nothing is audited by it any more; audits that there are go on."""
    return await handle(audit_templates, template_id(code), command)


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

"""Routes: codes of conduct, in versions."""

from __future__ import annotations

from datetime import date
from typing import Any
from uuid import UUID

from engine import Command, Unknown
from events.training import Sanction
from fastapi import APIRouter
from pydantic import BaseModel
from service import (
    At,
    Collection,
    Drafts,
    HandlePut,
    Read,
    Receipt,
    Theirs,
    history_of,
    list_of,
    own,
)

from training.api.shown import DECIDE, READ, DifferenceView, Publication, shown_differences
from training.conduct_views import CONDUCT, codes_view
from training.domain.conduct_code import ConductContent, DraftConductCode, code_id, conduct_codes
from training.domain.words import Code

router = APIRouter(prefix="/conduct-codes", tags=["conduct"])


class ConductCodeView(BaseModel):
    """`content` is that of the `version` that holds; null before the first. `draft` is what the next is to be."""

    code: str
    title: str
    version: int | None
    content: ConductContent | None
    draft: ConductContent | None
    published_on: date | None


class OtherwiseUnderDraft(BaseModel):
    """A breach that was decided on, which stays as it is, and for which the draft has another sanction."""

    breach_id: UUID
    rule: str
    repetition: int
    sanction: Sanction
    under_the_draft: Sanction


class ConductPreview(BaseModel):
    """What publishing the draft would change, and decided breaches (the newest 100 at most) for which it has another
    sanction than was decided on."""

    code: str
    version: int
    differences: list[DifferenceView]
    otherwise: list[OtherwiseUnderDraft]


class DraftedCode(Command):
    conduct: ConductContent


def shown(**row: Any) -> ConductCodeView:
    content, draft = (row.pop(name) for name in ("content", "draft"))
    return ConductCodeView(
        content=content and CONDUCT.validate_json(content), draft=draft and CONDUCT.validate_json(draft), **row
    )


CODES = Collection(conduct_codes, codes_view, ConductCodeView, key="code", sorts=("title",), shown=shown)
MOST_SHOWN = 100
DECIDED = """
select breach_id, rule, repetition, sanction from conduct_breaches
where conduct_code = $1 and status = 'decided' order by decided_on desc, breach_id limit $2
"""


@router.put("/{code}/draft", dependencies=[DECIDE])
async def draft_code(code: Code, body: DraftedCode, handle: HandlePut) -> Receipt:
    """What the next version is to be; nobody is judged by it yet."""
    command = DraftConductCode(code=code, content=body.conduct, occurred_at=body.occurred_at)
    return await handle(conduct_codes, code_id(code), command)


@router.get("/{code}/draft/preview", dependencies=[READ])
async def preview_code(code: Code, db: Read) -> ConductPreview:
    """What publishing would change. What was decided on stays; what is reported is judged by the version of then."""
    versions = (await db.state(conduct_codes, code_id(code), conduct_code=code)).state.versions
    draft = versions.to_look_at()
    return ConductPreview(
        code=code,
        version=versions.version + 1,
        differences=shown_differences(versions.content, draft),
        otherwise=[
            OtherwiseUnderDraft(under_the_draft=then, **row)
            for row in map(dict, await db.fetch(DECIDED, code, MOST_SHOWN))
            if (rule := draft.rule(row["rule"])) is not None
            and (then := rule.expected(row["repetition"])) != row["sanction"]
        ],
    )


drafts = Drafts(router, conduct_codes, code_id, {"code": Code}, DECIDE)
drafts.publication(
    "publish_code",
    "What is reported from now on is judged by the draft. If-Match names the version that was looked at.",
    Publication,
)
drafts.discarding("discard_code", Publication)

router.add_api_route("", list_of(CODES), methods=["GET"], dependencies=[READ])


@router.get("/{code}", dependencies=[READ, own(reads=["conduct_codes"])])
async def read_code(code: Code, db: Read, at: At, theirs: Theirs) -> ConductCodeView:
    """The code in the version that holds, by which partners are judged; and its draft, which is not for them."""
    found = await db.one(CODES, at, of=code_id(code), code=code)
    if theirs and found.version is None:
        raise Unknown("training.conduct_code_unknown", conduct_code=code)
    return found.model_copy(update={"draft": None}) if theirs else found


router.add_api_route(
    "/{code}/history", history_of(conduct_codes, "code", code_id), methods=["GET"], dependencies=[READ]
)

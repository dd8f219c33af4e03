"""Routes: the laws by which contracts are judged, drafted, previewed and published by version."""

from __future__ import annotations

from engine import Command, Rows, differences
from engine.drafts import content_of, drafted, next_version
from fastapi import APIRouter
from service import Collection, Drafts, HandlePut, Read, Receipt, history_of, list_of, own

from contract.api.shown import (
    DECIDE,
    READ,
    ClockMoved,
    JurisdictionView,
    Preview,
    TermDifference,
    jurisdiction_view,
    rules_of,
)
from contract.domain.jurisdiction import DraftRules, jurisdiction_id, jurisdictions
from contract.domain.rules import Rules, RulesContent
from contract.domain.shipped import SHIPPED
from contract.domain.terms import JurisdictionCode
from contract.views import jurisdictions_view

routes = APIRouter(prefix="/jurisdictions", tags=["jurisdictions"])

JURISDICTIONS = Collection(
    jurisdictions,
    jurisdictions_view,
    JurisdictionView,
    key="code",
    sorts=("published_at",),
    shown=jurisdiction_view,
)
DISCLOSED = """
select contract_id, delivered_on, signing_allowed_from from contracts
where jurisdiction = $1 and status in ('disclosed', 'in_window') order by contract_id
"""
MOST_SHOWN = 100


class DraftedRules(Command):
    rules: RulesContent


class Publication(Command):
    pass


@routes.put("/{code}/draft", dependencies=[DECIDE])
async def draft_rules(code: JurisdictionCode, body: DraftedRules, handle: HandlePut) -> Receipt:
    """Rules that are meant to be published; nothing is judged by them yet."""
    command = DraftRules(code=code, content=body.rules, occurred_at=body.occurred_at)
    return await handle(jurisdictions, jurisdiction_id(code), command)


@routes.get("/{code}/draft/preview", dependencies=[READ])
async def preview_draft(code: JurisdictionCode, db: Read) -> Preview:
    """What publishing would change. What is disclosed already is judged by the version of then."""
    state = (await db.state(jurisdictions, jurisdiction_id(code), jurisdiction=code)).state
    draft = drafted(state.draft, "contract", {"jurisdiction": code})
    now = await shown_now(db, code)
    then = next_version(Rules, draft, now, code=code)
    today = content_of(now, RulesContent) or RulesContent(time_zone="UTC")
    waiting = "select count(*) from contracts where jurisdiction = $1 and status = 'drafted'"
    return Preview(
        code=code,
        differences=[TermDifference(**vars(each)) for each in differences(today, draft)],
        drafted_contracts=await db.fetchval(waiting, code),
        disclosed_contracts=[
            ClockMoved(under_the_draft=moved, **row)
            for row in map(dict, await db.fetch(DISCLOSED, code))
            if (moved := then.signing_opens(row["delivered_on"])) != row["signing_allowed_from"]
        ][:MOST_SHOWN],
    )


async def shown_now(db: Rows, code: str) -> Rules | None:
    published = await db.fetchval("select rules from jurisdictions where code = $1", code)
    return SHIPPED.get(code) if published is None else Rules.model_validate_json(published)


drafts = Drafts(routes, jurisdictions, jurisdiction_id, {"code": JurisdictionCode}, DECIDE)
drafts.publication(
    "publish_rules",
    "The draft is the law for whatever is drafted, disclosed or noticed from now on. If-Match names the version that"
    " was looked at.",
    Publication,
)
drafts.discarding("discard_draft", Publication)

routes.add_api_route(
    "",
    list_of(JURISDICTIONS, "Jurisdictions with rules or a draft of our own; others go by what came with the software."),
    methods=["GET"],
    dependencies=[READ, own(reads=["jurisdictions"])],
)


@routes.get("/{code}", dependencies=[READ, own(reads=["jurisdictions"])])
async def read_jurisdiction(code: JurisdictionCode, db: Read) -> JurisdictionView:
    """The rules that are judged by today, each with its citation, and the draft if there is one."""
    found = await db.find(JURISDICTIONS, of=jurisdiction_id(code), code=code)
    if found is None or found.rules is None:
        rules = SHIPPED.get(code) if found is not None else await rules_of(db, code)
        draft = None if found is None else found.draft
        return JurisdictionView(code=code, shipped=True, rules=rules, draft=draft, published_at=None)
    return found


routes.add_api_route(
    "/{code}/history", history_of(jurisdictions, "code", jurisdiction_id), methods=["GET"], dependencies=[READ]
)

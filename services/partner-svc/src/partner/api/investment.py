"""Routes: what an outlet of a format takes in a territory, drafted, previewed and published by version."""

from __future__ import annotations

from engine import Command, Rows, Unknown
from fastapi import APIRouter
from service import At, Collection, Drafts, HandlePut, Read, Receipt, history_of, list_of, scope

from partner.api.shown import InvestmentPreview, InvestmentView, JudgedOtherwise, investment_view
from partner.api.versioned import MOST_SHOWN, shown_differences
from partner.domain.economics import BusinessCase, project
from partner.domain.investment import (
    DraftInvestmentStandard,
    InvestmentContent,
    InvestmentTerms,
    investment_id,
    investment_standards,
)
from partner.domain.words import AreaCode, Code, within
from partner.standard_views import investment_standards_view

READ, DECIDE = scope("partner:read"), scope("partner:decide")

router = APIRouter(prefix="/investment-standards", tags=["investment standards"])

INVESTMENT_STANDARDS = Collection(
    investment_standards,
    investment_standards_view,
    InvestmentView,
    key=("format", "area"),
    filters=("format", "area"),
    shown=investment_view,
)
NEAREST = """
select terms from investment_standards where format = $1 and area = any($2) and terms is not null
order by length(area) desc limit 1
"""
OPEN_PLANS = """
select application_id, status, plan, shortfalls from applications
where format = $1 and investment_area = $2 and status in ('applied', 'screened', 'scored', 'interviewed')
order by application_id
"""


async def terms_for(db: Rows, format: str, area: str) -> InvestmentTerms:
    """The standard for the format in the area, or in the nearest that it lies in. Raises Unknown."""
    found = await db.fetchval(NEAREST, format, within(area))
    if found is None:
        raise Unknown("partner.investment_standard_unknown", format=format, area=area)
    return InvestmentTerms.model_validate_json(found)


class DraftedInvestment(Command):
    content: InvestmentContent


@router.put("/{format}/{area}/draft", dependencies=[DECIDE])
async def draft_investment_standard(
    format: Code, area: AreaCode, body: DraftedInvestment, handle: HandlePut
) -> Receipt:
    """What the next version is to be; no plan is judged by it yet."""
    command = DraftInvestmentStandard(format=format, area=area, content=body.content, occurred_at=body.occurred_at)
    return await handle(investment_standards, investment_id(format, area), command)


@router.get("/{format}/{area}/draft/preview", dependencies=[READ])
async def preview_investment_standard(format: Code, area: AreaCode, db: Read) -> InvestmentPreview:
    """Which plans of open applications would meet the draft where they do not meet the standard, or the other way
    round. They keep the version that they were judged by until they are sent anew."""
    loaded = await db.state(investment_standards, investment_id(format, area), format=format, area=area)
    state, drafted = loaded.state, loaded.state.drafted()
    rows = await db.fetch(OPEN_PLANS, format, area)
    otherwise = [
        JudgedOtherwise(
            application_id=row["application_id"],
            shortfalls=row["shortfalls"],
            shortfalls_then=then,
        )
        for row in rows
        if (then := list(project(BusinessCase.model_validate_json(row["plan"]), drafted).shortfalls))
        != row["shortfalls"]
    ]
    return InvestmentPreview(
        format=format,
        area=area,
        version=drafted.version,
        differences=shown_differences(state.terms, state.draft or drafted),
        open_plans=len(rows),
        judged_otherwise=len(otherwise),
        applications=otherwise[:MOST_SHOWN],
    )


drafts = Drafts(router, investment_standards, investment_id, {"format": Code, "area": AreaCode}, DECIDE)
drafts.publication(
    "publish_investment_standard",
    "The draft is the version by which plans are judged from now on. If-Match names the version that was looked at.",
)
drafts.discarding("discard_investment_standard")

router.add_api_route("", list_of(INVESTMENT_STANDARDS), methods=["GET"], dependencies=[READ])


@router.get("/{format}/{area}", dependencies=[READ])
async def read_investment_standard(format: Code, area: AreaCode, db: Read, at: At) -> InvestmentView:
    """The standard in its newest version, and the draft of the next if there is one."""
    return await db.one(INVESTMENT_STANDARDS, at, of=investment_id(format, area), format=format, area=area)


router.add_api_route(
    "/{format}/{area}/history",
    history_of(investment_standards, ("format", "area"), investment_id),
    methods=["GET"],
    dependencies=[READ],
)

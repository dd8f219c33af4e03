"""Routes of scorecards."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel
from service import At, Collection, HandlePut, Read, Receipt, history_of, list_of, own, scope

from performance.api.known import metric_terms
from performance.domain.metric import Code
from performance.domain.scorecard import Band, DefineScorecard, Line, ScorecardContent, scorecard_id, scorecards
from performance.views import BANDS, LINES, basis_view

READ, DECIDE = scope("performance:read"), scope("performance:decide")

router = APIRouter(prefix="/scorecards", tags=["scorecards"])


class ScorecardView(BaseModel):
    code: str
    version: int
    lines: tuple[Line, ...]
    bands: tuple[Band, ...]
    minimum_cohort: int


def shown(**row: Any) -> ScorecardView:
    lines, bands = LINES.validate_json(row.pop("lines")), BANDS.validate_json(row.pop("bands"))
    return ScorecardView(lines=lines, bands=bands, **row)


VERSIONS = Collection(
    scorecards, basis_view, ScorecardView, key=("code", "version"), source="select * from {scorecards}", shown=shown
)
SCORECARDS = replace(
    VERSIONS,
    key="code",
    source="select distinct on (code) * from {scorecards} order by code, version desc",
    name="scorecards",
)


@router.put("/{code}", dependencies=[DECIDE])
async def define_scorecard(code: Code, content: ScorecardContent, db: Read, handle: HandlePut) -> Receipt:
    """A new version, for periods closed from now on. The same content again changes nothing."""
    terms = await metric_terms(db, {line.metric for line in content.lines})
    return await handle(scorecards, scorecard_id(code), DefineScorecard(code=code, metrics=terms, **dict(content)))


router.add_api_route(
    "",
    list_of(SCORECARDS, "The latest version of each."),
    methods=["GET"],
    dependencies=[READ, own(reads=["scorecards"])],
)


@router.get("/{code}", dependencies=[READ, own(reads=["scorecards"])])
async def read_scorecard(
    code: Code,
    db: Read,
    at: At,
    version: Annotated[int | None, Query(ge=1, le=2**31 - 1, description="Another than the latest.")] = None,
) -> ScorecardView:
    """The latest version, or the one that is asked for."""
    of = scorecard_id(code)
    if version is None:
        return await db.one(SCORECARDS, at, of=of, code=code)
    return await db.one(VERSIONS, at, of=of, code=code, version=version)


router.add_api_route(
    "/{code}/history", history_of(scorecards, "code", scorecard_id), methods=["GET"], dependencies=[READ]
)

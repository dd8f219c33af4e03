"""Routes of scorecards."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine import Unknown
from fastapi import APIRouter, Request
from pydantic import BaseModel
from service import Handle, Happening, Listing, Page, Read, Receipt, history_of, listing, own, scope

from performance.api.known import metric_terms
from performance.domain.metric import Code
from performance.domain.scorecard import Band, DefineScorecard, Line, ScorecardContent, scorecard_id, scorecards
from performance.views import BANDS, LINES

READ, DECIDE = scope("performance:read"), scope("performance:decide")

router = APIRouter(prefix="/scorecards", tags=["scorecards"])
history = history_of(scorecards)

LATEST = """
select distinct on (code) * from scorecards
where ($1::text is null or code = $1) and ($2::text is null or code > $2)
order by code, version desc limit $3
"""


class ScorecardView(BaseModel):
    code: str
    version: int
    lines: tuple[Line, ...]
    bands: tuple[Band, ...]
    minimum_cohort: int


def shown(row: Mapping[str, Any]) -> ScorecardView:
    return ScorecardView(
        code=row["code"],
        version=row["version"],
        lines=LINES.validate_json(row["lines"]),
        bands=BANDS.validate_json(row["bands"]),
        minimum_cohort=row["minimum_cohort"],
    )


@router.put("/{code}", dependencies=[DECIDE])
async def define_scorecard(code: Code, content: ScorecardContent, db: Read, handle: Handle) -> Receipt:
    """A new version, for periods closed from now on. The same content again changes nothing."""
    terms = await metric_terms(db, {line.metric for line in content.lines})
    return await handle(scorecards, scorecard_id(code), DefineScorecard(code=code, metrics=terms, **dict(content)))


@router.get("", dependencies=[READ, own(reads=["scorecards"])])
async def list_scorecards(db: Read, page: Page) -> Listing[ScorecardView]:
    """The latest version of each."""
    rows = await db.fetch(LATEST, None, page.after, page.limit + 1)
    return listing(rows, page, key=lambda row: str(row["code"]), item=lambda **row: shown(row))


@router.get("/{code}", dependencies=[READ, own(reads=["scorecards"])])
async def read_scorecard(code: Code, db: Read, version: int | None = None) -> ScorecardView:
    """The latest version, or the one that is asked for."""
    if version is None:
        row = next(iter(await db.fetch(LATEST, code, None, 1)), None)
    else:
        row = await db.fetchrow("select * from scorecards where code = $1 and version = $2::bigint", code, version)
    if row is None:
        raise Unknown("performance.scorecard_unknown", scorecard=code)
    return shown(row)


@router.get("/{code}/history", dependencies=[READ])
async def scorecard_history(code: Code, request: Request, page: Page) -> Listing[Happening]:
    answer: Listing[Happening] = await history(scorecard_id(code), request, page)
    return answer

"""Routes of scorecards: drafted, previewed, published by version, and run over the past."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

from engine import Command, Difference, differences
from engine.drafts import drafted
from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field
from service import (
    At,
    Collection,
    Drafts,
    HandlePut,
    HandleSeen,
    JobStatus,
    NewId,
    Read,
    Receipt,
    begin,
    history_of,
    job_routes,
    list_of,
    own,
    scope,
)

from performance.api.known import metric_terms
from performance.domain.card import Band, Content, Line, ScorecardTerms, terms_of
from performance.domain.metric import Code
from performance.domain.replay import BandChange, Outcome
from performance.domain.scorecard import (
    DefineScorecard,
    DraftScorecard,
    PublishScorecard,
    ScorecardContent,
    scorecard_id,
    scorecards,
)
from performance.replaying import REPLAYS, Proposal, last_period
from performance.views import BANDS, LINES, basis_view

READ, DECIDE = scope("performance:read"), scope("performance:decide")

router = APIRouter(prefix="/scorecards", tags=["scorecards"])
replay_routes = job_routes(REPLAYS, "/replays", read=READ)

MOST_SHOWN = 100


class ScorecardView(BaseModel):
    code: str
    version: int
    lines: tuple[Line, ...]
    bands: tuple[Band, ...]
    minimum_cohort: int
    programme: str | None = Field(description="Whose tiers its targets speak of; null: the one decided on last.")


class DraftView(BaseModel):
    """`scorecard_version` is the one that is published now; null: none is."""

    code: str
    scorecard_version: int | None
    draft: Content | None = Field(description="Null where nothing is drafted.")


class DifferenceView(BaseModel):
    """A term that is another than in the version that is published, by its path, as `lines[0].weight`."""

    term: str
    before: Any
    after: Any


class Preview(BaseModel):
    """What publishing would change: term by term, and for whom, had the period that was closed last been evaluated by
    it. Closed periods keep their version."""

    code: str
    differences: list[DifferenceView]
    period: str | None = Field(description="The one that was closed last by this scorecard; null: none was.")
    outcome: Outcome | None
    changes: list[BandChange] = Field(description=f"The first {MOST_SHOWN} who would be in another band.")


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


class Publication(Command):
    pass


class ReplayAsked(BaseModel):
    """`proposed` is run over the past; the draft where it is absent."""

    proposed: Content | None = None


@router.put("/{code}", dependencies=[DECIDE])
async def define_scorecard(code: Code, content: ScorecardContent, db: Read, handle: HandlePut) -> Receipt:
    """A new version at once, without a draft, for periods closed from now on. The same content again changes
    nothing."""
    terms = await metric_terms(db, {line.metric for line in content.lines})
    return await handle(scorecards, scorecard_id(code), DefineScorecard(code=code, metrics=terms, **dict(content)))


@router.put("/{code}/draft", dependencies=[DECIDE])
async def draft_scorecard(code: Code, content: ScorecardContent, db: Read, handle: HandlePut) -> Receipt:
    """A scorecard that is meant to be published; nothing is evaluated by it yet. It is checked as it will be then."""
    terms = await metric_terms(db, {line.metric for line in content.lines})
    command = DraftScorecard(code=code, content=content.content, metrics=terms, occurred_at=content.occurred_at)
    return await handle(scorecards, scorecard_id(code), command)


@router.get("/{code}/draft", dependencies=[READ])
async def read_draft(code: Code, db: Read) -> DraftView:
    """The draft. The ETag is what publishing it names."""
    state = (await db.state(scorecards, scorecard_id(code), scorecard=code)).state
    version = None if state.terms is None else state.terms.version
    return DraftView(code=code, scorecard_version=version, draft=state.draft)


@router.get("/{code}/draft/preview", dependencies=[READ])
async def preview_draft(code: Code, db: Read) -> Preview:
    """What publishing would change, term by term, and who would be in another band in the period that was closed last.
    All of the past is a replay's to tell."""
    state = (await db.state(scorecards, scorecard_id(code), scorecard=code)).state
    draft = drafted(state.draft, "performance", {"scorecard": code})
    card = terms_of(code, 0, draft, await metric_terms(db, {line.metric for line in draft.lines}))
    period, outcome, changes = None, None, list[BandChange]()
    async for name, summed, found in last_period(db, card):
        period, outcome = name, summed.outcome()
        changes += found[: MOST_SHOWN - len(changes)]
    return Preview(
        code=code,
        differences=[DifferenceView(**vars(each)) for each in term_by_term(state.terms, card)],
        period=period,
        outcome=outcome,
        changes=changes,
    )


def term_by_term(now: ScorecardTerms | None, then: ScorecardTerms) -> tuple[Difference, ...]:
    return differences({} if now is None else said(now), said(then))


def said(terms: ScorecardTerms) -> dict[str, Any]:
    view = ScorecardView(**vars(terms))
    return view.model_dump(mode="json", exclude={"code", "version"})


@router.post("/{code}/publication", status_code=201, dependencies=[DECIDE])
async def publish_scorecard(code: Code, body: Publication, db: Read, handle: HandleSeen) -> Receipt:
    """The draft is the next version: periods that are closed from now on are evaluated by it. If-Match names the
    version that was looked at."""
    draft = (await db.load(scorecards, scorecard_id(code))).state.draft
    terms = await metric_terms(db, {line.metric for line in draft.lines} if draft is not None else ())
    return await handle(scorecards, scorecard_id(code), PublishScorecard(metrics=terms, **body.model_dump()))


drafts = Drafts(router, scorecards, scorecard_id, {"code": Code}, DECIDE)
drafts.discarding("discard_draft", Publication)


@router.post("/{code}/replays", status_code=202, dependencies=[DECIDE])
async def replay_scorecard(
    code: Code, body: ReplayAsked, request: Request, job_id: NewId, db: Read
) -> JobStatus[Proposal, Outcome]:
    """Runs a scorecard that is not published over every period that this one has evaluated: who would be in another
    band, how many, and what they sold. It answers with a job, and leaves nothing in any history."""
    state = (await db.state(scorecards, scorecard_id(code), scorecard=code)).state
    content = body.proposed or drafted(state.draft, "performance", {"scorecard": code})
    metrics = await metric_terms(db, {line.metric for line in content.lines})
    terms_of(code, 0, content, metrics)
    return await begin(request, REPLAYS, "/replays", job_id, Proposal(code=code, content=content, metrics=metrics))


replay_scorecard.cauce_refusals = {"idempotency_key_reused": 422}  # type: ignore[attr-defined]

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

"""Routes: a partner's risk profile, what its score is made of, and why it is as it is."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, Field
from service import At, Read, history_of, own

from risk.api import shown
from risk.api.finances import ACCOUNTS, AccountsView
from risk.api.flags import FLAGS
from risk.api.restrictions import RESTRICTIONS
from risk.api.shown import READ, FlagView, HistoryView, RestrictionView, SignalView
from risk.domain import score as scoring
from risk.domain.risk_profile import risk_profiles
from risk.domain.score import Cause, Score, score

routes = APIRouter(prefix="/risk-profiles", tags=["risk profiles"])
TREND_DAYS = 90


class ContributionView(BaseModel):
    """`events` are the ids of the events that tell of it."""

    what: str
    explanation: str
    weight: float
    points: Decimal
    events: list[UUID]


class ScoreView(BaseModel):
    """From 0 to 100; contributions sum to it. `trend` compares it with what it was 90 days ago by the flags and the
    accounts of then."""

    value: Decimal
    contributions: list[ContributionView]
    before: Decimal
    trend: scoring.Trend
    formula: str
    source: str


class ProfileView(BaseModel):
    """What stands against a partner. `score` is of now also where the profile is read as of another time."""

    partner_id: UUID
    version: int
    score: ScoreView
    suspended: bool
    on_probation: bool
    open_flags: list[FlagView]
    restrictions: list[RestrictionView] = Field(description="Those that hold.")
    histories: list[HistoryView]
    signals: list[SignalView] = Field(description="What rules that are judged on events count.")
    accounts: AccountsView | None = Field(description="The newest year's.")


@routes.get("/{partner_id}", dependencies=[READ, own("partner_id")])
async def read_risk_profile(partner_id: UUID, db: Read, at: At) -> ProfileView:
    """The score with what it is made of; what is open and what holds; every evaluation under each rule and every signal
    with the event that told it."""
    flags = await db.all(FLAGS, at, of=partner_id, sort="raised_at", partner_id=partner_id, status="open")
    held = {"partner_id": partner_id, "status": "active"}
    restrictions = await db.all(RESTRICTIONS, at, of=partner_id, sort="imposed_at", **held)
    every = await db.all(FLAGS, of=partner_id, partner_id=partner_id)
    accounts = await db.all(ACCOUNTS, of=partner_id, partner_id=partner_id)
    # Read after the views, so that it knows the evaluations of every row that they gave.
    profile = await db.state(risk_profiles, partner_id, at, partner_id=partner_id)
    return ProfileView(
        partner_id=partner_id,
        version=profile.version,
        score=score_view(every, accounts, datetime.now(UTC)),
        suspended=profile.state.suspended,
        on_probation=profile.state.probation is not None,
        open_flags=flags,
        restrictions=restrictions,
        histories=shown.histories(profile.state),
        signals=shown.signals(profile.state),
        accounts=max(accounts, key=lambda each: each.year, default=None),
    )


def score_view(flags: Sequence[FlagView], accounts: Sequence[AccountsView], now: datetime) -> ScoreView:
    before, today = (score_at(flags, accounts, at) for at in (now - timedelta(days=TREND_DAYS), now))
    return ScoreView(
        value=today.value,
        contributions=[
            ContributionView(
                what=each.cause.what,
                explanation=each.cause.explanation,
                weight=each.cause.weight,
                points=each.points,
                events=list(each.cause.events),
            )
            for each in today.contributions
        ],
        before=before.value,
        trend=scoring.trend(before, today),
        formula=scoring.FORMULA,
        source=scoring.SOURCE,
    )


def score_at(flags: Sequence[FlagView], accounts: Sequence[AccountsView], at: datetime) -> Score:
    causes: list[Cause] = [
        scoring.of_flag(flag.rule, flag.severity, flag.explanation, tuple(flag.evidence))
        for flag in flags
        if flag.raised_at <= at and (flag.closed_at is None or flag.closed_at > at)
    ]
    newest = max((each for each in accounts if each.reported_at <= at), key=lambda each: each.year, default=None)
    if newest is not None:
        z = newest.z_score
        causes.append(scoring.of_accounts(newest.year, z.zone, z.value, newest.event_id))
    return score(causes)


routes.add_api_route("/{id}/history", history_of(risk_profiles), methods=["GET"], dependencies=[READ])

ROUTES = (routes,)

"""Routes: what a partner reported of its accounts, and what it may come to cost."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from engine import Command
from fastapi import APIRouter, Path
from pydantic import AwareDatetime, BaseModel
from service import Collection, HandlePut, Read, Receipt, list_of, own

from risk.api.shown import READ, WRITE
from risk.domain import accounts as altman
from risk.domain import exposure as basel
from risk.domain.accounts import Figures, ReportAccounts, Zone, accounts_id, reported_accounts, z_score
from risk.domain.exposure import Estimate, EstimateExposure, expected_loss, exposure_id, exposures
from risk.views import finances_view

routes = APIRouter(prefix="/risk-profiles/{partner_id}", tags=["finances"])
list_routes = APIRouter(tags=["finances"])
Year = Annotated[int, Path(ge=1900, le=9998, examples=[2024])]


class ReportedAccounts(Command):
    figures: Figures


class EstimatedExposure(Command):
    estimate: Estimate


class ZScoreView(BaseModel):
    """Altman's Z' for private firms, with its ratios X1 to X5."""

    value: Decimal
    zone: Zone
    ratios: list[Decimal]
    source: str


class AccountsView(BaseModel):
    partner_id: UUID
    year: int
    figures: Figures
    z_score: ZScoreView
    reported_at: AwareDatetime
    event_id: UUID


def accounts_view(figures: str, **row: Any) -> AccountsView:
    read = Figures.model_validate_json(figures)
    z = z_score(read)
    shown = ZScoreView(value=z.value, zone=z.zone, ratios=list(z.ratios), source=altman.SOURCE)
    return AccountsView(figures=read, z_score=shown, **row)


class ExposureView(BaseModel):
    """`expected_loss` is pd x lgd x ead, in the estimate's currency, for a year."""

    partner_id: UUID
    estimate: Estimate
    expected_loss: Decimal
    source: str
    estimated_at: AwareDatetime
    event_id: UUID


def exposure_view(estimate: str, **row: Any) -> ExposureView:
    read = Estimate.model_validate_json(estimate)
    return ExposureView(estimate=read, expected_loss=expected_loss(read), source=basel.SOURCE, **row)


ACCOUNTS = Collection(
    reported_accounts,
    finances_view,
    AccountsView,
    key=("partner_id", "year"),
    filters=("partner_id", "year"),
    sorts=("reported_at",),
    source="select * from {accounts}",
    shown=accounts_view,
    name="accounts",
)
EXPOSURES = Collection(
    exposures,
    finances_view,
    ExposureView,
    key="partner_id",
    filters=("partner_id",),
    sorts=("estimated_at",),
    source="select * from {exposures}",
    shown=exposure_view,
    name="exposures",
)


@routes.put("/accounts/{year}", dependencies=[WRITE])
async def report_accounts(partner_id: UUID, year: Year, body: ReportedAccounts, handle: HandlePut) -> Receipt:
    """A year's accounts; other figures for a year that was reported need the version that was looked at."""
    command = ReportAccounts(partner_id=partner_id, year=year, figures=body.figures, occurred_at=body.occurred_at)
    return await handle(reported_accounts, accounts_id(partner_id, year), command)


@routes.get("/accounts/{year}", dependencies=[READ, own("partner_id")])
async def read_accounts(partner_id: UUID, year: Year, db: Read) -> AccountsView:
    """A year's accounts with Altman's Z', its ratios and its zone."""
    return await db.one(ACCOUNTS, of=accounts_id(partner_id, year), partner_id=partner_id, year=year)


@routes.put("/exposure", dependencies=[WRITE])
async def estimate_exposure(partner_id: UUID, body: EstimatedExposure, handle: HandlePut) -> Receipt:
    """What the partner may come to cost; another estimate needs the version that was looked at."""
    command = EstimateExposure(partner_id=partner_id, estimate=body.estimate, occurred_at=body.occurred_at)
    return await handle(exposures, exposure_id(partner_id), command)


@routes.get("/exposure", dependencies=[READ])
async def read_exposure(partner_id: UUID, db: Read) -> ExposureView:
    """The estimate and the expected loss that follows from it. It is ours, and not shown to the partner."""
    return await db.one(EXPOSURES, of=exposure_id(partner_id), partner_id=partner_id)


list_routes.add_api_route("/accounts", list_of(ACCOUNTS), methods=["GET"], dependencies=[READ, own(query="partner_id")])
list_routes.add_api_route("/exposures", list_of(EXPOSURES), methods=["GET"], dependencies=[READ])

ROUTES = (routes, list_routes)

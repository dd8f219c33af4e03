"""Routes: how much of the channel's sales is whose."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field
from service import Read

from risk.api.shown import READ
from risk.domain.concentration import SOURCE, Level, hhi, level, shares
from risk.gathering import sales

routes = APIRouter(tags=["concentration"])
MOST_SHOWN = 100


class ShareView(BaseModel):
    partner_id: UUID
    amount: Decimal
    share: Decimal = Field(description="From 0 to 1, to six places.")


class ConcentrationView(BaseModel):
    """Of the sales in one currency: the sum of the squares of all partners' shares in percent. Sales that partners
    reported in other currencies are not counted. `largest` are at most 100."""

    currency: str
    days: int
    partners: int
    hhi: Decimal = Field(description="Near 0 to 10,000, to two places; 0 where nothing was sold.")
    level: Level
    largest: list[ShareView]
    source: str


@routes.get("/concentrations/{currency}", dependencies=[READ])
async def read_concentration(
    db: Read,
    currency: Annotated[str, Path(pattern=r"^[A-Z]{3}$", examples=["EUR"])],
    days: Annotated[int, Query(ge=1, le=3660, description="Of so many days up to now.")] = 365,
) -> ConcentrationView:
    """The Herfindahl-Hirschman index of partners' sales, and whose they are."""
    parts = shares((await sales(db, datetime.now(UTC), days)).get(currency, {}))
    index = hhi(part.share for part in parts)
    return ConcentrationView(
        currency=currency,
        days=days,
        partners=len(parts),
        hhi=index.quantize(Decimal("0.01")),
        level=level(index),
        largest=[
            ShareView(partner_id=each.partner_id, amount=each.amount, share=each.share.quantize(Decimal("0.000001")))
            for each in parts[:MOST_SHOWN]
        ],
        source=SOURCE,
    )


ROUTES = (routes,)

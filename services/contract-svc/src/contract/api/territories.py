"""Routes: who has which area exclusively."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from fastapi import APIRouter, Query
from service import Read

from contract.api.shown import READ, ReservationView, TerritoryView
from contract.domain.terms import Area
from contract.domain.territory import territories, territory_id

routes = APIRouter(prefix="/territories", tags=["territories"])
On = Annotated[date | None, Query(description="Only what holds on this day.")]


@routes.get("/{area}", dependencies=[READ])
async def read_territory(area: Area, db: Read, on: On = None) -> TerritoryView:
    """The exclusive rights in the area, in those that it lies in, and in its parts."""
    held = (await db.load(territories, territory_id(area))).state.held
    reservations = [
        ReservationView(
            contract_id=contract_id,
            area=each.grant.area,
            brand=each.grant.brand,
            channel=each.grant.channel,
            starts_on=each.starts_on,
            until=each.until,
        )
        for contract_id, several in held.items()
        for each in several
        if on is None or (each.starts_on <= on and (each.until is None or on <= each.until))
    ]
    return TerritoryView(area=area, status="reserved" if reservations else "free", reservations=reservations)

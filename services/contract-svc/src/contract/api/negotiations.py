"""Routes: negotiations with partners, round by round. Each side has its own: the partner's are open to its people."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel
from service import At, Collection, Handle, Read, Receipt, history_of, list_of, own

from contract.api.shown import (
    DECIDE,
    READ,
    WRITE,
    NegotiationView,
    OfferView,
    negotiation_view,
    offers,
    rules_of,
)
from contract.domain.negotiation import Acceptance, AcceptOffer, LetLapse, Offer, OfferTerms, negotiations
from contract.domain.standing import Party
from contract.views import negotiations_view

routes = APIRouter(prefix="/negotiations", tags=["negotiations"])

NEGOTIATIONS = Collection(
    negotiations,
    negotiations_view,
    NegotiationView,
    key="negotiation_id",
    filters=("status", "partner_id", "jurisdiction", "awaits"),
    sorts=("opened_at", "valid_until"),
    shown=negotiation_view,
)


class Rounds(BaseModel):
    """Every offer, the first first."""

    negotiation_id: UUID
    offers: list[OfferView]


@routes.post("/{negotiation_id}/offers", status_code=201, dependencies=[DECIDE])
async def offer_terms(negotiation_id: UUID, body: Offer, db: Read, handle: Handle) -> Receipt:
    """The principal's offer or counter-offer. What stood before is off the table."""
    rules = await rules_of(db, body.terms.jurisdiction)
    return await handle(negotiations, negotiation_id, OfferTerms(party=Party.PRINCIPAL, rules=rules, **said(body)))


@routes.post(
    "/{negotiation_id}/partner-offers",
    status_code=201,
    dependencies=[WRITE, own("negotiation_id", negotiations, reads=["jurisdictions"])],
)
async def offer_terms_as_partner(negotiation_id: UUID, body: Offer, db: Read, handle: Handle) -> Receipt:
    """The partner's offer or counter-offer. What stood before is off the table."""
    rules = await rules_of(db, body.terms.jurisdiction)
    return await handle(negotiations, negotiation_id, OfferTerms(party=Party.PARTNER, rules=rules, **said(body)))


def said(body: Offer) -> dict[str, object]:
    return {name: getattr(body, name) for name in Offer.model_fields}


@routes.get("/{negotiation_id}/offers", dependencies=[READ, own("negotiation_id", negotiations)])
async def read_offers(negotiation_id: UUID, db: Read, at: At) -> Rounds:
    """Every round, with what is different about it from the round before, term by term."""
    loaded = await db.state(negotiations, negotiation_id, at, negotiation_id=negotiation_id)
    return Rounds(negotiation_id=negotiation_id, offers=[*offers(loaded.state)])


@routes.post("/{negotiation_id}/acceptance", status_code=201, dependencies=[DECIDE])
async def accept_offer(negotiation_id: UUID, body: Acceptance, handle: Handle) -> Receipt:
    """The principal accepts the partner's offer that stands; the contract is drafted from its terms by itself."""
    command = AcceptOffer(party=Party.PRINCIPAL, **body.model_dump())
    return await handle(negotiations, negotiation_id, command)


@routes.post(
    "/{negotiation_id}/partner-acceptance",
    status_code=201,
    dependencies=[WRITE, own("negotiation_id", negotiations)],
)
async def accept_offer_as_partner(negotiation_id: UUID, body: Acceptance, handle: Handle) -> Receipt:
    """The partner accepts the principal's offer that stands; the contract is drafted from its terms by itself."""
    command = AcceptOffer(party=Party.PARTNER, **body.model_dump())
    return await handle(negotiations, negotiation_id, command)


@routes.post("/{negotiation_id}/lapse", status_code=201, dependencies=[DECIDE])
async def let_lapse(negotiation_id: UUID, command: LetLapse, handle: Handle) -> Receipt:
    """It came to nothing: the negotiation is over, and the prospect is closed."""
    return await handle(negotiations, negotiation_id, command)


routes.add_api_route("", list_of(NEGOTIATIONS), methods=["GET"], dependencies=[READ, own(query="partner_id")])


@routes.get("/{negotiation_id}", dependencies=[READ, own("negotiation_id", negotiations)])
async def read_negotiation(negotiation_id: UUID, db: Read, at: At) -> NegotiationView:
    """The negotiation, with the offer that stands and whose answer it waits for."""
    return await db.one(NEGOTIATIONS, at, negotiation_id=negotiation_id)


routes.add_api_route("/{id}/history", history_of(negotiations), methods=["GET"], dependencies=[READ])

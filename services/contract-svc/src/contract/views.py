"""Read models: negotiations and contracts as they stand. Both are written with the append."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from engine import Fact, Statement, Table, View
from events.contract import (
    ContractDrafted,
    ContractExpired,
    ContractInForce,
    ContractTerminated,
    DisclosureDelivered,
    NegotiationAccepted,
    NegotiationLapsed,
    NegotiationOpened,
    PartnerSigned,
)

from contract.domain import contract, negotiation
from contract.domain.contract import PARTIES, PartySigned

NEGOTIATIONS = Table(
    "negotiations",
    """
    negotiation_id uuid primary key,
    partner_id uuid not null,
    status text not null,
    opened_at timestamptz not null,
    contract_id uuid,
    jurisdiction text,
    areas text[],
    royalty_percent numeric,
    term_ends_on date,
    lapsed_because text
    """,
    indexes=("(status, negotiation_id)", "(partner_id)"),
)

CONTRACTS = Table(
    "contracts",
    """
    contract_id uuid primary key,
    partner_id uuid not null,
    status text not null,
    jurisdiction text not null,
    areas text[] not null,
    royalty_percent numeric not null,
    term_ends_on date,
    delivered_on date,
    signing_allowed_from date,
    law text,
    awaits text[] not null,
    effective_from date,
    ended_at timestamptz,
    terminated_because text
    """,
    indexes=("(status, contract_id)", "(partner_id)"),
)


def project_negotiations(fact: Fact[Any]) -> Iterator[Statement]:
    key = {"negotiation_id": fact.stream_id}
    match fact.event:
        case NegotiationOpened(negotiation_id=id, partner_id=partner_id):
            yield NEGOTIATIONS.upsert(
                "negotiation_id",
                negotiation_id=id,
                partner_id=partner_id,
                status=negotiation.Status.OPEN.value,
                opened_at=fact.occurred_at,
            )
        case NegotiationAccepted() as accepted:
            yield NEGOTIATIONS.update(
                key,
                status=negotiation.Status.ACCEPTED.value,
                contract_id=accepted.contract_id,
                jurisdiction=accepted.jurisdiction,
                areas=list(accepted.areas),
                royalty_percent=accepted.royalty_percent,
                term_ends_on=accepted.term_ends_on,
            )
        case NegotiationLapsed(reason=reason):
            yield NEGOTIATIONS.update(key, status=negotiation.Status.LAPSED.value, lapsed_because=reason)


def project_contracts(fact: Fact[Any]) -> Iterator[Statement]:
    key = {"contract_id": fact.stream_id}
    match fact.event:
        case ContractDrafted() as drafted:
            yield CONTRACTS.upsert(
                "contract_id",
                contract_id=drafted.contract_id,
                partner_id=drafted.partner_id,
                status=contract.Status.DRAFTED.value,
                jurisdiction=drafted.jurisdiction,
                areas=list(drafted.areas),
                royalty_percent=drafted.royalty_percent,
                term_ends_on=drafted.term_ends_on,
                awaits=[party.value for party in PARTIES],
            )
        case DisclosureDelivered(delivered_on=day, signing_allowed_from=opens, law=law):
            yield CONTRACTS.update(
                key,
                status=contract.Status.DISCLOSED.value,
                delivered_on=day,
                signing_allowed_from=opens,
                law=law,
            )
        case PartySigned(party=party, effective_from=day):
            yield CONTRACTS.sql(
                "update {table} set awaits = array_remove(awaits, $2), effective_from = $3 where contract_id = $1",
                fact.stream_id,
                party.value,
                day,
            )
        case PartnerSigned():
            yield CONTRACTS.update(key, status=contract.Status.SIGNED.value)
        case ContractInForce():
            yield CONTRACTS.update(key, status=contract.Status.IN_FORCE.value)
        case ContractExpired():
            yield CONTRACTS.update(key, status=contract.Status.EXPIRED.value, ended_at=fact.occurred_at)
        case ContractTerminated(reason=reason):
            yield CONTRACTS.update(
                key, status=contract.Status.TERMINATED.value, ended_at=fact.occurred_at, terminated_because=reason
            )


negotiations_view = View("negotiations", version=1, tables=(NEGOTIATIONS,), project=project_negotiations, inline=True)
contracts_view = View("contracts", version=1, tables=(CONTRACTS,), project=project_contracts, inline=True)

VIEWS = (negotiations_view, contracts_view)

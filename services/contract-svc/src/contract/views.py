"""Read models: negotiations, contracts, breaches and jurisdictions as they stand. All are written with the append."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from engine import Fact, Statement, Table, View, as_json
from engine.drafts import VersionsTable
from events.contract import (
    BreachCured,
    BreachNoticed,
    ContractDrafted,
    ContractExpired,
    ContractInForce,
    ContractRenewed,
    ContractTerminated,
    ContractTerms,
    ContractTransferred,
    CureLapsed,
    DisclosureDelivered,
    NegotiationAccepted,
    NegotiationLapsed,
    NegotiationOpened,
    PartnerSigned,
)

from contract.domain import negotiation
from contract.domain.breach import CureReported, WaiverProposed
from contract.domain.disclosure import RulesApplied, SigningWindowOpened
from contract.domain.jurisdiction import DraftDiscarded, RulesDrafted, RulesPublished
from contract.domain.negotiation import TermsOffered, other
from contract.domain.signature import ContractWithdrawn, PartySigned
from contract.domain.standing import PARTIES, Status
from contract.domain.succession import SuccessionCalledOff, SuccessorSought
from contract.domain.term import RenewalOpened, RenewalSigned
from contract.domain.terms import terms_of

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
    lapsed_because text,
    round int not null default 0,
    awaits text,
    valid_until date,
    terms json
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
    terminated_because text,
    terms json,
    rules_version int not null default 0,
    renewals int not null default 0,
    renewal_awaits text[],
    transferred_from uuid,
    successor_sought_at timestamptz,
    successor_sought_because text[]
    """,
    indexes=("(status, contract_id)", "(partner_id)", "(jurisdiction, status)"),
)

BREACHES = Table(
    "breaches",
    """
    breach_id uuid primary key,
    contract_id uuid not null,
    partner_id uuid not null,
    ground text not null,
    reasons text[] not null,
    evidence uuid[] not null,
    status text not null,
    noticed_on date not null,
    cure_until date,
    termination_allowed_from date not null,
    law text not null,
    reported text[] not null,
    waiver_proposed_by text[],
    resolved_because text,
    resolved_at timestamptz
    """,
    indexes=("(status, breach_id)", "(contract_id)", "(partner_id)"),
)

JURISDICTIONS = VersionsTable(
    "jurisdictions",
    """
    code text primary key,
    version int,
    rules json,
    draft json,
    published_at timestamptz
    """,
)


def flat(terms: ContractTerms) -> dict[str, Any]:
    """The terms by which lists are filtered and sorted, beside the whole."""
    return {
        "jurisdiction": terms.jurisdiction,
        "areas": list(terms.areas),
        "royalty_percent": terms.royalties[0].percent,
        "term_ends_on": terms.term_ends_on,
        "terms": as_json(terms),
    }


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
                round=0,
            )
        case TermsOffered() as offered:
            yield NEGOTIATIONS.update(
                key,
                round=offered.round,
                awaits=other(offered.party).value,
                valid_until=offered.valid_until,
                **flat(offered.terms),
            )
        case NegotiationAccepted() as accepted:
            yield NEGOTIATIONS.update(
                key,
                status=negotiation.Status.ACCEPTED.value,
                contract_id=accepted.contract_id,
                awaits=None,
                **flat(terms_of(accepted)),
            )
        case NegotiationLapsed(reason=reason):
            lapsed = negotiation.Status.LAPSED.value
            yield NEGOTIATIONS.update(key, status=lapsed, lapsed_because=reason, awaits=None)


def project_contracts(fact: Fact[Any]) -> Iterator[Statement]:
    key = {"contract_id": fact.stream_id}
    match fact.event:
        case ContractDrafted() as drafted:
            yield CONTRACTS.upsert(
                "contract_id",
                contract_id=drafted.contract_id,
                partner_id=drafted.partner_id,
                status=Status.DRAFTED.value,
                awaits=[party.value for party in PARTIES],
                rules_version=0,
                renewals=0,
                **flat(terms_of(drafted)),
            )
        case RulesApplied(rules=rules):
            yield CONTRACTS.update(key, rules_version=rules.version)
        case DisclosureDelivered(delivered_on=day, signing_allowed_from=opens, law=law):
            yield CONTRACTS.sql(
                "update {table} set status = case when status = 'drafted' then 'disclosed' else status end,"
                " delivered_on = $2, signing_allowed_from = $3, law = $4 where contract_id = $1",
                fact.stream_id,
                day,
                opens,
                law,
            )
        case SigningWindowOpened():
            yield CONTRACTS.update(key, status=Status.IN_WINDOW.value)
        case PartySigned(party=party, effective_from=day):
            yield CONTRACTS.sql(
                "update {table} set awaits = array_remove(awaits, $2), effective_from = $3 where contract_id = $1",
                fact.stream_id,
                party.value,
                day,
            )
        case _:
            yield from project_standing(fact, key)


NONE_SOUGHT = {"successor_sought_at": None, "successor_sought_because": None}


def project_standing(fact: Fact[Any], key: dict[str, UUID]) -> Iterator[Statement]:
    """From the last signature on."""
    match fact.event:
        case PartnerSigned():
            yield CONTRACTS.update(key, status=Status.SIGNED.value)
        case ContractInForce():
            yield CONTRACTS.update(key, status=Status.IN_FORCE.value)
        case RenewalOpened():
            yield CONTRACTS.update(
                key,
                status=Status.RENEWAL_ELIGIBLE.value,
                delivered_on=None,
                signing_allowed_from=None,
                renewal_awaits=[party.value for party in PARTIES],
            )
        case RenewalSigned(party=party):
            yield CONTRACTS.sql(
                "update {table} set renewal_awaits = array_remove(renewal_awaits, $2) where contract_id = $1",
                fact.stream_id,
                party.value,
            )
        case ContractRenewed(renewal=renewals, term_ends_on=until):
            yield CONTRACTS.update(
                key, status=Status.IN_FORCE.value, renewals=renewals, term_ends_on=until, renewal_awaits=None
            )
        case ContractTransferred(partner_id=partner_id, from_partner_id=before):
            yield CONTRACTS.update(key, partner_id=partner_id, transferred_from=before, **NONE_SOUGHT)
        case SuccessorSought(reasons=reasons):
            sought = {"successor_sought_at": fact.occurred_at, "successor_sought_because": list(reasons)}
            yield CONTRACTS.update(key, **sought)
        case SuccessionCalledOff():
            yield CONTRACTS.update(key, **NONE_SOUGHT)
        case ContractExpired():
            yield CONTRACTS.update(key, status=Status.EXPIRED.value, ended_at=fact.occurred_at)
        case ContractWithdrawn(reason=reason):
            yield CONTRACTS.update(
                key, status=Status.WITHDRAWN.value, ended_at=fact.occurred_at, terminated_because=reason
            )
        case ContractTerminated(reason=reason):
            yield CONTRACTS.update(
                key, status=Status.TERMINATED.value, ended_at=fact.occurred_at, terminated_because=reason
            )


def project_breaches(fact: Fact[Any]) -> Iterator[Statement]:
    match fact.event:
        case BreachNoticed() as noticed:
            yield BREACHES.upsert(
                "breach_id",
                breach_id=noticed.breach_id,
                contract_id=noticed.contract_id,
                partner_id=noticed.partner_id,
                ground=noticed.ground,
                reasons=list(noticed.reasons),
                evidence=list(noticed.evidence),
                status="noticed",
                noticed_on=noticed.noticed_on,
                cure_until=noticed.cure_until,
                termination_allowed_from=noticed.termination_allowed_from,
                law=noticed.law,
                reported=[],
            )
        case CureReported(breach_id=id, account=account):
            yield BREACHES.sql(
                "update {table} set reported = array_append(reported, $2) where breach_id = $1", id, account
            )
        case WaiverProposed(breach_id=id, by=by):
            yield BREACHES.update({"breach_id": id}, waiver_proposed_by=list(by))
        case BreachCured(breach_id=id, resolution=resolution, reason=reason):
            yield BREACHES.update(
                {"breach_id": id}, status=resolution, resolved_because=reason, resolved_at=fact.occurred_at
            )
        case CureLapsed(breach_id=id):
            yield BREACHES.update({"breach_id": id}, status="lapsed")
        case ContractTransferred(contract_id=contract_id, partner_id=partner_id):
            yield BREACHES.update({"contract_id": contract_id}, partner_id=partner_id)


def project_jurisdictions(fact: Fact[Any]) -> Iterator[Statement]:
    match fact.event:
        case RulesDrafted(code=code, content=content):
            yield JURISDICTIONS.drafted(content, code=code)
        case RulesPublished(code=code, rules=rules):
            yield JURISDICTIONS.update(
                {"code": code},
                version=rules.version,
                rules=as_json(rules),
                draft=None,
                published_at=fact.occurred_at,
            )
        case DraftDiscarded(code=code):
            yield JURISDICTIONS.discarded(code=code)


negotiations_view = View("negotiations", version=2, tables=(NEGOTIATIONS,), project=project_negotiations, inline=True)
contracts_view = View("contracts", version=3, tables=(CONTRACTS,), project=project_contracts, inline=True)
breaches_view = View("breaches", version=1, tables=(BREACHES,), project=project_breaches, inline=True)
jurisdictions_view = View(
    "jurisdictions", version=1, tables=(JURISDICTIONS,), project=project_jurisdictions, inline=True
)

VIEWS = (negotiations_view, contracts_view, breaches_view, jurisdictions_view)

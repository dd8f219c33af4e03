from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from contract.domain.contract import ContractExecuted, Party, PartySigned
from contract.views import CONTRACTS, NEGOTIATIONS, VIEWS, project_contracts, project_negotiations
from engine import Statement
from engine.testing import fact_of
from events import Event
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

Terms = Callable[..., dict[str, Any]]
NOW = datetime(2000, 1, 12, 21, tzinfo=UTC)


def of_negotiation(event: Event, id: UUID) -> list[Statement]:
    return list(project_negotiations(fact_of(event, stream=f"negotiation-{id}", occurred_at=NOW)))


def of_contract(event: Event, id: UUID) -> list[Statement]:
    return list(project_contracts(fact_of(event, stream=f"contract-{id}", occurred_at=NOW)))


def test_an_open_negotiation_shows_with_whom_and_since_when(partner: UUID, negotiation: UUID) -> None:
    opened = NegotiationOpened(negotiation_id=negotiation, partner_id=partner)
    assert of_negotiation(opened, negotiation) == [
        NEGOTIATIONS.upsert(
            "negotiation_id", negotiation_id=negotiation, partner_id=partner, status="open", opened_at=NOW
        )
    ]


def test_an_accepted_negotiation_shows_the_terms_and_the_contract(
    partner: UUID, negotiation: UUID, contract: UUID, terms: Terms
) -> None:
    accepted = NegotiationAccepted(negotiation_id=negotiation, partner_id=partner, contract_id=contract, **terms())
    assert of_negotiation(accepted, negotiation) == [
        NEGOTIATIONS.update(
            {"negotiation_id": negotiation},
            status="accepted",
            contract_id=contract,
            jurisdiction="US-AK",
            areas=["US-AK-99501"],
            royalty_percent=Decimal("5.5"),
            term_ends_on=None,
        )
    ]


def test_a_lapsed_negotiation_shows_why(partner: UUID, negotiation: UUID) -> None:
    lapsed = NegotiationLapsed(negotiation_id=negotiation, partner_id=partner, reason="silence")
    assert of_negotiation(lapsed, negotiation) == [
        NEGOTIATIONS.update({"negotiation_id": negotiation}, status="lapsed", lapsed_because="silence")
    ]


def test_a_draft_awaits_the_signature_of_each_party(partner: UUID, contract: UUID, terms: Terms) -> None:
    drafted = ContractDrafted(contract_id=contract, partner_id=partner, **terms(term_ends_on=date(2001, 12, 31)))
    assert of_contract(drafted, contract) == [
        CONTRACTS.upsert(
            "contract_id",
            contract_id=contract,
            partner_id=partner,
            status="drafted",
            jurisdiction="US-AK",
            areas=["US-AK-99501"],
            royalty_percent=Decimal("5.5"),
            term_ends_on=date(2001, 12, 31),
            awaits=["principal", "partner"],
        )
    ]


def test_a_disclosed_contract_shows_from_when_it_may_be_signed_and_by_which_law(partner: UUID, contract: UUID) -> None:
    disclosed = DisclosureDelivered(
        contract_id=contract,
        partner_id=partner,
        delivered_on=date(2000, 1, 13),
        signing_allowed_from=date(2000, 1, 28),
        law="16 CFR 436.2(a)",
    )
    assert of_contract(disclosed, contract) == [
        CONTRACTS.update(
            {"contract_id": contract},
            status="disclosed",
            delivered_on=date(2000, 1, 13),
            signing_allowed_from=date(2000, 1, 28),
            law="16 CFR 436.2(a)",
        )
    ]


def test_a_signature_is_not_awaited_any_more(contract: UUID) -> None:
    signed = PartySigned(
        contract_id=contract, party=Party.PARTNER, signed_on=date(2000, 1, 28), effective_from=date(2000, 2, 1)
    )
    [statement] = of_contract(signed, contract)
    assert statement.args == (contract, "partner", date(2000, 2, 1))
    assert "array_remove(awaits, $2)" in statement.template


def test_a_contract_shows_each_step_from_signed_to_its_end(partner: UUID, contract: UUID) -> None:
    ids = {"contract_id": contract, "partner_id": partner}
    key = {"contract_id": contract}
    day = date(2000, 2, 1)
    assert [
        of_contract(event, contract)
        for event in (
            PartnerSigned(**ids, areas=("US-AK",), effective_from=day),
            ContractExecuted(contract_id=contract, in_force_at=NOW, expires_at=None),
            ContractInForce(**ids),
            ContractExpired(**ids),
            ContractTerminated(**ids, reason="unpaid royalties"),
        )
    ] == [
        [CONTRACTS.update(key, status="signed")],
        [],
        [CONTRACTS.update(key, status="in_force")],
        [CONTRACTS.update(key, status="expired", ended_at=NOW)],
        [CONTRACTS.update(key, status="terminated", ended_at=NOW, terminated_because="unpaid royalties")],
    ]


def test_callers_read_their_own_writes() -> None:
    assert all(view.inline for view in VIEWS)

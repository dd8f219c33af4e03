from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import pytest
from contract.domain.contract import (
    BringIntoForce,
    ContractExecuted,
    DraftContract,
    ExpireContract,
    Party,
    PartySigned,
    contracts,
)
from contract.domain.negotiation import OpenNegotiation, negotiations
from contract.policies import POLICIES, carry_on, open_negotiation
from engine import CancelTimer, Send, SetTimer
from engine.testing import fact_of
from events.contract import ContractInForce, ContractTerminated, NegotiationAccepted, NegotiationLapsed, PartnerSigned
from events.partner import PartnerActivated, PartnerRegistered

NOW = datetime(2000, 1, 12, 21, tzinfo=UTC)
BEGINS, ENDS = datetime(2000, 2, 1, 9, tzinfo=UTC), datetime(2002, 1, 1, 9, tzinfo=UTC)


def test_a_registered_partner_opens_its_negotiation(partner: UUID, negotiation: UUID) -> None:
    registered = PartnerRegistered(
        partner_id=partner,
        application_id=UUID(int=1),
        legal_name="TESORO - SEWARD HWY",
        kind="franchisee",
        area="US-AK",
        outlet_id=UUID(int=2),
        outlet_name="Seward Highway",
    )
    sends = list(open_negotiation(fact_of(registered, occurred_at=NOW)))
    assert sends == [Send(negotiations, negotiation, OpenNegotiation(partner_id=partner))]


def test_nothing_else_about_a_partner_opens_one(partner: UUID) -> None:
    assert list(open_negotiation(fact_of(PartnerActivated(partner_id=partner), occurred_at=NOW))) == []


@pytest.mark.parametrize("ends_on", [None, date(2001, 12, 31)])
def test_accepted_terms_are_drafted_as_they_are(
    partner: UUID, negotiation: UUID, contract: UUID, terms: Callable[..., dict[str, Any]], ends_on: date | None
) -> None:
    agreed = terms(term_ends_on=ends_on)
    accepted = NegotiationAccepted(negotiation_id=negotiation, partner_id=partner, contract_id=contract, **agreed)
    assert list(carry_on(fact_of(accepted, occurred_at=NOW))) == [
        Send(contracts, contract, DraftContract(contract_id=contract, partner_id=partner, **agreed))
    ]


def test_an_executed_contract_sets_the_timers_of_its_beginning_and_its_end(contract: UUID) -> None:
    executed = ContractExecuted(contract_id=contract, in_force_at=BEGINS, expires_at=ENDS)
    assert list(carry_on(fact_of(executed, occurred_at=NOW))) == [
        SetTimer(f"{contract}/in_force", BEGINS, Send(contracts, contract, BringIntoForce())),
        SetTimer(f"{contract}/expiry", ENDS, Send(contracts, contract, ExpireContract())),
    ]


def test_a_contract_without_end_sets_the_timer_of_its_beginning_only(contract: UUID) -> None:
    executed = ContractExecuted(contract_id=contract, in_force_at=BEGINS, expires_at=None)
    assert list(carry_on(fact_of(executed, occurred_at=NOW))) == [
        SetTimer(f"{contract}/in_force", BEGINS, Send(contracts, contract, BringIntoForce())),
    ]


def test_a_terminated_contract_does_not_expire_later(partner: UUID, contract: UUID) -> None:
    terminated = ContractTerminated(contract_id=contract, partner_id=partner, reason="unpaid royalties")
    assert list(carry_on(fact_of(terminated, occurred_at=NOW))) == [CancelTimer(f"{contract}/expiry")]


def test_nothing_follows_from_the_rest(partner: UUID, negotiation: UUID, contract: UUID) -> None:
    day = date(2000, 1, 29)
    for event in (
        NegotiationLapsed(negotiation_id=negotiation, partner_id=partner, reason="silence"),
        PartySigned(contract_id=contract, party=Party.PARTNER, signed_on=day, effective_from=day),
        PartnerSigned(contract_id=contract, partner_id=partner, areas=("US-AK",), effective_from=day),
        ContractInForce(contract_id=contract, partner_id=partner),
    ):
        assert list(carry_on(fact_of(event, occurred_at=NOW))) == []


def test_the_policies_hear_partners_and_the_house_itself() -> None:
    assert {policy.name: policy.source for policy in POLICIES} == {"opening": "partner", "carrying_on": "contract"}

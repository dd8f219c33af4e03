from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID, uuid5

import pytest
from contract.domain.breach import LapseCure, NoticeBreach
from contract.domain.contract import DraftContract, contracts
from contract.domain.disclosure import OpenSigningWindow
from contract.domain.negotiation import EndWithoutContract, LapseOffer, OpenNegotiation, TermsOffered, negotiations
from contract.domain.shipped import SHIPPED
from contract.domain.signature import ContractExecuted, ContractWithdrawn, PartySigned
from contract.domain.standing import Party
from contract.domain.succession import SeekSuccessor
from contract.domain.term import BringIntoForce, ExpireContract, OpenRenewal, TermExtended
from contract.domain.territory import ReleaseArea, ReserveArea, releases, reservations, territories, territory_id
from contract.domain.transfer import CompleteTransfer, TransferConsented
from contract.policies import POLICIES, InForce, carry_on, carry_out, open_negotiation
from engine import CancelTimer, Reaction, Send, SetTimer
from engine.testing import SOME_ID, fact_of
from events import Event
from events.contract import (
    BreachCured,
    BreachNoticed,
    ContractExpired,
    ContractInForce,
    ContractTerminated,
    ContractTransferred,
    DisclosureDelivered,
    NegotiationAccepted,
    NegotiationLapsed,
    PartnerSigned,
)
from events.partner import PartnerActivated, PartnerRegistered
from events.risk import AdjustmentDecided

NOW = datetime(2000, 1, 12, 21, tzinfo=UTC)
BEGINS, ENDS = datetime(2000, 2, 1, 9, tzinfo=UTC), datetime(2002, 1, 1, 9, tzinfo=UTC)
RENEWABLE = datetime(2001, 7, 1, 9, tzinfo=UTC)
BREACH = UUID(int=77)
Terms = Callable[..., dict[str, Any]]


def follows(event: Event, about: Any = None) -> list[Reaction]:
    return list(carry_on(fact_of(event, occurred_at=NOW), about))


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


@pytest.mark.parametrize("ends_on", [None, date(2001, 12, 31)], ids=str)
def test_accepted_terms_are_drafted_as_they_are_by_the_rules_of_the_day(
    partner: UUID, negotiation: UUID, contract: UUID, terms: Terms, ends_on: date | None
) -> None:
    agreed, rules = terms(term_ends_on=ends_on), SHIPPED["US-AK"]
    accepted = NegotiationAccepted(negotiation_id=negotiation, partner_id=partner, contract_id=contract, **agreed)
    draft = DraftContract(contract_id=contract, partner_id=partner, terms=agreed["terms"], rules=rules)
    assert follows(accepted, rules) == [CancelTimer(f"{negotiation}/offer"), Send(contracts, contract, draft)]


# -- clocks


def test_an_offer_with_a_last_day_sets_a_timer_and_one_without_takes_it_away(negotiation: UUID, terms: Terms) -> None:
    offered = TermsOffered(
        negotiation_id=negotiation,
        round=2,
        party=Party.PARTNER,
        terms=terms()["terms"],
        rules=SHIPPED["US-AK"],
        valid_until=date(2000, 2, 1),
        lapses_at=BEGINS,
    )
    lapse = Send(negotiations, negotiation, LapseOffer(round=2))
    assert follows(offered) == [SetTimer(f"{negotiation}/offer", BEGINS, lapse)]
    endless = offered.model_copy(update={"valid_until": None, "lapses_at": None})
    assert follows(endless) == [CancelTimer(f"{negotiation}/offer")]


def test_a_negotiation_that_lapsed_waits_for_nobody(partner: UUID, negotiation: UUID) -> None:
    lapsed = NegotiationLapsed(negotiation_id=negotiation, partner_id=partner, reason="silence")
    assert follows(lapsed) == [CancelTimer(f"{negotiation}/offer")]


def test_a_delivered_document_sets_the_timer_of_the_window(partner: UUID, contract: UUID) -> None:
    day = date(2000, 1, 28)
    delivered = DisclosureDelivered(
        contract_id=contract,
        partner_id=partner,
        delivered_on=day,
        signing_allowed_from=day,
        law="x",
        opens_at=BEGINS,
    )
    opening = Send(contracts, contract, OpenSigningWindow())
    assert follows(delivered) == [SetTimer(f"{contract}/window", BEGINS, opening)]
    assert follows(delivered.model_copy(update={"opens_at": None})) == []


def test_an_executed_contract_sets_the_timers_of_its_beginning_its_renewal_and_its_end(contract: UUID) -> None:
    executed = ContractExecuted(contract_id=contract, in_force_at=BEGINS, expires_at=ENDS, renewable_at=RENEWABLE)
    assert follows(executed) == [
        SetTimer(f"{contract}/in_force", BEGINS, Send(contracts, contract, BringIntoForce())),
        SetTimer(f"{contract}/expiry", ENDS, Send(contracts, contract, ExpireContract())),
        SetTimer(f"{contract}/renewal", RENEWABLE, Send(contracts, contract, OpenRenewal())),
    ]
    endless = ContractExecuted(contract_id=contract, in_force_at=BEGINS, expires_at=None)
    assert [reaction.key for reaction in follows(endless) if isinstance(reaction, SetTimer)] == [f"{contract}/in_force"]


def test_a_renewed_term_moves_its_timers(contract: UUID) -> None:
    extended = TermExtended(contract_id=contract, expires_at=ENDS, renewable_at=None)
    expire = SetTimer(f"{contract}/expiry", ENDS, Send(contracts, contract, ExpireContract()))
    assert follows(extended) == [expire]
    again = extended.model_copy(update={"renewable_at": RENEWABLE})
    renewal = SetTimer(f"{contract}/renewal", RENEWABLE, Send(contracts, contract, OpenRenewal()))
    assert follows(again) == [expire, renewal]


def test_a_transfer_to_which_both_consent_is_done_on_its_day(contract: UUID) -> None:
    consented = TransferConsented(contract_id=contract, side="transferee", transfers_at=BEGINS)
    complete = Send(contracts, contract, CompleteTransfer())
    assert follows(consented) == [SetTimer(f"{contract}/transfer", BEGINS, complete)]
    assert follows(consented.model_copy(update={"transfers_at": None})) == []


def test_a_noticed_breach_sets_the_timer_of_its_cure_and_its_cure_takes_it_away(partner: UUID, contract: UUID) -> None:
    noticed = BreachNoticed(
        contract_id=contract,
        partner_id=partner,
        breach_id=BREACH,
        ground="non_payment",
        reasons=("unpaid",),
        evidence=(),
        noticed_on=date(2000, 1, 12),
        cure_until=date(2000, 1, 31),
        lapses_at=BEGINS,
        termination_allowed_from=date(2000, 2, 1),
        law="x",
    )
    key = f"{contract}/cure/{BREACH}"
    assert follows(noticed) == [SetTimer(key, BEGINS, Send(contracts, contract, LapseCure(breach_id=BREACH)))]
    assert follows(noticed.model_copy(update={"cure_until": None, "lapses_at": None})) == []
    cured = BreachCured(contract_id=contract, partner_id=partner, breach_id=BREACH, resolution="cured", reason="paid")
    assert follows(cured) == [CancelTimer(key)]


# -- areas


def test_what_ends_gives_its_exclusive_areas_free_and_a_terminated_contract_does_not_expire_later(
    partner: UUID, contract: UUID, terms: Terms
) -> None:
    held = terms(grants=[{"area": "US-AK", "exclusive": True}, {"area": "US-WA"}])["terms"]
    ids = {"contract_id": contract, "partner_id": partner}
    freed = list(releases(contract, held))
    assert Send(territories, territory_id("US"), ReleaseArea(area="US", contract_id=contract)) in freed
    assert follows(ContractExpired(**ids), held) == freed
    timers = [CancelTimer(f"{contract}/{what}") for what in ("expiry", "renewal", "transfer")]
    assert follows(ContractTerminated(**ids, reason="unpaid"), held) == [*timers, *freed]


def test_a_withdrawn_contract_gives_its_areas_free_and_lets_its_negotiation_lapse(
    partner: UUID, contract: UUID, negotiation: UUID, terms: Terms
) -> None:
    held = terms(grants=[{"area": "US-AK"}])["terms"]
    withdrawn = ContractWithdrawn(contract_id=contract, partner_id=partner, reason="no site")
    lapse = Send(negotiations, negotiation, EndWithoutContract(reason="no site"))
    assert follows(withdrawn, held) == [lapse, *releases(contract, held)]


def test_a_transferred_contract_takes_its_areas_along(partner: UUID, contract: UUID, terms: Terms) -> None:
    held, day = terms(grants=[{"area": "ES", "exclusive": True}])["terms"], date(2000, 2, 1)
    transferred = ContractTransferred(
        contract_id=contract, partner_id=UUID(int=9), from_partner_id=partner, effective_on=day
    )
    command = ReserveArea(
        area="ES",
        contract_id=contract,
        partner_id=UUID(int=9),
        grant=held.grants[0],
        starts_on=day,
        until=None,
    )
    sends = follows(transferred, held)
    assert sends[0] == Send(territories, territory_id("ES"), command)
    assert sends == list(reservations(contract, UUID(int=9), held, starts_on=day, until=None))


def test_nothing_follows_from_the_rest(partner: UUID, contract: UUID) -> None:
    day = date(2000, 1, 29)
    for event in (
        PartySigned(contract_id=contract, party=Party.PARTNER, signed_on=day, effective_from=day),
        PartnerSigned(contract_id=contract, partner_id=partner, areas=("US-AK",), effective_from=day),
        ContractInForce(contract_id=contract, partner_id=partner),
    ):
        assert follows(event) == []


# -- decided elsewhere


def test_a_decided_termination_begins_with_a_notice_for_each_contract_in_force(partner: UUID, contract: UUID) -> None:
    decided = AdjustmentDecided(
        adjustment_id=UUID(int=5), partner_id=partner, kind="terminate", reasons=("Below 60.",), evidence=(BREACH,)
    )
    rules = SHIPPED["US-WI"]
    held = [InForce(contract, rules), InForce(UUID(int=8), rules)]
    sends = list(carry_out(fact_of(decided, occurred_at=NOW), held))
    assert sends == [
        Send(
            contracts,
            id,
            NoticeBreach(
                breach_id=uuid5(id, f"adjustment/{UUID(int=5)}"),
                ground="noncompliance",
                reasons=("Below 60.",),
                evidence=(BREACH, SOME_ID),
                rules=rules,
            ),
        )
        for id in (contract, UUID(int=8))
    ]


def test_of_a_partner_that_is_to_be_replaced_a_successor_is_sought_for_each_contract(
    partner: UUID, contract: UUID
) -> None:
    decided = AdjustmentDecided(
        adjustment_id=UUID(int=5), partner_id=partner, kind="replace", reasons=("Retires.",), evidence=(BREACH,)
    )
    held = [InForce(contract, SHIPPED["ES"]), InForce(UUID(int=8), SHIPPED["ES"])]
    seek = SeekSuccessor(adjustment_id=UUID(int=5), reasons=("Retires.",), evidence=(BREACH, SOME_ID))
    sends = list(carry_out(fact_of(decided, occurred_at=NOW), held))
    assert sends == [Send(contracts, id, seek) for id in (contract, UUID(int=8))]


def test_other_adjustments_are_not_for_contracts(partner: UUID, contract: UUID) -> None:
    for kind in ("probation", "suspend"):
        decided = AdjustmentDecided.model_validate(
            {"adjustment_id": BREACH, "partner_id": partner, "kind": kind, "reasons": ["x"]}
        )
        assert list(carry_out(fact_of(decided, occurred_at=NOW), [InForce(contract, SHIPPED["ES"])])) == []


def test_the_policies_hear_partners_risk_and_the_house_itself() -> None:
    heard = {policy.name: policy.source for policy in POLICIES}
    assert heard == {"opening": "partner", "carrying_on": "contract", "adjustments": "risk"}

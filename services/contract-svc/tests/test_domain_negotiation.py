from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from contract.domain.negotiation import (
    AcceptTerms,
    LetLapse,
    Negotiation,
    OpenNegotiation,
    contract_id,
    negotiation_id,
    negotiations,
)
from engine import Rejected, Unknown
from engine.testing import scenario
from events.contract import NegotiationAccepted, NegotiationLapsed, NegotiationOpened
from pydantic import ValidationError

Terms = Callable[..., dict[str, Any]]
NOW = datetime(2000, 1, 12, 21, tzinfo=UTC)


@pytest.fixture
def opened(partner: UUID, negotiation: UUID) -> NegotiationOpened:
    return NegotiationOpened(negotiation_id=negotiation, partner_id=partner)


@pytest.fixture
def accepted(partner: UUID, negotiation: UUID, contract: UUID, terms: Terms) -> NegotiationAccepted:
    return NegotiationAccepted(negotiation_id=negotiation, partner_id=partner, contract_id=contract, **terms())


@pytest.fixture
def lapsed(partner: UUID, negotiation: UUID) -> NegotiationLapsed:
    return NegotiationLapsed(negotiation_id=negotiation, partner_id=partner, reason="no financing")


def test_a_negotiation_opens_for_a_partner(partner: UUID, opened: NegotiationOpened) -> None:
    scenario(negotiations, when=OpenNegotiation(partner_id=partner), at=NOW, then=opened)


def test_a_partner_has_one_negotiation_and_it_leads_to_one_contract(partner: UUID) -> None:
    assert negotiation_id(partner) == negotiation_id(partner) != negotiation_id(UUID(int=1))
    assert contract_id(negotiation_id(partner)) != negotiation_id(partner)


def test_opening_it_again_changes_nothing(
    partner: UUID, opened: NegotiationOpened, accepted: NegotiationAccepted
) -> None:
    scenario(negotiations, given=[opened], when=OpenNegotiation(partner_id=partner), at=NOW, then=[])
    scenario(negotiations, given=[opened, accepted], when=OpenNegotiation(partner_id=partner), at=NOW, then=[])


def test_accepted_terms_name_the_contract_that_will_be_drafted(
    opened: NegotiationOpened, accepted: NegotiationAccepted, terms: Terms
) -> None:
    scenario(negotiations, given=[opened], when=AcceptTerms(**terms()), at=NOW, then=accepted)


def test_accepting_the_same_terms_again_changes_nothing(
    opened: NegotiationOpened, accepted: NegotiationAccepted, terms: Terms
) -> None:
    scenario(negotiations, given=[opened, accepted], when=AcceptTerms(**terms()), at=NOW, then=[])


def test_other_terms_are_refused_once_some_are_accepted(
    opened: NegotiationOpened, accepted: NegotiationAccepted, terms: Terms
) -> None:
    scenario(
        negotiations,
        given=[opened, accepted],
        when=AcceptTerms(**terms(royalty_percent=Decimal(4))),
        at=NOW,
        then=Rejected("contract.negotiation_closed", status="accepted"),
    )


def test_a_term_that_is_over_is_refused_and_one_that_ends_today_is_not(
    opened: NegotiationOpened, accepted: NegotiationAccepted, terms: Terms, alaska: Callable[..., datetime]
) -> None:
    command = AcceptTerms(**terms(term_ends_on=date(2000, 1, 12)))
    over = Rejected("contract.term_over", term_ends_on=date(2000, 1, 12))
    ends_today = accepted.model_copy(update={"term_ends_on": date(2000, 1, 12)})
    scenario(negotiations, given=[opened], when=command, at=alaska(2000, 1, 13, 0, 0), then=over)
    scenario(negotiations, given=[opened], when=command, at=alaska(2000, 1, 12, 23, 59), then=ends_today)


def test_a_negotiation_lapses_with_a_reason(opened: NegotiationOpened, lapsed: NegotiationLapsed) -> None:
    scenario(negotiations, given=[opened], when=LetLapse(reason="no financing"), at=NOW, then=lapsed)


def test_letting_it_lapse_again_for_the_same_reason_changes_nothing_and_for_another_is_refused(
    opened: NegotiationOpened, lapsed: NegotiationLapsed
) -> None:
    scenario(negotiations, given=[opened, lapsed], when=LetLapse(reason="no financing"), at=NOW, then=[])
    closed = Rejected("contract.negotiation_closed", status="lapsed")
    scenario(negotiations, given=[opened, lapsed], when=LetLapse(reason="silence"), at=NOW, then=closed)


def test_what_has_lapsed_cannot_be_accepted_and_what_is_accepted_cannot_lapse(
    opened: NegotiationOpened, accepted: NegotiationAccepted, lapsed: NegotiationLapsed, terms: Terms
) -> None:
    refused = Rejected("contract.negotiation_closed", status="lapsed")
    scenario(negotiations, given=[opened, lapsed], when=AcceptTerms(**terms()), at=NOW, then=refused)
    refused = Rejected("contract.negotiation_closed", status="accepted")
    scenario(negotiations, given=[opened, accepted], when=LetLapse(reason="silence"), at=NOW, then=refused)


@pytest.mark.parametrize("command", ["accept", "lapse"])
def test_a_negotiation_that_was_never_opened_is_unknown(command: str, terms: Terms) -> None:
    when = AcceptTerms(**terms()) if command == "accept" else LetLapse(reason="silence")
    scenario(negotiations, when=when, at=NOW, then=Unknown("contract.negotiation_unknown"))


@pytest.mark.parametrize(
    "wrong",
    [
        {"jurisdiction": "US-XX"},
        {"jurisdiction": "us"},
        {"areas": ()},
        {"areas": (" ",)},
        {"royalty_percent": "100.01"},
        {"royalty_percent": "-1"},
        {"brand": "unknown field"},
    ],
)
def test_terms_that_make_no_sense_are_no_command(terms: Terms, wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        AcceptTerms(**terms(**wrong))


def test_its_state_survives_a_snapshot(opened: NegotiationOpened, accepted: NegotiationAccepted) -> None:
    state = negotiations.fold([opened, accepted])
    adapter = negotiations.state_adapter
    assert adapter.validate_json(adapter.dump_json(state)) == state != Negotiation()

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from contract.domain.negotiation import (
    MOST_ROUNDS,
    AcceptOffer,
    EndWithoutContract,
    LapseOffer,
    LetLapse,
    Negotiation,
    OfferTerms,
    OpenNegotiation,
    TermsOffered,
    contract_id,
    negotiation_id,
    negotiations,
)
from contract.domain.shipped import SHIPPED
from contract.domain.standing import Party
from contract.domain.terms import TermsSaid
from engine import Command, Rejected, Unknown, differences
from engine.testing import scenario
from events.contract import NegotiationAccepted, NegotiationLapsed, NegotiationOpened
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

Said = Callable[..., TermsSaid]
Told = Callable[..., dict[str, Any]]
Alaska = Callable[..., datetime]
NOW = datetime(2000, 1, 12, 21, tzinfo=UTC)
RULES = SHIPPED["US-AK"]


@pytest.fixture
def opened(partner: UUID, negotiation: UUID) -> NegotiationOpened:
    return NegotiationOpened(negotiation_id=negotiation, partner_id=partner)


@pytest.fixture
def offered(negotiation: UUID, said: Said) -> Callable[..., TermsOffered]:
    """`offered(2, Party.PARTNER, royalties=[...])`, by default without an end."""

    def make(
        round: int, party: Party, until: date | None = None, lapses_at: datetime | None = None, **terms: Any
    ) -> TermsOffered:
        return TermsOffered(
            negotiation_id=negotiation,
            round=round,
            party=party,
            terms=said(**terms).agreed(),
            rules=RULES,
            valid_until=until,
            lapses_at=lapses_at,
        )

    return make


@pytest.fixture
def accepted(partner: UUID, negotiation: UUID, contract: UUID, terms: Told) -> NegotiationAccepted:
    return NegotiationAccepted(negotiation_id=negotiation, partner_id=partner, contract_id=contract, round=1, **terms())


@pytest.fixture
def lapsed(partner: UUID, negotiation: UUID) -> NegotiationLapsed:
    return NegotiationLapsed(negotiation_id=negotiation, partner_id=partner, reason="no financing")


def offer(said: TermsSaid, party: Party, until: date | None = None) -> OfferTerms:
    return OfferTerms(party=party, rules=RULES, terms=said, valid_until=until)


def accept(round: int, party: Party) -> AcceptOffer:
    return AcceptOffer(round=round, party=party)


def test_a_negotiation_opens_for_a_partner(partner: UUID, opened: NegotiationOpened) -> None:
    scenario(negotiations, when=OpenNegotiation(partner_id=partner), at=NOW, then=opened)


def test_a_partner_has_one_negotiation_and_it_leads_to_one_contract(partner: UUID) -> None:
    assert negotiation_id(partner) == negotiation_id(partner) != negotiation_id(UUID(int=1))
    assert contract_id(negotiation_id(partner)) != negotiation_id(partner)


def test_opening_it_again_changes_nothing(
    partner: UUID, opened: NegotiationOpened, accepted: NegotiationAccepted
) -> None:
    for before in ([opened], [opened, accepted]):
        scenario(negotiations, given=before, when=OpenNegotiation(partner_id=partner), at=NOW, then=[])


# -- offers


def test_the_principal_offers_and_the_partner_counters(
    opened: NegotiationOpened, offered: Callable[..., TermsOffered], said: Said
) -> None:
    first, cheaper = offered(1, Party.PRINCIPAL), [{"percent": "4.5"}]
    scenario(negotiations, given=[opened], when=offer(said(), Party.PRINCIPAL), at=NOW, then=first)
    counter = offer(said(royalties=cheaper), Party.PARTNER)
    then = offered(2, Party.PARTNER, royalties=cheaper)
    scenario(negotiations, given=[opened, first], when=counter, at=NOW, then=then)


def test_an_offer_that_is_made_again_changes_nothing(
    opened: NegotiationOpened, offered: Callable[..., TermsOffered], said: Said
) -> None:
    again = offer(said(), Party.PRINCIPAL)
    scenario(negotiations, given=[opened, offered(1, Party.PRINCIPAL)], when=again, at=NOW, then=[])


def test_a_party_may_better_its_own_offer(
    opened: NegotiationOpened, offered: Callable[..., TermsOffered], said: Said
) -> None:
    given = [opened, offered(1, Party.PRINCIPAL)]
    better = offer(said(notice_days=60), Party.PRINCIPAL)
    scenario(negotiations, given=given, when=better, at=NOW, then=offered(2, Party.PRINCIPAL, notice_days=60))


def test_an_offer_stands_to_the_end_of_its_last_day_on_the_clocks_of_the_place(
    opened: NegotiationOpened, offered: Callable[..., TermsOffered], said: Said, alaska: Alaska
) -> None:
    until = date(2000, 1, 20)
    first = offered(1, Party.PRINCIPAL, until, alaska(2000, 1, 21))
    scenario(negotiations, given=[opened], when=offer(said(), Party.PRINCIPAL, until), at=NOW, then=first)
    late = Rejected("contract.offer_over", valid_until=until, today=date(2000, 1, 21))
    taking = accept(1, Party.PARTNER)
    scenario(negotiations, given=[opened, first], when=taking, at=alaska(2000, 1, 21), then=late)
    state = negotiations.fold([opened, first])
    assert negotiations.decide(taking, state, alaska(2000, 1, 20, 23, 59)) != []
    past = offer(said(), Party.PRINCIPAL, date(2000, 1, 11))
    over = Rejected("contract.offer_over", valid_until=date(2000, 1, 11), today=date(2000, 1, 12))
    scenario(negotiations, given=[opened], when=past, at=NOW, then=over)


def test_a_term_that_is_over_is_neither_offered_nor_accepted(
    opened: NegotiationOpened, offered: Callable[..., TermsOffered], said: Said, alaska: Alaska
) -> None:
    day = date(2000, 1, 12)
    over = Rejected("contract.term_over", term_ends_on=day)
    offering = offer(said(term_ends_on="2000-01-12"), Party.PRINCIPAL)
    given = [opened, offered(1, Party.PRINCIPAL, term_ends_on="2000-01-12")]
    scenario(negotiations, given=[opened], when=offering, at=alaska(2000, 1, 13), then=over)
    scenario(negotiations, given=given, when=accept(1, Party.PARTNER), at=alaska(2000, 1, 13), then=over)


def test_there_are_only_so_many_rounds(
    opened: NegotiationOpened, offered: Callable[..., TermsOffered], said: Said
) -> None:
    rounds = [offered(n, Party.PRINCIPAL, notice_days=n) for n in range(1, MOST_ROUNDS + 1)]
    refused = Rejected("contract.too_many_rounds", at_most=MOST_ROUNDS)
    scenario(negotiations, given=[opened, *rounds], when=offer(said(), Party.PARTNER), at=NOW, then=refused)


# -- acceptance


def test_the_other_side_accepts_by_the_round_and_the_contract_that_will_be_drafted_is_named(
    opened: NegotiationOpened, offered: Callable[..., TermsOffered], accepted: NegotiationAccepted
) -> None:
    given = [opened, offered(1, Party.PRINCIPAL)]
    scenario(negotiations, given=given, when=accept(1, Party.PARTNER), at=NOW, then=accepted)
    for party in Party:
        scenario(negotiations, given=[*given, accepted], when=accept(1, party), at=NOW, then=[])


def test_the_principal_accepts_a_counter_offer(
    opened: NegotiationOpened,
    offered: Callable[..., TermsOffered],
    accepted: NegotiationAccepted,
    terms: Told,
) -> None:
    given = [opened, offered(1, Party.PRINCIPAL), offered(2, Party.PARTNER, notice_days=60)]
    then = accepted.model_copy(update={"round": 2, **terms(notice_days=60)})
    scenario(negotiations, given=given, when=accept(2, Party.PRINCIPAL), at=NOW, then=then)


def test_nobody_accepts_its_own_offer_nor_one_that_is_off_the_table_nor_one_that_was_never_made(
    opened: NegotiationOpened, offered: Callable[..., TermsOffered]
) -> None:
    given = [opened, offered(1, Party.PRINCIPAL), offered(2, Party.PARTNER, notice_days=60)]
    own = Rejected("contract.own_offer", round=2, awaits="principal")
    gone = Rejected("contract.offer_superseded", round=1, standing=2)
    never = Rejected("contract.nothing_offered", round=3, rounds=2)
    scenario(negotiations, given=given, when=accept(2, Party.PARTNER), at=NOW, then=own)
    scenario(negotiations, given=given, when=accept(1, Party.PARTNER), at=NOW, then=gone)
    scenario(negotiations, given=given, when=accept(3, Party.PRINCIPAL), at=NOW, then=never)


def test_nothing_is_offered_or_accepted_once_it_is_over(
    opened: NegotiationOpened,
    offered: Callable[..., TermsOffered],
    accepted: NegotiationAccepted,
    lapsed: NegotiationLapsed,
    said: Said,
) -> None:
    first = offered(1, Party.PRINCIPAL)
    for end, status in ((accepted, "accepted"), (lapsed, "lapsed")):
        closed = Rejected("contract.negotiation_closed", standing=status)
        other = offer(said(notice_days=1), Party.PARTNER)
        scenario(negotiations, given=[opened, first, end], when=other, at=NOW, then=closed)
        scenario(negotiations, given=[opened, first, end], when=accept(2, Party.PARTNER), at=NOW, then=closed)


def test_terms_accepted_before_there_were_rounds_are_known(
    opened: NegotiationOpened, accepted: NegotiationAccepted
) -> None:
    old = accepted.model_copy(update={"round": None, "terms": None})
    state = negotiations.fold([opened, old])
    assert (state.accepted, state.rounds[0].terms.areas) == (1, ("US-AK-99501",))


# -- the end without a contract


def test_a_negotiation_lapses_with_a_reason(opened: NegotiationOpened, lapsed: NegotiationLapsed) -> None:
    scenario(negotiations, given=[opened], when=LetLapse(reason="no financing"), at=NOW, then=lapsed)
    scenario(negotiations, given=[opened, lapsed], when=LetLapse(reason="no financing"), at=NOW, then=[])
    closed = Rejected("contract.negotiation_closed", standing="lapsed")
    scenario(negotiations, given=[opened, lapsed], when=LetLapse(reason="silence"), at=NOW, then=closed)


def test_what_is_accepted_cannot_lapse(opened: NegotiationOpened, accepted: NegotiationAccepted) -> None:
    refused = Rejected("contract.negotiation_closed", standing="accepted")
    scenario(negotiations, given=[opened, accepted], when=LetLapse(reason="silence"), at=NOW, then=refused)


def test_what_was_accepted_and_came_to_no_contract_has_lapsed(
    opened: NegotiationOpened, accepted: NegotiationAccepted, lapsed: NegotiationLapsed
) -> None:
    ends = EndWithoutContract(reason=lapsed.reason)
    scenario(negotiations, given=[opened, accepted], when=ends, at=NOW, then=lapsed)
    scenario(negotiations, given=[opened, accepted, lapsed], when=ends, at=NOW, then=[])


def test_an_offer_that_nobody_answered_in_time_ends_the_negotiation(
    partner: UUID,
    negotiation: UUID,
    opened: NegotiationOpened,
    offered: Callable[..., TermsOffered],
    accepted: NegotiationAccepted,
    alaska: Alaska,
) -> None:
    until = date(2000, 1, 20)
    first = offered(1, Party.PRINCIPAL, until, alaska(2000, 1, 21))
    reason = "The offer of round 1 was not answered by 2000-01-20."
    then = NegotiationLapsed(negotiation_id=negotiation, partner_id=partner, reason=reason)
    lapse = LapseOffer(round=1)
    scenario(negotiations, given=[opened, first], when=lapse, at=alaska(2000, 1, 21), then=then)
    stands = Rejected("contract.offer_stands", valid_until=until)
    scenario(negotiations, given=[opened, first], when=lapse, at=alaska(2000, 1, 20, 23, 59), then=stands)
    countered = [opened, first, offered(2, Party.PARTNER, notice_days=60)]
    for answered in (countered, [opened, first, accepted]):
        scenario(negotiations, given=answered, when=lapse, at=alaska(2000, 1, 21), then=[])


@pytest.mark.parametrize("command", ["offer", "accept", "lapse"])
def test_a_negotiation_that_was_never_opened_is_unknown(command: str, said: Said) -> None:
    commands: dict[str, Command] = {
        "offer": offer(said(), Party.PRINCIPAL),
        "accept": accept(1, Party.PARTNER),
        "lapse": LetLapse(reason="silence"),
    }
    scenario(negotiations, when=commands[command], at=NOW, then=Unknown("contract.negotiation_unknown"))


# -- terms


@pytest.mark.parametrize(
    "wrong",
    [
        {"jurisdiction": "alaska"},
        {"grants": []},
        {"grants": [{"area": " "}]},
        {"grants": [{"area": "ES"}, {"area": "ES", "exclusive": True}]},
        {"royalties": []},
        {"royalties": [{"percent": "100.01"}]},
        {"royalties": [{"percent": "-1"}]},
        {"royalties": [{"percent": "5"}, {"percent": "6", "effective_from": "2001-01-01"}]},
        {"royalties": [{"percent": "5", "effective_from": "2001-01-02", "effective_to": "2001-01-01"}]},
        {
            "royalties": [
                {"percent": "5", "effective_to": "2001-01-01"},
                {"percent": "6", "effective_from": "2001-01-01"},
            ]
        },
        {
            "royalties": [
                {
                    "percent": "5",
                    "minimum": {"amount": "100", "currency": "EUR"},
                    "maximum": {"amount": "99", "currency": "EUR"},
                }
            ]
        },
        {
            "royalties": [
                {
                    "percent": "5",
                    "minimum": {"amount": "100", "currency": "EUR"},
                    "maximum": {"amount": "200", "currency": "USD"},
                }
            ]
        },
        {"fees": {"initial": {"amount": "-1", "currency": "EUR"}}},
        {"fees": {"initial": {"amount": "1", "currency": "euro"}}},
        {"renewal": {"times": 1, "months": 12, "window_days": 90}},
        {"brand": "unknown field"},
    ],
    ids=range(16),
)
def test_terms_that_make_no_sense_are_no_offer(said: Said, wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        said(**wrong)


def test_the_difference_between_two_rounds_is_told_term_by_term(said: Said) -> None:
    before = said(royalties=[{"percent": "6"}], restrictions=[{"kind": "non_compete", "text": "Two years."}]).agreed()
    after = said(
        royalties=[{"percent": "5.5"}],
        grants=[{"area": "US-AK-99501", "exclusive": True}],
        fees={"initial": {"amount": "25000", "currency": "USD"}},
    ).agreed()
    assert [(each.term, each.before, each.after) for each in differences(before, after)] == [
        ("grants[0].exclusive", False, True),
        ("royalties[0].percent", "6", "5.5"),
        ("fees.initial", None, {"amount": "25000", "currency": "USD"}),
        ("restrictions[0]", {"kind": "non_compete", "text": "Two years."}, None),
    ]


PERCENTS = st.decimals(min_value=0, max_value=100, places=2)
TERMS = st.builds(
    lambda percent, notice, areas: TermsSaid.model_validate(
        {
            "jurisdiction": "ES",
            "grants": [{"area": f"ES-{area}"} for area in areas],
            "royalties": [{"percent": percent}],
            "notice_days": notice,
        }
    ).agreed(),
    PERCENTS,
    st.integers(0, 100),
    st.lists(st.integers(1, 9), min_size=1, max_size=4, unique=True),
)


@given(TERMS, TERMS)
def test_terms_differ_where_they_are_not_the_same_and_the_other_way_round_as_well(one: Any, other: Any) -> None:
    found, back = differences(one, other), differences(other, one)
    assert (found == ()) == (one == other)
    assert [(d.term, d.before, d.after) for d in found] == [(d.term, d.after, d.before) for d in back]


def test_its_state_survives_a_snapshot(
    opened: NegotiationOpened, offered: Callable[..., TermsOffered], accepted: NegotiationAccepted
) -> None:
    state = negotiations.fold([opened, offered(1, Party.PRINCIPAL), accepted])
    adapter = negotiations.state_adapter
    assert adapter.validate_json(adapter.dump_json(state)) == state != Negotiation()
    assert state.rounds[0].terms.royalties[0].percent == Decimal("5.5")

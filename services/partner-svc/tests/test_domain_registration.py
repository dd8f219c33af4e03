from collections.abc import Callable
from datetime import datetime
from uuid import UUID

import pytest
from engine.testing import scenario
from hypothesis import example, given
from hypothesis import strategies as st
from partner.domain.registration import (
    ClaimName,
    NameClaimed,
    NameContested,
    Registration,
    name_id,
    outlet_id,
    partner_id,
    registered_names,
)
from partner.domain.words import normalised

SECOND, THIRD = UUID(int=2), UUID(int=3)
Registrations = Callable[..., Registration]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("TESORO - SEWARD HWY", "TESORO -SEWARD HWY"),
        ("GREAT ALASKA PIZZA CO.", "Great Alaska Pizza Co"),
        ("MCDONALD'S-WAL-MART", "MCDONALD'S - WALMART"),
        ("TURNAGAIN ARM BBQ PIT LLC", "TURNAGAIN  ARM BBQ PIT LLC"),
        ("Straße & Söhne", "STRASSE SÖHNE"),
        ("Café", "Cafe\u0301"),
    ],
)
def test_ways_to_write_one_name_are_one_name(one: str, other: str) -> None:
    assert normalised(one) == normalised(other)
    assert name_id(one) == name_id(other)


@pytest.mark.parametrize(("one", "other"), [("TESORO 1", "TESORO 2"), ("PEÑA", "PENA"), ("C++", "C")])
def test_other_names_are_other_names(one: str, other: str) -> None:
    assert name_id(one) != name_id(other)


@given(st.text())
@example("T¨")
def test_normalising_twice_is_normalising_once(name: str) -> None:
    assert normalised(normalised(name)) == normalised(name)


@given(
    st.lists(st.text(alphabet="abcXYZ09äß", min_size=1), min_size=1), st.lists(st.sampled_from(" .-'&,"), min_size=9)
)
def test_spaces_and_punctuation_do_not_make_another_name(words: list[str], between: list[str]) -> None:
    written = "".join(word + between[n % len(between)] for n, word in enumerate(words))
    assert normalised(written) == normalised("".join(words))


def test_a_free_name_goes_to_who_claims_it_first(now: datetime, registration: Registrations) -> None:
    first = registration()
    scenario(registered_names, when=ClaimName(registration=first), at=now, then=NameClaimed(registration=first))


def test_who_claims_it_second_contests_it(now: datetime, registration: Registrations) -> None:
    first, second = registration(), registration(SECOND, legal_name="TESORO -SEWARD HWY")
    scenario(
        registered_names,
        given=[NameClaimed(registration=first)],
        when=ClaimName(registration=second),
        at=now,
        then=NameContested(registration=second, held_by=first.partner_id, held_as="TESORO - SEWARD HWY"),
    )


def test_everybody_after_the_first_contests_it_with_the_first(now: datetime, registration: Registrations) -> None:
    first, second, third = registration(), registration(SECOND), registration(THIRD)
    contested = NameContested(registration=second, held_by=first.partner_id, held_as=first.legal_name)
    scenario(
        registered_names,
        given=[NameClaimed(registration=first), contested],
        when=ClaimName(registration=third),
        at=now,
        then=NameContested(registration=third, held_by=first.partner_id, held_as=first.legal_name),
    )


def test_claiming_it_again_changes_nothing(now: datetime, registration: Registrations) -> None:
    first, second = registration(), registration(SECOND)
    contested = NameContested(registration=second, held_by=first.partner_id, held_as=first.legal_name)
    given_both = [NameClaimed(registration=first), contested]
    for claimant in (first, second):
        scenario(registered_names, given=given_both, when=ClaimName(registration=claimant), at=now, then=[])


def test_ids_follow_from_the_application(application: UUID) -> None:
    assert partner_id(application) == partner_id(application) != partner_id(SECOND)
    assert outlet_id(partner_id(application)) != partner_id(application)


def test_its_state_survives_a_snapshot(registration: Registrations) -> None:
    first, second = registration(), registration(SECOND)
    contested = NameContested(registration=second, held_by=first.partner_id, held_as=first.legal_name)
    state = registered_names.fold([NameClaimed(registration=first), contested])
    adapter = registered_names.state_adapter
    assert adapter.validate_json(adapter.dump_json(state)) == state

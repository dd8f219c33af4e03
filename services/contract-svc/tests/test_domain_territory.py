from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from contract.domain.territory import (
    SHEETS,
    AreaReleased,
    AreaReserved,
    ReleaseArea,
    Reservation,
    ReserveArea,
    around,
    releases,
    reservations,
    sheet_id,
    sheets,
    territories,
    territory_id,
)
from engine import Rejected
from engine.testing import scenario
from events.contract import AreaGrant, ContractTerms
from hypothesis import given
from hypothesis import strategies as st

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
START, END = date(2026, 3, 2), date(2030, 12, 31)
ANA, BEN = UUID(int=1), UUID(int=2)


def reserve(who: UUID, grant: AreaGrant, start: date = START, until: date | None = END) -> ReserveArea:
    return ReserveArea(area="US-AK", contract_id=who, partner_id=who, grant=grant, starts_on=start, until=until)


def reserved(command: ReserveArea) -> AreaReserved:
    return AreaReserved(
        area=command.area,
        contract_id=command.contract_id,
        partner_id=command.partner_id,
        grant=command.grant,
        starts_on=command.starts_on,
        until=command.until,
    )


def exclusive(area: str = "US-AK", brand: str | None = None, channel: str | None = None) -> AreaGrant:
    return AreaGrant(area=area, brand=brand, channel=channel, exclusive=True)


ANAS = reserved(reserve(ANA, exclusive()))


def taken(area: str, taken: str = "US-AK", until: date | None = END) -> Rejected:
    return Rejected("contract.area_taken", area=area, taken=taken, brand=None, channel=None, until=until)


def test_of_two_who_want_an_area_the_first_has_it_and_the_other_is_told_until_when() -> None:
    scenario(territories, when=reserve(ANA, exclusive()), at=NOW, then=ANAS)
    scenario(territories, given=[ANAS], when=reserve(ANA, exclusive()), at=NOW, then=[])
    scenario(territories, given=[ANAS], when=reserve(BEN, exclusive()), at=NOW, then=taken("US-AK"))


def test_a_part_of_a_taken_area_and_the_whole_around_one_are_taken_too() -> None:
    inner = reserve(BEN, exclusive("US-AK-99501"))
    scenario(territories, given=[ANAS], when=inner, at=NOW, then=taken("US-AK-99501"))
    first = reserved(reserve(ANA, exclusive("US-AK-99501")))
    outer = reserve(BEN, exclusive("US-AK"))
    scenario(territories, given=[first], when=outer, at=NOW, then=taken("US-AK", "US-AK-99501"))
    beside = reserve(BEN, exclusive("US-AK-99502"))
    scenario(territories, given=[first], when=beside, at=NOW, then=reserved(beside))


def test_who_does_not_want_it_exclusively_is_kept_out_all_the_same_and_keeps_the_next_from_it() -> None:
    plain = reserve(BEN, AreaGrant(area="US-AK"))
    scenario(territories, given=[ANAS], when=plain, at=NOW, then=taken("US-AK"))
    scenario(territories, when=plain, at=NOW, then=reserved(plain))
    looks = plain.model_copy(update={"looks_only": True})
    scenario(territories, when=looks, at=NOW, then=[])
    scenario(territories, given=[ANAS], when=looks, at=NOW, then=taken("US-AK"))
    granted = Rejected("contract.area_granted", area="US-AK", granted="US-AK", brand=None, channel=None, until=END)
    scenario(territories, given=[reserved(plain)], when=reserve(ANA, exclusive()), at=NOW, then=granted)
    beside = reserve(ANA, AreaGrant(area="US-AK"))
    scenario(territories, given=[reserved(plain)], when=beside, at=NOW, then=reserved(beside))


def test_another_brand_channel_or_time_is_another_matter() -> None:
    burgers = reserved(reserve(ANA, exclusive(brand="burgers", channel="franchise")))
    for command in (
        reserve(BEN, exclusive(brand="coffee")),
        reserve(BEN, exclusive(brand="burgers", channel="retail")),
        reserve(BEN, exclusive(), start=END + timedelta(days=1), until=None),
        reserve(BEN, exclusive(), start=START - timedelta(days=9), until=START - timedelta(days=1)),
    ):
        scenario(territories, given=[burgers], when=command, at=NOW, then=reserved(command))
    any_brand = reserve(BEN, exclusive(channel="franchise"))
    refused = Rejected(
        "contract.area_taken", area="US-AK", taken="US-AK", brand="burgers", channel="franchise", until=END
    )
    scenario(territories, given=[burgers], when=any_brand, at=NOW, then=refused)


def test_a_partner_may_have_several_contracts_in_its_own_area() -> None:
    second = ReserveArea(area="US-AK", contract_id=BEN, partner_id=ANA, grant=exclusive(), starts_on=START, until=END)
    scenario(territories, given=[ANAS], when=second, at=NOW, then=reserved(second))


def test_a_renewed_contract_reserves_for_longer_unless_somebody_comes_then() -> None:
    longer = reserve(ANA, exclusive(), start=END, until=date(2035, 12, 31))
    scenario(territories, given=[ANAS], when=longer, at=NOW, then=reserved(longer))
    after = reserved(reserve(BEN, exclusive(), start=date(2032, 1, 1), until=None))
    scenario(territories, given=[ANAS, after], when=longer, at=NOW, then=taken("US-AK", until=None))


def test_a_released_area_is_free_for_the_next() -> None:
    release, released = ReleaseArea(area="US-AK", contract_id=ANA), AreaReleased(area="US-AK", contract_id=ANA)
    scenario(territories, given=[ANAS], when=release, at=NOW, then=released)
    scenario(territories, given=[ANAS, released], when=release, at=NOW, then=[])
    scenario(territories, when=release, at=NOW, then=[])
    bens = reserve(BEN, exclusive())
    scenario(territories, given=[ANAS, released], when=bens, at=NOW, then=reserved(bens))


def test_a_contract_reserves_each_area_and_those_around_it_and_releases_the_same() -> None:
    terms = ContractTerms.model_validate(
        {
            "jurisdiction": "US-AK",
            "grants": [{"area": "US-AK-99501", "exclusive": True}, {"area": "US-WA"}],
            "royalties": [{"percent": "5"}],
        }
    )
    wanted = [send.id for send in reservations(ANA, ANA, terms, starts_on=START, until=END)]
    everywhere = [
        id
        for area in ("US-AK-99501", "US-AK", "US")
        for id in (territory_id(area), *(sheet_id(area, sheet) for sheet in range(SHEETS)))
    ]
    somewhere = [id for area in ("US-WA", "US") for id in (territory_id(area), sheet_id(area, ANA.int % SHEETS))]
    assert wanted == everywhere + somewhere
    freed = [send.id for send in releases(ANA, terms)]
    assert freed == [*everywhere, sheet_id("US-WA", ANA.int % SHEETS)]


@given(st.uuids(), st.uuids(), st.booleans())
def test_an_exclusive_grant_meets_every_other_on_some_sheet(one: UUID, other: UUID, exclusively: bool) -> None:
    there = set(sheets(one, exclusive()))
    assert there & set(sheets(other, AreaGrant(area="US-AK", exclusive=exclusively)))


PARTS = st.lists(st.sampled_from(["a", "b"]), min_size=1, max_size=3).map("-".join)
RESERVATIONS = st.builds(
    lambda who, area, brand, exclusive, start, days: Reservation(
        UUID(int=who),
        AreaGrant(area=area, brand=brand, exclusive=exclusive),
        START + timedelta(days=start),
        None if days is None else START + timedelta(days=start + days),
    ),
    st.integers(1, 3),
    PARTS,
    st.sampled_from([None, "x", "y"]),
    st.booleans(),
    st.integers(0, 20),
    st.none() | st.integers(0, 20),
)


@given(RESERVATIONS, RESERVATIONS)
def test_two_exclude_one_another_or_neither_does_and_then_they_meet_in_some_area(
    one: Reservation, other: Reservation
) -> None:
    assert one.excludes(other) == other.excludes(one)
    if one.excludes(other):
        shorter, longer = sorted((one.grant.area, other.grant.area), key=len)
        assert shorter in set(around(longer))


@given(st.lists(RESERVATIONS, max_size=8))
def test_however_they_come_no_two_reservations_of_an_area_exclude_one_another(wanted: Sequence[Reservation]) -> None:
    state = territories.initial()
    for n, each in enumerate(wanted):
        command = ReserveArea(
            area="a",
            contract_id=UUID(int=100 + n),
            partner_id=each.partner_id,
            grant=each.grant,
            starts_on=each.starts_on,
            until=each.until,
        )
        try:
            state = territories.fold(territories.decide(command, state, NOW), state)
        except Rejected:
            continue
    held = [each for several in state.held.values() for each in several]
    assert not any(a.excludes(b) for a in held for b in held if a is not b)

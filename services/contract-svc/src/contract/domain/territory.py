"""Who sells where: an area's reservations. A grant is reserved with the first signature of its contract; of two
contracts that exclude one another, one has it.

An area has a register of its exclusive grants, and sheets of everybody who sells there. A contract stands on one sheet,
an exclusive one on each of them: so that whoever comes meets it, and those who may sell beside one another seldom wait
for the same sheet.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import assert_never
from uuid import UUID, uuid5

from engine import Command, Decider, Rejected, Send
from events import Event
from events.contract import AreaGrant, ContractTerms

TERRITORIES = UUID("2d1c8c0e-3c5e-4c4b-9a76-0f6a0f6e7b55")
"""The namespace of the ids of areas."""
SHEETS = 8


def territory_id(area: str) -> UUID:
    return uuid5(TERRITORIES, area)


def sheet_id(area: str, sheet: int) -> UUID:
    return uuid5(territory_id(area), f"sheet {sheet}")


def sheets(contract_id: UUID, grant: AreaGrant) -> Iterable[int]:
    """Those that the contract stands on."""
    return range(SHEETS) if grant.exclusive else (contract_id.int % SHEETS,)


def around(area: str) -> Iterator[str]:
    """The area and those that it lies in: `US-AK-99501`, `US-AK`, `US`. A reservation stands in each of them, so that
    two that overlap meet in one."""
    parts = area.split("-")
    for n in range(len(parts), 0, -1):
        yield "-".join(parts[:n])


def within(area: str, other: str) -> bool:
    return area == other or area.startswith(f"{other}-")


# -- events


class AreaReserved(Event, type="cauce.contract.AreaReserved.v1"):
    """In `area`, or a part of it, a contract has the right to sell, and nobody else if its grant is exclusive; `until`
    null: without end."""

    area: str
    contract_id: UUID
    partner_id: UUID
    grant: AreaGrant
    starts_on: date
    until: date | None


class AreaReleased(Event, type="cauce.contract.AreaReleased.v1"):
    """The contract has no right in the area any more."""

    area: str
    contract_id: UUID


TerritoryEvent = AreaReserved | AreaReleased


# -- commands


class ReserveArea(Command):
    """`looks_only`: only makes sure that nobody has the area exclusively."""

    area: str
    contract_id: UUID
    partner_id: UUID
    grant: AreaGrant
    starts_on: date
    until: date | None
    looks_only: bool = False


class ReleaseArea(Command):
    area: str
    contract_id: UUID


TerritoryCommand = ReserveArea | ReleaseArea


def reservations(
    contract_id: UUID, partner_id: UUID, terms: ContractTerms, *, starts_on: date, until: date | None
) -> Iterator[Send]:
    """What a contract with these terms has to reserve."""
    for grant in terms.grants:
        for area in around(grant.area):
            reserve = ReserveArea(
                area=area,
                contract_id=contract_id,
                partner_id=partner_id,
                grant=grant,
                starts_on=starts_on,
                until=until,
            )
            registered = reserve if grant.exclusive else reserve.model_copy(update={"looks_only": True})
            yield Send(territories, territory_id(area), registered)
            for sheet in sheets(contract_id, grant):
                yield Send(territories, sheet_id(area, sheet), reserve)


def releases(contract_id: UUID, terms: ContractTerms) -> Iterator[Send]:
    held: dict[UUID, str] = {}
    for grant in terms.grants:
        for area in around(grant.area):
            if grant.exclusive:
                held[territory_id(area)] = area
            held |= {sheet_id(area, sheet): area for sheet in sheets(contract_id, grant)}
    for id, area in held.items():
        yield Send(territories, id, ReleaseArea(area=area, contract_id=contract_id))


# -- state


@dataclass(frozen=True)
class Reservation:
    partner_id: UUID
    grant: AreaGrant
    starts_on: date
    until: date | None

    def excludes(self, other: Reservation) -> bool:
        """Whether the two cannot stand beside one another. One partner may have several contracts."""
        return (
            self.partner_id != other.partner_id
            and (self.grant.exclusive or other.grant.exclusive)
            and (within(self.grant.area, other.grant.area) or within(other.grant.area, self.grant.area))
            and _meet(self.grant.brand, other.grant.brand)
            and _meet(self.grant.channel, other.grant.channel)
            and (self.until is None or other.starts_on <= self.until)
            and (other.until is None or self.starts_on <= other.until)
        )


def _meet(one: str | None, other: str | None) -> bool:
    """None is any."""
    return one is None or other is None or one == other


@dataclass(frozen=True)
class Territory:
    """By contract."""

    held: Mapping[UUID, tuple[Reservation, ...]] = field(default_factory=dict)


# -- decide and evolve


def reserve(territory: Territory, command: ReserveArea) -> list[TerritoryEvent]:
    wanted = Reservation(command.partner_id, command.grant, command.starts_on, command.until)
    for contract_id, held in territory.held.items():
        for each in held:
            if contract_id != command.contract_id and each.excludes(wanted):
                area = command.grant.area
                where = {"brand": each.grant.brand, "channel": each.grant.channel, "until": each.until}
                if each.grant.exclusive:
                    raise Rejected("contract.area_taken", area=area, taken=each.grant.area, **where)
                raise Rejected("contract.area_granted", area=area, granted=each.grant.area, **where)
    if command.looks_only:
        return []
    for each in territory.held.get(command.contract_id, ()):
        if each.grant == wanted.grant and each.partner_id == wanted.partner_id and _covers(each, wanted):
            return []
    return [AreaReserved(**command.model_dump(exclude={"occurred_at", "grant", "looks_only"}), grant=command.grant)]


def _covers(held: Reservation, wanted: Reservation) -> bool:
    """A contract that is signed on another day than it was reserved on needs no other reservation."""
    return held.starts_on <= wanted.starts_on and held.until == wanted.until


def release(territory: Territory, command: ReleaseArea) -> list[TerritoryEvent]:
    if command.contract_id not in territory.held:
        return []
    return [AreaReleased(area=command.area, contract_id=command.contract_id)]


def decide(command: TerritoryCommand, territory: Territory, now: datetime) -> list[TerritoryEvent]:
    match command:
        case ReserveArea():
            return reserve(territory, command)
        case ReleaseArea():
            return release(territory, command)
        case _:
            assert_never(command)


def evolve(territory: Territory, event: TerritoryEvent) -> Territory:
    match event:
        case AreaReserved():
            new = Reservation(event.partner_id, event.grant, event.starts_on, event.until)
            rest = [each for each in territory.held.get(event.contract_id, ()) if each.grant != event.grant]
            return replace(territory, held={**territory.held, event.contract_id: (*rest, new)})
        case AreaReleased(contract_id=contract_id):
            return replace(territory, held={id: each for id, each in territory.held.items() if id != contract_id})
        case _:
            assert_never(event)


territories = Decider("territory", decide, evolve, initial=Territory, events=TerritoryEvent)

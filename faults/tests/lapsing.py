"""A small pair of services for the teeth: partner says that partners lapse, risk answers each with a restriction and
counts what it hears. Nothing in them is idempotent, so that whatever is lost or done twice shows."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any
from uuid import UUID, uuid5

from engine import Command, Decider, Fact, Policy, Send, Statement, Table, View
from events.partner import PartnerLapsed
from events.risk import RestrictionImposed

from faults.business import Consequence


class Lapse(Command):
    partner_id: UUID
    reason: str


def lapse(command: Lapse, times: int, now: datetime) -> list[PartnerLapsed]:
    return [PartnerLapsed(partner_id=command.partner_id, reason=command.reason)]


class Restrict(Command):
    partner_id: UUID
    because: UUID


def restrict(command: Restrict, times: int, now: datetime) -> list[RestrictionImposed]:
    return [
        RestrictionImposed(
            restriction_id=uuid5(command.because, "restriction"),
            partner_id=command.partner_id,
            kind="order_block",
            reason="lapsed",
            evidence=(command.because,),
        )
    ]


def counted(times: int, event: object) -> int:
    return times + 1


def follow(fact: Fact[Any]) -> Iterator[Send]:
    if isinstance(fact.event, PartnerLapsed):
        id = fact.event.partner_id
        yield Send(restricting, id, Restrict(partner_id=id, because=fact.event_id))


HEARD = Table("heard", "event_id uuid primary key, times int not null")


def hear(fact: Fact[Any]) -> Iterator[Statement]:
    yield HEARD.sql(
        "insert into {table} as h (event_id, times) values ($1, 1)"
        " on conflict (event_id) do update set times = h.times + 1",
        fact.event_id,
    )


lapsing = Decider("lapsing", lapse, counted, int, PartnerLapsed)
restricting = Decider("restricting", restrict, counted, int, RestrictionImposed)
following = Policy("following", "partner", follow)
heard = View("heard", 1, (HEARD,), hear, source="partner")
CONSEQUENCES = (Consequence("partner", "PartnerLapsed", "risk", ("RestrictionImposed",)),)

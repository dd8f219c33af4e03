"""An example domain for the engine's tests: partners that are suspended and reinstated, and a risk service that hears
of it. Its public events are the catalogue's own; `NoteTaken` is private. Folding keeps a trail that depends on every
event and on their order, so that two folds that agree have seen the same."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, assert_never
from uuid import UUID

from engine import Command, Decider, Fact, Policy, Rejected, Send, Statement, Table, Unknown, View
from events import Event
from events.partner import PartnerActivated, PartnerReinstated, PartnerSuspended, SuspensionCause
from events.risk import RestrictionImposed, RestrictionLifted

# -- partner: writes


class NoteTaken(Event, type="cauce.partner.NoteTaken.v1"):
    text: str


PartnerEvent = PartnerActivated | PartnerSuspended | PartnerReinstated | NoteTaken


class Open(Command):
    partner_id: UUID


class Suspend(Command):
    cause_id: UUID
    reason: str = "late payment"


class Reinstate(Command):
    cause_id: UUID


class Note(Command):
    text: str
    times: int = 1


@dataclass(frozen=True)
class Partner:
    id: UUID | None = None
    causes: frozenset[UUID] = frozenset()
    events: int = 0
    trail: str = ""


def decide(command: Open | Suspend | Reinstate | Note, partner: Partner, now: datetime) -> list[PartnerEvent]:
    if isinstance(command, Open):
        return [] if partner.id else [PartnerActivated(partner_id=command.partner_id)]
    if partner.id is None:
        raise Unknown("partner.partner_unknown")
    match command:
        case Suspend(cause_id=cause_id, reason=reason):
            if cause_id in partner.causes:
                return []
            cause = SuspensionCause(cause_id=cause_id, reason=reason)
            return [PartnerSuspended(partner_id=partner.id, cause=cause)]
        case Reinstate(cause_id=cause_id):
            if cause_id not in partner.causes:
                raise Rejected("partner.cause_unknown", cause_id=cause_id)
            return [PartnerReinstated(partner_id=partner.id, lifted_cause_id=cause_id)]
        case Note(text=text, times=times):
            return [NoteTaken(text=text) for _ in range(times)]
        case _:
            assert_never(command)


def evolve(partner: Partner, event: PartnerEvent) -> Partner:
    trail = hashlib.sha256(partner.trail.encode() + event.event_type.encode() + event.data()).hexdigest()[:16]
    partner = replace(partner, events=partner.events + 1, trail=trail)
    match event:
        case PartnerActivated(partner_id=id):
            return replace(partner, id=id)
        case PartnerSuspended(cause=cause):
            return replace(partner, causes=partner.causes | {cause.cause_id})
        case PartnerReinstated(lifted_cause_id=cause_id):
            return replace(partner, causes=partner.causes - {cause_id})
        case NoteTaken():
            return partner
        case _:
            assert_never(event)


partners = Decider("partner", decide, evolve, Partner, PartnerEvent, snapshot_every=20)

PARTNERS = Table("partners", "partner_id uuid primary key, suspended int not null default 0, events int not null")


def keep_partner(fact: Fact[Any]) -> Iterator[Statement]:
    match fact.event:
        case PartnerActivated():
            yield PARTNERS.upsert("partner_id", partner_id=fact.stream_id, events=1)
            return
        case PartnerSuspended():
            change = 1
        case PartnerReinstated():
            change = -1
        case _:
            change = 0
    yield PARTNERS.sql(
        "update {table} set suspended = suspended + $2, events = events + 1 where partner_id = $1",
        fact.stream_id,
        change,
    )


partners_view = View("partners", 1, (PARTNERS,), keep_partner, inline=True)
"""Inline: how many causes and events each partner has, counted up, so that an event kept twice shows."""


# -- risk: hears


class Impose(Command):
    restriction_id: UUID
    partner_id: UUID
    reason: str


class Lift(Command):
    restriction_id: UUID
    partner_id: UUID


ProfileEvent = RestrictionImposed | RestrictionLifted


@dataclass(frozen=True)
class Profile:
    open: frozenset[UUID] = frozenset()
    seen: tuple[str, ...] = ()  # every effect, in order; nothing is idempotent here on purpose


def judge(command: Impose | Lift, profile: Profile, now: datetime) -> list[ProfileEvent]:
    match command:
        case Impose():
            return [
                RestrictionImposed(
                    restriction_id=command.restriction_id,
                    partner_id=command.partner_id,
                    kind="suspension",
                    reason=command.reason,
                    evidence=(),
                )
            ]
        case Lift():
            return [
                RestrictionLifted(
                    restriction_id=command.restriction_id,
                    partner_id=command.partner_id,
                    kind="suspension",
                    reason="reinstated",
                )
            ]


def see(profile: Profile, event: ProfileEvent) -> Profile:
    match event:
        case RestrictionImposed(restriction_id=id):
            return replace(profile, open=profile.open | {id}, seen=(*profile.seen, f"+{id}"))
        case RestrictionLifted(restriction_id=id):
            return replace(profile, open=profile.open - {id}, seen=(*profile.seen, f"-{id}"))
        case _:
            assert_never(event)


profiles = Decider("risk_profile", judge, see, Profile, ProfileEvent)


def mirror(fact: Fact[Any]) -> Iterator[Send]:
    match fact.event:
        case PartnerSuspended(partner_id=id, cause=cause):
            yield Send(profiles, id, Impose(restriction_id=cause.cause_id, partner_id=id, reason=cause.reason))
        case PartnerReinstated(partner_id=id, lifted_cause_id=cause_id):
            yield Send(profiles, id, Lift(restriction_id=cause_id, partner_id=id))


mirror_policy = Policy("mirror", "partner", mirror)
"""In risk: every suspension imposes, every reinstatement lifts. The commands themselves are not idempotent."""

HEARD = Table(
    "heard", "event_id uuid primary key, stream text not null, version int not null, at serial, times int not null"
)


def hear(fact: Fact[Any]) -> Iterator[Statement]:
    yield HEARD.sql(
        "insert into {table} as h (event_id, stream, version, times) values ($1, $2, $3, 1)"
        " on conflict (event_id) do update set times = h.times + 1",
        fact.event_id,
        fact.stream,
        fact.version,
    )


heard_view = View("heard", 1, (HEARD,), hear, source="partner")
"""In risk: every event of partner with how many times its effect was applied (`times`) and in which order (`at`)."""

"""Read models: what is known of partners, heard from partner-svc and contract-svc."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from engine import Fact, Statement, Table, View
from events.contract import ContractDrafted, ContractExpired, ContractInForce, ContractTerminated, ContractTransferred
from events.partner import (
    PartnerActivated,
    PartnerRegistered,
    PartnerReinstated,
    PartnerSuspended,
    PartnerTerminated,
    PartnerTierChanged,
)

PARTNERS = Table(
    "known_partners",
    """
    partner_id uuid primary key,
    activated_at timestamptz,
    terminated_at timestamptz,
    area text
    """,
)

CHANNELS = Table(
    "partner_channels",
    """
    contract_id uuid not null,
    channel text not null,
    partner_id uuid not null,
    in_force_from timestamptz,
    ended_at timestamptz,
    primary key (contract_id, channel, partner_id)
    """,
    indexes=("(partner_id)",),
)

TIERS = Table(
    "partner_tiers",
    """
    partner_id uuid not null,
    version integer not null,
    programme text not null,
    tier text,
    since timestamptz not null,
    primary key (partner_id, version)
    """,
)

SUSPENSIONS = Table(
    "suspensions",
    """
    partner_id uuid not null,
    version integer not null,
    since timestamptz not null,
    until timestamptz,
    primary key (partner_id, version)
    """,
)


def project_partners(fact: Fact[Any]) -> Iterator[Statement]:
    match fact.event:
        case PartnerRegistered(partner_id=id, area=area):
            yield PARTNERS.upsert("partner_id", partner_id=id, area=area)
        case PartnerActivated(partner_id=id):
            yield PARTNERS.upsert("partner_id", partner_id=id, activated_at=fact.occurred_at)
        case PartnerTierChanged(partner_id=id, programme=programme, tier=tier):
            since = fact.occurred_at
            yield TIERS.insert(partner_id=id, version=fact.version, programme=programme, tier=tier, since=since)
        case PartnerTerminated(partner_id=id):
            yield PARTNERS.upsert("partner_id", partner_id=id, terminated_at=fact.occurred_at)
        case PartnerSuspended(partner_id=id):
            yield SUSPENSIONS.insert(partner_id=id, version=fact.version, since=fact.occurred_at)
        case PartnerReinstated(partner_id=id):
            yield SUSPENSIONS.sql(
                "update {table} set until = $2 where partner_id = $1 and until is null", id, fact.occurred_at
            )


ANY_CHANNEL = "any"
"""Of a grant that is for all of them."""


TRANSFER = """
insert into {table} (contract_id, channel, partner_id, in_force_from)
select contract_id, channel, $3, $4 from {table} where contract_id = $1 and partner_id = $2
on conflict (contract_id, channel, partner_id) do update set in_force_from = excluded.in_force_from, ended_at = null
"""


def project_channels(fact: Fact[Any]) -> Iterator[Statement]:
    match fact.event:
        case ContractDrafted(contract_id=id, partner_id=partner_id, terms=terms):
            grants = () if terms is None else terms.grants
            for channel in sorted({grant.channel or ANY_CHANNEL for grant in grants}):
                key = {"contract_id": id, "channel": channel, "partner_id": partner_id}
                yield CHANNELS.upsert(*key, **key)
        case ContractInForce(contract_id=id):
            yield CHANNELS.update({"contract_id": id}, in_force_from=fact.occurred_at)
        case ContractTransferred(contract_id=id, partner_id=partner_id, from_partner_id=former):
            yield CHANNELS.sql(TRANSFER, id, former, partner_id, fact.occurred_at)
            yield CHANNELS.update({"contract_id": id, "partner_id": former}, ended_at=fact.occurred_at)
        case ContractTerminated() | ContractExpired() as ended:
            key = {"contract_id": ended.contract_id, "partner_id": ended.partner_id}
            yield CHANNELS.update(key, ended_at=fact.occurred_at)


VIEWS = (
    View("partners", version=3, tables=(PARTNERS, SUSPENSIONS, TIERS), project=project_partners, source="partner"),
    View("channels", version=1, tables=(CHANNELS,), project=project_channels, source="contract"),
)

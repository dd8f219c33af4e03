"""Read models: programmes, and partners in them. Written with the append."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from engine import Fact, Statement, Table, View, as_json
from engine.drafts import VersionsTable
from events.partner import PartnerTierChanged

from partner.domain.membership import (
    ProgrammeJoined,
    ProgrammeLeft,
    TierChangeProposed,
    TierChangeRefused,
    TierProposalOvertaken,
)
from partner.domain.programme import ProgrammeDraftDiscarded, ProgrammeDrafted, ProgrammePublished

PROGRAMMES = VersionsTable(
    "programmes",
    """
    code text primary key,
    title text not null,
    version integer,
    terms json,
    draft json,
    published_at timestamptz
    """,
)

MEMBERSHIPS = Table(
    "memberships",
    """
    partner_id uuid not null,
    programme text not null,
    tier text not null,
    joined_on date not null,
    changed_at timestamptz not null,
    proposed_tier text,
    direction text,
    programme_version integer,
    evidence uuid[],
    proposed_at timestamptz,
    primary key (partner_id, programme)
    """,
    indexes=("(programme, tier)",),
)
NOTHING_PROPOSED = {"proposed_tier": None, "direction": None, "evidence": None, "proposed_at": None}


def project_programmes(fact: Fact[Any]) -> Iterator[Statement]:
    match fact.event:
        case ProgrammeDrafted(code=code, content=content):
            yield PROGRAMMES.drafted_with_title(as_json(content), content.title, code)
        case ProgrammePublished(code=code, terms=terms):
            yield PROGRAMMES.published(terms, fact.occurred_at, "code", code=code, title=terms.title)
        case ProgrammeDraftDiscarded(code=code):
            yield PROGRAMMES.discarded(code=code)


def project_memberships(fact: Fact[Any]) -> Iterator[Statement]:
    match fact.event:
        case ProgrammeJoined(programme=programme, tier=tier, joined_on=day):
            yield MEMBERSHIPS.upsert(
                "partner_id",
                "programme",
                partner_id=fact.stream_id,
                programme=programme,
                tier=tier,
                joined_on=day,
                changed_at=fact.occurred_at,
                **NOTHING_PROPOSED,
            )
        case TierChangeProposed(programme=programme) as proposed:
            yield MEMBERSHIPS.update(
                {"partner_id": fact.stream_id, "programme": programme},
                proposed_tier=proposed.to_tier,
                direction=proposed.direction,
                programme_version=proposed.programme_version,
                evidence=list(proposed.evidence),
                proposed_at=fact.occurred_at,
            )
        case TierProposalOvertaken(programme=programme) | TierChangeRefused(programme=programme):
            yield MEMBERSHIPS.update({"partner_id": fact.stream_id, "programme": programme}, **NOTHING_PROPOSED)
        case PartnerTierChanged(programme=programme, tier=tier, programme_version=version):
            yield MEMBERSHIPS.update(
                {"partner_id": fact.stream_id, "programme": programme},
                tier=tier,
                programme_version=version,
                changed_at=fact.occurred_at,
                **NOTHING_PROPOSED,
            )
        case ProgrammeLeft(programme=programme):
            yield MEMBERSHIPS.delete(partner_id=fact.stream_id, programme=programme)


programmes_view = View("programmes", version=2, tables=(PROGRAMMES,), project=project_programmes, inline=True)
memberships_view = View("memberships", version=1, tables=(MEMBERSHIPS,), project=project_memberships, inline=True)

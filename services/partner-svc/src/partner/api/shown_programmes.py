"""What is shown of programmes with their tiers, and of partners in them."""

from __future__ import annotations

from datetime import date
from typing import Any
from uuid import UUID

from pydantic import AwareDatetime, BaseModel

from partner.api.shown import read_json
from partner.api.versioned import DifferenceView
from partner.domain.programme import Benefit, ProgrammeContent, ProgrammeTerms
from partner.domain.tier import Direction, Evaluated, Lacking, TierProposal


class ProgrammeView(BaseModel):
    """`terms` are those by which partners are placed, null before the first version."""

    code: str
    title: str
    version: int | None
    terms: ProgrammeTerms | None
    draft: ProgrammeContent | None
    published_at: AwareDatetime | None


def programme_view(**row: Any) -> ProgrammeView:
    return ProgrammeView(**{**row, **read_json(row, terms=ProgrammeTerms, draft=ProgrammeContent)})


class PlacedOtherwise(BaseModel):
    """Where a partner would be if everything that is proposed were accepted: now, and under the draft."""

    partner_id: UUID
    tier: str
    proposed_tier: str
    proposed_tier_then: str


class ProgrammePreview(BaseModel):
    """What publishing the draft would make of the programme and its members (at most 100 of those that it would place
    otherwise are shown)."""

    code: str
    version: int
    differences: list[DifferenceView]
    members: int
    placed_otherwise: int
    partners: list[PlacedOtherwise]


class MembershipRow(BaseModel):
    """A partner's tier in a programme, and what is proposed for it; null: nothing."""

    partner_id: UUID
    programme: str
    tier: str
    joined_on: date
    changed_at: AwareDatetime
    proposed_tier: str | None
    direction: Direction | None
    programme_version: int | None
    evidence: list[UUID] | None
    proposed_at: AwareDatetime | None


class MembershipView(BaseModel):
    """A partner's tier in a programme with its benefits, and the evaluations that count, the oldest first."""

    partner_id: UUID
    programme: str
    tier: str
    title: str
    joined_on: date
    benefits: list[Benefit]
    evaluations: list[Evaluated]
    proposal: TierProposal | None


class NextTier(BaseModel):
    """`next_tier` null: there is none above. `missing` empty: the next evaluation proposes it, if it is as good."""

    partner_id: UUID
    programme: str
    programme_version: int
    tier: str
    next_tier: str | None
    benefits: list[Benefit]
    missing: list[Lacking]

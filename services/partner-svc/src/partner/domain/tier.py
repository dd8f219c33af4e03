"""A partner's tier in a programme: what its evaluations are good for, what is missing for the next tier, and what is
proposed to a person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Literal
from uuid import UUID

from partner.domain.programme import ProgrammeTerms, Tier

KEPT = 24
"""Evaluations of a partner that are kept to judge by: more than any tier asks for."""
Direction = Literal["promotion", "demotion"]


@dataclass(frozen=True)
class Evaluated:
    """An evaluation of a period: its total, and its scores by metric. `evaluation_id` is the event that told it."""

    period: str
    total: Decimal
    scores: dict[str, Decimal]
    evaluation_id: UUID

    def of(self, metric: str | None) -> Decimal | None:
        """None where the metric is not among its scores."""
        return self.total if metric is None else self.scores.get(metric)


@dataclass(frozen=True)
class TierProposal:
    """Up or down, by a version of the programme and because of these evaluations, for a person to decide."""

    to_tier: str
    direction: Direction
    version: int
    evidence: tuple[UUID, ...]


@dataclass(frozen=True)
class Membership:
    """In a programme since a day; evaluations by period, the oldest first. `refused` is the last proposal that a person
    decided against: it does not come again for the same evaluations."""

    tier: str
    joined_on: date
    evaluations: tuple[Evaluated, ...] = ()
    proposal: TierProposal | None = None
    refused: TierProposal | None = None

    def months(self, today: date) -> int:
        """Whole ones since it joined."""
        whole = (today.year - self.joined_on.year) * 12 + today.month - self.joined_on.month
        return max(whole - (today.day < self.joined_on.day), 0)


@dataclass(frozen=True)
class Lacking:
    """What a tier asks for and a partner does not have: a total (or the score of a `metric`) in a `period`, so many
    evaluations, or so many months. `has` None: there is no such score."""

    what: Literal["score", "evaluations", "months"]
    needed: Decimal
    has: Decimal | None
    metric: str | None = None
    period: str | None = None


def considered(evaluations: Sequence[Evaluated], new: Evaluated) -> tuple[Evaluated, ...]:
    """With the new one in the place of what was said of its period before, and the newest that are kept."""
    by_period = {each.period: each for each in evaluations} | {new.period: new}
    return tuple(by_period[period] for period in sorted(by_period))[-KEPT:]


def lacking(tier: Tier, evaluations: Sequence[Evaluated], months: int) -> tuple[Lacking, ...]:
    """Empty: the tier's criteria are met."""
    found: list[Lacking] = []
    if months < tier.months:
        found.append(Lacking("months", Decimal(tier.months), Decimal(months)))
    if not tier.criteria:
        return tuple(found)
    judged = evaluations[-tier.periods :]
    if len(judged) < tier.periods:
        found.append(Lacking("evaluations", Decimal(tier.periods), Decimal(len(judged))))
    return (*found, *(each for evaluated in judged for each in unmet(tier, evaluated)))


def unmet(tier: Tier, evaluated: Evaluated) -> list[Lacking]:
    return [
        Lacking("score", criterion.at_least, has, criterion.metric, evaluated.period)
        for criterion in tier.criteria
        if (has := evaluated.of(criterion.metric)) is None or has < criterion.at_least
    ]


def next_tier(terms: ProgrammeTerms, tier: str) -> Tier | None:
    """None: there is none above."""
    place = terms.place(tier) + 1
    return terms.tiers[place] if place < len(terms.tiers) else None


def proposed(terms: ProgrammeTerms, membership: Membership, today: date) -> TierProposal | None:
    """Up to the highest tier whose criteria are met. Down where the last `grace_periods` evaluations all miss those of
    the tier that the partner has: to the highest one below that is met. Otherwise nothing."""
    here, months = terms.place(membership.tier), membership.months(today)
    met = [n for n, tier in enumerate(terms.tiers) if not lacking(tier, membership.evaluations, months)]
    highest = max(met, default=0)
    if highest > here:
        return _proposal(terms, membership, highest, "promotion", terms.tiers[highest].periods)
    judged = membership.evaluations[-terms.grace_periods :]
    if len(judged) == terms.grace_periods and all(unmet(terms.tiers[here], each) for each in judged):
        below = max((n for n in met if n < here), default=0)
        return _proposal(terms, membership, below, "demotion", terms.grace_periods)
    return None


def _proposal(
    terms: ProgrammeTerms, membership: Membership, place: int, direction: Direction, judged: int
) -> TierProposal:
    evidence = tuple(each.evaluation_id for each in membership.evaluations[-judged:])
    return TierProposal(terms.tiers[place].code, direction, terms.version, evidence)

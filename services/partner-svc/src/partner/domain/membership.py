"""A partner in a programme: it joins, its evaluations are considered, and a person decides what follows for its
tier."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Annotated, TypeAlias
from uuid import UUID

from engine import Command, Rejected, Unknown
from events import Event
from events.partner import PartnerTierChanged
from pydantic import Field

from partner.domain.programme import ProgrammeTerms
from partner.domain.standing import Partner, refuse_out, refuse_suspended, refuse_unsigned
from partner.domain.tier import Direction, Evaluated, Membership, TierProposal, considered, proposed
from partner.domain.words import Code, Reason

# -- events that stay in the house


class ProgrammeJoined(Event, type="cauce.partner.ProgrammeJoined.v1"):
    """The partner is in the programme from that day on, in its lowest tier."""

    partner_id: UUID
    programme: str
    programme_version: int
    tier: str
    joined_on: date


class EvaluationConsidered(Event, type="cauce.partner.EvaluationConsidered.v1"):
    """An evaluation of a period counts for the partner's tier, in the place of what was said of the period before."""

    partner_id: UUID
    programme: str
    period: str
    total: Decimal
    scores: dict[str, Decimal]
    evaluation_id: UUID


class TierChangeProposed(Event, type="cauce.partner.TierChangeProposed.v1"):
    """By a version of the programme and these evaluations the partner belongs elsewhere. A person decides."""

    partner_id: UUID
    programme: str
    programme_version: int
    from_tier: str
    to_tier: str
    direction: Direction
    evidence: tuple[UUID, ...]


class TierProposalOvertaken(Event, type="cauce.partner.TierProposalOvertaken.v1"):
    """By another evaluation the partner belongs where it is: what was proposed is not to be decided any more."""

    partner_id: UUID
    programme: str


class TierChangeRefused(Event, type="cauce.partner.TierChangeRefused.v1"):
    """A person decided against what was proposed; the same evaluations do not propose it again."""

    partner_id: UUID
    programme: str
    to_tier: str
    reason: str


class ProgrammeLeft(Event, type="cauce.partner.ProgrammeLeft.v1"):
    """The partner is not in the programme any more."""

    partner_id: UUID
    programme: str
    reason: str


MembershipEvent: TypeAlias = (
    ProgrammeJoined
    | EvaluationConsidered
    | TierChangeProposed
    | TierProposalOvertaken
    | TierChangeRefused
    | PartnerTierChanged
    | ProgrammeLeft
)


# -- commands


class JoinProgramme(Command):
    """By the programme's version as it is now."""

    terms: ProgrammeTerms
    reason: Reason


class ConsiderEvaluation(Command):
    terms: ProgrammeTerms
    period: str
    total: Decimal
    scores: Annotated[dict[str, Decimal], Field(default_factory=dict)]
    evaluation_id: UUID


class DecideTier(Command):
    """For or against what is proposed: `to_tier` says which proposal is meant."""

    programme: Code
    to_tier: Code
    accept: bool
    reason: Reason


class LeaveProgramme(Command):
    programme: Code
    reason: Reason


MembershipCommand: TypeAlias = JoinProgramme | ConsiderEvaluation | DecideTier | LeaveProgramme


# -- decide


def join(partner: Partner, id: UUID, command: JoinProgramme, today: date) -> list[MembershipEvent]:
    terms = command.terms
    if terms.code in partner.memberships:
        return []
    refuse_out(partner)
    refuse_unsigned(partner)
    kind = None if partner.registration is None else partner.registration.kind
    if kind not in terms.kinds:
        raise Rejected("partner.programme_for_others", programme=terms.code, kinds=list(terms.kinds))
    lowest, of = terms.tiers[0].code, {"partner_id": id, "programme": terms.code, "programme_version": terms.version}
    joined = ProgrammeJoined.model_validate({**of, "tier": lowest, "joined_on": today})
    changed = PartnerTierChanged.model_validate({**of, "tier": lowest, "previous": None, "reason": command.reason})
    return [joined, changed]


def consider(partner: Partner, id: UUID, command: ConsiderEvaluation, today: date) -> list[MembershipEvent]:
    """What comes while the partner is suspended, or of a partner that is out, does not count. Of one period the last
    word holds."""
    membership = partner.memberships.get(command.terms.code)
    if membership is None or partner.out or partner.causes:
        return []
    new = Evaluated(command.period, command.total, command.scores, command.evaluation_id)
    before = next((each for each in membership.evaluations if each.period == new.period), None)
    if before == new:
        return []
    of = {"partner_id": id, "programme": command.terms.code}
    heard = EvaluationConsidered.model_validate({**of, **vars(new)})
    then = replace(membership, evaluations=considered(membership.evaluations, new))
    wanted = proposed(command.terms, then, today)
    if wanted is None:
        return [heard] if membership.proposal is None else [heard, TierProposalOvertaken.model_validate(of)]
    if wanted in (membership.proposal, membership.refused):
        return [heard]
    return [heard, proposal_of(id, command.terms.code, membership.tier, wanted)]


def proposal_of(id: UUID, programme: str, tier: str, wanted: TierProposal) -> TierChangeProposed:
    return TierChangeProposed(
        partner_id=id,
        programme=programme,
        programme_version=wanted.version,
        from_tier=tier,
        to_tier=wanted.to_tier,
        direction=wanted.direction,
        evidence=wanted.evidence,
    )


def decide_tier(partner: Partner, id: UUID, command: DecideTier) -> list[MembershipEvent]:
    membership = membership_of(partner, command.programme)
    if command.accept and membership.tier == command.to_tier:
        return []
    proposal = membership.proposal
    if proposal is None or proposal.to_tier != command.to_tier:
        raise Rejected(
            "partner.tier_not_proposed",
            tier=membership.tier,
            proposed=None if proposal is None else proposal.to_tier,
        )
    refuse_out(partner)
    if not command.accept:
        refused = TierChangeRefused(
            partner_id=id, programme=command.programme, to_tier=command.to_tier, reason=command.reason
        )
        return [refused]
    if proposal.direction == "promotion":
        refuse_suspended(partner)
    return [
        PartnerTierChanged(
            partner_id=id,
            programme=command.programme,
            programme_version=proposal.version,
            tier=proposal.to_tier,
            previous=membership.tier,
            direction=proposal.direction,
            reason=command.reason,
            evidence=proposal.evidence,
        )
    ]


def leave(partner: Partner, id: UUID, command: LeaveProgramme) -> list[MembershipEvent]:
    membership_of(partner, command.programme)
    return [ProgrammeLeft(partner_id=id, programme=command.programme, reason=command.reason)]


def membership_of(partner: Partner, programme: str) -> Membership:
    if programme not in partner.memberships:
        raise Unknown("partner.not_in_programme", programme=programme)
    return partner.memberships[programme]


# -- evolve


def evolve(partner: Partner, event: MembershipEvent) -> Partner:
    code = event.programme
    match event:
        case ProgrammeJoined(tier=tier, joined_on=day):
            return _with(partner, code, Membership(tier, day))
        case ProgrammeLeft():
            rest = {programme: each for programme, each in partner.memberships.items() if programme != code}
            return replace(partner, memberships=rest)
        case EvaluationConsidered():
            new = Evaluated(event.period, event.total, event.scores, event.evaluation_id)
            evaluations = considered(partner.memberships[code].evaluations, new)
            return _with(partner, code, replace(partner.memberships[code], evaluations=evaluations))
        case TierChangeProposed():
            proposal = TierProposal(event.to_tier, event.direction, event.programme_version, event.evidence)
            return _with(partner, code, replace(partner.memberships[code], proposal=proposal))
        case TierProposalOvertaken():
            return _with(partner, code, replace(partner.memberships[code], proposal=None))
        case TierChangeRefused():
            before = partner.memberships[code]
            return _with(partner, code, replace(before, proposal=None, refused=before.proposal))
        case PartnerTierChanged(tier=tier):
            return _with(partner, code, replace(partner.memberships[code], tier=tier, proposal=None, refused=None))


def _with(partner: Partner, programme: str, membership: Membership) -> Partner:
    return replace(partner, memberships={**partner.memberships, programme: membership})

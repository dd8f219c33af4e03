"""Restrictions: what a partner may not do for a time, imposed by a rule, by a person or by a decided adjustment; lifted
by later facts, by a person, or when their time is over. Other services obey them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated
from uuid import UUID, uuid5

from engine import Command, Rejected, Unknown
from events.contract import Money
from events.risk import By, CreditLimitChanged, RestrictionImposed, RestrictionKind, RestrictionLifted
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from risk.domain import judgement
from risk.domain.judgement import History, Judged
from risk.domain.words import Amount, Currency, Reason

RESTRICTIONS = UUID("7be0f1c9-93ad-4c0e-a4d4-5d6c8e2f1b83")
"""The namespace of restriction ids."""


def restriction_id(partner_id: UUID, rule: str, caused_by: UUID) -> UUID:
    """`caused_by` is the event that it was imposed because of."""
    return uuid5(RESTRICTIONS, f"{partner_id}/{rule}/{caused_by}")


def restriction_id_by_hand(partner_id: UUID, n: int) -> UUID:
    """Of the partner's n-th restriction by hand, from 1."""
    return uuid5(RESTRICTIONS, f"{partner_id}/by hand/{n}")


class Limit(BaseModel):
    """Up to how much a partner is supplied on credit."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    amount: Amount
    currency: Currency


class RestrictionByHand(Command):
    """A credit limit needs its `limit`. It is lifted by itself at `expires_at`."""

    kind: RestrictionKind
    reason: Reason
    limit: Limit | None = None
    expires_at: Annotated[AwareDatetime, Field(examples=["2099-01-01T00:00:00Z"])] | None = None


class ImposeRestriction(RestrictionByHand):
    partner_id: UUID


class LimitByHand(Command):
    limit: Limit
    reason: Reason


class ChangeCreditLimit(LimitByHand):
    restriction_id: UUID


class Lifting(Command):
    reason: Reason


class LiftRestriction(Lifting):
    restriction_id: UUID


class ExpireRestriction(Command):
    """Its time is over."""

    restriction_id: UUID


RestrictionCommand = ImposeRestriction | ChangeCreditLimit | LiftRestriction | ExpireRestriction
RestrictionEvent = RestrictionImposed | RestrictionLifted | CreditLimitChanged


@dataclass(frozen=True)
class Restriction:
    """`rule` is None where no rule imposed it; it holds while `lifted_by` is None. `imposed_at` is None of what was
    imposed before it was told."""

    id: UUID
    kind: RestrictionKind
    rule: str | None
    reason: str
    evidence: tuple[UUID, ...] = ()
    lifted_by: By | None = None
    lifted_because: str = ""
    imposed_at: datetime | None = None
    lifted_at: datetime | None = None
    expires_at: datetime | None = None
    limit: Money | None = None
    adjustment_id: UUID | None = None


Restrictions = Mapping[UUID, Restriction]


def suspending(
    partner_id: UUID,
    history: History,
    just_in: Judged,
    held: Restriction | None,
    *,
    closing_only: bool,
    now: datetime,
) -> list[RestrictionImposed | RestrictionLifted]:
    """What an evaluation that just came in means for the rule's suspension: one holds at most.

    Where another run takes the place of the one that caused it, the new one is imposed before the old one is lifted,
    so that the partner is not reinstated in between.
    """
    if held is not None and judgement.suspension_stands(history, held.evidence):
        return []
    events: list[RestrictionImposed | RestrictionLifted] = []
    run = judgement.suspending_run(history)
    if run and not closing_only:
        terms = run[-1].terms
        events.append(
            RestrictionImposed(
                restriction_id=restriction_id(partner_id, terms.code, just_in.evaluation_id),
                partner_id=partner_id,
                kind="suspension",
                reason=judgement.low_in_words(run),
                evidence=tuple(judged.evaluation_id for judged in run),
                by="rule",
                rule=terms.code,
                rule_version=terms.version,
                imposed_at=now,
            )
        )
    if held is not None:
        events.append(
            RestrictionLifted(
                restriction_id=held.id,
                partner_id=partner_id,
                kind=held.kind,
                reason=_why_lifted(history, held, just_in),
                evidence=(just_in.evaluation_id,),
                by="rule",
                lifted_at=now,
            )
        )
    return events


def _why_lifted(history: History, held: Restriction, just_in: Judged) -> str:
    """It stood before, so it is the evaluation in hand that it fell by."""
    last = judgement.resting_on(history, held.evidence)[-1]
    if just_in.lifts and judgement.place(just_in.period) > judgement.place(last.period):
        return judgement.lifted_in_words(just_in)
    return judgement.broken_in_words(just_in)


# -- by hand


def impose(restrictions: Restrictions, command: ImposeRestriction, now: datetime) -> list[RestrictionEvent]:
    """One of a kind by hand, beside what rules impose."""
    if (command.kind == "credit_limit") != (command.limit is not None):
        raise Rejected("risk.limit_is_of_credit_limits", kind=command.kind)
    if command.expires_at is not None and command.expires_at <= now:
        raise Rejected("risk.expires_before_it_begins", expires_at=command.expires_at, begins_at=now)
    by_hand = [each for each in restrictions.values() if each.rule is None]
    held = next((each for each in by_hand if each.kind == command.kind and each.lifted_by is None), None)
    limit = None if command.limit is None else Money(**dict(command.limit))
    if held is not None:
        if (held.reason, held.expires_at, held.limit) == (command.reason, command.expires_at, limit):
            return []
        raise Rejected("risk.already_restricted", restriction_id=held.id, reason=held.reason)
    imposed = RestrictionImposed(
        restriction_id=restriction_id_by_hand(command.partner_id, len(by_hand) + 1),
        partner_id=command.partner_id,
        kind=command.kind,
        reason=command.reason,
        evidence=(),
        by="person",
        imposed_at=now,
        expires_at=command.expires_at,
        limit=limit,
    )
    if limit is None:
        return [imposed]
    return [imposed, _limited(command.partner_id, imposed.restriction_id, limit, None, command.reason)]


def _limited(
    partner_id: UUID, restriction: UUID, limit: Money | None, previous: Money | None, reason: str
) -> CreditLimitChanged:
    return CreditLimitChanged(
        restriction_id=restriction, partner_id=partner_id, limit=limit, previous=previous, reason=reason
    )


def change_limit(partner_id: UUID, restrictions: Restrictions, command: ChangeCreditLimit) -> list[RestrictionEvent]:
    held = _holding(restrictions, command.restriction_id)
    if held.kind != "credit_limit":
        raise Rejected("risk.limit_is_of_credit_limits", kind=held.kind)
    limit = Money(**dict(command.limit))
    return [] if limit == held.limit else [_limited(partner_id, held.id, limit, held.limit, command.reason)]


def lift(
    partner_id: UUID, restrictions: Restrictions, command: LiftRestriction, now: datetime
) -> list[RestrictionEvent]:
    """A person may lift what a rule imposed; the rule then counts anew."""
    known = restrictions.get(command.restriction_id)
    if known is not None and known.lifted_by == "person" and known.lifted_because == command.reason:
        return []
    held = _holding(restrictions, command.restriction_id)
    return lifting(partner_id, held, command.reason, now)


def expire(
    partner_id: UUID, restrictions: Restrictions, command: ExpireRestriction, now: datetime
) -> list[RestrictionEvent]:
    """Of what was lifted before, nothing is left to do."""
    held = restrictions.get(command.restriction_id)
    if held is None or held.lifted_by is not None or held.expires_at is None or now < held.expires_at:
        return []
    return lifting(partner_id, held, f"It was imposed up to {held.expires_at:%Y-%m-%d %H:%M} UTC.", now, expired=True)


def lifting(
    partner_id: UUID, held: Restriction, reason: str, now: datetime, *, expired: bool = False
) -> list[RestrictionEvent]:
    """By a person, who fixed the end of what expired too."""
    lifted = RestrictionLifted(
        restriction_id=held.id,
        partner_id=partner_id,
        kind=held.kind,
        reason=reason,
        by="person",
        expired=expired,
        lifted_at=now,
    )
    if held.kind != "credit_limit":
        return [lifted]
    return [lifted, _limited(partner_id, held.id, None, held.limit, reason)]


def _holding(restrictions: Restrictions, id: UUID) -> Restriction:
    held = restrictions.get(id)
    if held is None:
        raise Unknown("risk.restriction_unknown", restriction_id=id)
    if held.lifted_by is not None:
        raise Rejected("risk.restriction_not_active", restriction_id=held.id, lifted_because=held.lifted_because)
    return held

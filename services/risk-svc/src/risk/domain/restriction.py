"""Restrictions: suspensions that rules impose and lift, and what people impose by hand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal
from uuid import UUID, uuid5

from engine import Command, Rejected, Unknown
from events.risk import By, RestrictionImposed, RestrictionKind, RestrictionLifted

from risk.domain import judgement
from risk.domain.flag import Reason
from risk.domain.judgement import History, Judged

RESTRICTIONS = UUID("7be0f1c9-93ad-4c0e-a4d4-5d6c8e2f1b83")
"""The namespace of restriction ids."""


def restriction_id(partner_id: UUID, rule: str, evaluation_id: UUID) -> UUID:
    return uuid5(RESTRICTIONS, f"{partner_id}/{rule}/{evaluation_id}")


def restriction_id_by_hand(partner_id: UUID, n: int) -> UUID:
    """Of the partner's n-th restriction by hand, from 1."""
    return uuid5(RESTRICTIONS, f"{partner_id}/by hand/{n}")


KindByHand = Literal["order_block", "no_new_outlet", "fund_freeze", "suspension"]
"""A credit limit needs an amount and is not imposed this way."""


class RestrictionByHand(Command):
    kind: KindByHand
    reason: Reason


class ImposeRestriction(RestrictionByHand):
    partner_id: UUID


class Lifting(Command):
    reason: Reason


class LiftRestriction(Lifting):
    restriction_id: UUID


@dataclass(frozen=True)
class Restriction:
    """`rule` is None where a person imposed it; it holds while `lifted_by` is None."""

    id: UUID
    kind: RestrictionKind
    rule: str | None
    reason: str
    evidence: tuple[UUID, ...] = ()
    lifted_by: By | None = None
    lifted_because: str = ""


def suspending(
    partner_id: UUID, history: History, just_in: Judged, held: Restriction | None, *, closing_only: bool
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
            )
        )
    return events


def _why_lifted(history: History, held: Restriction, just_in: Judged) -> str:
    """It stood before, so it is the evaluation in hand that it fell by."""
    last = judgement.resting_on(history, held.evidence)[-1]
    if judgement.place(just_in.period) > judgement.place(last.period):
        return judgement.lifted_in_words(just_in)
    return judgement.broken_in_words(just_in)


def impose(restrictions: Mapping[UUID, Restriction], command: ImposeRestriction) -> list[RestrictionImposed]:
    """One of a kind by hand, beside what rules impose."""
    by_hand = [r for r in restrictions.values() if r.rule is None]
    held = next((r for r in by_hand if r.kind == command.kind and r.lifted_by is None), None)
    if held is not None and held.reason == command.reason:
        return []
    if held is not None:
        raise Rejected("risk.already_restricted", restriction_id=held.id, reason=held.reason)
    return [
        RestrictionImposed(
            restriction_id=restriction_id_by_hand(command.partner_id, len(by_hand) + 1),
            partner_id=command.partner_id,
            kind=command.kind,
            reason=command.reason,
            evidence=(),
            by="person",
        )
    ]


def lift(
    partner_id: UUID, restrictions: Mapping[UUID, Restriction], command: LiftRestriction
) -> list[RestrictionLifted]:
    """A person may lift what a rule imposed; the rule then counts anew."""
    held = restrictions.get(command.restriction_id)
    if held is None:
        raise Unknown("risk.restriction_unknown", restriction_id=command.restriction_id)
    if held.lifted_by == "person" and held.lifted_because == command.reason:
        return []
    if held.lifted_by is not None:
        raise Rejected("risk.restriction_not_active", restriction_id=held.id, lifted_because=held.lifted_because)
    return [
        RestrictionLifted(
            restriction_id=held.id, partner_id=partner_id, kind=held.kind, reason=command.reason, by="person"
        )
    ]

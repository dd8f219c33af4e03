"""Decisions that take two persons: one proposes, and it is done when another wants the same for the same reason."""

from __future__ import annotations

from dataclasses import dataclass, replace
from uuid import UUID

from engine.decider import Rejected


@dataclass(frozen=True)
class Proposal:
    """What one person wants and another has to want as well. `by` is everybody who stands behind it: who acts, and in
    whose name; `about` is what it is for, where there are several."""

    reason: str
    by: tuple[str, ...]
    about: UUID | None = None


def seconds(wanted: Proposal, proposed: Proposal | None, refusal: str) -> bool:
    """Whether it is what another person wants as well; for another reason it is a proposal of its own. The same person
    twice is a `refusal`, by its code."""
    if proposed is None or replace(proposed, by=wanted.by) != wanted:
        return False
    refuse_same_person(wanted.by, proposed.by, refusal)
    return True


def refuse_same_person(by: tuple[str, ...], proposed_by: tuple[str, ...], refusal: str) -> None:
    """Also where one of them acts in the other's name."""
    if set(proposed_by) & set(by):
        raise Rejected(refusal, proposed_by=list(proposed_by))

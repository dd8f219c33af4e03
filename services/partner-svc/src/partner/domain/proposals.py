"""What takes two persons: the first proposes it, another does it for the same reason."""

from __future__ import annotations

from dataclasses import dataclass

from engine import Rejected


@dataclass(frozen=True)
class Proposal:
    """What one person wants; `by` is everybody who stands behind it."""

    reason: str
    by: tuple[str, ...]


def seconds(wanted: Proposal, proposed: Proposal | None) -> bool:
    """Whether it is what another person wants as well; for another reason it is a proposal of its own."""
    if proposed is None or proposed.reason != wanted.reason:
        return False
    refuse_same_person(wanted.by, proposed.by)
    return True


def refuse_same_person(by: tuple[str, ...], proposed_by: tuple[str, ...]) -> None:
    """Also where one of them acts in the other's name."""
    if set(proposed_by) & set(by):
        raise Rejected("partner.second_person_needed", proposed_by=list(proposed_by))

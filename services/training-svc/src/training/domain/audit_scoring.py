"""What a field audit comes to: the arithmetic, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from engine import Rejected
from events.training import SectionScore

from training.domain.template_content import Content, Item

CENT = Decimal("0.01")
FULL = Decimal(100)

Ratings = Mapping[str, Decimal | None]
"""By item, from 0 (not met) to 100 (met in full); None: it did not apply."""


@dataclass(frozen=True)
class Scored:
    """`total` from 0 to 100, to two decimals. `critical_missed` are the critical items that were not met in full."""

    total: Decimal
    passed: bool
    critical_missed: tuple[str, ...]
    sections: tuple[SectionScore, ...]


def score(content: Content, ratings: Ratings) -> Scored:
    """Of the items that applied, with weight w and rating r from 0 to 100,

        section = sum(w * r) / sum(w)    over those of the section; None where none applied
        total   = sum(w * r) / sum(w)    over all of them, whichever section they are in

    each rounded half up to two decimals: an item that did not apply is neither in the numerator nor in the denominator,
    as retail audit suites do it. A critical item that applied and is below 100 fails the audit, and then the total is
    at most `critical_cap`, if there is one. Else the audit is passed where the total, as it is shown, is at or above
    `pass_mark`.

    Raises `training.answers_do_not_fit_template` unless there is one rating for each item of the template and none
    beside, and `training.nothing_applied` where no item applied.
    """
    asked = {item.code for _, item in content.items}
    if asked != ratings.keys():
        missing, unknown = sorted(asked - ratings.keys()), sorted(ratings.keys() - asked)
        raise Rejected("training.answers_do_not_fit_template", missing=missing, unknown=unknown)
    total = mean((item for _, item in content.items), ratings)
    if total is None:
        raise Rejected("training.nothing_applied")
    missed = tuple(item.code for _, item in content.items if item.critical and not met(ratings[item.code]))
    if missed and content.critical_cap is not None:
        total = min(total, content.critical_cap)
    return Scored(
        total=total,
        passed=not missed and total >= content.pass_mark,
        critical_missed=missed,
        sections=tuple(SectionScore(section=each.code, score=mean(each.items, ratings)) for each in content.sections),
    )


def met(rating: Decimal | None) -> bool:
    """In full, or there was nothing to meet."""
    return rating is None or rating >= FULL


def mean(items: Iterable[Item], ratings: Ratings) -> Decimal | None:
    """Of the ratings by weight; None where none applied."""
    counted = [(item.weight, rating) for item in items if (rating := ratings[item.code]) is not None]
    if not counted:
        return None
    weight = sum((weight for weight, _ in counted), Decimal(0))
    gained = sum((weight * rating for weight, rating in counted), Decimal(0))
    return (gained / weight).quantize(CENT, ROUND_HALF_UP)

"""What was seen at a field audit, item by item."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated

from engine import Rejected
from pydantic import BaseModel, ConfigDict, Field

from training.domain.audit_template import twice
from training.domain.template_content import Content
from training.domain.words import Code, Note, Reference, Score


class Answer(BaseModel):
    """Of one item: `rating` from 0 (not met) to 100 (met in full), null where it did not apply; `evidence` are
    references, not the photographs themselves. Notes are not for names."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    item: Code
    rating: Score | None
    note: Note | None = None
    evidence: Annotated[tuple[Reference, ...], Field(max_length=20)] = ()


ANSWERS = [
    {"item": "example", "rating": 100},
    {"item": "floors", "rating": 50, "note": "Store room", "evidence": ["https://example.com/photos/17"]},
    {"item": "signs", "rating": 0},
]
"""An example that fits the example of a template."""

Answers = Annotated[tuple[Answer, ...], Field(max_length=1000, examples=[ANSWERS])]
"""None at all is refused with what is missing, as one too few is."""


@dataclass(frozen=True)
class Answered:
    """An answer beside what the template asked then."""

    section: str
    item: str
    title: str
    weight: Decimal
    critical: bool
    correct_within_days: int | None
    owner: str
    rating: Decimal | None
    note: str | None
    evidence: tuple[str, ...]


def ratings(answers: Sequence[Answer]) -> Mapping[str, Decimal | None]:
    """Raises `training.answered_twice`."""
    if repeated := twice(each.item for each in answers):
        raise Rejected("training.answered_twice", items=repeated)
    return {each.item: each.rating for each in answers}


def beside_the_template(content: Content, answers: Iterable[Answer]) -> tuple[Answered, ...]:
    """In the template's order, whose items the answers are of."""
    by_item = {each.item: each for each in answers}
    return tuple(
        Answered(
            section=section.code,
            item=item.code,
            title=item.title,
            weight=item.weight,
            critical=item.critical,
            correct_within_days=item.correct_within_days,
            owner=item.owner,
            rating=by_item[item.code].rating,
            note=by_item[item.code].note,
            evidence=by_item[item.code].evidence,
        )
        for section, item in content.items
    )


def said(answers: Iterable[Answer | Answered]) -> Mapping[str, tuple[object, ...]]:
    """What was seen, by item, in whichever order."""
    return {each.item: (each.rating, each.note, each.evidence) for each in answers}

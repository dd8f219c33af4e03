"""A scoring standard: what applications are measured by, in versions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Annotated
from uuid import UUID, uuid5

from engine import Command, Decider, Rejected, Unknown
from events import Event
from pydantic import BaseModel, ConfigDict, Field

from partner.domain.words import Code, Text, Weight

STANDARDS = UUID("9d0b6c3a-2f44-4a63-8d55-6b1f0f7c2e10")
"""The namespace of standard ids."""


def standard_id(code: str) -> UUID:
    return uuid5(STANDARDS, code)


@dataclass(frozen=True)
class Dimension:
    """`weight` in percent."""

    code: str
    weight: Decimal


class StandardPublished(Event, type="cauce.partner.StandardPublished.v1"):
    """A version of the standard, from 1; applications scored from now on are measured by it."""

    code: str
    version: int
    title: str
    dimensions: tuple[Dimension, ...]
    gates: tuple[str, ...]


class WeightedDimension(BaseModel):
    """`weight` in percent, with up to two decimals."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    code: Code
    weight: Weight


DIMENSIONS = [{"code": "experience", "weight": 60}, {"code": "location", "weight": 40}]
"""An example that totals 100."""


class StandardContent(Command):
    """The weights total exactly 100. A failed gate refuses approval, whatever the total."""

    title: Text
    dimensions: Annotated[tuple[WeightedDimension, ...], Field(min_length=1, max_length=50, examples=[DIMENSIONS])]
    gates: Annotated[tuple[Code, ...], Field(max_length=50)] = ()


class PublishStandard(StandardContent):
    code: Code


@dataclass(frozen=True)
class StandardTerms:
    """A version of a standard, as applications are measured by it."""

    code: str
    version: int
    dimensions: tuple[Dimension, ...]
    gates: tuple[str, ...]


@dataclass(frozen=True)
class Standard:
    """`terms` is None until a version is published."""

    terms: StandardTerms | None = None
    title: str = ""

    def current(self) -> StandardTerms:
        """Raises `partner.standard_unknown`."""
        if self.terms is None:
            raise Unknown("partner.standard_unknown")
        return self.terms


def decide(command: PublishStandard, standard: Standard, now: datetime) -> list[StandardPublished]:
    if repeated := twice(dimension.code for dimension in command.dimensions):
        raise Rejected("partner.dimension_twice", dimensions=repeated)
    if repeated := twice(command.gates):
        raise Rejected("partner.gate_twice", gates=repeated)
    total = sum((dimension.weight for dimension in command.dimensions), Decimal(0))
    if total != 100:
        raise Rejected("partner.weights_do_not_total_100", total=total)
    terms = StandardTerms(
        code=command.code,
        version=1 if standard.terms is None else standard.terms.version + 1,
        dimensions=tuple(Dimension(each.code, each.weight) for each in command.dimensions),
        gates=command.gates,
    )
    if standard.terms is not None and standard == Standard(
        replace(terms, version=standard.terms.version), command.title
    ):
        return []
    return [StandardPublished(title=command.title, **vars(terms))]


def twice(codes: Iterable[str]) -> list[str]:
    return sorted(code for code, n in Counter(codes).items() if n > 1)


def evolve(standard: Standard, event: StandardPublished) -> Standard:
    return Standard(StandardTerms(event.code, event.version, event.dimensions, event.gates), event.title)


standards = Decider("standard", decide, evolve, initial=Standard, events=StandardPublished)

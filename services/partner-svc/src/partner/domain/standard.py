"""A scoring standard: what applications are measured by, in versions. An application keeps the one it was scored by."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal, assert_never
from uuid import UUID, uuid5

from engine import Command, Decider, Rejected, Unknown
from engine.drafts import DiscardDraft, Publish, content_of, drafted, next_version, publishable
from events import Event
from events.partner import Recommendation
from pydantic import Field

from partner.domain.words import Code, Score, Text, Value, Weight, twice

STANDARDS = UUID("9d0b6c3a-2f44-4a63-8d55-6b1f0f7c2e10")
"""The namespace of standard ids."""


def standard_id(code: str) -> UUID:
    return uuid5(STANDARDS, code)


# -- what a standard says


class Dimension(Value):
    """`weight` in percent, with up to two decimals."""

    code: Code
    weight: Weight


class Gate(Value):
    """What nobody is approved without, whatever the total: of capital, experience, background or another kind. With a
    `minimum` it is a figure that is judged, without one a person says whether it is passed."""

    code: Code
    kind: Literal["capital", "experience", "background", "other"] = "other"
    minimum: Annotated[Decimal, Field(ge=0, max_digits=24, decimal_places=6)] | None = None
    unit: Annotated[Text, Field(examples=["EUR"])] | None = None


class Band(Value):
    """Totals from `lower` up to `upper`, which belongs to the next band; 100 belongs to the last."""

    name: Code
    lower: Score
    upper: Score
    recommendation: Recommendation


Confidence = Annotated[Decimal, Field(ge=0, le=1, max_digits=3, decimal_places=2)]
DIMENSIONS = [{"code": "experience", "weight": "60"}, {"code": "location", "weight": "40"}]
"""An example that totals 100."""


class StandardContent(Value):
    """The weights total exactly 100, and the bands, if there are any, cover 0 to 100 without gap or overlap. Below
    `minimum_confidence` the recommendation is to gather evidence. Failed gates are overridden by people of the
    `override_roles` only, if any are named."""

    title: Text
    dimensions: Annotated[tuple[Dimension, ...], Field(min_length=1, max_length=50, examples=[DIMENSIONS])]
    gates: Annotated[tuple[Gate, ...], Field(max_length=50)] = ()
    bands: Annotated[tuple[Band, ...], Field(max_length=20)] = ()
    minimum_confidence: Confidence = Decimal(0)
    interview_required: bool = False
    override_roles: Annotated[tuple[Code, ...], Field(max_length=20)] = ()


class StandardTerms(StandardContent):
    """A version of a standard, from 1, as applications are measured by it."""

    code: Code
    version: int


# -- events that stay in the house


class StandardDrafted(Event, type="cauce.partner.StandardDrafted.v1"):
    """What the next version is to be; nothing is measured by it yet."""

    code: str
    content: StandardContent


def _from_first_form(data: dict[str, Any]) -> dict[str, Any]:
    """Before there were bands, a gate was a code and a version lay flat in the event."""
    return {"code": data["code"], "terms": {**data, "gates": [{"code": gate} for gate in data["gates"]]}}


class StandardPublished(
    Event,
    type="cauce.partner.StandardPublished.v2",
    upcasts={"cauce.partner.StandardPublished.v1": _from_first_form},
):
    """Applications that are scored from now on are measured by this version."""

    code: str
    terms: StandardTerms


class StandardDraftDiscarded(Event, type="cauce.partner.StandardDraftDiscarded.v1"):
    """The draft is not to be published."""

    code: str


StandardEvent = StandardDrafted | StandardPublished | StandardDraftDiscarded


# -- commands


class DraftStandard(Command):
    code: Code
    content: StandardContent


StandardCommand = DraftStandard | Publish | DiscardDraft


# -- state


@dataclass(frozen=True)
class Standard:
    """`terms` is None until a version is published, `code` until somebody drafts one."""

    code: str | None = None
    draft: StandardContent | None = None
    terms: StandardTerms | None = None

    def current(self) -> StandardTerms:
        """Raises `partner.standard_unknown`."""
        if self.terms is None:
            raise Unknown("partner.standard_unknown")
        return self.terms

    def drafted(self) -> StandardTerms:
        """The version that publishing the draft would make. Raises `partner.nothing_drafted`."""
        return next_version(StandardTerms, drafted(self.draft, "partner"), self.terms, code=self.code)


# -- decide and evolve


def draft(standard: Standard, command: DraftStandard) -> list[StandardEvent]:
    """Raises `partner.dimension_twice`, `partner.gate_twice`, `partner.weights_do_not_total_100` and
    `partner.bands_do_not_cover`."""
    content = command.content
    if repeated := twice(dimension.code for dimension in content.dimensions):
        raise Rejected("partner.dimension_twice", dimensions=repeated)
    if repeated := twice(gate.code for gate in content.gates):
        raise Rejected("partner.gate_twice", gates=repeated)
    total = sum((dimension.weight for dimension in content.dimensions), Decimal(0))
    if total != 100:
        raise Rejected("partner.weights_do_not_total_100", total=total)
    refuse_gaps(content.bands)
    if standard.draft == content:
        return []
    return [StandardDrafted(code=command.code, content=content)]


def refuse_gaps(bands: tuple[Band, ...]) -> None:
    if not bands:
        return
    if repeated := twice(band.name for band in bands):
        raise Rejected("partner.band_twice", bands=repeated)
    edges = [Decimal(0), *(band.upper for band in bands)]
    for edge, band in zip(edges, bands, strict=False):
        if band.lower != edge or band.upper <= band.lower:
            raise Rejected("partner.bands_do_not_cover", band=band.name, expected_lower=edge, lower=band.lower)
    if edges[-1] != 100:
        raise Rejected("partner.bands_do_not_cover", band=bands[-1].name, expected_upper=100, upper=edges[-1])


def decide(command: StandardCommand, standard: Standard, now: datetime) -> list[StandardEvent]:
    if isinstance(command, DraftStandard):
        return draft(standard, command)
    if standard.code is None:
        raise Unknown("partner.standard_unknown")
    match command:
        case Publish():
            publishable(standard.draft, content_of(standard.terms, StandardContent), "partner")
            return [StandardPublished(code=standard.code, terms=standard.drafted())]
        case DiscardDraft():
            return [] if standard.draft is None else [StandardDraftDiscarded(code=standard.code)]
        case _:
            assert_never(command)


def evolve(standard: Standard, event: StandardEvent) -> Standard:
    match event:
        case StandardDrafted(code=code, content=content):
            return replace(standard, code=code, draft=content)
        case StandardPublished(code=code, terms=terms):
            return Standard(code, terms=terms)
        case StandardDraftDiscarded():
            return replace(standard, draft=None)
        case _:
            assert_never(event)


standards = Decider("standard", decide, evolve, initial=Standard, events=StandardEvent)

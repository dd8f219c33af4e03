"""What all operational facts have in common: a fact is known by (source, source_ref), the same again is a repeat, the
same with other content is a conflict, and only a report that `corrects` it restates it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime
from typing import Annotated, Any, ClassVar, TypeVar
from uuid import UUID

from engine import Command, Rejected, Unknown
from events import Event
from pydantic import Field, StringConstraints

from performance.domain.metric import Value
from performance.domain.period import AHEAD_OF_UTC
from performance.domain.source import Source, SourceRef, id_of

E = TypeVar("E", bound=Event)

Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$"), Field(examples=["EUR"])]
Amount = Value
Quantity = Value
Positive = Annotated[Value, Field(gt=0)]
NotNegative = Annotated[Value, Field(ge=0)]
Product = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]
Route = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=60)]
Pseudonym = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._:-]{1,100}$")]
"""Whoever reports keeps who is behind it. A name or a mail address does not fit the form."""
Day = Annotated[date, Field(ge=date(1, 1, 2), le=date(9999, 12, 30), examples=["2026-03-02"])]


# -- commands


class ReportFact(Command):
    """`source_ref` is the fact's own key in the source. With `corrects`, all that is said replaces what that fact said,
    and (source, source_ref) are the correction's own."""

    namespace: ClassVar[UUID]
    """Of the ids of facts of this kind."""
    past: ClassVar[tuple[str, ...]]
    """Its days that cannot be to come."""
    kept: ClassVar[tuple[str, ...]] = ("partner_id",)
    """What a correction cannot change once it is known: others have filed the fact under it."""

    source: Source
    source_ref: SourceRef
    partner_id: UUID
    corrects: UUID | None = Field(default=None, description="The id of the fact that this one corrects.")

    def about(self) -> UUID:
        """The id of the fact that this makes or corrects."""
        return id_of(self.namespace, self.source, self.source_ref) if self.corrects is None else self.corrects

    def content(self) -> dict[str, Any]:
        """What is said, without by whom and in which role."""
        return self.model_dump(exclude={"occurred_at", "corrects", "source", "source_ref"})


class RecordFact(Command):
    """A report with the id of its fact, and whether its partner is known."""

    fact_id: UUID
    report: ReportFact
    partner_known: bool


# -- decide


def recorded(command: RecordFact, made: Sequence[E], make: Callable[..., E], now: datetime) -> list[E]:
    """The event that the report leads to, after those that were `made` of the fact: the first, then its corrections.

    Raises `performance.fact_differs`, `performance.partner_unknown`, `performance.day_not_begun`, and of a correction
    `performance.fact_unknown`, `performance.correction_of_another`, `performance.correction_differs`,
    `performance.nothing_to_correct`.
    """
    id, report = command.fact_id, command.report
    if report.corrects is None:
        if made:
            return repeated(id, report, made[0])
        if not command.partner_known:
            raise Unknown("performance.partner_unknown", partner_id=report.partner_id)
    else:
        if not made:
            raise Unknown("performance.fact_unknown", corrects=id)
        for name in report.kept:
            known = getattr(made[-1], name)
            if known is not None and known != getattr(report, name):
                raise Rejected("performance.correction_of_another", field=name, reported=known)
        if (before := by(report, made)) is not None:
            if other(report, before) is None:
                return []
            raise Rejected("performance.correction_differs", fact_id=id, field=other(report, before))
        if other(report, made[-1]) is None:
            raise Rejected("performance.nothing_to_correct", fact_id=id)
    check_days(now, ((name, getattr(report, name)) for name in report.past))
    return [make(source=report.source, source_ref=report.source_ref, restatement=len(made), **report.content())]


def repeated(id: UUID, report: ReportFact, first: E) -> list[E]:
    field = other(report, first)
    if field is None:
        return []
    raise Rejected(
        "performance.fact_differs",
        fact_id=id,
        field=field,
        reported=getattr(first, field),
        hint="to change what was reported, send it with a source_ref of its own and corrects",
    )


def by(report: ReportFact, made: Sequence[E]) -> E | None:
    """What this (source, source_ref) has said of the fact already."""
    ref = (report.source, report.source_ref)
    said: Iterable[Any] = made
    return next((each for each in said if (each.source, each.source_ref) == ref), None)


def other(report: ReportFact, event: Event) -> str | None:
    """The first field in which the two differ."""
    return next((name for name, value in report.content().items() if getattr(event, name) != value), None)


def check_days(now: datetime, days: Iterable[tuple[str, date | None]]) -> None:
    """A day has begun where it begins first."""
    latest = (now + AHEAD_OF_UTC).date() if now.year < 9999 else now.date()
    for name, day in days:
        if day is not None and day > latest:
            raise Rejected("performance.day_not_begun", field=name, day=day, latest=latest)


def owner_of(made: Sequence[Event]) -> UUID | None:
    first: Any = made[0] if made else None
    return None if first is None else first.partner_id

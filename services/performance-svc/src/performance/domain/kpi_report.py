"""A KPI report: one observation of a metric at a partner, known by (source, source_ref), and its corrections."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Annotated, assert_never
from uuid import UUID

from engine import Command, Decider, Rejected, Unknown
from events.performance import KPIReported, KPIRestated
from events.periods import first_day
from pydantic import Field

from performance.domain.exact import ratio
from performance.domain.metric import Code, MetricTerms, Unit, Value
from performance.domain.period import Period, has_begun
from performance.domain.source import Source, SourceRef, id_of

REPORTS = UUID("b7d5a0c4-94f5-4b0e-a6d3-5e1f7c8a9b87")
"""The namespace of report ids."""


def report_id(source: str, source_ref: str) -> UUID:
    return id_of(REPORTS, source, source_ref)


ReportEvent = KPIReported | KPIRestated
Denominator = Annotated[Value, Field(ge=0)]
"""0: there was nothing to divide by; in a period's sum it is as good as any."""


# -- commands


class ReportKPI(Command):
    """`source_ref` is the observation's own key in the source. With `corrects`, the value replaces that report's, and
    (source, source_ref) are the correction's own. `unit`, where it is given, must be the metric's. Of a ratio metric
    `value` is the numerator, and `denominator` what it is divided by."""

    source: Source
    source_ref: SourceRef
    partner_id: UUID
    outlet_id: UUID | None = None
    metric: Code
    period: Period
    value: Value
    denominator: Denominator | None = None
    unit: Unit | None = None
    corrects: UUID | None = Field(default=None, description="The id of the report that this one corrects.")

    def about(self) -> UUID:
        """The id of the report that this makes or corrects."""
        return report_id(self.source, self.source_ref) if self.corrects is None else self.corrects


class RecordReport(Command):
    """A report with its id, what is known of its metric (None: nothing) and whether its partner is known."""

    report_id: UUID
    report: ReportKPI
    terms: MetricTerms | None
    partner_known: bool


# -- state


@dataclass(frozen=True)
class Observation:
    """What was reported, as it was reported first."""

    report_id: UUID
    source: str
    source_ref: str
    partner_id: UUID
    outlet_id: UUID | None
    metric: str
    period: str
    value: Decimal
    denominator: Decimal | None = None


@dataclass(frozen=True)
class Correction:
    source: str
    source_ref: str
    value: Decimal
    denominator: Decimal | None = None


@dataclass(frozen=True)
class KPIReport:
    """`observation` is None until it is reported; the last correction holds."""

    observation: Observation | None = None
    corrections: tuple[Correction, ...] = ()

    @property
    def holds(self) -> Observation | Correction | None:
        """What its value and its denominator are from."""
        return self.corrections[-1] if self.corrections else self.observation


# -- decide


SAME: tuple[str, ...] = ("partner_id", "outlet_id", "metric", "period", "value", "denominator")


def record(known: KPIReport, command: RecordReport, now: datetime) -> list[ReportEvent]:
    """Raises `performance.report_differs`, `performance.partner_unknown`, `performance.period_not_begun` and what
    `check_value` raises."""
    report = command.report
    if known.observation is not None:
        for field in SAME:
            if getattr(known.observation, field) != getattr(report, field):
                raise Rejected(
                    "performance.report_differs",
                    report_id=command.report_id,
                    field=field,
                    reported=getattr(known.observation, field),
                    hint="to change what was reported, send it with a source_ref of its own and corrects",
                )
        return []
    if not command.partner_known:
        raise Unknown("performance.partner_unknown", partner_id=report.partner_id)
    check_value(report, command.terms)
    if not has_begun(report.period, now):
        raise Rejected("performance.period_not_begun", period=report.period, begins=first_day(report.period))
    return [
        KPIReported(
            report_id=command.report_id,
            partner_id=report.partner_id,
            outlet_id=report.outlet_id,
            metric=report.metric,
            period=report.period,
            value=report.value,
            source=report.source,
            source_ref=report.source_ref,
            denominator=report.denominator,
        )
    ]


def restate(known: KPIReport, command: RecordReport) -> list[ReportEvent]:
    """Raises `performance.report_unknown`, `performance.correction_differs`, `performance.correction_of_another`,
    `performance.nothing_to_correct` and what `check_value` raises."""
    first, holds, report = known.observation, known.holds, command.report
    if first is None or holds is None:
        raise Unknown("performance.report_unknown", corrects=report.corrects)
    for field in ("partner_id", "metric", "period"):
        if getattr(first, field) != getattr(report, field):
            raise Rejected("performance.correction_of_another", field=field, reported=getattr(first, field))
    for made in known.corrections:
        if (made.source, made.source_ref) == (report.source, report.source_ref):
            if (made.value, made.denominator) == (report.value, report.denominator):
                return []
            raise Rejected("performance.correction_differs", report_id=first.report_id, corrected_to=made.value)
    check_value(report, command.terms)
    if (report.value, report.denominator) == (holds.value, holds.denominator):
        raise Rejected("performance.nothing_to_correct", report_id=first.report_id, value=holds.value)
    return [
        KPIRestated(
            report_id=first.report_id,
            partner_id=first.partner_id,
            metric=first.metric,
            period=first.period,
            previous=holds.value,
            value=report.value,
            source=report.source,
            source_ref=report.source_ref,
            previous_denominator=holds.denominator,
            denominator=report.denominator,
        )
    ]


def check_value(report: ReportKPI, terms: MetricTerms | None) -> None:
    """Raises `performance.metric_unknown`, `performance.unit_differs`, `performance.denominator_missing`,
    `performance.denominator_unexpected`, `performance.value_below_minimum`, `performance.value_above_maximum`."""
    value, denominator = report.value, report.denominator
    if terms is None:
        raise Unknown("performance.metric_unknown", metric=report.metric)
    if report.unit is not None and report.unit != terms.unit:
        raise Rejected("performance.unit_differs", metric=terms.code, unit=report.unit, expected=terms.unit)
    if terms.aggregation == "ratio":
        if denominator is None:
            raise Rejected("performance.denominator_missing", metric=terms.code)
        if denominator == 0:
            return  # there is no quotient to bound
        value = ratio(value, denominator)
    elif denominator is not None:
        raise Rejected("performance.denominator_unexpected", metric=terms.code, aggregation=terms.aggregation)
    if terms.minimum is not None and value < terms.minimum:
        raise Rejected("performance.value_below_minimum", metric=terms.code, value=value, minimum=terms.minimum)
    if terms.maximum is not None and value > terms.maximum:
        raise Rejected("performance.value_above_maximum", metric=terms.code, value=value, maximum=terms.maximum)


def decide(command: RecordReport, known: KPIReport, now: datetime) -> list[ReportEvent]:
    return record(known, command, now) if command.report.corrects is None else restate(known, command)


# -- evolve


def evolve(report: KPIReport, event: ReportEvent) -> KPIReport:
    match event:
        case KPIReported():
            return KPIReport(
                Observation(
                    event.report_id,
                    event.source,
                    event.source_ref,
                    event.partner_id,
                    event.outlet_id,
                    event.metric,
                    event.period,
                    event.value,
                    event.denominator,
                )
            )
        case KPIRestated():
            made = Correction(event.source, event.source_ref, event.value, event.denominator)
            return replace(report, corrections=(*report.corrections, made))
        case _:
            assert_never(event)


kpi_reports = Decider(
    "kpi_report",
    decide,
    evolve,
    initial=KPIReport,
    events=ReportEvent,
    owner=lambda report: None if report.observation is None else report.observation.partner_id,
)

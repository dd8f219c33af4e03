"""The aggregate that the engine is measured with: a meter that takes reports, a small state and a public event of the
published language (about 270 bytes as JSON)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID, uuid4

from engine import Command, Context, Decider, Send
from events.performance import KPIReported

SERVICE = "performance"
ME = Context("bench")
NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


class Report(Command):
    partner_id: UUID
    value: Decimal
    times: int = 1


@dataclass(frozen=True)
class Meter:
    reports: int = 0
    total: Decimal = Decimal(0)


def decide(command: Report, meter: Meter, now: datetime) -> list[KPIReported]:
    return [reported(command.partner_id, meter.reports + n, command.value) for n in range(command.times)]


def evolve(meter: Meter, event: KPIReported) -> Meter:
    return Meter(meter.reports + 1, meter.total + event.value)


meters = Decider("meter", decide, evolve, Meter, KPIReported)


def reported(partner: UUID, n: int, value: Decimal = Decimal("87.5")) -> KPIReported:
    return KPIReported(
        report_id=partner,
        partner_id=partner,
        metric="inspection_score",
        period="2026-06",
        value=value,
        source="bench",
        source_ref=f"{partner}/{n}",
    )


def report(partner: UUID | None = None, times: int = 1) -> Send:
    """A command for a meter (a new one if none is given)."""
    id = partner or uuid4()
    return Send(meters, id, Report(partner_id=id, value=Decimal("87.5"), times=times))

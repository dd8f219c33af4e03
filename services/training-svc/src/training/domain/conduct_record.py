"""A partner's conduct record: that decisions on its breaches are taken one after the other, each with all of those
before it in view. Without it two breaches that are decided in one instant would both be the first."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from engine import Command, Decider, Rejected
from events import Event


class ConductWeighed(Event, type="cauce.training.ConductWeighed.v1"):
    """Somebody decided on a breach of the partner's, or proposed to, as the `number`-th."""

    partner_id: UUID
    breach_id: UUID
    number: int


class WeighConduct(Command):
    """`after` are the decisions that there were when the breaches before this one were counted."""

    partner_id: UUID
    breach_id: UUID
    after: int


@dataclass(frozen=True)
class ConductRecord:
    decisions: int = 0


def decide(command: WeighConduct, record: ConductRecord, now: datetime) -> list[ConductWeighed]:
    if record.decisions != command.after:
        raise Rejected("training.another_breach_decided", hint="another decision came in between: look again")
    return [ConductWeighed(partner_id=command.partner_id, breach_id=command.breach_id, number=record.decisions + 1)]


def evolve(record: ConductRecord, event: ConductWeighed) -> ConductRecord:
    return ConductRecord(event.number)


conduct_records = Decider("conduct_record", decide, evolve, initial=ConductRecord, events=ConductWeighed)

"""Evidence as plain data, for tests of the checker."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

import orjson
from engine.kafka import partition_of
from engine.wire import Raw

from faults.evidence import Evidence, Sent
from faults.ledger import Asked

NOW = datetime(2026, 11, 24, tzinfo=UTC)
PARTNER = UUID(int=7)
STREAM = f"partner-{PARTNER}"
PARTITIONS = 6


def lapsed(position: int, **other: object) -> Raw:
    """The event at this position and version, each with a caller of its own."""
    raw = Raw(
        id=uuid5(PARTNER, str(position)),
        stream=STREAM,
        version=position,
        type="cauce.partner.PartnerLapsed.v1",
        data=b'{"partner_id": "x", "reason": "y"}',
        position=position,
        incarnation=1,
        occurred_at=NOW,
        recorded_at=NOW + timedelta(seconds=position),
        correlation_id=UUID(int=position),
        causation_id=None,
        actor="client",
    )
    return raw._replace(**other)  # type: ignore[arg-type]


def sent(*raws: Raw) -> list[Sent]:
    return [Sent(partition_of(raw.stream, PARTITIONS), n, raw.stream, raw) for n, raw in enumerate(raws)]


def store(events: Sequence[Raw], topic: Sequence[Raw] | None = None, **other: object) -> Evidence:
    evidence = Evidence(
        service="partner",
        events=events,
        streams={STREAM: len(events)},
        commands={},
        published=events[-1].position if events else 0,
        takeovers=1,
        parked=(),
        timers=(),
        topic=sent(*(events if topic is None else topic)),
        partitions=PARTITIONS,
    )
    return replace(evidence, **other)  # type: ignore[arg-type]


def asked(position: int, **other: object) -> Asked:
    receipt = {
        "id": str(PARTNER),
        "version": position,
        "position": position,
        "events": ["cauce.partner.PartnerLapsed.v1"],
    }
    made = Asked("partner", "POST /x", "key", UUID(int=position), outcome="acknowledged", receipt=receipt)
    return replace(made, **other)  # type: ignore[arg-type]


class Said:
    """The log of a service, told event by event."""

    def __init__(self, service: str) -> None:
        self.service = service
        self.events: list[Raw] = []

    def __call__(self, name: str, because: Raw | None = None, stream: str = STREAM, **data: Any) -> Raw:
        n = len(self.events) + 1
        event = Raw(
            id=uuid5(PARTNER, f"{self.service}/{n}"),
            stream=stream,
            version=n,
            type=f"cauce.{self.service}.{name}.v1",
            data=orjson.dumps(data),
            position=n,
            incarnation=1,
            occurred_at=NOW,
            recorded_at=NOW,
            correlation_id=UUID(int=n),
            causation_id=None if because is None else because.id,
            actor="somebody",
        )
        self.events.append(event)
        return event

    @property
    def evidence(self) -> Evidence:
        return replace(store(self.events), service=self.service)

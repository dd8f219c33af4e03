"""How a fact travels on Kafka: CloudEvents 1.0.2 in binary mode, JSON value, and back.

Extensions beside the required attributes: `partitionkey` (the stream), `correlationid`, `causationid`, `actor`,
`incarnation` and `position` (the order of one service's facts), `streamversion` and `recordedat`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid5

import asyncpg

from engine.decider import Codec
from engine.facts import Fact

Headers = list[tuple[str, bytes]]


@dataclass(frozen=True, slots=True)
class Raw:
    """A stored or received event, not yet decoded."""

    id: UUID
    stream: str
    version: int
    type: str
    data: bytes
    position: int
    incarnation: int
    occurred_at: datetime
    recorded_at: datetime
    correlation_id: UUID
    causation_id: UUID | None
    actor: str

    def fact(self, codec: Codec) -> Fact[Any]:
        """Raises whatever the decoding of a damaged event raises."""
        return Fact(
            event=codec.decode(self.type, self.data),
            event_id=self.id,
            stream=self.stream,
            version=self.version,
            position=self.position,
            incarnation=self.incarnation,
            occurred_at=self.occurred_at,
            recorded_at=self.recorded_at,
            correlation_id=self.correlation_id,
            causation_id=self.causation_id,
            actor=self.actor,
        )


def raw_of(row: asyncpg.Record) -> Raw:
    """From a row of the event table (or of parked_event), with the incarnation beside it."""
    return Raw(
        row["id"],
        row["stream"],
        row["version"],
        row["type"],
        bytes(row["data"]),
        row["position"],
        row["incarnation"],
        row["occurred_at"],
        row["recorded_at"],
        row["correlation_id"],
        row["causation_id"],
        row["actor"],
    )


def headers_of(raw: Raw, source: str) -> Headers:
    headers = [
        ("content-type", b"application/json"),
        ("ce_specversion", b"1.0"),
        ("ce_id", str(raw.id).encode()),
        ("ce_source", source.encode()),
        ("ce_type", raw.type.encode()),
        ("ce_time", _instant(raw.occurred_at)),
        ("ce_subject", raw.stream.encode()),
        ("ce_partitionkey", raw.stream.encode()),
        ("ce_correlationid", str(raw.correlation_id).encode()),
        ("ce_actor", raw.actor.encode()),
        ("ce_incarnation", b"%d" % raw.incarnation),
        ("ce_position", b"%d" % raw.position),
        ("ce_streamversion", b"%d" % raw.version),
        ("ce_recordedat", _instant(raw.recorded_at)),
    ]
    if raw.causation_id is not None:
        headers.append(("ce_causationid", str(raw.causation_id).encode()))
    return headers


def raw_from(headers: Headers, value: bytes) -> Raw:
    """Raises KeyError or ValueError for a record that is not one of ours."""
    h = dict(headers)
    causation = h.get("ce_causationid")
    return Raw(
        UUID(h["ce_id"].decode()),
        h["ce_subject"].decode(),
        int(h["ce_streamversion"]),
        h["ce_type"].decode(),
        value,
        int(h["ce_position"]),
        int(h["ce_incarnation"]),
        datetime.fromisoformat(h["ce_time"].decode()),
        datetime.fromisoformat(h["ce_recordedat"].decode()),
        UUID(h["ce_correlationid"].decode()),
        UUID(causation.decode()) if causation else None,
        h["ce_actor"].decode(),
    )


UNREADABLE = "unreadable"
"""The type given to a record on our topic that is not one of ours, so that it is parked and not passed over."""


def unreadable(topic: str, partition: int, offset: int, at: datetime, value: bytes) -> Raw:
    id = uuid5(UUID(int=0), f"{topic}/{partition}/{offset}")
    return Raw(id, f"{UNREADABLE}-{id}", 0, UNREADABLE, value, offset, 0, at, at, id, None, topic)


def _instant(at: datetime) -> bytes:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z").encode()

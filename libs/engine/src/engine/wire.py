"""How a fact travels on Kafka: CloudEvents 1.0.2 in binary mode, JSON value, and back.

Which attributes a record carries and what they mean is declared in `events.envelope`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID, uuid5

import asyncpg
import orjson
from events.envelope import CONTENT_TYPE, SPEC_VERSION, sequence

from engine.decider import Codec
from engine.facts import Fact

Headers = list[tuple[str, bytes]]

_CONTENT_TYPE = ("content-type", CONTENT_TYPE.encode())
_SPEC_VERSION = ("ce_specversion", SPEC_VERSION.encode())
_TRACEPARENT = re.compile(rb"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_TRACESTATE = re.compile(rb"[\x20-\x7e]{1,512}")


class Raw(NamedTuple):
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
    client: str | None = None
    on_behalf_of: str | None = None
    traceparent: str | None = None
    tracestate: str | None = None

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
            client=self.client,
            on_behalf_of=self.on_behalf_of,
            traceparent=self.traceparent,
            tracestate=self.tracestate,
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
        row["client"],
        row["on_behalf_of"],
        row["traceparent"],
        row["tracestate"],
    )


def headers_of(raw: Raw, source: str) -> Headers:
    stream = raw.stream.encode()
    headers = [
        _CONTENT_TYPE,
        _SPEC_VERSION,
        ("ce_id", str(raw.id).encode()),
        ("ce_source", source.encode()),
        ("ce_type", raw.type.encode()),
        ("ce_time", _instant(raw.occurred_at)),
        ("ce_subject", stream),
        ("ce_partitionkey", stream),
        ("ce_correlationid", str(raw.correlation_id).encode()),
        ("ce_actor", raw.actor.encode()),
        ("ce_sequence", sequence(raw.incarnation, raw.position).encode()),
        ("ce_incarnation", b"%d" % raw.incarnation),
        ("ce_position", b"%d" % raw.position),
        ("ce_streamversion", b"%d" % raw.version),
        ("ce_recordedat", _instant(raw.recorded_at)),
    ]
    if raw.causation_id is not None:
        headers.append(("ce_causationid", str(raw.causation_id).encode()))
    if raw.client is not None:
        headers.append(("ce_client", raw.client.encode()))
    if raw.on_behalf_of is not None:
        headers.append(("ce_onbehalfof", raw.on_behalf_of.encode()))
    if raw.traceparent is not None:
        headers.append(("ce_traceparent", raw.traceparent.encode()))
    if raw.tracestate is not None:
        headers.append(("ce_tracestate", raw.tracestate.encode()))
    return headers


def raw_from(headers: Headers, value: bytes | None) -> Raw:
    """Raises KeyError or ValueError for a record that is not one of ours, also where Postgres could not keep it."""
    if value is None:
        raise ValueError("a record without a value")
    h = dict(headers)
    causation, client, on_behalf_of = (h.get(f"ce_{name}") for name in ("causationid", "client", "onbehalfof"))
    return Raw(
        UUID(h["ce_id"].decode()),
        _text(h["ce_subject"]),
        _number(h["ce_streamversion"], 31),
        _text(h["ce_type"]),
        value,
        _number(h["ce_position"], 63),
        _number(h["ce_incarnation"], 31),
        _time(h["ce_time"]),
        _time(h["ce_recordedat"]),
        UUID(h["ce_correlationid"].decode()),
        UUID(causation.decode()) if causation else None,
        _text(h["ce_actor"]),
        _text(client) if client else None,
        _text(on_behalf_of) if on_behalf_of else None,
        *(trace_of(h) if "ce_traceparent" in h else (None, None)),
    )


def trace_of(headers: Mapping[str, bytes]) -> tuple[str | None, str | None]:
    """What is malformed is passed over, as W3C Trace Context says: no record is unreadable for that."""
    parent, state = headers["ce_traceparent"], headers.get("ce_tracestate")
    if not parent or not _TRACEPARENT.fullmatch(parent):
        return None, None
    return parent.decode(), state.decode() if state and _TRACESTATE.fullmatch(state) else None


def _text(value: bytes) -> str:
    if b"\0" in value:
        raise ValueError("a header with a NUL character")
    return value.decode()


def _number(value: bytes, bits: int) -> int:
    number = int(value)
    if not 0 <= number < 1 << bits:
        raise ValueError(f"{number} is out of range")
    return number


def _time(value: bytes) -> datetime:
    at = datetime.fromisoformat(value.decode())
    if at.tzinfo is None:
        raise ValueError(f"{at} says no time zone")
    return at


UNREADABLE = "unreadable"
"""The type given to a record on our topic that is not one of ours, so that it is parked and not passed over."""


def unreadable(topic: str, partition: int, offset: int, at: datetime, value: bytes) -> Raw:
    id = uuid5(UUID(int=0), f"{topic}/{partition}/{offset}")
    return Raw(id, f"{UNREADABLE}-{id}", 0, UNREADABLE, value, offset, 0, at, at, id, None, topic)


def _instant(at: datetime) -> bytes:
    return orjson.dumps(at.astimezone(UTC), option=orjson.OPT_UTC_Z)[1:-1]

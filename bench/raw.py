"""The limit that appends are held against: the same columns, bytes and indexes, and nothing else."""

from __future__ import annotations

from uuid import UUID, uuid4

from bench.domain import NOON, reported

TABLE = """
create table raw_event (
    position        bigint generated always as identity (cache 1) primary key,
    stream          text not null,
    version         integer not null,
    id              uuid not null default uuidv7() unique,
    type            text not null,
    data            json not null,
    occurred_at     timestamptz not null,
    recorded_at     timestamptz not null default clock_timestamp(),
    correlation_id  uuid not null,
    causation_id    uuid,
    actor           text not null,
    client          text,
    on_behalf_of    text,
    traceparent     text,
    tracestate      text,
    unique (stream, version)
);
create index on raw_event (correlation_id);
"""

INSERT = (
    "insert into raw_event (stream, version, type, data, occurred_at, correlation_id, causation_id, actor)"
    " values ($1,$2,$3,$4,$5,$6,$7,$8) returning position, id, recorded_at"
)

INSERT_MANY = (
    "insert into raw_event (stream, version, type, data, occurred_at, correlation_id, causation_id, actor)"
    " select * from unnest($1::text[],$2::int[],$3::text[],$4::json[],$5::timestamptz[],$6::uuid[],$7::uuid[],"
    "$8::text[]) returning position, id, recorded_at"
)

Row = tuple[str, int, str, bytes, object, UUID, UUID | None, str]


def row(partner: UUID, version: int) -> Row:
    event = reported(partner, version)
    return (f"meter-{partner}", version, event.event_type, event.data(), NOON, uuid4(), None, "bench")

"""The read model that consuming and rebuilding are measured with, and the same kept by hand."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any
from uuid import UUID

import orjson
from engine import Fact, Statement, Table, View
from events.performance import KPIReported

TOTALS = Table("totals", "partner_id uuid primary key, reports bigint not null, total numeric not null")
ADD = (
    "insert into {table} as t (partner_id, reports, total) values ($1, 1, $2)"
    " on conflict (partner_id) do update set reports = t.reports + 1, total = t.total + excluded.total"
)


def project(fact: Fact[Any]) -> Iterator[Statement]:
    match fact.event:
        case KPIReported(partner_id=partner, value=value):
            yield TOTALS.sql(ADD, partner, value)


def totals(source: str | None = None) -> View:
    """How many reports each partner has made, and what they add up to."""
    return View("totals", 1, (TOTALS,), project, source=source)


RAW_TABLES = f"""
create table raw_totals ({TOTALS.columns});
create table raw_offset (partition int primary key, next_offset bigint not null);
"""
RAW_ADD = ADD.replace("{table}", "raw_totals")


def raw_arguments(data: Iterable[bytes]) -> list[tuple[UUID, Decimal]]:
    """From stored events to the statement's arguments, by the shortest way."""
    events = map(orjson.loads, data)
    return [(UUID(event["partner_id"]), Decimal(event["value"])) for event in events]

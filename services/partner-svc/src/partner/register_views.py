"""Read model: principals, brands and channels. Written with the append."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from engine import Fact, Statement, Table, View, as_json

from partner.domain.register import RegisterEntryKept, RegisterEntryLinked, RegisterEntryRetired

ENTRIES = Table(
    "register_entries",
    """
    register text not null,
    code text not null,
    status text not null default 'kept',
    name text not null,
    principal text,
    content json not null,
    external_refs jsonb not null default '{}',
    retired_because text,
    primary key (register, code)
    """,
)


def project(fact: Fact[Any]) -> Iterator[Statement]:
    match fact.event:
        case RegisterEntryKept(code=code, content=content):
            yield ENTRIES.upsert(
                "register",
                "code",
                register=content.of,
                code=code,
                name=content.name,
                principal=getattr(content, "principal", None),
                content=as_json(content),
            )
        case RegisterEntryLinked(code=code, register_name=register, system=system, key=key):
            yield ENTRIES.sql(
                "update {table} set external_refs = external_refs || jsonb_build_object($3::text, $4::text)"
                " where register = $1 and code = $2",
                register,
                code,
                system,
                key,
            )
        case RegisterEntryRetired(code=code, register_name=register, reason=reason):
            yield ENTRIES.update({"register": register, "code": code}, status="retired", retired_because=reason)


view = View("register_entries", version=1, tables=(ENTRIES,), project=project, inline=True)

"""How the statements of views reach Postgres: table by table, in their order, neighbours of a kind at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from engine.views import Statement, Table

if TYPE_CHECKING:
    from engine.store import Db

_as_sets: dict[str, str | None] = {}
"""By the text of a statement for one row: its text for many, or None where it cannot have one."""


def physical(table: Table, generation: int) -> str:
    return f"{table.name}__g{generation}"


async def run_statements(db: Db, statements: Iterable[Statement], generation: int) -> None:
    """A statement is about one table, so that those of another need not wait for it: they are run table by table, and
    in the same order of tables everywhere."""
    by_table: dict[str, list[Statement]] = {}
    for statement in statements:
        by_table.setdefault(statement.table.name, []).append(statement)
    for _, of_table in sorted(by_table.items()):
        alike: list[Statement] = []
        for statement in of_table:
            if alike and statement.template != alike[0].template:
                await _run(db, alike, generation)
                alike = []
            alike.append(statement)
        await _run(db, alike, generation)


async def _run(db: Db, alike: Sequence[Statement], generation: int) -> None:
    first = alike[0]
    sql = first.template.replace("{table}", physical(first.table, generation))
    if len(alike) == 1:
        await db.execute(sql, *first.args)
    elif first.rows and (as_set := await _as_set(db, sql)) is not None:
        await db.execute(as_set, *map(list, zip(*_rows(alike), strict=True)))
    else:
        await db.executemany(sql, [statement.args for statement in alike])


def _rows(alike: Sequence[Statement]) -> Iterable[tuple[Any, ...]]:
    """Postgres refuses to write one row twice in one statement."""
    key = alike[0].key
    if not key:
        return [statement.args for statement in alike]
    return {tuple(s.args[n] for n in key): s.args for s in alike}.values()


async def _as_set(db: Db, sql: str) -> str | None:
    """The INSERT of one row as one of the rows that arrays give, column by column (ADR 11).
    Types are Postgres's own word; an array of arrays would be taken apart, so that a table with such a column is
    written row by row."""
    if sql not in _as_sets:
        types = (await db.prepare(sql)).get_parameters()
        columns = ", ".join(f"${n}::{t.schema}.{t.name}[]" for n, t in enumerate(types, 1))
        before, values, after = _apart(sql)
        plain = all(t.kind == "scalar" for t in types) and values == len(types)
        _as_sets[sql] = f"{before}select * from unnest({columns}){after}" if plain else None
    return _as_sets[sql]


def _apart(sql: str) -> tuple[str, int, str]:
    """What stands before and after `values ($1, ...)`, and how many there are; see Table.insert."""
    before, _, rest = sql.partition("values (")
    values, _, after = rest.partition(")")
    return before, values.count("$"), after

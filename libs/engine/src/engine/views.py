"""Read models: tables and a pure projection that yields the statements to run on them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Generic, TypeVar
from uuid import UUID

from events.states import State
from pydantic import BaseModel

from engine.decider import Decider
from engine.facts import Fact


@dataclass(frozen=True)
class Table:
    """A table of a view. `columns` is the body of CREATE TABLE, with the primary key; `indexes` are bodies of
    CREATE INDEX ON the table, like `(partner_id, period)`.

    Reads use the plain `name`, which always shows the version that is live; writes go through the methods below,
    and the engine puts in the physical table of the version that is being kept.
    """

    name: str
    columns: str
    indexes: tuple[str, ...] = ()

    def insert(self, **values: Any) -> Statement:
        return Statement(self, _insert(tuple(values)), tuple(values.values()), rows=True)

    def upsert(self, *key: str, **values: Any) -> Statement:
        """Insert, or overwrite the row with the same `key` columns."""
        columns = tuple(values)
        return Statement(
            self, _upsert(key, columns), tuple(values.values()), rows=True, key=tuple(map(columns.index, key))
        )

    def update(self, where: Mapping[str, Any], **values: Any) -> Statement:
        return Statement(self, _update(tuple(values), tuple(where)), (*values.values(), *where.values()))

    def delete(self, **where: Any) -> Statement:
        return Statement(self, _delete(tuple(where)), tuple(where.values()))

    def sql(self, template: str, *args: Any) -> Statement:
        """Any statement over this one table, which it calls `{table}`, with arguments $1, $2 ..."""
        return Statement(self, template, args)


@dataclass(frozen=True)
class Statement:
    """`rows`: it writes the row of its arguments, and many of its like can be written as one; of those with equal
    arguments at `key` the last is what remains."""

    table: Table
    template: str
    args: tuple[Any, ...]
    rows: bool = False
    key: tuple[int, ...] = ()


def as_json(value: BaseModel) -> bytes:
    """For a column of type json."""
    return value.model_dump_json().encode()


S = TypeVar("S")


@dataclass(frozen=True)
class PublicState(Generic[S]):
    """How the things of one kind are shown on the service's state topic; `show(id, state)` gives None
    for one that is not."""

    decider: Decider[Any, S, Any]
    document: type[State]
    show: Callable[[UUID, S], State | None]


@dataclass(frozen=True)
class View:
    """A read model. Raise `version` when its tables or its projection change: the new version is built beside the
    old one from the log and replaces it when it has caught up.

    While versions change, processes of both read the plain name: change columns by adding to them, or take a new name.

    Inline views are written in the transaction of the append, so that a caller reads its own writes; they hear only
    their own service. Others follow `source`: their own service's log (None) or another service's topic. A view may
    follow several services' topics: `source=("partner", "contract")`.
    """

    name: str
    version: int
    tables: tuple[Table, ...]
    project: Callable[[Fact[Any]], Iterable[Statement]]
    inline: bool = False
    source: str | tuple[str, ...] | None = None


@cache
def _insert(columns: tuple[str, ...]) -> str:
    return f"insert into {{table}} ({', '.join(columns)}) values ({_numbers(len(columns))})"


@cache
def _upsert(key: tuple[str, ...], columns: tuple[str, ...]) -> str:
    rest = [c for c in columns if c not in key]
    action = "do update set " + ", ".join(f"{c} = excluded.{c}" for c in rest) if rest else "do nothing"
    return f"{_insert(columns)} on conflict ({', '.join(key)}) {action}"


@cache
def _update(columns: tuple[str, ...], where: tuple[str, ...]) -> str:
    sets = ", ".join(f"{c} = ${n}" for n, c in enumerate(columns, 1))
    conditions = " and ".join(f"{c} = ${n}" for n, c in enumerate(where, len(columns) + 1))
    return f"update {{table}} set {sets} where {conditions}"


@cache
def _delete(where: tuple[str, ...]) -> str:
    return "delete from {table} where " + " and ".join(f"{c} = ${n}" for n, c in enumerate(where, 1))


def _numbers(n: int) -> str:
    return ", ".join(f"${i}" for i in range(1, n + 1))

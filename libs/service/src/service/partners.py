"""A partner's own people: which routes are open to them, and that they meet nothing but their own partner's data.

Two lines, and a route's author can forget neither. The first: a route is closed to them unless it says with `own(...)`
whose the thing is that it is about. The second: whatever they read through `Read`, or have handled, is looked at again
where it comes from. See docs/access.md and ADR 7.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlencode
from uuid import UUID

from engine import Command, Decider, Rejected, View
from engine.runtime import Engine
from engine.store import SCHEMA
from fastapi import params
from starlette.requests import Request

from service.problems import ProblemError

COLUMN = "partner_id"
"""By which a table's rows are somebody's, and the claim that says who."""


class Closed(ProblemError):
    def __init__(self) -> None:
        super().__init__(403, "partner_closed", "This is not open to a partner's own people.")


class AnothersPartner(ProblemError):
    """The caller named a partner that is not theirs."""

    def __init__(self, field: str) -> None:
        super().__init__(403, "partner_other", f"{field} is another partner than the caller's.", field=field)


class NotTheirs(ProblemError):
    def __init__(self, field: str, only: Any) -> None:
        super().__init__(403, "partner_may_not", f"A partner's own people may only say {field} {only}.", field=field)


class NothingThere(ProblemError):
    """What is another's answers as what does not exist."""

    def __init__(self, path: str) -> None:
        super().__init__(404, "not_found", f"There is nothing at {path}.")


@dataclass(frozen=True)
class Own:
    """The mark behind `own(...)`."""

    path: str | None = None
    of: Decider[Any, Any, Any] | None = None
    query: str | None = None
    body: str | None = None
    only: Mapping[str, Any] = field(default_factory=dict)
    reads: tuple[str, ...] = ()

    async def admit(self, request: Request, engine: Engine, partner_id: UUID) -> None:
        """Raises where the request is about another partner; narrows a list to the caller's own."""
        if self.path is not None and not await self._theirs(request.path_params[self.path], engine, partner_id):
            raise NothingThere(request.scope["path"])
        if self.query is not None:
            narrow(request, self.query, partner_id)
        if self.body is not None or self.only:
            await self._sent(request, partner_id)

    async def _theirs(self, named: str, engine: Engine, partner_id: UUID) -> bool:
        id = as_uuid(named)
        if self.of is None or id is None:
            return id == partner_id
        return owner_of(self.of, (await engine.load(self.of, id)).state) == partner_id

    async def _sent(self, request: Request, partner_id: UUID) -> None:
        try:
            body = await request.json()  # which Starlette keeps: the endpoint gets these very values
        except ValueError:
            return  # the endpoint cannot read it either, and says so better
        sent: Mapping[str, Any] = body if isinstance(body, Mapping) else {}
        if self.body is not None and as_uuid(sent.get(self.body)) not in (None, partner_id):
            raise AnothersPartner(self.body)
        for name, value in self.only.items():
            if sent.get(name) != value:
                raise NotTheirs(name, value)

    def __call__(self) -> None:
        raise TypeError("own(...) belongs among the dependencies of a route that create_app mounts")


def own(
    path: str | None = None,
    of: Decider[Any, Any, Any] | None = None,
    *,
    query: str | None = None,
    body: str | None = None,
    only: Mapping[str, Any] | None = None,
    reads: Iterable[str] = (),
) -> params.Depends:
    """For `dependencies=[READ, own("partner_id")]`: opens a route to a partner's own people, for what is their own.

    `path` names the path's parameter that is the partner's id, or, with `of`, the id of an aggregate that says whose
    it is (`Decider.owner`). `query` names a list's filter by partner, which is set to theirs. `body` names the body's
    field that must be theirs, `only` what other fields must be. `reads` are tables without a partner (courses, say)
    that the route shows to all; other such tables are empty for them.
    """
    return params.Depends(Own(path, of, query, body, dict(only or {}), tuple(reads)))


def narrow(request: Request, name: str, partner_id: UUID) -> None:
    """Sets the filter `name` of the query to the caller's partner. Raises AnothersPartner where it names another."""
    asked = parse_qsl(request.scope["query_string"].decode("latin-1"), keep_blank_values=True)
    if any(key == name and as_uuid(value) not in (None, partner_id) for key, value in asked):
        raise AnothersPartner(name)
    rest = [(key, value) for key, value in asked if key != name]
    request.scope["query_string"] = urlencode([*rest, (name, str(partner_id))]).encode()


def owner_of(decider: Decider[Any, Any, Any], state: Any) -> UUID | None:
    return None if decider.owner is None else decider.owner(state)


async def handles_own(
    engine: Engine, decider: Decider[Any, Any, Any], id: UUID, command: Command, partner_id: UUID
) -> bool:
    """Whether the aggregate is that partner's, or, where there is none yet, what the command would make of it."""
    loaded = await engine.load(decider, id)
    state = loaded.state
    if loaded.version == 0:
        try:
            made = decider.decide(command, state, command.occurred_at or engine.clock())
        except Rejected:
            return True  # a rule says no by itself, of what is nobody's
        state = decider.fold(made, state)
    return owner_of(decider, state) == partner_id


# -- the second line: what SQL sees


ENGINE = frozenset(re.findall(r"create table if not exists (\w+)", SCHEMA))
EVADES = re.compile(r"__g\d|\bpublic\s*\.|\bpg_|\binformation_schema\b", re.IGNORECASE)
WITH = re.compile(r"\s*with\s+", re.IGNORECASE)


def tables_of(views: Iterable[View]) -> dict[str, bool]:
    """Every table that a query could name, and whether its rows are somebody's."""
    owned = {
        table.name: re.search(rf"\b{COLUMN}\s+uuid\b", table.columns) is not None
        for view in views
        for table in view.tables
    }
    return dict.fromkeys(ENGINE, False) | owned


@dataclass(frozen=True)
class Narrowed:
    """Makes a query see, by the plain names of its tables, only the rows of one partner: tables of nobody's rows are
    empty, but for those that the route `reads`."""

    partner_id: UUID
    tables: Mapping[str, bool]
    reads: tuple[str, ...] = ()

    def __call__(self, query: str, args: tuple[Any, ...]) -> tuple[str, tuple[Any, ...]]:
        """Raises ValueError for a query that names tables otherwise."""
        if EVADES.search(query):
            raise ValueError(f"a query for a partner's people names tables by their plain names only: {query}")
        words = set(re.findall(r"\w+", query.lower()))
        named = [name for name in self.tables if name in words and name not in self.reads]
        if not named:
            return query, args
        theirs = any(self.tables[name] for name in named)
        number = len(args) + 1
        shadows = ", ".join(
            f"{name} as (select * from {name} where {f'{COLUMN} = ${number}::uuid' if self.tables[name] else 'false'})"
            for name in named
        )
        already = WITH.match(query)
        rest = f", {query[already.end() :]}" if already else f" {query}"
        return f"with {shadows}{rest}", (*args, self.partner_id) if theirs else args


def as_uuid(value: Any) -> UUID | None:
    try:
        return UUID(str(value))
    except ValueError:
        return None


def narrowed(request: Request) -> Narrowed | None:
    """What the request's reads go through; None where the caller is not one of a partner's own people."""
    principal = request.scope["cauce.exchange"].principal
    if principal is None or principal.partner_id is None:
        return None
    return Narrowed(principal.partner_id, request.app.state.tables, request.scope.get("cauce.reads", ()))

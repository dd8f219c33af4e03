"""Endpoints that are the same for every kind of thing: its list."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from inspect import Parameter, Signature
from typing import Annotated, Any, Literal, TypeVar

from fastapi import Query
from pydantic import BaseModel

from service.handling import Read, Reading
from service.paging import LIMIT, After, Collection, Limit, Listing

T = TypeVar("T", bound=BaseModel)


def list_of(things: Collection[T], doc: str = "") -> Callable[..., Coroutine[Any, Any, Listing[T]]]:
    """An endpoint for the list of a collection, with its filters, its sorts and a cursor."""

    async def endpoint(db: Reading, limit: int, after: str | None, **asked: Any) -> Listing[T]:
        sort = asked.pop("sort", None)
        query, args = things.query(asked, sort=sort, after=after, limit=limit)
        return things.page(await db.fetch(query, *args), sort=sort, limit=limit)

    name = things.view.tables[0].name
    endpoint.__name__ = f"list_{name}"
    endpoint.__doc__ = doc or f"The {name.replace('_', ' ')}, a page at a time."
    endpoint.__signature__ = Signature(  # type: ignore[attr-defined]
        _parameters(things),
        return_annotation=Listing[things.item],  # type: ignore[name-defined]
    )
    return endpoint


def _parameters(things: Collection[Any]) -> list[Parameter]:
    made = [Parameter("db", Parameter.KEYWORD_ONLY, annotation=Read)]
    for each in things.conditions.values():
        told = Query(description=each.description or f"Only those of this `{each.name}`.")
        made.append(_optional(each.name, each.kind, told))
    if things.sorts:
        ways = tuple(way for column in things.sorts for way in (column, f"-{column}"))
        told = Query(description="By which they are sorted; with `-` from the other end, by key without.")
        made.append(_optional("sort", Literal[ways], told))
    made.append(Parameter("limit", Parameter.KEYWORD_ONLY, annotation=Limit, default=LIMIT))
    made.append(Parameter("after", Parameter.KEYWORD_ONLY, annotation=After, default=None))
    return made


def _optional(name: str, kind: Any, told: Any) -> Parameter:
    return Parameter(name, Parameter.KEYWORD_ONLY, annotation=Annotated[kind | None, told], default=None)

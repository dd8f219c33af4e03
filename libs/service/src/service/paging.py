"""Long lists, a page at a time, filtered and sorted the same way everywhere: `?status=open&sort=-opened_at&limit=50`.

A list is declared, not written: `Collection(contracts, views.CONTRACTS, ContractView, key="contract_id",
filters=("status",), sorts=("opened_at",))` is its SQL, its parameters and its documentation. A cursor is the place of
the page's last item in the order that was asked for, and opaque to callers.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from operator import attrgetter
from typing import Annotated, Any, Generic, TypeVar, get_args

import orjson
from engine import Decider, Table, View
from fastapi import Depends, Query
from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from service.problems import Invalid

T = TypeVar("T", bound=BaseModel)

LIMIT = 50
LONGEST_PAGE = 500
Limit = Annotated[int, Query(ge=1, le=LONGEST_PAGE, description="Items a page.")]
After = Annotated[str | None, Query(max_length=1000, description="`next` of the page before.")]


def foreign() -> Invalid:
    return Invalid("after", "cursor", "is not a `next` that this list handed out")


@dataclass(frozen=True, slots=True)
class Window:
    """`limit` items (1 to 500) with keys greater than `after`; None starts at the first."""

    limit: int = LIMIT
    after: str | None = None


class Listing(BaseModel, Generic[T]):
    """One page. `next` is the `after` of the following page; null on the last."""

    items: list[T]
    next: str | None = Field(default=None, description="Give it as `after` to get the following page.")


async def page(limit: Limit = LIMIT, after: After = None) -> Window:
    return Window(limit, None if after is None else decoded(after))


Page = Annotated[Window, Depends(page)]


def listing(
    rows: Sequence[Mapping[str, Any]], page: Window, *, key: Callable[[Any], str], item: Callable[..., T]
) -> Listing[T]:
    """The page out of `rows`, which were fetched in the key's order with one more than `page.limit`."""
    shown = rows[: page.limit]
    more = len(rows) > page.limit
    return Listing(items=[item(**row) for row in shown], next=cursor(key(shown[-1])) if more else None)


def cursor(key: str) -> str:
    return urlsafe_b64encode(key.encode()).decode().rstrip("=")


def decoded(text: str) -> str:
    try:
        key = urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()
    except ValueError:
        key = ""
    if not key or "\0" in key or cursor(key) != text:
        raise foreign()
    return key


@dataclass(frozen=True)
class Filter:
    """A filter that is more than `column = value`: `where` is SQL with `{}` for what `value` makes of the value."""

    name: str
    kind: Any
    where: str
    value: Callable[[Any], Any] = lambda value: value
    description: str = ""


@dataclass(frozen=True)
class Collection(Generic[T]):
    """Things of one kind, as a list shows them and one by one.

    A row of `source` (SQL over the view's tables by their names in braces; the first table as it is, if absent) is
    shown as `item`, by its columns or by `shown(**columns)`. `key` are the columns that tell rows apart and the order
    of a list that is not sorted. `filters` and `sorts` name columns that `item` has; `types` are of key columns that
    it does not have, or narrower ones for filters. `unknown` is the code of a thing that is not there, `name` what
    they are called if not as the table is.
    """

    decider: Decider[Any, Any, Any]
    view: View
    item: type[T]
    key: str | tuple[str, ...] = ()
    filters: tuple[str | Filter, ...] = ()
    sorts: tuple[str, ...] = ()
    source: str = ""
    shown: Callable[..., T] | None = None
    types: Mapping[str, Any] = field(default_factory=dict)
    unknown: str = ""
    name: str = ""

    def __post_init__(self) -> None:
        """Raises ValueError for a column whose type is not known."""
        for name in (*self.keys, *self.sorts, *(f for f in self.filters if isinstance(f, str))):
            if name not in self.types and name not in self.item.model_fields:
                raise ValueError(f"{self.item.__name__} has no field {name}, and types does not say what it is")

    @property
    def keys(self) -> tuple[str, ...]:
        return (self.key,) if isinstance(self.key, str) else self.key

    def show(self, row: Mapping[str, Any]) -> T:
        return (self.shown or self.item)(**row)

    def kind(self, column: str) -> Any:
        """The column's type, without the constraints of the item's field."""
        if column in self.types:
            return self.types[column]
        return self.item.model_fields[column].annotation

    @cached_property
    def adapters(self) -> Mapping[str, TypeAdapter[Any]]:
        return {name: TypeAdapter(self.kind(name)) for name in (*self.keys, *self.sorts)}

    @cached_property
    def conditions(self) -> Mapping[str, Filter]:
        made = [f if isinstance(f, Filter) else Filter(f, self.kind(f), f"{f} = {{}}") for f in self.filters]
        return {f.name: f for f in made}

    def rows(self, called: Callable[[Table], str] = attrgetter("name")) -> str:
        """The SQL of all rows; `called` gives the name by which a table is to be read."""
        source = self.source or f"select * from {{{self.view.tables[0].name}}}"
        return source.format_map({table.name: called(table) for table in self.view.tables})

    def query(
        self, given: Mapping[str, Any], *, sort: str | None, after: str | None, limit: int
    ) -> tuple[str, tuple[Any, ...]]:
        """SQL and arguments of a page and one row more. Raises Invalid for a cursor that is not of this order."""
        args: list[Any] = []

        def put(value: Any) -> str:
            args.append(value)
            return f"${len(args)}"

        asked = [(self.conditions[name], value) for name, value in given.items() if value is not None]
        wheres = [condition.where.format(put(condition.value(value))) for condition, value in asked]
        order = self.order(sort)
        if after is not None:
            wheres.append(order.behind(self.place(order, after), put))
        where = f" where {' and '.join(wheres)}" if wheres else ""
        return f"select * from ({self.rows()}) as t{where} order by {order} limit {put(limit + 1)}", tuple(args)

    def order(self, sort: str | None) -> Order:
        column = (sort or "").removeprefix("-")
        nullable = bool(column) and type(None) in get_args(self.kind(column))
        return Order(sort or "", column or None, (sort or "").startswith("-"), nullable, self.keys)

    def place(self, order: Order, after: str) -> list[Any]:
        """The values of the order's columns behind which the next page begins. Raises Invalid."""
        try:
            sort, *texts = orjson.loads(decoded(after))
            columns = order.columns
            if sort != order.asked or len(texts) != len(columns):
                raise ValueError
            return [self.adapters[c].validate_python(t) for c, t in zip(columns, texts, strict=True)]
        except (ValueError, TypeError, ValidationError):
            raise foreign() from None

    def page(self, rows: Sequence[Mapping[str, Any]], *, sort: str | None, limit: int) -> Listing[T]:
        shown = rows[:limit]
        following = None
        if len(rows) > limit:
            order = self.order(sort)
            place = [None if (v := shown[-1][c]) is None else str(v) for c in order.columns]
            following = cursor(orjson.dumps([order.asked, *place]).decode())
        return Listing(items=[self.show(dict(row)) for row in shown], next=following)


@dataclass(frozen=True)
class Order:
    """The order that was `asked` for: by `column` first if there is one, nulls last either way, then by the key."""

    asked: str
    column: str | None
    descending: bool
    nullable: bool
    keys: tuple[str, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        return self.keys if self.column is None or self.column in self.keys else (self.column, *self.keys)

    def __str__(self) -> str:
        way = " desc" if self.descending else ""
        last = " nulls last" if self.nullable else ""
        return ", ".join(f"{c}{way}{last if c == self.column else ''}" for c in self.columns)

    def behind(self, place: Sequence[Any], put: Callable[[Any], str]) -> str:
        """The condition for rows behind this place; `put(value)` is the value's place in the SQL. Row by row where
        nothing is null, which an index can follow."""
        than = "<" if self.descending else ">"
        if not self.nullable:
            return _behind(self.columns, than, [put(value) for value in place])
        first, rest = place[0], _behind(self.keys, than, [put(value) for value in place[1:]])
        if first is None:
            return f"({self.column} is null and {rest})"
        value = put(first)
        return f"({self.column} {than} {value} or {self.column} is null or ({self.column} = {value} and {rest}))"


def _behind(columns: Sequence[str], than: str, values: Sequence[str]) -> str:
    return f"({', '.join(columns)}) {than} ({', '.join(values)})"

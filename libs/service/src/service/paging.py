"""Long lists, a page at a time. A cursor is the key of the page's last item and opaque to callers."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Generic, TypeVar
from uuid import UUID

from fastapi import Depends, Query
from pydantic import BaseModel, Field

from service.problems import Invalid

T = TypeVar("T", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Window:
    """`limit` items (1 to 500) with keys greater than `after`; None starts at the first."""

    limit: int = 50
    after: str | None = None

    @property
    def after_id(self) -> UUID | None:
        """`after` of a list whose key is an id. Raises Invalid for a cursor of another list."""
        try:
            return None if self.after is None else UUID(self.after)
        except ValueError:
            raise Invalid("after", "cursor", "is not a `next` that this list handed out") from None


class Listing(BaseModel, Generic[T]):
    """One page. `next` is the `after` of the following page; null on the last."""

    items: list[T]
    next: str | None = Field(default=None, description="Give it as `after` to get the following page.")


async def page(
    limit: Annotated[int, Query(ge=1, le=500, description="Items a page.")] = 50,
    after: Annotated[str | None, Query(max_length=1000, description="`next` of the page before.")] = None,
) -> Window:
    return Window(limit, None if after is None else _decoded(after))


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


def _decoded(text: str) -> str:
    try:
        key = urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()
    except ValueError:
        key = ""
    if not key or "\0" in key or cursor(key) != text:
        raise Invalid("after", "cursor", "is not a `next` that this service handed out")
    return key

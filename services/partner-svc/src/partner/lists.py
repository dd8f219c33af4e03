"""Where a page of a list begins whose key is an id."""

from __future__ import annotations

from uuid import UUID

from service import Invalid


def last_id(after: str | None) -> UUID | None:
    """The id that the page before ended with. Raises Invalid for a cursor of another list."""
    try:
        return None if after is None else UUID(after)
    except ValueError:
        raise Invalid("after", "cursor", "is not a `next` that this list handed out") from None

"""What routes of things in versions have in common."""

from __future__ import annotations

from typing import Any

from engine import differences
from engine.drafts import content_of
from pydantic import BaseModel, Field

MOST_SHOWN = 100
"""Of those that a preview tells of one by one."""


class DifferenceView(BaseModel):
    """What the draft says otherwise, by its path, as `bands[0].upper`; null: it was not there, or is not."""

    term: str
    before: Any = Field(examples=["60"])
    after: Any = Field(examples=["55"])


def shown_differences(terms: BaseModel | None, draft: BaseModel) -> list[DifferenceView]:
    """Of the draft's content from the version that holds."""
    return [DifferenceView(**vars(each)) for each in differences(content_of(terms, type(draft)), draft)]

"""What several nouns' routes show and ask for."""

from __future__ import annotations

from typing import Any

from engine import Command, differences
from pydantic import BaseModel, Field
from service import scope

READ, WRITE, DECIDE = scope("training:read"), scope("training:write"), scope("training:decide")


class Publication(Command):
    """Nothing but that it is published, discarded or retired."""


class DifferenceView(BaseModel):
    """A term by its path, as `rules[0].ladder[1]`; null: it was not there, or is not."""

    term: str
    before: Any = Field(examples=[14])
    after: Any = Field(examples=[21])


def shown_differences(before: Any, after: Any) -> list[DifferenceView]:
    return [DifferenceView(**vars(each)) for each in differences(before, after)]

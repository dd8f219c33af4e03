"""What is kept in versions: a draft by which nothing goes yet, and the version that holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from engine import Rejected

C = TypeVar("C")


@dataclass(frozen=True)
class Drafted(Generic[C]):
    """`version` 0: none was published yet."""

    draft: C | None = None
    content: C | None = None
    version: int = 0

    def changed_by(self, content: C) -> bool:
        """Whether there is anything new about drafting it."""
        return content != (self.content if self.draft is None else self.draft)

    def to_publish(self) -> C:
        """The draft. Raises `training.nothing_drafted`, `training.draft_changes_nothing`."""
        if self.draft is None:
            raise Rejected("training.nothing_drafted", version=self.version)
        if self.draft == self.content:
            raise Rejected("training.draft_changes_nothing", version=self.version)
        return self.draft

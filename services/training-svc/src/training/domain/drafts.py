"""What is kept in versions: a draft by which nothing goes yet, and the version that holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from engine.drafts import drafted, publishable

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
        return publishable(self.draft, self.content, "training", {"version": self.version})

    def to_look_at(self) -> C:
        """The draft. Raises `training.nothing_drafted`."""
        return drafted(self.draft, "training", {"version": self.version})

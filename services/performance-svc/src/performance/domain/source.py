"""By what a source's own keys are known: (source, source_ref) is one observation, however often it is sent."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID, uuid5

from pydantic import StringConstraints

Source = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]+$", max_length=100)]
SourceRef = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]+$", max_length=200)]


def id_of(namespace: UUID, source: str, source_ref: str) -> UUID:
    # A source has no line break in it, so no two pairs make the same name.
    return uuid5(namespace, f"{source}\n{source_ref}")

"""Two times of which a thing can be read: what was known then, and what had happened by then."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import Depends, Query
from pydantic import AwareDatetime


@dataclass(frozen=True, slots=True)
class Moment:
    """`as_of` is of the log's clock, `effective_at` of the business's. None: now, and everything that is known."""

    as_of: datetime | None = None
    effective_at: datetime | None = None


NOW = Moment()


async def moment(
    as_of: Annotated[AwareDatetime | None, Query(description="As it was known then (`recorded_at`).")] = None,
    effective_at: Annotated[
        AwareDatetime | None, Query(description="By what had happened by then (`occurred_at`), as far as is known.")
    ] = None,
) -> Moment:
    return Moment(as_of, effective_at) if as_of or effective_at else NOW


At = Annotated[Moment, Depends(moment)]

"""What was heard, read back for previews and back-tests: partner by partner, in the order of business time."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

from engine import Rows
from pydantic import TypeAdapter

from risk.domain.evaluation import Evaluation
from risk.domain.signal import Signal
from risk.heard import Cleared, Heard

PARTNERS = """
select distinct partner_id from heard where partner_id > $1 order by partner_id limit $2
"""
OF_PARTNERS = """
select id, partner_id, at, kind, what, outcome from heard where partner_id = any($1) order by partner_id, at, id
"""
AT_ONCE = 200
KINDS: dict[str, TypeAdapter[Any]] = {
    "evaluation": TypeAdapter(Evaluation),
    "signal": TypeAdapter(Signal),
    "clearance": TypeAdapter(Cleared),
}


async def everybody(db: Rows) -> AsyncIterator[dict[UUID, list[Heard]]]:
    """Some partners at a time, each with all that was heard of it."""
    after = UUID(int=0)
    while True:
        ids = [row["partner_id"] for row in await db.fetch(PARTNERS, after, AT_ONCE)]
        if not ids:
            return
        found: dict[UUID, list[Heard]] = {id: [] for id in ids}
        for row in await db.fetch(OF_PARTNERS, ids):
            what = None if row["what"] is None else KINDS[row["kind"]].validate_json(row["what"])
            found[row["partner_id"]].append(Heard(row["id"], row["partner_id"], row["at"], what, row["outcome"]))
        yield found
        after = ids[-1]

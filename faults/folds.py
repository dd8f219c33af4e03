"""Every view against the fold of the store: its projection run anew over the log, or the topic, into fresh tables.

`python -m faults.folds partner` says which views of the own log are not as they should be; exit 1 if one is not. It
folds with the code that it finds, so that each of two releases can be asked of its own. Settings are the service's.
"""

from __future__ import annotations

import asyncio
import importlib
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import asyncpg
from engine import Fact, View
from engine.decider import Codec
from engine.store import prepare
from engine.subscriptions import Heard
from engine.tables import physical, run_statements
from events import CATALOGUE
from service import Settings

from faults.evidence import Evidence, gathered

FRESH = 999_999
"""A generation that no build will ever have."""
AT_ONCE = 500


async def folded(
    service: str, url: str, views: Sequence[View], codec: Codec, evidence: Mapping[str, Evidence]
) -> list[str]:
    """A sentence for each table of a view that is not what its projection makes of the facts: of the build that is
    shown, or of this version's where another one's is."""
    connection = await asyncpg.connect(url, server_settings={"transaction_timeout": "0"})
    wrong: list[str] = []
    try:
        await prepare(connection)
        for view in views:
            generation = await connection.fetchval(
                "select generation from view_build where name = $1 and version = $2"
                " order by live desc, generation desc",
                view.name,
                view.version,
            )
            if generation is None:
                wrong.append(f"{service}.{view.name} has no build of version {view.version}")
                continue
            await _fold(connection, view, list(facts_for(service, view, codec, evidence)))
            for table in view.tables:
                kept, fresh = [
                    Counter(row[0] for row in await connection.fetch(f"select to_jsonb(t)::text from {name} t"))
                    for name in (physical(table, generation), physical(table, FRESH))
                ]
                wrong += [f"{service}.{table.name} {line}" for line in differences(kept, fresh)]
    finally:
        await connection.close()
    return wrong


async def _fold(connection: asyncpg.Connection[Any], view: View, facts: Sequence[Fact[Any]]) -> None:
    for table in view.tables:
        await connection.execute(f"drop table if exists {physical(table, FRESH)}")
        await connection.execute(f"create table {physical(table, FRESH)} ({table.columns})")
    for start in range(0, len(facts), AT_ONCE):
        async with connection.transaction():
            statements = (s for fact in facts[start : start + AT_ONCE] for s in view.project(fact))
            await run_statements(connection, statements, FRESH)


def facts_for(service: str, view: View, codec: Codec, evidence: Mapping[str, Evidence]) -> Iterator[Fact[Any]]:
    sources = (view.source,) if isinstance(view.source, str) else view.source or (service,)
    for source in sources:
        if view.inline or source == service:
            for raw in evidence[source].events:
                yield raw.fact(codec)
            continue
        heard = Heard.of(CATALOGUE[source], own=False)
        for raw in evidence[source].heard:
            fact = heard.read(raw)
            if fact is not None:
                yield fact


def differences(kept: Counter[str], fresh: Counter[str]) -> Iterator[str]:
    extra, missing = kept - fresh, fresh - kept
    if extra:
        yield f"has {extra.total()} rows that the fold has not, like {next(iter(extra))}"
    if missing:
        yield f"lacks {missing.total()} rows that the fold has, like {next(iter(missing))}"


async def _of_the_own_log(service: str) -> list[str]:
    settings = Settings()
    engine = importlib.import_module(f"{service}.app").app().state.engine
    views = [view for view in importlib.import_module(f"{service}.views").VIEWS if view.inline or view.source is None]
    url, topic = settings.postgres_url, engine.topic(service)
    evidence = await gathered(service, url, settings.kafka_bootstrap, topic, engine.partitions(service))
    return await folded(service, url, views, engine.store.codec, {service: evidence})


if __name__ == "__main__":
    wrong = asyncio.run(_of_the_own_log(sys.argv[1]))
    print(*wrong, sep="\n")
    sys.exit(1 if wrong else 0)

"""Every consumer reads every record that was ever released, with fields in it that it does not know, and goes on."""

import importlib
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from devstack.serving import Serve
from engine.kafka import partition_of
from engine.producer import Producer, Record
from engine.runtime import Engine
from engine.store import Db
from engine.subscriptions import Heard, run
from engine.tables import run_statements
from engine.wire import Headers, raw_from
from events import CATALOGUE
from events.releases import pins

Sent = tuple[bytes, Headers, bytes]

FOLDER = Path(__file__).parents[1] / "libs" / "events"
SERVICES = sorted(CATALOGUE)
UNKNOWN = {"invented_later": {"by": ["nobody", 1, None]}}
PATIENCE = 60.0

RELEASED: dict[str, list[Sent]] = defaultdict(list)
for pin in pins(FOLDER):
    if pin.golden().of_event:  # nobody of ours reads state topics
        RELEASED[pin.type.split(".")[1]].append(pin.golden().record(**UNKNOWN))


async def engine_of(service: str, serve: Serve) -> Engine:
    app = await serve(importlib.import_module(f"{service}.app").app)
    engine: Engine = app.state.engine
    return engine


async def send(bootstrap: str, engine: Engine, source: str, records: Sequence[Sent]) -> None:
    """As the source's relay would: in order of their positions, by the partitions of their keys."""
    partitions = engine.partitions(source)
    window: dict[int, list[Record]] = defaultdict(list)
    for key, headers, value in sorted(records, key=lambda record: dict(record[1])["ce_sequence"]):
        window[partition_of(key.decode(), partitions)].append(Record(key, value, headers, 0))
    producer = Producer(bootstrap)
    await producer.send(engine.topic(source), window, partitions)
    await producer.stop()


@asynccontextmanager
async def rolled_back(db: Db) -> AsyncIterator[None]:
    """Whatever is done in it was not."""
    transaction = db.transaction()
    await transaction.start()
    try:
        yield
    finally:
        await transaction.rollback()


@pytest.mark.parametrize("service", SERVICES)
async def test_what_others_say_is_read_with_fields_that_nobody_knows(service: str, serve: Serve, kafka: str) -> None:
    engine = await engine_of(service, serve)
    listeners = [each for each in engine.all_subscriptions() if set(each.sources) - {service}]
    for source in {source for each in listeners for source in each.sources} - {service}:
        await send(kafka, engine, source, RELEASED[source])
    for each in listeners:
        assert await engine.handled(each.name, PATIENCE), f"{each.name} did not come to the end"
    assert await engine.parked() == []


@pytest.mark.parametrize("service", SERVICES)
async def test_what_it_said_itself_is_read_with_fields_that_nobody_knows(service: str, serve: Serve) -> None:
    """Its own log, as its policies and views hear it."""
    engine = await engine_of(service, serve)
    # Their positions are another log's: here, everything that reads this one has come as far.
    said = [raw_from([*headers, ("ce_position", b"0")], value) for _, headers, value in RELEASED[service]]
    own = Heard.of({event for decider in engine.store.deciders.values() for event in decider.event_types}, own=True)
    async with engine.acquire() as db:
        for raw in said:
            for each in engine.all_subscriptions():
                if service in each.sources:
                    async with rolled_back(db):
                        await run(db, engine.store, each, own, [raw])
            for build in engine.views.builds:
                if build.feed == "inline":
                    async with rolled_back(db):
                        fact = own.read(raw)
                        assert fact is not None
                        await run_statements(db, build.view.project(fact), build.generation)


async def test_a_record_that_lacks_what_its_reader_needs_is_parked_and_seen_here(serve: Serve, kafka: str) -> None:
    engine = await engine_of("partner", serve)
    [pin] = [each for each in pins(FOLDER) if each.type == "cauce.contract.PartnerSigned.v1"]
    golden = pin.golden()
    lacking = replace(golden, value={name: value for name, value in golden.value.items() if name != "contract_id"})
    await send(kafka, engine, "contract", [lacking.record()])
    assert await engine.handled("partner.contracts", PATIENCE)
    assert [parked.subscription for parked in await engine.parked()] == ["partner.contracts"]

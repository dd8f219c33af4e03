"""`examples/erp-sync` as a team outside would run it: a process of its own on the real Kafka, killed and restarted."""

import fcntl
import json
import os
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AsyncExitStack, closing
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from importlib import util
from itertools import islice
from pathlib import Path
from types import ModuleType
from typing import Any
from uuid import UUID, uuid5

import pytest
from devstack.fixtures import Databases
from devstack.serving import Say, saying
from engine import Context, Decider, Send
from engine.kafka import Watcher
from engine.producer import Producer, Record
from engine.runtime import Engine
from events import Event
from events.contract import ContractDrafted, ContractInForce, ContractTerminated, PartnerSigned
from events.partner import (
    ExternalRef,
    OutletOpened,
    PartnerActivated,
    PartnerRegistered,
    PartnerReinstated,
    PartnerSuspended,
    PartnerTerminated,
    SuspensionCause,
)
from events.releases import pins

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "examples" / "erp-sync"
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
NOBODY = UUID(int=0)
PARTNERS = 200
PATIENCE = 120.0

Speak = Callable[..., Awaitable[None]]


def id_of(what: str, n: int) -> UUID:
    return uuid5(NOBODY, f"{what} {n}")


def partner_says(n: int) -> Iterable[Event]:
    """What becomes of the n-th partner: all trade, some are suspended, some of these reinstated, some end."""
    partner, cause = id_of("partner", n), id_of("cause", n)
    outlet = {"partner_id": partner, "outlet_id": id_of("outlet", n)}
    yield PartnerRegistered(
        application_id=id_of("application", n),
        legal_name=f"Partner {n} Ltd" if n % 10 else f"sealed.1.{partner}.AAAA",
        kind="reseller",
        area="ES-AN",
        outlet_name=f"Outlet {n}",
        external_refs=(ExternalRef(system="crm", key=f"C{n}"), ExternalRef(system="erp", key=f"V{n}")),
        **outlet,
    )
    yield OutletOpened(name=f"Outlet {n}", area="ES-AN", opened_on=date(2026, 3, 1), **outlet)
    yield PartnerActivated(partner_id=partner)
    if n % 3 == 0:
        yield PartnerSuspended(partner_id=partner, cause=SuspensionCause(cause_id=cause, reason="Late payment."))
    if n % 6 == 0:
        yield PartnerReinstated(partner_id=partner, lifted_cause_id=cause)
    if n % 4 == 0:
        yield PartnerTerminated(partner_id=partner, contract_id=id_of("contract", n), reason="It ended.")


def contract_says(n: int) -> Iterable[Event]:
    both = {"partner_id": id_of("partner", n), "contract_id": id_of("contract", n)}
    yield ContractDrafted(jurisdiction="ES", areas=("ES-AN",), royalty_percent=Decimal("4.50"), **both)
    yield PartnerSigned(areas=("ES-AN",), effective_from=date(2026, 2, 1), **both)
    yield ContractInForce(**both)
    if n % 4 == 0:
        yield ContractTerminated(reason="It ended.", **both)


def expected_vendors() -> list[tuple[Any, ...]]:
    return sorted(
        (
            str(id_of("partner", n)),
            f"V{n}",
            f"Partner {n} Ltd" if n % 10 else None,
            "terminated" if n % 4 == 0 else "active",
            "Late payment." if n % 3 == 0 and n % 6 else None,
        )
        for n in range(PARTNERS)
    )


@pytest.fixture
async def speak(databases: Databases, kafka: str, topic_prefix: str) -> AsyncIterator[Speak]:
    """`await speak("partner", {id: [events]})`: the service says so, each list about one thing, and it is published."""
    async with AsyncExitStack() as running:
        speakers: dict[str, tuple[Engine, Decider[Any, Any, Any]]] = {}

        async def say(service: str, about: dict[UUID, Iterable[Event]]) -> None:
            if service not in speakers:
                decider = saying(service)
                engine = Engine(
                    service,
                    postgres_url=databases.create(),
                    kafka_bootstrap=kafka,
                    topic_prefix=topic_prefix,
                    deciders=[decider],
                )
                await engine.migrate()
                await engine.start()
                running.push_async_callback(engine.stop)
                speakers[service] = engine, decider
            engine, decider = speakers[service]
            said = [
                Send(decider, id, Say(event_type=event.event_type, data=event.data().decode(), occurred_at=NOON))
                for id, events in about.items()
                for event in events
            ]
            for first in range(0, len(said), 200):
                await engine.handle_many(said[first : first + 200], Context("test"))
            assert await engine.published((await engine.log()).head, PATIENCE)

        yield say


@dataclass
class Erp:
    """The example on a database of its own."""

    bootstrap: str
    topic_prefix: str
    path: Path

    def command(self, *words: str) -> list[str]:
        script = str(EXAMPLE / "erp_sync.py")
        fixed = ["--bootstrap", self.bootstrap, "--topic-prefix", self.topic_prefix, "--database", str(self.path)]
        return [sys.executable, script, *fixed, *words]

    def sync(self, *words: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            self.command("--once", *words), capture_output=True, text=True, check=False, timeout=PATIENCE
        )

    def killed_after(self, transactions: int) -> None:
        """Starts it, and kills it when it has said so many times that it took something in. It cannot be far ahead:
        each transaction is one record, and who does not read what it says holds it up."""
        reading, writing = os.pipe()
        fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
        with open(reading, "rb", buffering=0) as said:
            child = subprocess.Popen(self.command("--batch", "1"), stdout=writing)
            os.close(writing)
            assert len(list(islice(said, transactions))) == transactions
            child.kill()
            assert child.wait(PATIENCE) == -9

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.path)) as db:
            return db.execute(query).fetchall()

    def everything(self) -> dict[str, list[tuple[Any, ...]]]:
        tables = ("vendor", "vendor_tax_id", "vendor_site", "vendor_contract", "payable", "position")
        return {table: sorted(self.rows(f"select * from {table}")) for table in tables}

    def taken_in(self) -> int:
        return int(self.rows("select sum(next_offset) from position")[0][0])


@pytest.fixture
def erp_at(kafka: str, topic_prefix: str, tmp_path: Path) -> Callable[[str], Erp]:
    return lambda name: Erp(kafka, topic_prefix, tmp_path / f"{name}.sqlite")


def loaded(name: str) -> ModuleType:
    spec = util.spec_from_file_location(name, EXAMPLE / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


async def test_it_catches_up_from_an_empty_start_and_from_wherever_it_was_killed(
    speak: Speak, erp_at: Callable[[str], Erp]
) -> None:
    await speak("contract", {id_of("contract", n): contract_says(n) for n in range(PARTNERS)})
    await speak("partner", {id_of("partner", n): partner_says(n) for n in range(PARTNERS)})
    total = sum(len([*partner_says(n), *contract_says(n)]) for n in range(PARTNERS))

    whole = erp_at("whole")
    done = whole.sync()
    assert (done.returncode, done.stderr) == (0, "")
    vendors = whole.rows("select partner_id, vendor_no, legal_name, status, blocked_because from vendor")
    assert sorted(vendors) == expected_vendors()
    active = {id for id, _, _, status, blocked in vendors if status == "active" and blocked is None}
    assert {id for (id,) in whole.rows("select partner_id from payable")} == active
    assert {royalty for (royalty,) in whole.rows("select royalty_percent from payable")} == {"4.50"}
    assert whole.taken_in() == total

    killed = erp_at("killed")
    before = 0
    for transactions in (5, 40, 60):
        killed.killed_after(transactions)
        assert before + transactions <= killed.taken_in() < total
        before = killed.taken_in()
    done = killed.sync()
    assert (done.returncode, done.stderr) == (0, "")
    assert killed.everything() == whole.everything()
    assert set(Counter(killed.rows("select event_id from change")).values()) == {1}
    assert killed.rows("select count(*) from change") == whole.rows("select count(*) from change") == [(total,)]


async def test_it_goes_on_where_it_was_and_takes_in_nothing_twice(
    speak: Speak, erp_at: Callable[[str], Erp], kafka: str, topic_prefix: str
) -> None:
    await speak("contract", {})
    await speak("partner", {id_of("partner", n): partner_says(n) for n in range(3)})
    erp = erp_at("erp")
    assert erp.sync().returncode == 0
    before = erp.everything()
    assert erp.sync().returncode == 0
    assert erp.everything() == before

    await resend(kafka, f"{topic_prefix}partner.events")
    assert erp.sync().returncode == 0
    after = erp.everything()
    assert after.pop("position") != before.pop("position")
    assert after == before


async def resend(bootstrap: str, topic: str) -> None:
    """All that the topic holds once more, as a relay does that died before it could note that it had sent them."""
    watcher, window = Watcher(bootstrap), dict[int, list[Record]]()
    async for partition, record in watcher.read(topic, {}):
        again = Record(record.key, record.value, list(record.headers), record.timestamp)
        window.setdefault(partition, []).append(again)
    await watcher.stop()
    producer = Producer(bootstrap)
    await producer.send(topic, window, 6)
    await producer.stop()


async def test_it_stops_at_a_record_that_it_cannot_take_in_and_says_which(
    speak: Speak, erp_at: Callable[[str], Erp], kafka: str, topic_prefix: str
) -> None:
    await speak("contract", {})
    await speak("partner", {})
    headers = [
        ("ce_type", b"cauce.partner.PartnerRegistered.v2"), ("ce_sequence", b"0000000001.0000000000000000001"),
    ]  # fmt: skip
    producer = Producer(kafka)
    await producer.send(f"{topic_prefix}partner.events", {3: [Record(b"partner-1", b"{}", headers, 0)]}, 6)
    await producer.stop()
    erp = erp_at("erp")
    done = erp.sync()
    assert done.returncode == 1
    assert f"{topic_prefix}partner.events, partition 3, offset 0: UnknownMajor" in done.stderr
    assert erp.rows("select * from position") == []


def test_it_reads_every_record_that_was_ever_released_with_fields_that_nobody_knows() -> None:
    vendors = loaded("vendors")
    every = pins(ROOT / "libs" / "events")
    read = set()
    for revision in range(1, max(pin.revision for pin in every) + 1):  # one and the same story, as it was told by then
        told = {pin.type: pin for pin in every if pin.revision <= revision}
        released = [golden for pin in told.values() if (golden := pin.golden()).of_event]
        with closing(sqlite3.connect(":memory:")) as db:
            db.executescript(vendors.SCHEMA)
            for golden in sorted(released, key=lambda each: each.headers["ce_sequence"]):
                handler = vendors.handler_of(golden.headers["ce_type"])
                if handler is not None:
                    handler(db, {**json.loads(json.dumps(golden.value)), "invented_later": [1]})
                    read.add(golden.headers["ce_type"])
    assert read == set(vendors.HANDLERS) & {pin.type for pin in pins(ROOT / "libs" / "events")}
    assert len(read) >= 12


def test_it_imports_nothing_of_ours() -> None:
    ours = {path.name for path in [*ROOT.glob("libs/*/src/*"), *ROOT.glob("services/*/src/*")]}
    for path in EXAMPLE.glob("*.py"):
        for line in path.read_text().splitlines():
            if line.startswith(("import ", "from ")):
                assert line.split()[1].partition(".")[0] not in ours, f"{path.name}: {line}"

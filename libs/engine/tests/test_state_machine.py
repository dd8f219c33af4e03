"""The engine against a model of plain lists: whatever is done to it and in whatever order, the two agree.

Hypothesis chooses what happens: commands, repeats and conflicts, poisoned events, retries and drops, restarts, new view
versions, rebuilds, cut connections, time. `make test` plays a few fixed sequences; CAUCE_TEST_SEQUENCES=100 plays that
many other ones, longer, and shrinks what fails.
"""

from __future__ import annotations

import asyncio
import os
from collections import defaultdict
from collections.abc import Callable, Coroutine, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID, uuid5

import asyncpg
import engine_example as example
import pytest
from conftest import SHORT
from engine import (
    CancelTimer,
    Decider,
    Fact,
    Policy,
    Receipt,
    Rejected,
    Send,
    SetTimer,
    Statement,
    Table,
    View,
    upkeep,
)
from engine.errors import Conflict, Unavailable, passes
from engine.runtime import Engine, Tuning
from engine_reading import ME, NOON, until
from engine_writing import compared
from events import Event
from events.partner import PartnerReinstated, PartnerSuspended
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

T = TypeVar("T")
SEQUENCES = int(os.environ.get("CAUCE_TEST_SEQUENCES", "0"))
WAIT = 60.0
SPACE = UUID("6f0f2f5e-3c1d-4c2b-9d0a-6a1f0a5b7c11")
PARTNERS = [uuid5(SPACE, f"partner {n}") for n in range(4)]
CAUSES = [uuid5(SPACE, f"cause {n}") for n in range(3)]
REMINDED_AFTER = timedelta(days=3)
REMINDER = "still suspended"

# -- the service under test: partner keeps two views, mirrors its own log and reminds; risk hears and mirrors the topic

LEDGER = Table("ledger", "stream text, version int, type text, times int not null, primary key (stream, version)")


def keep_ledger(fact: Fact[Any]) -> Iterator[Statement]:
    yield LEDGER.sql(
        "insert into {table} as l values ($1, $2, $3, 1)"
        " on conflict (stream, version) do update set times = l.times + 1",
        fact.stream,
        fact.version,
        fact.event.event_type,
    )


def keep_partners(fact: Fact[Any]) -> Iterator[Statement]:
    if fact.category == example.partners.category:  # the mirror's streams have the same ids
        yield from example.keep_partner(fact)


def remind(fact: Fact[Any]) -> Iterator[SetTimer | CancelTimer]:
    match fact.event:
        case PartnerSuspended(partner_id=id):
            note = Send(example.partners, id, example.Note(text=REMINDER))
            yield SetTimer(str(id), fact.occurred_at + REMINDED_AFTER, note)
        case PartnerReinstated(partner_id=id):
            yield CancelTimer(str(id))


def poisoned(event: Event) -> bool:
    return isinstance(event, PartnerSuspended) and event.cause.reason == "poison"


def effect(event: Event) -> str | None:
    """What the mirror policy leads to."""
    match event:
        case PartnerSuspended(cause=cause):
            return f"+{cause.cause_id}"
        case PartnerReinstated(lifted_cause_id=cause_id):
            return f"-{cause_id}"
    return None


# -- the model


@dataclass
class Mirror:
    """A mirror policy's facts: those not yet handled, what the handled ones led to, and what is parked."""

    broken: bool = True
    pending: list[tuple[UUID, Event]] = field(default_factory=list)
    seen: dict[UUID, list[str]] = field(default_factory=lambda: defaultdict(list))
    parked: dict[UUID, list[Event]] = field(default_factory=dict)

    def settle(self) -> None:
        for id, event in self.pending:
            if id in self.parked or (self.broken and poisoned(event)):
                self.parked.setdefault(id, []).append(event)
            else:
                self._handle(id, event)
        self.pending = []

    def retry(self, id: UUID) -> tuple[int, int]:
        queue, handled = self.parked.pop(id), 0
        while queue and not (self.broken and poisoned(queue[0])):
            self._handle(id, queue.pop(0))
            handled += 1
        if queue:
            self.parked[id] = queue
        return handled, len(queue)

    def drop(self, id: UUID) -> None:
        self.parked[id].pop(0)
        if not self.parked[id]:
            del self.parked[id]

    def _handle(self, id: UUID, event: Event) -> None:
        if (led_to := effect(event)) is not None:
            self.seen[id].append(led_to)


@dataclass
class Model:
    now: datetime = NOON
    streams: dict[UUID, list[tuple[Event, datetime]]] = field(default_factory=lambda: defaultdict(list))
    timers: dict[UUID, datetime] = field(default_factory=dict)
    mirrors: dict[str, Mirror] = field(default_factory=lambda: {"partner": Mirror(), "risk": Mirror()})

    def events(self, id: UUID) -> list[Event]:
        return [event for event, _ in self.streams[id]]

    def state(self, id: UUID) -> example.Partner:
        return example.partners.fold(self.events(id))  # type: ignore[arg-type]

    def opened(self) -> list[UUID]:
        return [id for id in PARTNERS if self.streams[id]]

    def decide(self, id: UUID, command: Any) -> list[Any] | Rejected:
        try:
            return example.decide(command, self.state(id), self.now)
        except Rejected as refusal:
            return refusal

    def append(self, id: UUID, events: Iterable[Event], at: datetime | None = None) -> None:
        for event in events:
            self.streams[id].append((event, at or self.now))
            self.mirrors["partner"].pending.append((id, event))
            if not isinstance(event, example.NoteTaken):  # which is private
                self.mirrors["risk"].pending.append((id, event))
            if isinstance(event, PartnerSuspended):
                self.timers[id] = self.now + REMINDED_AFTER
            elif isinstance(event, PartnerReinstated):
                self.timers.pop(id, None)

    def settle(self) -> None:
        """Everything that follows from what was done so far."""
        for at, id in sorted((at, id) for id, at in self.timers.items() if at <= self.now):
            del self.timers[id]
            self.append(id, [example.NoteTaken(text=REMINDER)], at)
        for mirror in self.mirrors.values():
            mirror.settle()

    def parked(self) -> dict[tuple[str, str], int]:
        return {
            (f"{service}.mirror", example.partners.stream(id)): len(queue)
            for service, mirror in self.mirrors.items()
            for id, queue in mirror.parked.items()
        }

    def ledger(self) -> list[tuple[str, int, str, int]]:
        partners = ((example.partners.stream(id), self.events(id)) for id in self.opened())
        own = [(s, version, e.event_type, 1) for s, events in partners for version, e in enumerate(events, 1)]
        for id, seen in self.mirrors["partner"].seen.items():
            stream = example.profiles.stream(id)
            types = {"+": "cauce.risk.RestrictionImposed.v1", "-": "cauce.risk.RestrictionLifted.v1"}
            own += [(stream, version, types[step[0]], 1) for version, step in enumerate(seen, 1)]
        return sorted(own)

    def heard(self) -> list[tuple[str, int, int]]:
        return sorted(
            (example.partners.stream(id), version, 1)
            for id in self.opened()
            for version, event in enumerate(self.events(id), 1)
            if not isinstance(event, example.NoteTaken)
        )


# -- the machine

partner_ids = st.sampled_from(PARTNERS)
services = st.sampled_from(["partner", "risk"])
commands = st.one_of(
    st.builds(example.Suspend, cause_id=st.sampled_from(CAUSES), reason=st.sampled_from(["late payment", "poison"])),
    st.builds(example.Reinstate, cause_id=st.sampled_from(CAUSES)),
    st.builds(example.Note, text=st.sampled_from(["a", "b"]), times=st.integers(0, 25)),
)


@dataclass(frozen=True)
class World:
    """Where an engine can live: `database()` makes a fresh one, `prefix` is nobody else's."""

    database: Callable[[], str]
    server: str
    kafka: str
    prefix: str


class Machine(RuleBasedStateMachine):
    def __init__(self, world: World) -> None:
        super().__init__()
        self.world = world
        self.urls = {service: world.database() for service in ("partner", "risk")}
        self.model = Model()
        self.versions = {"partners": 1, "ledger": 1, "heard": 1}
        self.answers: list[tuple[Send, UUID, Receipt | Rejected]] = []
        self.facts: dict[UUID, list[Fact[Any]]] = {id: [] for id in PARTNERS}  # as they were read when they were new
        self.commands = 0
        self.failed = False
        self.engines: dict[str, Engine] = {}
        self.runner = asyncio.Runner()
        for service in self.urls:
            self.engines[service] = self.run(self.started(service))

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        try:
            return self.runner.run(work)
        except BaseException:
            self.failed = True
            raise

    async def started(self, service: str) -> Engine:
        views: dict[str, list[View]] = {
            "partner": [
                View("partners", self.versions["partners"], (example.PARTNERS,), keep_partners, inline=True),
                View("ledger", self.versions["ledger"], (LEDGER,), keep_ledger),
            ],
            "risk": [View("heard", self.versions["heard"], (example.HEARD,), example.hear, source="partner")],
        }
        deciders: dict[str, list[Decider[Any, Any, Any]]] = {
            "partner": [example.partners, example.profiles],
            "risk": [example.profiles],
        }
        policies = [Policy("mirror", "partner", lambda fact: self.mirror(service, fact))]
        engine = Engine(
            service,
            postgres_url=self.urls[service],
            kafka_bootstrap=self.world.kafka,
            topic_prefix=self.world.prefix,
            deciders=deciders[service],
            views=views[service],
            policies=[*policies, Policy("reminding", "partner", remind)] if service == "partner" else policies,
            clock=lambda: self.model.now,
            tuning=Tuning(**SHORT),  # type: ignore[arg-type]
        )
        await engine.migrate()
        await engine.start()
        return engine

    def mirror(self, service: str, fact: Fact[Any]) -> Iterator[Send]:
        if self.model.mirrors[service].broken and poisoned(fact.event):
            raise ValueError("cannot handle poison")
        return example.mirror(fact)

    def teardown(self) -> None:
        try:
            if not self.failed:
                self.run(self.assert_settled())
                compared_to_topic = self.run(compared(self.engines["partner"], self.world.kafka))
                assert compared_to_topic.fine, compared_to_topic
        finally:
            self.runner.run(self.stopped())
            self.runner.close()

    async def stopped(self) -> None:
        await asyncio.gather(*(engine.stop() for engine in self.engines.values()))

    # -- commands

    def command_id(self) -> UUID:
        self.commands += 1
        return uuid5(SPACE, f"command {self.commands}")

    async def handle(
        self, send: Send, command_id: UUID, *, expected: int | None = None, by: Engine | None = None
    ) -> Receipt | Rejected:
        """As a caller does it: who is told that the store is away sends the command again."""
        deadline = asyncio.get_running_loop().time() + WAIT
        while True:
            try:
                engine = by or self.engines["partner"]
                return await engine.handle(send, ME, expected_version=expected, command_id=command_id)
            except Rejected as refusal:
                return refusal
            except Unavailable:
                assert asyncio.get_running_loop().time() < deadline
                await asyncio.sleep(0.02)

    def take(self, send: Send, command_id: UUID, answer: Receipt | Rejected) -> None:
        """The model does what the engine was told, and the answers are the same."""
        expected = self.model.decide(send.id, send.command)
        if isinstance(expected, Rejected):
            assert answer == expected
        else:
            self.model.append(send.id, expected)
            assert isinstance(answer, Receipt)
            assert (answer.id, answer.version) == (send.id, len(self.model.streams[send.id]))
            assert answer.events == tuple(event.event_type for event in expected)
            assert (answer.position is None) == (not expected)
        self.answers.append((send, command_id, answer))

    @rule(id=partner_ids)
    def open(self, id: UUID) -> None:
        send, command_id = Send(example.partners, id, example.Open(partner_id=id)), self.command_id()
        self.take(send, command_id, self.run(self.handle(send, command_id)))

    @rule(id=partner_ids, command=commands, times=st.integers(1, 3), expecting=st.booleans())
    def command(self, id: UUID, command: Any, times: int, expecting: bool) -> None:
        """Also the same command several times at once: they get one answer."""
        send, command_id = Send(example.partners, id, command), self.command_id()
        expected = len(self.model.streams[id]) if expecting and times == 1 else None

        async def all_at_once() -> list[Receipt | Rejected]:
            return await asyncio.gather(*(self.handle(send, command_id, expected=expected) for _ in range(times)))

        first, *others = self.run(all_at_once())
        assert all(same(other, first) for other in others)
        self.take(send, command_id, first)

    @rule(sends=st.lists(st.tuples(partner_ids, commands), min_size=2, max_size=6))
    def together(self, sends: list[tuple[UUID, Any]]) -> None:
        """Several streams and several commands of one, in one append; refusals apart."""
        wanted = [Send(example.partners, id, command) for id, command in sends]
        ids = [self.command_id() for _ in wanted]

        async def handle_many() -> list[Receipt | Rejected]:
            while True:
                try:
                    return await self.engines["partner"].handle_many(wanted, ME, command_ids=ids)
                except Unavailable:
                    await asyncio.sleep(0.02)

        for send, command_id, answer in zip(wanted, ids, self.run(handle_many()), strict=True):
            self.take(send, command_id, answer)

    async def race(self, engines: list[Engine], count: int) -> None:
        """Notes to all partners at once; each stream's versions say in which order they came."""
        sends = [
            Send(example.partners, id, example.Note(text=f"{n}")) for n in range(count) for id in self.model.opened()
        ]
        ids = [self.command_id() for _ in sends]
        answers = await asyncio.gather(
            *(self.handle(s, i, by=engines[n % len(engines)]) for n, (s, i) in enumerate(zip(sends, ids, strict=True)))
        )
        raced = zip(sends, ids, answers, strict=True)
        for send, command_id, answer in sorted(raced, key=lambda one: getattr(one[2], "version", 0)):
            self.take(send, command_id, answer)

    @rule(count=st.integers(2, 5))
    def at_once(self, count: int) -> None:
        self.run(self.race([self.engines["partner"]], count))

    @precondition(lambda self: self.model.opened())
    @rule(data=st.data(), off=st.sampled_from([-1, 1, 7]))
    def conflict(self, data: st.DataObject, off: int) -> None:
        id = data.draw(st.sampled_from(self.model.opened()))
        send, wrong = Send(example.partners, id, example.Note(text="late")), len(self.model.streams[id]) + off
        with pytest.raises(Conflict):
            self.runner.run(self.handle(send, self.command_id(), expected=wrong))

    @precondition(lambda self: self.answers)
    @rule(data=st.data())
    def repeat(self, data: st.DataObject) -> None:
        send, command_id, answer = data.draw(st.sampled_from(self.answers))
        repeated = self.run(self.handle(send, command_id))
        assert same(repeated, answer), (repeated, answer)

    # -- parked

    @rule(service=services)
    def mend_or_break(self, service: str) -> None:
        self.run(self.assert_settled())
        mirror = self.model.mirrors[service]
        mirror.broken = not mirror.broken

    @precondition(lambda self: self.model.parked())
    @rule(data=st.data(), settled=st.booleans())
    def retry(self, data: st.DataObject, settled: bool) -> None:
        """Also while the live consumer is still at work on the stream's later events."""
        name, stream = data.draw(st.sampled_from(sorted(self.model.parked())))
        service, id = name.partition(".")[0], UUID(stream[-36:])
        if settled:
            self.run(self.assert_settled())
        result = self.run(self.engines[service].retry(name, stream))
        self.model.settle()
        owed = self.model.mirrors[service].retry(id)
        if settled:
            assert (result.handled, result.remaining) == owed
        assert (result.error is None) == (owed[1] == 0)
        self.run(self.assert_settled())

    @precondition(lambda self: self.model.parked())
    @rule(data=st.data())
    def drop(self, data: st.DataObject) -> None:
        self.run(self.assert_settled())
        name, stream = data.draw(st.sampled_from(sorted(self.model.parked())))
        service = name.partition(".")[0]
        assert self.run(self.engines[service].drop(name, stream, "seen to by hand", "tester")) == 1
        self.model.mirrors[service].drop(UUID(stream[-36:]))
        assert self.run(self.parked()) == self.model.parked()

    # -- time, restarts, views

    @rule(days=st.integers(1, 4), backfilling=st.booleans())
    def time_passes(self, days: int, backfilling: bool) -> None:
        self.run(self.assert_settled())
        now = self.model.now + timedelta(days=days)
        if backfilling:
            assert self.run(self.engines["partner"].backfill(now, WAIT)) == now
        self.model.now = now
        self.run(self.assert_settled())
        if backfilling:
            assert self.run(self.engines["partner"].backfill(None, WAIT)) is None

    @rule(service=services)
    def restart(self, service: str) -> None:
        async def restarted() -> Engine:
            await self.engines[service].stop()
            return await self.started(service)

        self.engines[service] = self.run(restarted())

    @rule(service=services)
    def connections_cut(self, service: str) -> None:
        async def cut() -> None:
            connection = await asyncpg.connect(self.world.server)
            try:
                await connection.execute(
                    "select pg_terminate_backend(pid, 10000) from pg_stat_activity where datname = $1",
                    self.urls[service].rpartition("/")[2],
                )
            finally:
                await connection.close()

        self.run(cut())

    @rule(views=st.sets(st.sampled_from(["partners", "ledger"])))
    def deploy_partner(self, views: set[str]) -> None:
        """Another process with new versions of some views starts, works beside the old one and is left alone."""

        async def deployed() -> Engine:
            old = self.engines["partner"]
            new = await self.started("partner")
            try:
                await self.race([old, new], 2)
            finally:
                await old.stop()
            return new

        for view in views:
            self.versions[view] += 1
        self.engines["partner"] = self.run(deployed())

    @rule()
    def deploy_risk(self) -> None:
        self.versions["heard"] += 1
        self.restart("risk")

    @rule(view=st.sampled_from(["partners", "ledger", "heard"]))
    def rebuild(self, view: str) -> None:
        engine = self.engines["risk" if view == "heard" else "partner"]
        reports: list[tuple[int, int]] = []

        async def rebuilt() -> None:
            await asyncio.gather(
                asyncio.wait_for(engine.rebuild(view, lambda done, total: reports.append((done, total))), WAIT),
                self.race([self.engines["partner"]], 2),
            )

        self.run(rebuilt())
        assert reports[-1][0] == reports[-1][1]

    # -- what must hold

    @invariant()
    def streams_agree(self) -> None:
        async def agree() -> None:
            while True:
                try:
                    return await self.assert_streams()
                except Exception as error:
                    if not passes(error):  # a connection that was cut while it was idle is noticed by whoever uses it
                        raise

        self.run(agree())

    @rule()
    def everything_agrees(self) -> None:
        self.run(self.assert_settled())

    async def assert_streams(self) -> None:
        """Streams, states, every earlier state, and the inline view: at once, without waiting."""
        engine = self.engines["partner"]
        for id in PARTNERS:
            facts = await engine.history(example.partners, id, limit=10_000)
            old = self.facts[id]
            assert [fact.version for fact in facts] == list(range(1, len(facts) + 1))
            assert [(fact.event, fact.occurred_at) for fact in facts] == self.model.streams[id]
            assert facts[: len(old)] == old
            loaded = await engine.load(example.partners, id)
            assert (loaded.version, loaded.state) == (len(facts), self.model.state(id))
            if facts != old:
                await self.assert_as_of(engine, id, facts)
            self.facts[id] = facts
        async with engine.acquire() as db, db.transaction(isolation="repeatable_read", readonly=True):
            if await db.fetchval("select feed = 'inline' from view_build where name = 'partners' and live"):
                assert await shown(db) == self.shown()

    async def assert_as_of(self, engine: Engine, id: UUID, facts: list[Fact[Any]]) -> None:
        states = [example.Partner()]
        for fact in facts:
            states.append(example.evolve(states[-1], fact.event))
        for version, state in enumerate(states):
            loaded = await engine.load(example.partners, id, version=version)
            assert (loaded.version, loaded.state) == (version, state)
        times = [fact.recorded_at for fact in facts]
        assert times == sorted(times)
        for at in {times[0] - timedelta(microseconds=1), *times}:
            version = sum(time <= at for time in times)
            loaded = await engine.load(example.partners, id, recorded_by=at)
            assert (loaded.version, loaded.state) == (version, states[version])

    def shown(self) -> dict[UUID, tuple[int, int]]:
        states = {id: self.model.state(id) for id in self.model.opened()}
        return {id: (len(state.causes), state.events) for id, state in states.items()}

    async def parked(self) -> dict[tuple[str, str], int]:
        streams = [stream for engine in self.engines.values() for stream in await engine.parked()]
        return {(stream.subscription, stream.stream): stream.events for stream in streams}

    async def settle(self) -> None:
        """Waits until everything has followed that follows from what was done."""
        partner, before = self.engines["partner"], -1
        await until(self.taken_over, WAIT, "views taken over")
        while (head := (await partner.log()).head) != before:
            before = head
            assert await partner.published(head, WAIT)
            for engine in self.engines.values():
                for subscription in engine.all_subscriptions():
                    assert await engine.handled(subscription.name, WAIT), subscription.name
            await until(self.fired, WAIT, "timers fired")

    async def taken_over(self) -> bool:
        for engine in self.engines.values():
            epoch = await engine.pool.fetchval("select view_epoch from store")
            known = await engine.pool.fetchval("select count(*) from view_build")
            builds = engine.views.builds
            if epoch != engine.store.view_epoch or known != len(builds):
                return False
            if not all(build.live and (build.feed == "inline") == build.view.inline for build in builds):
                return False
        return True

    async def fired(self) -> bool:
        due = "select 1 from timer where error is not null or due_at <= $1 limit 1"
        return await self.engines["partner"].pool.fetchval(due, self.model.now) is None

    async def assert_settled(self) -> None:
        await self.settle()
        self.model.settle()
        await self.assert_streams()
        partner, risk = self.engines["partner"], self.engines["risk"]
        assert await self.parked() == self.model.parked()
        for service, engine in self.engines.items():
            for id in PARTNERS:
                profile = await engine.load(example.profiles, id, version=2**31 - 1)
                assert (profile.version, list(profile.state.seen)) == (
                    len(self.model.mirrors[service].seen[id]),
                    self.model.mirrors[service].seen[id],
                )
        assert await shown(partner.pool) == self.shown()
        assert await rows(partner, "select stream, version, type, times from ledger") == self.model.ledger()
        assert await rows(risk, "select stream, version, times from heard") == self.model.heard()
        timers = await rows(partner, "select key::uuid, due_at from timer")
        assert dict(timers) == self.model.timers


def same(one: Receipt | Rejected, other: Receipt | Rejected) -> bool:
    """Refusals are kept as what their callers see: JSON."""
    return one == other if isinstance(one, Receipt) else str(one) == str(other)


async def shown(db: Any) -> dict[UUID, tuple[int, int]]:
    found = await db.fetch("select partner_id, suspended, events from partners")
    return {row["partner_id"]: (row["suspended"], row["events"]) for row in found}


async def rows(engine: Engine, query: str) -> list[Any]:
    return sorted(tuple(row) for row in await engine.pool.fetch(query))


@pytest.mark.timeout(0 if SEQUENCES else 600)
def test_whatever_is_done_to_the_engine_it_agrees_with_plain_lists(
    engine_databases: Callable[[], str], postgres: str, kafka: str, topic_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "HEARTBEAT_SECONDS", 0.1)
    played = 0

    def machine() -> Machine:
        nonlocal played
        played += 1
        return Machine(World(engine_databases, postgres, kafka, f"{topic_prefix}{played}."))

    run_state_machine_as_test(
        machine,  # type: ignore[arg-type]  # called only, never looked at
        settings=settings(
            max_examples=SEQUENCES or 6,
            stateful_step_count=60 if SEQUENCES else 25,
            derandomize=not SEQUENCES,
            phases=[Phase.generate, Phase.shrink] if SEQUENCES else [Phase.generate],
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )

"""Runs the stack: starts it in order, restarts what dies, stops it in order. Behind `make run`."""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from devstack import issuer, jars, ports
from devstack.child import Child
from devstack.health import backlog, readiness
from devstack.screen import Screen
from devstack.stack import Stack, disk_full
from devstack.trouble import Trouble, full_disk
from devstack.unit import TRIES, Unit, pause_before
from devstack.wait import first, gathered

STARTING_SECONDS = 90.0
DRAIN_SECONDS = 30.0
LOOK_EVERY = 0.2
ASK_EVERY = 2.0
LOG_LIMIT = 20 * 2**20


@dataclass
class Supervisor:
    """`load`: bring the sample in unless it is. `stay`: keep running afterwards, until told to stop."""

    stack: Stack
    screen: Screen
    load: bool = True
    stay: bool = True
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    units: list[Unit] = field(default_factory=list)
    helpers: list[Child] = field(default_factory=list)
    starting: "list[asyncio.Task[None]]" = field(default_factory=list)
    restarts: dict[str, int] = field(default_factory=dict)

    async def run(self) -> None:
        """Returns after an ordered stop; raises Trouble, after an ordered stop as well."""
        loop = asyncio.get_running_loop()
        loop.set_default_executor(ThreadPoolExecutor(16))
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._told_to_stop)
        try:
            await first(self.up(), self.stopping.wait())
            if not self.stopping.is_set():
                async with httpx.AsyncClient(timeout=5) as client:
                    asking = [self._ask(client, unit) for unit in self.units]
                    await first(self._life(), self._watch(), self._room(), self.stopping.wait(), *asking)
        except Exception as error:
            raise self._in_one_sentence(error) from error
        finally:
            await self.down()

    def _told_to_stop(self) -> None:
        if self.stopping.is_set():
            self.screen.say("Told twice: ending everything at once.", "yellow")
            for child in self._children():
                if child.alive():
                    with contextlib.suppress(ProcessLookupError):
                        os.killpg(child.pid, signal.SIGKILL)
        self.stopping.set()

    def _children(self) -> list[Child]:
        servers = [self.stack.postgres.child, self.stack.kafka.child]
        return [*self.helpers, *(unit.child for unit in self.units), *(child for child in servers if child is not None)]

    def _in_one_sentence(self, error: Exception) -> Exception:
        return disk_full(self.stack.kept) if full_disk(error) else error

    # -- up

    async def up(self) -> None:
        stack, screen = self.stack, self.screen
        stack.require_room()
        for name in await asyncio.to_thread(stack.end_leftovers):
            screen.notice(f"{name} was left running by a run that was killed; it is ended now")
        await self._ports()
        trim_logs(stack.run / "logs")
        with screen.steps():
            await self._fetch()
            await self._servers()
            with screen.step(
                "Databases, roles and keys", "A database and a role for each service; keys to sign tokens"
            ):
                await stack.make_databases()
                stack.publish_keys()
            await self._migrate()
            self.units = [Unit(service, stack.serving(service)) for service in stack.services]
            async with httpx.AsyncClient(timeout=5) as client:
                await gathered(*(self._begin(client, unit) for unit in self.units))

    async def _ports(self) -> None:
        """A server's port is waited for where nothing but a connection is in its way, and then kept from others."""
        for port, purpose in self.stack.ports():
            if ports.passes(port):
                self.screen.notice(f"port {port}, for {purpose}, is in use by a connection; waiting a minute at most")
                deadline = time.monotonic() + ports.PASSING_SECONDS
                while ports.passes(port) and time.monotonic() < deadline:  # noqa: ASYNC110 - the kernel tells nobody
                    await asyncio.sleep(LOOK_EVERY)
            ports.require_free(port, purpose)
        for port in (self.stack.postgres_port, self.stack.kafka_port, self.stack.kafka_port + 1):
            ports.reserve(port)

    async def _fetch(self) -> None:
        if jars.ready().is_dir():
            return
        doing = f"Fetching Kafka {jars.KAFKA} (45 MB, only the first time)"
        with self.screen.step(doing, f"Kafka {jars.KAFKA} fetched and checked"):
            await self._done(jars.fetching(self.stack.log("kafka-jars"), self.stack.pidfile("kafka-jars")))

    async def _done(self, child: Child) -> None:
        """Runs a child to its end. Trouble when it fails."""
        self.helpers.append(child)
        child.start()
        if await asyncio.to_thread(child.wait) != 0 and not self.stopping.is_set():
            raise child.died()
        child.forget()

    async def _servers(self) -> None:
        stack = self.stack
        self.starting = [
            asyncio.create_task(self._server("Postgres", stack.postgres_port, stack.postgres.start)),
            asyncio.create_task(self._server(f"Kafka {jars.KAFKA}", stack.kafka_port, stack.kafka.start)),
        ]
        # shielded: a server half started is waited for and then stopped, not lost sight of
        await asyncio.shield(asyncio.gather(*self.starting))

    async def _server(self, name: str, port: int, start: Callable[[], None]) -> None:
        with self.screen.step(f"{name} on {port}", f"{name} on 127.0.0.1:{port}"):
            await asyncio.to_thread(start)

    async def _migrate(self) -> None:
        if self.stack.migrated:
            return
        with self.screen.step("Migrations and topics", "Schemas and topics are up to date"):
            await gathered(*(self._done(self.stack.migrating(service)) for service in self.stack.services))
        if not self.stopping.is_set():
            self.stack.note_migrated()

    async def _begin(self, client: httpx.AsyncClient, unit: Unit) -> None:
        """The first start of a service: it may not die before it has been ready once."""
        name, port = unit.service.name, unit.service.port
        with self.screen.step(f"{name} on {port}", f"{name} is ready on {unit.service.url}"):
            unit.start()
            deadline = time.monotonic() + STARTING_SECONDS
            while (why := await readiness(client, unit.service)) is not None:
                if not unit.child.alive():
                    raise unit.child.died()
                if time.monotonic() > deadline:
                    log = unit.child.log
                    raise Trouble(f"{name} was not ready within {STARTING_SECONDS:.0f} s ({why}); its log {log}:", log)
                await asyncio.sleep(LOOK_EVERY)
            unit.heard(None)

    # -- while it runs

    async def _life(self) -> None:
        """The sample, where to look, and then the live table."""
        if self.load and not self.stack.loaded_mark.exists():
            await self._load()
        self.screen.urls(self.stack.services, self.stack.shown(self.stack.token_file))
        if not self.stay:
            return
        with self.screen.watching() as watch:
            while True:
                watch.show([unit.health() for unit in self.units])
                await asyncio.sleep(ASK_EVERY)

    async def _load(self) -> None:
        child = self.stack.loading()
        self.helpers.append(child)
        child.start()
        code = await asyncio.to_thread(child.wait)
        if self.stopping.is_set():
            return
        if code != 0:
            sentence = f"the sample's load {child.ending()}; `make run` goes on where it was. Its log {child.log}:"
            raise Trouble(sentence, child.log)
        child.forget()
        self.stack.loaded_mark.touch()

    async def _watch(self) -> None:
        """Starts again what died. Trouble when it dies time after time."""
        while True:
            for unit in self.units:
                if unit.retry_at is not None and time.monotonic() >= unit.retry_at:
                    unit.start()
                elif unit.retry_at is None and not unit.child.alive():
                    self._died(unit)
            await self._revive("Postgres", self.stack.postgres.child, self.stack.postgres.start)
            await self._revive("Kafka", self.stack.kafka.child, self.stack.kafka.start)
            await asyncio.sleep(LOOK_EVERY)

    def _died(self, unit: Unit) -> None:
        unit.failures += 1
        if unit.failures > TRIES:
            raise unit.child.died()
        pause = pause_before(unit.failures)
        unit.restarts += 1
        unit.state, unit.why, unit.lag = "restarting", unit.child.ending(), None
        unit.retry_at = time.monotonic() + pause
        told = f"{unit.service.name} {unit.child.ending()} (pid {unit.child.pid}); started again in {pause:.1f} s"
        self.screen.notice(f"{told}; its log: {self.stack.shown(unit.child.log)}")

    async def _revive(self, name: str, child: Child | None, start: Callable[[], None]) -> None:
        if child is None or child.alive():
            return
        self.restarts[name] = self.restarts.get(name, 0) + 1
        if self.restarts[name] > TRIES:
            raise child.died()
        self.screen.notice(
            f"{name} {child.ending()} (pid {child.pid}); started again; its log: {self.stack.shown(child.log)}"
        )
        self.starting = [asyncio.create_task(asyncio.to_thread(start))]
        await asyncio.shield(self.starting[0])

    async def _ask(self, client: httpx.AsyncClient, unit: Unit) -> None:
        scopes = issuer.scopes_of("auditor")
        token, minted = self.stack.issuer.mint("supervisor", scopes), time.monotonic()
        while True:
            if time.monotonic() - minted > 1800:
                token, minted = self.stack.issuer.mint("supervisor", scopes), time.monotonic()
            if unit.child.alive():
                unit.heard(await readiness(client, unit.service))
                if unit.state == "ready":
                    unit.lag, unit.parked = await backlog(client, unit.service, token)
            await asyncio.sleep(ASK_EVERY)

    async def _room(self) -> None:
        """A disk that fills up ends the run in order, while there is room left for that."""
        while True:
            self.stack.require_room()
            await asyncio.sleep(ASK_EVERY)

    # -- down

    async def down(self) -> None:
        """Who writes first, then what they write to. Every stop is tried, whatever another one came to."""
        self.screen.forgive()
        for helper in self.helpers:
            await asyncio.to_thread(helper.stop, signal.SIGTERM, DRAIN_SECONDS)
        await asyncio.gather(*self.starting, return_exceptions=True)
        running = [unit for unit in self.units if unit.child.alive()]
        if running:
            with self.screen.step("Stopping the services", "Services drained and stopped"):
                stops = (asyncio.to_thread(unit.child.stop, signal.SIGTERM, DRAIN_SECONDS) for unit in running)
                await asyncio.gather(*stops)
        for unit in self.units:
            unit.child.forget()
        kafka, postgres = self.stack.kafka, self.stack.postgres
        if kafka.child is not None:
            with self.screen.step("Stopping Kafka", "Kafka stopped"):
                await asyncio.to_thread(kafka.stop)
        if postgres.child.process is not None:
            with self.screen.step("Stopping Postgres", "Postgres stopped"):
                await asyncio.to_thread(postgres.stop)


def trim_logs(folder: Path) -> None:
    """Starts a log anew that has grown large; the one before is kept."""
    if folder.is_dir():
        for log in folder.glob("*.log"):
            if log.stat().st_size > LOG_LIMIT:
                log.replace(log.with_suffix(".log.1"))

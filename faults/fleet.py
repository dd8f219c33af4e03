"""Everything that runs: a Postgres and a Kafka of its own behind proxies, and replicas of services."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import os
import secrets
import shutil
import signal
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg
import httpx
from devstack import issuer, place, ports
from devstack.child import Child
from devstack.kafka import Kafka
from devstack.postgres import Postgres, with_database
from devstack.trouble import Trouble
from engine.database import create_owned_database, quoted
from engine.runtime import Engine

from faults.child import FOLDER, tuned
from faults.ledger import SUBJECT
from faults.proxy import Proxy

REPLICAS: Mapping[str, int] = {"partner": 2, "contract": 1, "training": 1, "performance": 2, "risk": 1}
SPARE = 3
"""Further replicas that a rebalance storm may start."""
RESTART_SECONDS = 0.3
READY_SECONDS = 180.0
START_SECONDS = 180.0
"""Of a server. All of these are limits for a busy machine."""


@dataclass
class Replica:
    """One process of a service. It is started again when it ends, for as long as it is `wanted`."""

    service: str
    number: int
    port: int
    child: Child
    wanted: bool = False
    ended_at: float | None = None
    starts: int = 0

    @property
    def name(self) -> str:
        return f"{self.service}-{self.number}"

    @property
    def url(self) -> str:
        return f"http://{ports.HOST}:{self.port}"

    def start(self) -> None:
        self.child.start()
        self.starts += 1
        self.ended_at = None

    def signal(self, number: signal.Signals) -> bool:
        """False where there is no such process now."""
        if not self.child.alive():
            return False
        os.kill(self.child.pid, number)
        return True


@dataclass
class Fleet:
    """`folder` holds data and logs; `counts` are how many replicas each service begins with, `settings` further
    variables of their environment. Use it as `async with fleet.running():`."""

    folder: Path
    counts: Mapping[str, int] = field(default_factory=lambda: REPLICAS)
    settings: Mapping[str, str] = field(default_factory=dict)
    postgres: Postgres = field(init=False)
    kafka: Kafka = field(init=False)
    proxies: dict[str, Proxy] = field(init=False, default_factory=dict)
    replicas: list[Replica] = field(init=False, default_factory=list)
    passwords: dict[str, str] = field(init=False, default_factory=dict)
    engines: dict[str, Engine] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.failpoints.mkdir(exist_ok=True)
        free = iter(ports.free(4 + len(self.counts) + sum(self.counts.values()) + SPARE))
        self.postgres = Postgres(self.folder / "postgres", next(free), log=self.log("postgres"))
        through = next(free)
        broker = next(free)
        next(free)  # the broker's controller listens beside it
        self.kafka = Kafka(self.folder / "kafka", broker, log=self.log("kafka"), advertised=through)
        self.proxies["kafka"] = Proxy(through, broker)
        for service in self.counts:
            self.proxies[service] = Proxy(next(free), self.postgres.port)
            self.passwords[service] = secrets.token_urlsafe(18)
        self.issuer = issuer.Issuer(self.folder / "keys")
        for service, count in self.counts.items():
            self.replicas += [self._replica(service, n, next(free)) for n in range(1, count + 1)]
        self._spare_ports = list(free)

    @property
    def failpoints(self) -> Path:
        return self.folder / "failpoints"

    @property
    def bootstrap(self) -> str:
        return f"{ports.HOST}:{self.proxies['kafka'].port}"

    def log(self, name: str) -> Path:
        return self.folder / "logs" / f"{name}.log"

    def direct_url(self, service: str) -> str:
        """A service's database as its superuser, past the proxy."""
        return with_database(self.postgres.url(), service)

    def environment(self, service: str) -> dict[str, str]:
        there = f"postgresql://{ports.HOST}:{self.proxies[service].port}/"
        ours = {name: value for name, value in os.environ.items() if not name.startswith(("CAUCE_", "PG"))}
        return {**ours, **self.settings} | {
            "CAUCE_ROOT": str(place.root()),
            "CAUCE_POSTGRES_URL": with_database(there, service, service, self.passwords[service]),
            "CAUCE_KAFKA_BOOTSTRAP": self.bootstrap,
            "CAUCE_JWKS": str(self.issuer.jwks),
            "CAUCE_SEALING_KEYS": self.issuer.sealing_keys(),
            "CAUCE_ISSUER": issuer.ISSUER,
            "CAUCE_AUDIENCE": issuer.AUDIENCE,
            "CAUCE_LOG_LEVEL": "warning",
            FOLDER: str(self.failpoints),
            "PYTHONUNBUFFERED": "1",
        }

    def token(self) -> str:
        scopes = {scope for role in issuer.ROLES for scope in issuer.scopes_of(role)}
        return self.issuer.mint(SUBJECT, scopes, ttl=24 * 3600)

    def _replica(self, service: str, number: int, port: int, release: Path | None = None) -> Replica:
        of_release = {} if release is None else {"PYTHONPATH": str(release)}
        child = Child(
            f"{service}-{number}",
            [sys.executable, "-m", "faults.child", service],
            log=self.log(f"{service}-{number}"),
            env=self.environment(service) | of_release | {"CAUCE_PORT": str(port)},
            death_signal=signal.SIGKILL,
            cwd=place.root(),
        )
        return Replica(service, number, port, child)

    def of(self, service: str) -> list[Replica]:
        return [replica for replica in self.replicas if replica.service == service]

    def with_pid(self, pid: int) -> Replica | None:
        return next((r for r in self.replicas if r.child.process is not None and r.child.pid == pid), None)

    # -- its life

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Everything up and ready; ended afterwards, whatever happened. Raises Trouble."""
        keeping: asyncio.Task[None] | None = None
        try:
            for proxy in self.proxies.values():
                await proxy.start()
            await asyncio.gather(
                asyncio.to_thread(self.postgres.start, START_SECONDS),
                asyncio.to_thread(self.kafka.start, START_SECONDS),
            )
            self.issuer.publish()
            await self._databases()
            for replica in self.replicas:
                replica.wanted = True
            keeping = asyncio.create_task(self._keep())
            await self.ready(READY_SECONDS)
            yield
        finally:
            if keeping is not None:
                keeping.cancel()
            for replica in self.replicas:
                replica.wanted = False
                replica.child.kill()
            for proxy in self.proxies.values():
                await proxy.stop()
            await asyncio.to_thread(self.kafka.kill)
            await asyncio.to_thread(self.postgres.stop, "immediate")

    async def _databases(self) -> None:
        connection = await asyncpg.connect(self.postgres.url())
        try:
            for service in self.counts:
                await create_owned_database(connection, service, self.passwords[service])
        finally:
            await connection.close()
        for service in self.counts:
            with told(self.environment(service) | {"CAUCE_LOG_LEVEL": "error"}):
                engine: Engine = importlib.import_module(f"{service}.app").app().state.engine
            engine.tuning = tuned(engine.tuning)
            self.engines[service] = engine
        await asyncio.gather(*(engine.migrate() for engine in self.engines.values()))

    async def _keep(self) -> None:
        """Starts again what ended."""
        while True:
            for replica in self.replicas:
                if not replica.wanted or replica.child.alive():
                    continue
                if replica.ended_at is None:
                    replica.ended_at = time.monotonic()
                if replica.starts == 0 or time.monotonic() - replica.ended_at > RESTART_SECONDS:
                    replica.start()
            await asyncio.sleep(0.05)

    async def is_ready(self, client: httpx.AsyncClient, replica: Replica) -> bool:
        try:
            return (await client.get(f"{replica.url}/readyz")).is_success
        except httpx.HTTPError:
            return False

    async def unready(self, client: httpx.AsyncClient) -> list[Replica]:
        """Of those that should run."""
        wanted = [replica for replica in self.replicas if replica.wanted]
        ready = await asyncio.gather(*(self.is_ready(client, replica) for replica in wanted))
        return [replica for replica, is_ready in zip(wanted, ready, strict=True) if not is_ready]

    async def ready(self, seconds: float) -> None:
        """Raises Trouble, with a log, where a replica is not ready in time."""
        deadline = time.monotonic() + seconds
        async with httpx.AsyncClient(timeout=2, trust_env=False) as client:
            while missing := await self.unready(client):
                if time.monotonic() > deadline:
                    log = missing[0].child.log
                    raise Trouble(f"{missing[0].name} was not ready within {seconds:.0f} s; its log {log}:", log)
                await asyncio.sleep(0.1)

    # -- what an injector may do

    def add_spare(self, service: str, release: Path | None = None) -> Replica:
        """Of another release where a folder with packages of its own is named."""
        replica = self._replica(service, 10 + len(self._spare_ports), self._spare_ports.pop(), release)
        replica.wanted = True
        self.replicas.append(replica)
        return replica

    def remove_spare(self, replica: Replica) -> None:
        replica.wanted = False
        replica.child.kill()
        self.replicas.remove(replica)
        self._spare_ports.append(replica.port)

    async def end(self, *services: str) -> None:
        """All processes of these, at once; they are not started again before `begin`."""
        for service in services:
            for replica in self.of(service):
                replica.wanted = False
                await asyncio.to_thread(replica.child.kill)

    def begin(self, *services: str) -> None:
        for service in services:
            for replica in self.of(service):
                replica.wanted = True

    async def lose_kafka(self) -> None:
        """The broker comes back with an empty disk, and the topics are made anew."""
        await asyncio.to_thread(self.kafka.kill)
        await asyncio.to_thread(shutil.rmtree, self.kafka.data)
        await asyncio.to_thread(self.kafka.start, START_SECONDS)
        await asyncio.gather(*(engine.migrate() for engine in self.engines.values()))

    async def restore(self, service: str, dump: Path) -> None:
        """Loads the dump back into the cluster that it came from, in place of the database."""
        connection = await asyncpg.connect(self.postgres.url())
        try:
            await connection.execute(f"drop database {quoted(service)} with (force)")
            await connection.execute(f"create database {quoted(service)} owner {quoted(service)}")
        finally:
            await connection.close()
        await asyncio.to_thread(self.postgres.restore, dump, service)


@contextlib.contextmanager
def told(environment: Mapping[str, str]) -> Iterator[None]:
    """The environment of a service, for as long as its app is made here."""
    before = dict(os.environ)
    os.environ.update(environment)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)

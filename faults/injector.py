"""The faults: what is done to the fleet, to whom, and how long it takes until all is well again."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from random import Random

import asyncpg
from engine.recovery import declare_restore

from faults.failpoints import POINTS, Action, Trap
from faults.fleet import REPLICAS, START_SECONDS, Fleet, Replica
from faults.probe import AWAY, Probe

RECOVERY_SECONDS = 180.0
"""Until all must be well again after a fault."""
TRAP_SECONDS = 20.0
"""How long somebody is waited for to come by a failpoint."""
ASLEEP = (8.0, 11.0)
"""Seconds that a process is halted: longer than the lease (2) and the session (6)."""
LISTENERS = {
    "command_committed": ("partner", "contract", "training", "performance"),
    "relay_read": tuple(REPLICAS),
    "relay_sent": tuple(REPLICAS),
    "consumer_effect": tuple(REPLICAS),
    "consumer_committed": tuple(REPLICAS),
    "timer_effect": ("contract", "training"),
}
VIEWS = {
    "partner": ("applications", "partners"),
    "contract": ("negotiations", "contracts"),
    "training": ("enrolments",),
    "performance": ("basis", "evaluations", "partners"),
    "risk": ("flags", "restrictions"),
}


@dataclass(frozen=True)
class Done:
    """A fault: `recovered` are seconds from its end until all was well again; None where that took too long. `waits`
    says what was not yet well the last time that somebody looked."""

    kind: str
    target: str
    at: float
    lasted: float
    recovered: float | None
    waits: str

    def __str__(self) -> str:
        last = f", the last it took was {self.waits}" if self.waits else ""
        well = "not well again in time" if self.recovered is None else f"well again after {self.recovered:.1f} s"
        return f"{self.kind} of {self.target}: {well}{last}"


class Missed(Exception):
    """A fault could not be inflicted, as nobody came by or another fault was in its way; the text says why."""


@dataclass
class Injector:
    fleet: Fleet
    probe: Probe
    random: Random
    tell: Callable[[str], None]
    done: list[Done] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)
    now: dict[int, str] = field(default_factory=dict)
    _servers: asyncio.Lock = field(default_factory=asyncio.Lock)
    _comings: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def inflict(self, kind: str, lane: int = 0) -> None:
        """One fault and the recovery from it."""
        self.now[lane] = kind
        began = time.monotonic()
        try:
            target = await KINDS[kind].act(self)
        except Missed as missed:
            self.missed.append(f"{kind}: {missed}")
            self.tell(f"{kind}: not inflicted: {missed}")
            return
        ended = time.monotonic()
        self.now[lane] = f"{kind} of {target}: recovering"
        well, waits = await self.probe.recovered(RECOVERY_SECONDS)
        recovered = time.monotonic() - ended if well else None
        self.done.append(Done(kind, target, began, ended - began, recovered, waits))
        self.now.pop(lane, None)
        self.tell(f"{len(self.done)}. {self.done[-1]}")

    # -- processes

    def somebody(self) -> Replica:
        running = [replica for replica in self.fleet.replicas if replica.wanted and replica.child.alive()]
        if not running:
            raise Missed("nobody runs")
        return self.random.choice(running)

    async def leader(self) -> Replica:
        """The process that holds some service's relay."""
        service = self.random.choice(list(REPLICAS))
        try:
            connection = await asyncpg.connect(self.fleet.direct_url(service), timeout=5)
            try:
                holder = await connection.fetchval("select holder from lease where name = 'relay'")
            finally:
                await connection.close()
        except AWAY as away:
            raise Missed(f"the database is away: {away!r}") from None
        replica = None if holder is None else self.fleet.with_pid(int(holder.split("/")[1]))
        if replica is None:
            raise Missed(f"nobody leads {service}'s relay")
        return replica

    def _signalled(self, replica: Replica, number: signal.Signals) -> str:
        if not replica.signal(number):
            raise Missed(f"{replica.name} has ended already")
        return replica.name

    async def kill(self) -> str:
        return self._signalled(self.somebody(), signal.SIGKILL)

    async def kill_leader(self) -> str:
        return self._signalled(await self.leader(), signal.SIGKILL)

    async def halt(self) -> str:
        replica = await self.leader() if self.random.random() < 0.5 else self.somebody()
        self._signalled(replica, signal.SIGSTOP)
        return await self._wake(replica)

    async def _wake(self, replica: Replica) -> str:
        """Whatever it believed to hold is somebody else's by then."""
        pid = replica.child.pid
        await asyncio.sleep(self.random.uniform(*ASLEEP))
        if replica.child.pid == pid:
            replica.signal(signal.SIGCONT)
        return replica.name

    async def at(self, point: str, action: Action) -> str:
        service = self.random.choice(LISTENERS[point])
        trap = Trap(self.fleet.failpoints, service, point)
        trap.arm(action)
        deadline = time.monotonic() + TRAP_SECONDS
        while (pid := trap.caught()) is None:
            if time.monotonic() > deadline and trap.withdraw():
                raise Missed(f"no process of {service} came by")
            await asyncio.sleep(0.02)
        trap.forget(pid)
        replica = self.fleet.with_pid(pid)
        if action == "stop" and replica is not None:
            return await self._wake(replica)
        return service

    async def storm(self) -> str:
        """Replicas of a service come and go, some in order and some not."""
        service = self.random.choice(("partner", "performance"))
        async with self._comings:
            await self._come_and_go(service)
        return service

    async def _come_and_go(self, service: str) -> None:
        spares: list[Replica] = []
        try:
            for _ in range(4):
                if len(spares) == 2 or (spares and self.random.random() < 0.3):
                    going = spares.pop(0)
                    going.wanted = False
                    going.signal(self.random.choice((signal.SIGTERM, signal.SIGKILL)))
                    await asyncio.sleep(self.random.uniform(0.5, 1.5))
                    self.fleet.remove_spare(going)
                spares.append(self.fleet.add_spare(service))
                await asyncio.sleep(self.random.uniform(1.5, 3.0))
        finally:
            for spare in spares:
                self.fleet.remove_spare(spare)

    # -- servers

    async def postgres_crash(self) -> str:
        async with self._servers:
            await asyncio.to_thread(self.fleet.postgres.stop, "immediate")
            await asyncio.sleep(self.random.uniform(0.0, 1.5))
            await asyncio.to_thread(self.fleet.postgres.start, START_SECONDS)
        return "Postgres"

    async def backends(self) -> str:
        service = self.random.choice(list(REPLICAS))
        async with self._servers:
            connection = await asyncpg.connect(self.fleet.postgres.url())
            try:
                await connection.fetch(
                    "select pg_terminate_backend(pid) from pg_stat_activity where datname = $1 and usename = $1",
                    service,
                )
            finally:
                await connection.close()
        return service

    async def kafka_crash(self) -> str:
        async with self._servers:
            await asyncio.to_thread(self.fleet.kafka.kill)
            await asyncio.sleep(self.random.uniform(0.0, 2.0))
            await asyncio.to_thread(self.fleet.kafka.start, START_SECONDS)
        return "Kafka"

    async def kafka_lost(self) -> str:
        """All of Kafka's data is gone, while services and clients go on."""
        async with self._comings, self._servers:
            await self.fleet.lose_kafka()
            await self.probe.topics_are_new()
        return "Kafka"

    async def restore(self) -> str:
        """All of a service's processes end somewhere in their work; its database is dumped, lost, and restored."""
        service = self.random.choice(list(REPLICAS))
        dump = self.fleet.folder / f"{service}.dump"
        async with self._comings, self._servers:
            await self.fleet.end(service)
            await asyncio.to_thread(self.fleet.postgres.dump, service, dump)
            await self.fleet.restore(service, dump)
            connection = await asyncpg.connect(self.fleet.direct_url(service))
            try:
                await declare_restore(connection)
            finally:
                await connection.close()
            self.fleet.begin(service)
        return service

    # -- lines

    def _line(self) -> str:
        return self.random.choice(("kafka", *REPLICAS))

    async def cut(self) -> str:
        line = self._line()
        proxy = self.fleet.proxies[line]
        proxy.refusing = True
        proxy.cut(self.random.choice((0.5, 1.0)), self.random)
        await asyncio.sleep(self.random.uniform(0.0, 2.0))
        proxy.refusing = False
        return line

    async def delay(self) -> str:
        line = self._line()
        self.fleet.proxies[line].delay = self.random.uniform(0.02, 0.2)
        await asyncio.sleep(self.random.uniform(2.0, 5.0))
        self.fleet.proxies[line].delay = 0.0
        return line

    async def hold(self) -> str:
        line = self._line()
        self.fleet.proxies[line].hold()
        await asyncio.sleep(self.random.uniform(2.0, 7.0))
        self.fleet.proxies[line].release()
        return line

    # -- views

    async def rebuild(self) -> str:
        service = self.random.choice(list(VIEWS))
        view = self.random.choice(VIEWS[service])
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "service", "view", "rebuild", service, view),
            env=self.fleet.environment(service),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        _, said = await process.communicate()
        if process.returncode != 0:  # another fault ended the command that began the build; the build itself goes on
            raise Missed(f"{service}.{view}: {said.decode().strip()[-300:]}")
        return f"{service}.{view}"


@dataclass(frozen=True)
class Kind:
    """`often`: how many of a long run's deck; `long`: only in long runs."""

    act: Callable[[Injector], Awaitable[str]]
    often: int = 1
    long: bool = False


def _at(point: str, action: Action) -> Callable[[Injector], Awaitable[str]]:
    return lambda injector: injector.at(point, action)


KINDS: Mapping[str, Kind] = {
    "kill": Kind(Injector.kill, often=3),
    "kill the relay": Kind(Injector.kill_leader),
    **{f"kill at {point}": Kind(_at(point, "kill")) for point in POINTS},
    "halt": Kind(Injector.halt, often=2),
    "halt at relay_read": Kind(_at("relay_read", "stop")),
    "halt at relay_sent": Kind(_at("relay_sent", "stop"), long=True),
    "halt at consumer_effect": Kind(_at("consumer_effect", "stop"), long=True),
    "halt at timer_effect": Kind(_at("timer_effect", "stop"), long=True),
    "Postgres crash": Kind(Injector.postgres_crash),
    "Postgres backends ended": Kind(Injector.backends, often=4),
    "Kafka crash": Kind(Injector.kafka_crash, long=True),
    "Kafka lost": Kind(Injector.kafka_lost, long=True),
    "cut": Kind(Injector.cut, often=4),
    "delay": Kind(Injector.delay, often=3),
    "hold": Kind(Injector.hold, often=3),
    "rebalance storm": Kind(Injector.storm),
    "view rebuild": Kind(Injector.rebuild),
    "dump and restore": Kind(Injector.restore, long=True),
}


def deck(random: Random, *, long: bool) -> list[str]:
    """In a short run every kind that is not for long ones once; in a long run each as often as it says. Shuffled."""
    if long:
        cards = [name for name, kind in KINDS.items() for _ in range(kind.often)]
    else:
        cards = [name for name, kind in KINDS.items() if not kind.long]
    random.shuffle(cards)
    return cards

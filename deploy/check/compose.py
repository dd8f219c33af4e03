"""docker-compose.yml tried: from nothing to healthy, the sample's journey, every container killed once, and on with it.

It is a project of its own name on free ports of 127.0.0.1, and is gone with all its data at the end.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from devstack import place, ports
from devstack.services import SERVICES

from deploy.check.images import PYTHON, docker, images, needed
from deploy.check.report import Failed, Report, Skipped

HEALTHY_SECONDS = 300
BACK_SECONDS = 180
EVERY = "20"
"""One establishment of so many: the whole sample is what `make run` loads."""
FIRST, LAST = "2003", "2007"
MIB = 2**20
UNITS = {"B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 2**10, "MiB": MIB, "GiB": 2**30}
KILL = "import os, sys; os.kill(int(sys.argv[1]), 9)"


@dataclass
class Project:
    """A compose project, and what it is told."""

    name: str
    told: dict[str, str]

    def run(self, *words: str, seconds: float = 600, quiet: bool = True) -> str:
        """Raises Failed with what compose complains of."""
        try:
            done = subprocess.run(  # noqa: S603
                ["docker", "compose", "--project-name", self.name, *words],  # noqa: S607
                cwd=place.root(),
                env=os.environ | self.told,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE if quiet else None,
                text=True,
                timeout=seconds,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise Failed(f"docker compose {words[0]} did not end within {seconds:.0f} s") from None
        if done.returncode != 0:
            told = (done.stderr or "").strip().splitlines()
            raise Failed(f"docker compose {words[0]} failed: {' '.join(told[-3:]) or f'exit {done.returncode}'}")
        return done.stdout.strip()

    def containers(self) -> list[Container]:
        """Those that run, by the names of their services."""
        ids = self.run("ps", "--quiet").split()
        label = "com.docker.compose.service"
        found = [Container(each["Id"], each["Config"]["Labels"][label]) for each in inspect(*ids)]
        return sorted(found, key=lambda each: each.service)


@dataclass(frozen=True)
class Container:
    id: str
    service: str

    def state(self) -> dict[str, Any]:
        [told] = inspect(self.id)
        return {**told["State"], "RestartCount": told["RestartCount"]}


def inspect(*ids: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(docker("inspect", *ids)) if ids else []
    return found


@dataclass
class Memory:
    """The most that each container was seen to use, by service; the engine is asked all the while."""

    project: Project
    most: dict[str, int] = field(default_factory=dict)
    over: threading.Event = field(default_factory=threading.Event)
    failure: Failed | None = None

    def look(self) -> None:
        names = {each.id[:12]: each.service for each in self.project.containers()}
        told = docker("stats", "--no-stream", "--format", "{{.ID}}\t{{.MemUsage}}", *names)
        for id, used in (line.split("\t") for line in told.splitlines()):
            service = names[id[:12]]
            self.most[service] = max(self.most.get(service, 0), in_bytes(used.partition("/")[0].strip()))

    def _go_on(self) -> None:
        try:
            while not self.over.wait(1):
                self.look()
        except Failed as failure:
            self.failure = failure

    @contextmanager
    def watched(self) -> Iterator[None]:
        thread = threading.Thread(target=self._go_on)
        thread.start()
        try:
            yield
        finally:
            self.over.set()
            thread.join()
        if self.failure is not None:
            raise self.failure


def in_bytes(text: str) -> int:
    """What the engine calls 103.4MiB."""
    number, unit = re.fullmatch(r"([\d.]+)([A-Za-z]+)", text).groups()  # type: ignore[union-attr]
    return int(float(number) * UNITS[unit])


def run(report: Report) -> None:
    """Raises Failed."""
    try:
        version = docker("version", "--format", "{{.Server.Version}}", seconds=20)
        composes = docker("compose", "version", "--short", seconds=20)
    except Failed as failure:
        raise Skipped(f"It needs a container engine with compose (DOCKER_HOST says where one is): {failure}.") from None
    report.figure("Docker Engine, compose", f"{version}, {composes}")
    http, kafka = ports.free(2)
    project = Project(
        f"cauce-check-{secrets.token_hex(4)}",
        {**images(report), "CAUCE_HTTP_PORT": str(http), "CAUCE_KAFKA_PORT": str(kafka), "CAUCE_IMAGE": "cauce-check"},
    )
    with needed(report, "the images of the services are built"):
        project.run("build", "--quiet", seconds=1800)
    sizes(report, project)
    try:
        tried(report, project, f"http://{ports.HOST}:{http}", f"{ports.HOST}:{kafka}")
    except Failed as failure:
        told = project.run("ps", "--all"), project.run("logs", "--tail", "15")
        raise Failed("\n".join([str(failure), *told])) from None
    finally:
        with report.check("the project is gone with all its data"):
            project.run("--profile", "tools", "down", "--volumes", "--remove-orphans")
            if left := docker("volume", "ls", "--quiet", "--filter", f"name={project.name}"):
                raise Failed(f"these volumes are left: {left}")


def sizes(report: Report, project: Project) -> None:
    base = json.loads(docker("image", "inspect", project.told[PYTHON]))[0]["Size"]
    for service in SERVICES:
        image = json.loads(docker("image", "inspect", f"{project.told['CAUCE_IMAGE']}-{service.name}"))[0]
        report.figure(f"image of {service.name} over its base", f"{(image['Size'] - base) / 1e6:.0f} MB")


def tried(report: Report, project: Project, door: str, kafka: str) -> None:
    with needed(report, "docker compose up --wait comes from nothing to healthy") as check:
        started = time.monotonic()
        project.run("up", "--detach", "--wait", "--wait-timeout", str(HEALTHY_SECONDS), seconds=HEALTHY_SECONDS + 60)
        containers = project.containers()
        check.found(f"{len(containers)} containers")
        report.figure("from nothing to healthy", f"{time.monotonic() - started:.0f} s")
    memory = Memory(project)
    with tempfile.TemporaryDirectory() as folder:
        token = Path(folder) / "token"
        token.write_text(project.run("run", "--rm", "token", "--role", "backfill", "--subject", "check"))
        told = {
            "CAUCE_SERVICES": json.dumps({service.name: f"{door}/{service.name}" for service in SERVICES}),
            "CAUCE_TOKEN_FILE": str(token),
            "CAUCE_KAFKA_BOOTSTRAP": kafka,
        }
        with memory.watched():
            journey(report, told, FIRST)
        with needed(report, "no container was started again by itself, or for want of memory"):
            for container in containers:
                state = container.state()
                if state["RestartCount"] or state["OOMKilled"]:
                    raise Failed(f"{container.service} was: see docker logs {container.id[:12]}")
        for container in containers:
            with needed(report, f"{container.service} is killed, and back by the engine's restart policy") as check:
                check.found(f"healthy after {killed(project, container):.1f} s")
        again = Memory(project)
        with again.watched():
            journey(report, told, LAST)
    for service in sorted(memory.most):
        most = max(memory.most[service], again.most.get(service, 0))
        report.figure(f"memory of {service}, at most", f"{most / MIB:.0f} MiB")


def journey(report: Report, told: dict[str, str], until: str) -> None:
    """The sample up to a year through the front door, and then all that came of it compared. Raises Failed."""
    for what in ("load", "verify"):
        command = [sys.executable, "-m", f"sample.{what}", "--only-every", EVERY, "--until", until]
        with needed(report, f"python -m {' '.join(command[2:])}") as check:
            done = subprocess.run(  # noqa: S603
                command, cwd=place.root(), env=os.environ | told, capture_output=True, text=True, check=False
            )
            if done.returncode != 0:
                raise Failed(f"it ended with {done.returncode}: {done.stderr.strip()}")
            check.found(done.stdout.strip().splitlines()[-1] if what == "verify" else "")


def killed(project: Project, container: Container) -> float:
    """SIGKILL to its first process, as a crash would; the seconds until the engine has brought it back to health. (What
    `docker kill` ends, the engine takes for stopped on purpose, and leaves alone.) Raises Failed."""
    before = container.state()
    image = f"{project.told['CAUCE_IMAGE']}-{SERVICES[0].name}"
    alone = ["--rm", "--network", "none", "--pid", "host", "--user", "0", "--cap-drop", "ALL", "--cap-add", "KILL"]
    docker("run", *alone, "--entrypoint", "python3", image, "-c", KILL, str(before["Pid"]))
    started = time.monotonic()
    while not back(container, before["StartedAt"]):
        if time.monotonic() - started > BACK_SECONDS:
            raise Failed(f"{container.service} did not come back within {BACK_SECONDS} s of being killed")
        time.sleep(0.2)
    return time.monotonic() - started


def back(container: Container, before: str) -> bool:
    state = container.state()
    healthy = state.get("Health", {"Status": "healthy"})["Status"] == "healthy"
    return bool(state["Running"] and state["StartedAt"] != before and healthy)

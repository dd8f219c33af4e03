"""Rules, dashboards and metrics before Prometheus itself: `python -m deploy.check.observability`.

Its tools check what is written. Then a service runs, a Prometheus scrapes it with the rules as they are, a record that
nobody can read comes onto a topic, and the alert has to come and, once a person has dealt with it, to go.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from time import monotonic
from typing import Any, Protocol

import httpx
import typer
import yaml
from aiokafka import AIOKafkaProducer
from devstack import ports
from devstack.child import Child
from devstack.services import SERVICES
from devstack.stack import Stack
from devstack.trouble import Trouble
from devstack.wait import run_apart, until, until_true
from events import topic
from rich.console import Console

from deploy.observability import alerting, dashboards

PATIENCE = 120.0
"""Seconds for whatever has to come, on a machine that is busy."""
LISTENER, SPEAKER, ALERT = "contract", "partner", "CauceStreamsParked"
CONFIG = Path(alerting.__file__).with_name("prometheus.yaml")


class Report(Protocol):
    """Where a check tells what holds."""

    def holds(self, what: str) -> None: ...


def run(report: Report) -> None:
    """Raises Trouble for the first thing that does not hold."""
    with tempfile.TemporaryDirectory(prefix="cauce-observability-") as folder:
        written(report, Path(folder))
        with running(Path(folder)) as stack:
            fires_and_ends(report, stack, Path(folder))


# -- what is written


def written(report: Report, folder: Path) -> None:
    """All that promtool has to say of our files."""
    files = [str(file) for file in alerting.FILES]
    promtool("check", "rules", *files)
    report.holds(f"{len(list(alerting.rules()))} rules are rules")
    promtool("test", "rules", *(str(file) for file in sorted(alerting.TESTS.glob("*.yaml"))))
    report.holds(f"{len(alerting.alerts())} alerts fire and do not fire as their tests say")
    promtool("check", "config", str(CONFIG))
    report.holds(f"{CONFIG.name} is a configuration")
    asked = alerting.as_asked(expr for each in dashboards.ALL for expr in each.expressions())
    as_rules = [{"record": f"dashboard:asked:{n}", "expr": expr} for n, expr in enumerate(asked)]
    file = folder / "dashboards.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboards", "rules": as_rules}]}))
    promtool("check", "rules", str(file))
    report.holds(f"{len(asked)} queries of {len(dashboards.ALL)} dashboards are queries")


def promtool(*words: str, given: str | None = None) -> None:
    command = [tool("promtool"), *words]
    done = subprocess.run(command, input=given, capture_output=True, text=True, check=False)  # noqa: S603 - found by us
    if done.returncode != 0:
        raise Trouble(f"promtool {' '.join(words[:2])} says:\n{done.stdout}{done.stderr}".rstrip())


def tool(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise Trouble(
            f"{name} is not on the PATH: install Prometheus, which it comes with (Debian: apt install prometheus), or"
            " put a release of it onto the PATH; 2.42 and newer will do"
        )
    return found


# -- what runs


@contextmanager
def running(folder: Path) -> Iterator[Stack]:
    """One service with a Postgres and a Kafka of its own, ready."""
    postgres, broker, _, port = ports.free(4)
    [service] = [each for each in SERVICES if each.name == LISTENER]
    service = type(service)(service.name, port, service.keeps)
    stack = Stack(folder / "kept", folder / "run", [service], postgres, broker)
    with ExitStack() as opened:
        opened.callback(stack.postgres.stop)
        stack.postgres.start()
        opened.callback(stack.kafka.stop)
        stack.kafka.start()
        stack.publish_keys()
        run_apart(stack.make_databases())
        migrating = stack.migrating(service)
        migrating.start()
        if migrating.wait(PATIENCE) != 0:
            raise migrating.died()
        serving = stack.serving(service)
        opened.callback(serving.stop)
        serving.start()
        until(lambda: answers(f"{service.url}/readyz"), serving, PATIENCE)
        yield stack


def answers(url: str) -> bool:
    try:
        return httpx.get(url).is_success
    except httpx.HTTPError:
        return False


@contextmanager
def prometheus(folder: Path, target: str) -> Iterator[str]:
    """Its URL. It has the rules as they are, and looks every second."""
    config = yaml.safe_load(CONFIG.read_text()) | {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(file) for file in alerting.FILES],
    }
    config["scrape_configs"][0]["static_configs"] = [{"targets": [target], "labels": {"service": LISTENER}}]
    file = folder / "prometheus.yaml"
    file.write_text(yaml.safe_dump(config))
    address = f"{ports.HOST}:{ports.free()[0]}"
    child = Child(
        "prometheus",
        [
            tool("prometheus"),
            f"--config.file={file}",
            f"--storage.tsdb.path={folder / 'series'}",
            f"--web.listen-address={address}",
        ],
        log=folder / "prometheus.log",
    )
    child.start()
    try:
        until(lambda: answers(f"http://{address}/-/ready"), child, PATIENCE)
        yield f"http://{address}"
    finally:
        child.stop()


def fires_and_ends(report: Report, stack: Stack, folder: Path) -> None:
    [service] = stack.services
    measured = httpx.get(f"{service.url}/metrics").text
    promtool("check", "metrics", given=measured)
    report.holds(f"{measured.count('# TYPE ')} metrics of {LISTENER} are named as Prometheus wants it")
    with prometheus(folder, service.url.removeprefix("http://")) as url:
        until_true(lambda: all(health == "ok" for health in told(url, "health")), "each rule", PATIENCE)
        until_true(lambda: asked(url, f'cauce_ready{{service="{LISTENER}"}}') == ["1"], "a ready service", PATIENCE)
        report.holds(f"{len(list(told(url, 'health')))} rules are evaluated against a running service")
        if state(url) != "inactive":
            raise Trouble(f"{ALERT} is {state(url)} where nothing is parked")
        run_apart(say_nonsense(stack.kafka.bootstrap))
        report.holds(f"{ALERT} fires {took(lambda: state(url) == 'firing'):.1f} s after a record that cannot be read")
        dropped = deal_with(stack)
        report.holds(f"`cauce parked drop` deals with it, {dropped} time(s)")
        report.holds(f"{ALERT} is over {took(lambda: state(url) == 'inactive'):.1f} s later")


def took(condition: Callable[[], bool]) -> float:
    began = monotonic()
    until_true(condition, f"{ALERT}", PATIENCE)
    return monotonic() - began


def told(url: str, what: str) -> Iterator[str]:
    """Of each rule."""
    answer = httpx.get(f"{url}/api/v1/rules").raise_for_status().json()
    return (rule[what] for group in answer["data"]["groups"] for rule in group["rules"])


def state(url: str) -> str:
    answer = httpx.get(f"{url}/api/v1/rules", params={"type": "alert"}).raise_for_status().json()
    states = {rule["name"]: rule["state"] for group in answer["data"]["groups"] for rule in group["rules"]}
    return str(states[ALERT])


def asked(url: str, expr: str) -> list[str]:
    """The values that it has now."""
    answer = httpx.get(f"{url}/api/v1/query", params={"query": expr}).raise_for_status().json()
    return [sample["value"][1] for sample in answer["data"]["result"]]


async def say_nonsense(bootstrap: str) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap)
    await producer.start()
    try:
        await producer.send_and_wait(topic(SPEAKER).name, b"nonsense", key=b"nobody", partition=0)
    finally:
        await producer.stop()


def deal_with(stack: Stack) -> int:
    """As the runbook says; returns how many subscriptions it was parked for."""
    [service] = stack.services
    env = {
        **os.environ,
        "CAUCE_SERVICES": json.dumps({service.name: service.url}),
        "CAUCE_TOKEN_FILE": str(stack.token_file),
    }
    headers = {"Authorization": f"Bearer {stack.token_file.read_text()}"}
    parked: list[dict[str, Any]] = (
        httpx.get(f"{service.url}/parked-streams", headers=headers).raise_for_status().json()["items"]
    )
    for each in parked:
        words = ["parked", "drop", service.name, each["subscription"], each["stream"], "--reason", "It is nonsense."]
        command = [sys.executable, "-m", "service", *words]
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)  # noqa: S603 - our own
        if done.returncode != 0:
            raise Trouble(f"cauce {' '.join(words)} says: {done.stderr.strip()}")
    return len(parked)


class _OnScreen:
    def __init__(self) -> None:
        self.console = Console()

    def holds(self, what: str) -> None:
        self.console.print(f"[green]holds[/green]  {what}", highlight=False)


def main() -> None:
    """Checks alert rules and dashboards with Prometheus' own tools, and that an alert fires and ends for real.

    Wants promtool and prometheus on the PATH; takes about a minute. Example: python -m deploy.check.observability
    """
    report = _OnScreen()
    try:
        run(report)
    except Trouble as trouble:
        report.console.print(str(trouble), style="red", markup=False, highlight=False)
        raise typer.Exit(1) from None


if __name__ == "__main__":
    typer.run(main)

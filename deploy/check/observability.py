"""Rules, dashboards and metrics before Prometheus itself: `python -m deploy.check.observability`.

Its tools check what is written. Then a service runs, a Prometheus scrapes it with the rules as they are, a record that
nobody can read comes onto a topic, and the alert has to come and, once a person has dealt with it, to go.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from time import monotonic

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

from deploy.check.report import Failed, Report
from deploy.check.tools import call, found
from deploy.observability import alerting, dashboards

PATIENCE = 120.0
"""Seconds for whatever has to come, on a machine that is busy."""
LISTENER, SPEAKER, ALERT = "contract", "partner", "CauceStreamsParked"
CONFIG = Path(alerting.__file__).with_name("prometheus.yaml")


def run(report: Report) -> None:
    """Raises Failed where there is nothing to go on with."""
    with tempfile.TemporaryDirectory(prefix="cauce-observability-") as folder:
        written(report, Path(folder))
        try:
            with running(Path(folder)) as stack:
                fires_and_ends(report, stack, Path(folder))
        except Trouble as trouble:
            raise Failed(str(trouble)) from None


# -- what is written


def written(report: Report, folder: Path) -> None:
    """All that promtool has to say of our files."""
    with report.check("Rules are rules") as check:
        promtool("check", "rules", *alerting.FILES)
        check.found(f"{len(list(alerting.rules()))} rules")
    with report.check("Alerts fire, and do not fire, as their tests say") as check:
        promtool("test", "rules", *sorted(alerting.TESTS.glob("*.yaml")))
        check.found(f"{len(alerting.alerts())} alerts")
    with report.check("The scraper's configuration is one"):
        promtool("check", "config", CONFIG)
    with report.check("What dashboards ask for can be asked") as check:
        asked = alerting.as_asked(expr for each in dashboards.ALL for expr in each.expressions())
        as_rules = [{"record": f"dashboard:asked:{n}", "expr": expr} for n, expr in enumerate(asked)]
        file = folder / "dashboards.yaml"
        file.write_text(yaml.safe_dump({"groups": [{"name": "dashboards", "rules": as_rules}]}))
        promtool("check", "rules", file)
        check.found(f"{len(asked)} queries of {len(dashboards.ALL)} dashboards")


def promtool(*words: str | Path, stdin: str | None = None) -> None:
    """Raises Failed with what it says."""
    call(tool("promtool"), *words, stdin=stdin)


def tool(name: str) -> Path:
    """Raises Failed."""
    there = found(name)
    if there is None:
        raise Failed(
            f"{name} is not on the PATH: install Prometheus, which it comes with (Debian: apt install prometheus), or"
            " put a release of it onto the PATH; 2.42 and newer will do."
        )
    return there


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
            str(tool("prometheus")),
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
    with report.check("Metrics are named as Prometheus wants it") as check:
        measured = httpx.get(f"{service.url}/metrics").raise_for_status().text
        promtool("check", "metrics", stdin=measured)
        check.found(f"{measured.count('# TYPE ')} metrics of a running service")
    with prometheus(folder, service.url.removeprefix("http://")) as url:
        with report.check("Rules are evaluated against a running service, and its parked streams are none"):
            until_true(lambda: set(told(url, "health")) == {"ok"}, "each rule", PATIENCE)
            until_true(lambda: asked(url, f'cauce_ready{{service="{LISTENER}"}}') == ["1"], "the service", PATIENCE)
            if state(url) != "inactive":
                raise Failed(f"{ALERT} is {state(url)} where nothing is parked")
        with report.check(f"{ALERT} fires after a record that cannot be read") as check:
            run_apart(say_nonsense(stack.kafka.bootstrap))
            check.found(f"after {took(lambda: state(url) == 'firing'):.1f} s")
        with report.check(f"{ALERT} is over after the runbook's `cauce parked drop`") as check:
            deal_with(stack)
            check.found(f"after {took(lambda: state(url) == 'inactive'):.1f} s")


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


def deal_with(stack: Stack) -> None:
    """As the runbook says. Raises Failed."""
    [service] = stack.services
    env = {
        **os.environ,
        "CAUCE_SERVICES": json.dumps({service.name: service.url}),
        "CAUCE_TOKEN_FILE": str(stack.token_file),
    }
    headers = {"Authorization": f"Bearer {stack.token_file.read_text()}"}
    for each in httpx.get(f"{service.url}/parked-streams", headers=headers).raise_for_status().json()["items"]:
        named = [service.name, each["subscription"], each["stream"], "--reason", "It is nonsense."]
        call(sys.executable, "-m", "service", "parked", "drop", *named, env=env)


def main() -> None:
    """Checks alert rules and dashboards with Prometheus' own tools, and that an alert fires and ends for real.

    Wants promtool and prometheus on the PATH; takes about a minute. Example: python -m deploy.check.observability
    """
    report = Report(Console())
    with report.part("observability"):
        run(report)
    if not report.passed:
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)

"""Alerts, dashboards and runbooks say what is there: metrics, labels, pages, commands, routes, lines of the log."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml
from devstack.services import SERVICES
from fastapi import FastAPI
from service import cli
from service.matrix import unstarted
from service.metrics_catalogue import Metric, by_service, page

from deploy.observability import alerting, dashboards, operator
from deploy.observability.alerting import AskedForNothing, labels_of

ROOT = Path(__file__).parents[1]
OPERATIONS = (ROOT / "docs" / "operations.md").read_text()
NAMES = [service.name for service in SERVICES]
ALERTS = alerting.alerts()
STEP = re.compile(r"^(?:cauce|make|GET|POST|PUT|DELETE|select) ")


@pytest.fixture(scope="module")
def apps() -> Iterator[list[FastAPI]]:
    with pytest.MonkeyPatch.context() as patch:
        for name in ("POSTGRES_URL", "KAFKA_BOOTSTRAP", "JWKS", "LOG_LEVEL"):
            patch.setenv(f"CAUCE_{name}", "")  # so that what is set now is undone
        yield unstarted(NAMES)


@pytest.fixture(scope="module")
def metrics(apps: list[FastAPI]) -> set[Metric]:
    return set.union(*by_service(apps).values())


@pytest.fixture(scope="module")
def known(metrics: set[Metric]) -> dict[str, frozenset[str]]:
    """The labels of all that can be asked for: what services have, what scrapers add, what rules record."""
    found = {name: frozenset(labels) for metric in metrics for name, labels in metric.series.items()}
    found["up"] = frozenset()
    for name, expr in alerting.recorded().items():
        found[name] = labels_of(expr, found)
    return found


# -- metrics


def test_the_page_of_metrics_is_up_to_date(apps: list[FastAPI]) -> None:
    assert (ROOT / "docs" / "metrics.md").read_text() == page(apps), "docs/metrics.md is stale: make docs"


def test_metrics_are_named_as_prometheus_wants_it_and_say_what_they_are(metrics: set[Metric]) -> None:
    for metric in metrics:
        assert re.fullmatch(r"(cauce|process)_[a-z_]+", metric.name), metric.name
        assert (metric.kind == "counter") == metric.name.endswith("_total"), metric.name
        assert not re.search(r"_(ms|millis|minutes|kb|percent)(_|$)", metric.name), metric.name
        assert metric.kind != "histogram" or metric.unit != "count", f"{metric.name} is a histogram of no unit"
        assert metric.says.endswith("."), metric.name
        assert all(re.fullmatch("[a-z]+", label) for label in metric.labels), metric.name


def test_every_service_says_what_runs_and_has_the_same_metrics_for_what_all_of_them_do(apps: list[FastAPI]) -> None:
    own = by_service(apps)
    shared = {metric.name for metric in set.intersection(*own.values())}
    assert {"cauce_build_info", "cauce_ready", "cauce_http_request_seconds", "cauce_relay_lag_seconds"} <= shared
    assert {name: {m.name for m in found} - shared for name, found in own.items()} == {
        "partner": set(),
        "contract": set(),
        "training": set(),
        "performance": {"cauce_intake_messages_total", "cauce_intake_kept_messages", "cauce_intake_lag_messages"},
        "risk": {"cauce_risk_rule_failures_total"},
    }


# -- rules and dashboards


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)
def test_an_alert_asks_for_what_is_there(alert: alerting.Alert, known: dict[str, frozenset[str]]) -> None:
    found = labels_of(alert.expr, known)
    assert set(re.findall(r"\$labels\.(\w+)", alert.summary)) <= found


@pytest.mark.parametrize("dashboard", dashboards.ALL, ids=lambda dashboard: dashboard.uid)
def test_a_dashboard_is_as_it_is_described_and_its_panels_lie_beside_each_other(dashboard: Any) -> None:
    file = dashboards.FOLDER / f"{dashboard.uid}.json"
    assert file.read_text() == dashboard.json(), f"{file.name} is stale: make docs"
    panels = json.loads(file.read_text())["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        at = panel["gridPos"]
        cells = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
        assert not cells & taken, panel["title"]
        assert at["x"] + at["w"] <= 24
        taken |= cells


def test_there_is_no_other_dashboard() -> None:
    assert set(dashboards.FOLDER.glob("*")) == set(dashboards.files())


def test_what_an_operator_is_given_are_the_rules_and_dashboards_as_they_are() -> None:
    assert operator.FILE.read_text() == operator.text(), "stale: run make docs"
    given = yaml.safe_load(operator.FILE.with_name("kustomization.yaml").read_text())
    assert given["resources"] == [operator.FILE.name]
    [dashes] = given["configMapGenerator"]
    assert dashes["files"] == sorted(f"dashboards/{file.name}" for file in dashboards.files())


def test_dashboards_ask_for_what_is_there(known: dict[str, frozenset[str]]) -> None:
    for dashboard in dashboards.ALL:
        for row in dashboard.rows:
            for panel in row.panels:
                for query in panel.queries:
                    [expr] = alerting.as_asked([query.expr])
                    assert set(re.findall(r"\{\{(\w+)\}\}", query.legend)) <= labels_of(expr, known), panel.title


@pytest.mark.parametrize(
    ("expr", "why"),
    [
        ("cauce_no_such_thing > 0", "no metric cauce_no_such_thing"),
        ('rate(cauce_commands_total{result="refused"}[5m])', "no label result"),
        ("sum by (route) (cauce_commands_total)", "no label route"),
        ("max(cauce_commands_total) by (outcome, le)", "no label le"),
        ("cauce_ready * on (route) cauce_ready", "no label route"),
        ("sum by (service) (sum by (outcome) (cauce_commands_total))", "no label service"),
        ("rate(cauce_append_seconds[5m])", "no metric cauce_append_seconds"),
    ],
)
def test_an_expression_that_asks_for_nothing_is_caught(expr: str, why: str, known: dict[str, frozenset[str]]) -> None:
    with pytest.raises(AskedForNothing, match=why):
        labels_of(expr, known)


def test_what_is_no_expression_is_caught(known: dict[str, frozenset[str]]) -> None:
    with pytest.raises(ValueError, match="expected type matrix"):
        labels_of("rate(cauce_ready)", known)


def test_a_service_that_is_not_scraped_is_missed_whichever_it_is() -> None:
    [missing] = [alert for alert in ALERTS if alert.name == "CauceServiceMissing"]
    assert re.findall(r'service="(\w+)"', missing.expr) == NAMES


def test_the_scraper_finds_the_services_of_a_local_run() -> None:
    config = yaml.safe_load((ROOT / "deploy" / "observability" / "prometheus.yaml").read_text())
    [job] = config["scrape_configs"]
    assert job["job_name"] == "cauce"
    assert job["static_configs"] == [
        {"targets": [f"127.0.0.1:{service.port}"], "labels": {"service": service.name}} for service in SERVICES
    ]


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)
def test_it_is_tested_when_an_alert_fires_and_when_it_does_not(alert: alerting.Alert) -> None:
    cases = [
        bool(case["exp_alerts"])
        for file in alerting.TESTS.glob("*.yaml")
        for test in yaml.safe_load(file.read_text())["tests"]
        for case in test["alert_rule_test"]
        if case["alertname"] == alert.name
    ]
    assert set(cases) == {True, False}


def test_each_file_of_rules_has_its_tests() -> None:
    assert {file.name for file in alerting.FILES} == {file.name for file in alerting.TESTS.glob("*")}


# -- runbooks


def anchor(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def books() -> dict[str, str]:
    """The entries of the runbooks, by anchor."""
    part = OPERATIONS.partition("\n## Runbooks\n")[2].partition("\n## ")[0]
    return {anchor(title): text for title, text in re.findall(r"^### (.*)\n((?:(?!### ).*\n?)*)", part, re.MULTILINE)}


BOOKS = books()


def test_every_alert_has_a_runbook_and_every_runbook_an_alert() -> None:
    wanted: dict[str, list[str]] = {}
    for alert in ALERTS:
        file, _, at = alert.runbook.partition("#")
        assert file == "docs/operations.md"
        wanted.setdefault(at, []).append(alert.name)
    told = {at: re.findall(r"`(\w+)`", text.strip().partition(".")[0]) for at, text in BOOKS.items()}
    assert {at: sorted(names) for at, names in told.items()} == {at: sorted(names) for at, names in wanted.items()}


def test_the_table_of_alerts_is_that_of_the_rules() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| \[.*\]\(#([\w-]+)\) \|$", OPERATIONS, re.MULTILINE)
    wanted = [(alert.name, alert.severity, alert.runbook.partition("#")[2]) for alert in ALERTS]
    assert sorted(rows) == sorted(wanted)
    assert {severity for _, severity, _ in rows} == {"critical", "warning"}


def steps(text: str) -> Iterator[str]:
    """What a runbook tells to do: the lines of its blocks, without what is said of them, and commands in sentences."""
    for line in re.findall(r"^    (\S.*)$", text, re.MULTILINE):
        yield re.split(r" {2,}", line)[0]
    for said in re.findall(r"(?<!`)`([^`]+)`", re.sub(r"^    .*$", "", text, flags=re.MULTILINE)):
        if STEP.match(said):
            yield re.sub(r"\s+", " ", said)


@pytest.mark.parametrize("book", BOOKS)
def test_each_step_of_a_runbook_is_a_command_that_exists(book: str, apps: list[FastAPI]) -> None:
    found = list(steps(BOOKS[book]))
    assert found, "a runbook without a step"
    for step in found:
        assert wrong_with(step, apps) is None, f"{step}: {wrong_with(step, apps)}"


@pytest.mark.parametrize(
    ("step", "why"),
    [
        ("cauce parked mend <service>", "no command"),
        ("cauce parked", "no command"),
        ("cauce lag <service> --loud", "no option --loud"),
        ("cauce lag <service> <subscription>", "too many words"),
        ("cauce parked retry <service>", "too few words"),
        ("make dinner", "no target"),
        ("GET /no-such-thing", "no route"),
        ("POST /log", "no route"),
        ("GET /log/published?until=5", "no parameter until"),
        ("kubectl get pods", "no step"),
    ],
)
def test_a_step_that_does_not_exist_is_caught(step: str, why: str, apps: list[FastAPI]) -> None:
    assert why in (wrong_with(step, apps) or "")


def wrong_with(step: str, apps: list[FastAPI]) -> str | None:
    what, *words = step.split()
    match what:
        case "cauce":
            return _wrong_with_command(typer.main.get_command(cli.app), words)
        case "make":
            targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
            goals = [word for word in words if not word.startswith("-") and "=" not in word]
            return None if goals and set(goals) <= set(targets) else f"no target {goals}"
        case "GET" | "POST" | "PUT" | "DELETE":
            return _wrong_with_route(what.lower(), words[0], apps)
        case "select":
            return None  # asked of Postgres
    return "no step that can be checked"


def _wrong_with_command(command: Any, words: list[str]) -> str | None:
    while (commands := getattr(command, "commands", None)) is not None:
        if not words or words[0] not in commands:
            return f"no command {' '.join(words)}"
        command, words = commands[words[0]], words[1:]
    options = {opt: p for p in command.params if p.param_type_name == "option" for opt in p.opts}
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    given = 0
    while words:
        word = words.pop(0)
        if not word.startswith("--"):
            given += 1
        elif word not in options:
            return f"no option {word}"
        elif not options[word].is_flag:
            del words[:1]
    if given > len(arguments):
        return "too many words"
    return "too few words" if given < sum(p.required for p in arguments) else None


def _wrong_with_route(method: str, target: str, apps: list[FastAPI]) -> str | None:
    path, _, query = target.partition("?")
    for app in apps:
        if (operation := app.openapi()["paths"].get(path, {}).get(method)) is not None:
            names = {parameter["name"] for parameter in operation.get("parameters", ())}
            missing = {part.partition("=")[0] for part in query.split("&") if part} - names
            return f"no parameter {', '.join(sorted(missing))}" if missing else None
    return "no route"


def test_what_a_runbook_calls_by_name_is_in_the_code(metrics: set[Metric]) -> None:
    """Lines of the log, codes, tables and settings: whatever is written `like_this`."""
    ours = ("libs/*/src/**/*.py", "libs/*/src/**/*.sql", "services/*/src/**/*.py")
    code = "\n".join(source.read_text() for pattern in ours for source in ROOT.glob(pattern))
    known = {name for metric in metrics for name in metric.series}
    postgres = {"max_connections", "transaction_timeout", "pg_roles"}
    for book, text in BOOKS.items():
        for name in re.findall(r"`([a-z]+(?:_[a-z]+)+)`", text):
            named = re.search(rf'"{name}"|\btable if not exists {name}\b', code)
            assert named or name in known | postgres, f"{book} names {name}"

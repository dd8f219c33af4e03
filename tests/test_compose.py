"""docker-compose.yml is what the rest of the repository says: every service, the settings of the tests, no secret."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from devstack import containers, postgres
from devstack.services import SERVICES

from deploy.check.compose import in_bytes
from deploy.check.images import needed
from deploy.check.report import Failed, Report

ROOT = Path(__file__).parents[1]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
PARTS: dict[str, dict[str, Any]] = COMPOSE["services"]
NAMES = [service.name for service in SERVICES]
DEFAULT = re.compile(r"\$\{\w+:?-([^}]*)\}")


def told(text: Any) -> str:
    """As it is where no variable is set."""
    return DEFAULT.sub(r"\1", str(text))


def test_every_service_migrates_answers_and_works() -> None:
    roles = {f"{name}-{part}" for name in NAMES for part in ("migration", "api", "worker")}
    assert roles == set(PARTS) - {"secrets", "token", "postgres", "kafka", "databases", "topics", "door"}
    for name in NAMES:
        api, worker = PARTS[f"{name}-api"], PARTS[f"{name}-worker"]
        assert PARTS[f"{name}-migration"]["build"]["args"]["SERVICE"] == name
        assert (api["environment"]["CAUCE_ROLE"], worker["environment"]["CAUCE_ROLE"]) == ("api", "worker")
        assert api["environment"]["CAUCE_ROOT_PATH"] == f"/{name}"
        assert {told(api["image"]), told(worker["image"])} == {f"cauce-{name}:latest"}
        for each in (api, worker):
            assert each["depends_on"] == {f"{name}-migration": {"condition": "service_completed_successfully"}}
            assert [told(volume) for volume in each["volumes"]] == [f"secrets-{name}:/run/secrets:ro"]


@pytest.mark.parametrize("part", PARTS)
def test_every_container_has_a_limit_and_no_privilege(part: str) -> None:
    each = PARTS[part]
    assert each["mem_limit"]
    assert each["cap_drop"] == ["ALL"]
    assert each["security_opt"] == ["no-new-privileges:true"]
    assert each["read_only"] is (part != "kafka")
    assert "privileged" not in each


def test_nothing_is_published_beyond_this_machine() -> None:
    published = [told(port) for each in PARTS.values() for port in each.get("ports", [])]
    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_no_secret_is_in_the_file() -> None:
    names = [name for each in PARTS.values() for name in each.get("environment", {})]
    assert not [name for name in names if re.search("PASSWORD$|KEYS?$|TOKEN$|_URL$", name)]


def test_the_servers_have_the_settings_that_the_tests_run_by() -> None:
    assert told(PARTS["postgres"]["image"]) == containers.POSTGRES_IMAGE
    assert told(PARTS["kafka"]["image"]) == containers.KAFKA_IMAGE
    given = dict(re.findall(r"-c (\w+)=(\S+)", PARTS["postgres"]["command"]))
    assert given.items() <= postgres.SETTINGS.items()
    by_default = {"fsync", "synchronous_commit", "full_page_writes", "track_commit_timestamp"}
    assert postgres.SETTINGS.keys() - given.keys() - by_default == set(containers.NOT_IN_A_CONTAINER)
    tests = containers.kafka_environment(9092)
    kafka = {name: str(value) for name, value in PARTS["kafka"]["environment"].items()}
    where = {name for name in tests if "LISTENER" in name or "VOTERS" in name}
    assert {name: kafka[name] for name in tests.keys() - where} == {n: v for n, v in tests.items() if n not in where}


def test_the_front_door_and_its_page_know_every_service() -> None:
    assert f"^/({'|'.join(NAMES)})/" in (ROOT / "deploy" / "compose" / "Caddyfile").read_text()
    page = (ROOT / "deploy" / "compose" / "page" / "index.html").read_text()
    assert f"const SERVICES = {json.dumps(NAMES)};" in page
    folders = {told(volume).split(":")[1] for volume in PARTS["secrets"]["volumes"]}
    assert folders >= {f"/secrets/{name}" for name in [*NAMES, "postgres", "admin", "issuer"]}
    assert PARTS["databases"]["command"][1:] == [f"/services/{name}/CAUCE_POSTGRES_URL" for name in NAMES]


# -- its check


@pytest.mark.parametrize(
    ("told", "number"), [("0B", 0), ("27.5MiB", 28_835_840), ("1.5GiB", 1_610_612_736), ("812kB", 812_000)]
)
def test_the_engines_sizes_are_numbers(told: str, number: int) -> None:
    assert in_bytes(told) == number


def test_what_the_rest_rests_on_ends_the_part_where_it_fails() -> None:
    report = Report()
    with report.part("a part"):
        with needed(report, "the first"):
            pass
        with needed(report, "the second"):
            raise Failed("it does not")
        pytest.fail("the third was tried")
    [part] = report.parts
    assert [(check.name, check.outcome) for check in part.checks] == [("the first", "holds"), ("the second", "fails")]
    assert (part.outcome, report.passed) == ("fails", False)

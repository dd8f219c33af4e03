"""Who may import whom: the rules hold, and each of them catches a deliberate violation."""

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
CONFIG = ROOT / "pyproject.toml"
SOURCES = {path.name: path for path in [*ROOT.glob("libs/*/src/*"), *ROOT.glob("services/*/src/*")] if path.is_dir()}
RULES = tomllib.loads(CONFIG.read_text())["tool"]["importlinter"]


def lint(before: Path) -> "subprocess.CompletedProcess[str]":
    """import-linter under the project's configuration, with packages in `before` taking the place of the real ones."""
    return subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache", "--no-logo", "--config", CONFIG],
        cwd=before,
        env=os.environ | {"PYTHONPATH": str(before), "COLUMNS": "200", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


def rule(id: str) -> str:
    return next(str(each["name"]) for each in RULES["contracts"] if each["id"] == id)


def test_the_rules_hold(tmp_path: Path) -> None:
    done = lint(tmp_path)
    assert done.returncode == 0, done.stdout


VIOLATIONS = {
    "a domain module that talks to the database": ("pure", {"partner/domain/spoilt.py": "import asyncpg"}),
    "a domain module that reaches the web framework through a harmless-looking one": (
        "pure",
        {"partner/domain/spoilt.py": "from partner import harmless", "partner/harmless.py": "import fastapi"},
    ),
    "a policy that reaches the broker through the engine's I/O": (
        "pure",
        {"partner/policies.py": "import engine.kafka"},
    ),
    "a policy that takes something from the kit": ("pure", {"training/policies.py": "import service"}),
    "a service that imports another": ("layers", {"risk/spoilt.py": "from partner import domain"}),
    "an engine that knows a service": ("layers", {"engine/spoilt.py": "import partner.domain"}),
    "a kit that knows a service": ("layers", {"service/spoilt.py": "import partner.domain"}),
    "events that know the engine": ("layers", {"events/spoilt.py": "import engine"}),
    "an engine that knows HTTP": ("web", {"engine/spoilt.py": "from starlette.requests import Request"}),
    "a service that needs the development stack": ("devstack", {"partner/spoilt.py": "import devstack.postgres"}),
    "a development stack that reaches into a service": ("business", {"devstack/spoilt.py": "import partner.domain"}),
}


@pytest.mark.parametrize(("id", "files"), VIOLATIONS.values(), ids=VIOLATIONS)
def test_is_caught(id: str, files: dict[str, str], tmp_path: Path) -> None:
    for name, line in files.items():
        package = name.partition("/")[0]
        if not (tmp_path / package).exists():
            shutil.copytree(SOURCES[package], tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
        (tmp_path / name).write_text(f"{line}\n")
    done = lint(tmp_path)
    assert done.returncode == 1, done.stdout + done.stderr
    assert f"{rule(id)} BROKEN" in done.stdout


def test_every_package_is_under_the_rules() -> None:
    layers = next(each["layers"] for each in RULES["contracts"] if each["id"] == "layers")
    services = {path.name for path in ROOT.glob("services/*/src/*") if path.is_dir()}
    assert set(SOURCES) == set(RULES["root_packages"])
    assert set(layers[0].split(" | ")) == services
    for each in RULES["contracts"]:
        if each["id"] == "devstack":
            assert set(each["source_modules"]) == set(SOURCES) - {"devstack"}
        if each["id"] == "business":
            assert set(each["forbidden_modules"]) == services

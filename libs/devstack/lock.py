"""Pins every package that the workspace needs, with its hashes: `make lock`.

uv's own lock file would name the index that it was made with; requirements.lock names none, so that a mirror serves
as well. Workspace members are left out: they are installed from their folders.
"""

import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import install

ROOT = Path(install.ROOT)
BUILD = ["hatchling", "editables"]  # the members are built without isolation, so that what builds them is pinned, too
UV = "uv==0.13.9"
SBOM = "cyclonedx-bom"


def manifests() -> dict[str, tuple[Path, dict[str, Any]]]:
    """Each member by its name: its folder, and what its pyproject.toml says of the project."""
    files = [Path(member) / "pyproject.toml" for member in install.members()]
    projects = [(file.parent, tomllib.loads(file.read_text())["project"]) for file in files if file.exists()]
    return {project["name"]: (folder, project) for folder, project in projects}


def requirements() -> list[str]:
    """What the members and the development group ask for, but for the members themselves."""
    members = manifests()
    asked = [each for _, project in members.values() for each in project["dependencies"]]
    asked += tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]["dev"]
    return sorted({each for each in asked if each not in members} | set(BUILD))


def pin(asked: list[str], into: Path) -> None:
    command = [install.the_uv(), "pip", "compile", "-", "--output-file", str(into), "--universal", "--upgrade"]
    command += ["--python-version", ".".join(map(str, install.OLDEST)), "--generate-hashes", "--quiet"]
    command += ["--no-emit-index-url", "--no-annotate", "--no-header"]
    subprocess.run(command, input="\n".join(asked), text=True, check=True, env=install.environment())  # noqa: S603


if __name__ == "__main__":
    pin(requirements(), ROOT / "requirements.lock")
    pin([UV], Path(install.UV_LOCK))
    pin([SBOM], Path(install.UV_LOCK).with_name("sbom.lock.txt"))
    sys.stderr.write("Pinned. Run the tests before you commit it.\n")

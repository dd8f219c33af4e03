"""Pins every package that the workspace needs, with its hashes: `make lock`.

uv's own lock file would name the index that it was made with; requirements.lock names none, so that a mirror serves
as well. Workspace members are left out: they are installed from their folders.
"""

import subprocess
import sys
import tomllib
from pathlib import Path

import install

ROOT = Path(install.ROOT)
BUILD = ["hatchling", "editables"]  # the members are built without isolation, so that what builds them is pinned, too
UV = "uv==0.13.9"


def requirements() -> list[str]:
    """What the members and the development group ask for, but for the members themselves."""
    manifests = [tomllib.loads((Path(member) / "pyproject.toml").read_text()) for member in install.members()]
    ours = {manifest["project"]["name"] for manifest in manifests}
    asked = [each for manifest in manifests for each in manifest["project"]["dependencies"]]
    asked += tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]["dev"]
    return sorted({each for each in asked if each not in ours} | set(BUILD))


def pin(asked: list[str], into: Path) -> None:
    command = [install.the_uv(), "pip", "compile", "-", "--output-file", str(into), "--universal", "--upgrade"]
    command += ["--python-version", ".".join(map(str, install.OLDEST)), "--generate-hashes", "--quiet"]
    command += ["--no-emit-index-url", "--no-annotate", "--no-header"]
    subprocess.run(command, input="\n".join(asked), text=True, check=True, env=install.environment())  # noqa: S603


if __name__ == "__main__":
    pin(requirements(), ROOT / "requirements.lock")
    pin([UV], Path(install.UV_LOCK))
    sys.stderr.write("Pinned. Run the tests before you commit it.\n")

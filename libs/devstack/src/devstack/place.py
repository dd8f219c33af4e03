"""Where things are kept: `.devstack/` outlives runs (data, keys, jars), `.run/` tells of this one (logs, token)."""

import os
from pathlib import Path


def root() -> Path:
    """The repository: CAUCE_ROOT, else the folder above this file that holds the workspace, else the working folder."""
    if "CAUCE_ROOT" in os.environ:
        return Path(os.environ["CAUCE_ROOT"]).resolve()
    for folder in Path(__file__).resolve().parents:
        manifest = folder / "pyproject.toml"
        if manifest.is_file() and "[tool.uv.workspace]" in manifest.read_text():
            return folder
    return Path.cwd()


def kept() -> Path:
    return root() / ".devstack"


def run() -> Path:
    return root() / ".run"


def jars() -> Path:
    """Broker jars, by version: CAUCE_JARS shares them between clones."""
    return Path(os.environ.get("CAUCE_JARS") or kept() / "jars")

"""Puts one service into the folder that an image is made of; the Dockerfile calls it, and no Docker is needed to.

    image.py packages partner INTO LAYERS     INTO/packages: a venv of what partner-svc needs, as the lock has it
    image.py own partner INTO LAYERS          INTO/own: the code of the service and of the libraries it is made with

Two folders, for two layers: the packages change seldom, and are the same bytes for most services. LAYERS/packages and
LAYERS/own have them once more, below the root that they are to be copied to. The same sources give the same bytes:
files are of SOURCE_DATE_EPOCH, and compiled code goes by its source's hash instead of its time.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import install
import lock

LOCK = Path(install.LOCK)
EXTRAS = {"cauce-service": ["tracing"]}
LEFT_OVER = ("bazel-project",)  # what a wheel was built from, and cannot be imported
NAME = re.compile(r"[A-Za-z0-9._-]+")


def needed(service: str) -> tuple[dict[str, Path], list[str]]:
    """The members that a service is made of, with their folders, and what they ask for from elsewhere."""
    members = lock.manifests()
    if f"{service}-svc" not in members:
        raise install.Trouble(f"there is no service {service!r}: name one, like --build-arg SERVICE=partner")
    found: dict[str, Path] = {}
    asked: set[str] = set()
    todo = [f"{service}-svc"]
    while todo:
        folder, project = members[todo.pop()]
        found[project["name"]] = folder
        extras = project.get("optional-dependencies", {})
        for each in [*project["dependencies"], *(e for x in EXTRAS.get(project["name"], []) for e in extras[x])]:
            if NAME.match(each)[0] not in members:  # type: ignore[index]
                asked.add(each)
            elif each not in found:
                todo.append(each)
    return found, sorted(asked)


def locked(asked: list[str]) -> str:
    """The lines of the lock, hashes included, for all that these come to on this machine. Raises Trouble."""
    command = [install.the_uv(), "pip", "compile", "-", "--constraint", str(LOCK), "--python", sys.executable]
    command += ["--quiet", "--no-annotate", "--no-header"]
    told = subprocess.run(  # noqa: S603
        command, input="\n".join(asked), text=True, check=True, env=install.environment(), stdout=subprocess.PIPE
    ).stdout
    entries = dict(split(entry) for entry in re.split(r"\n(?=\S)", LOCK.read_text()))
    versions = dict(split(line) for line in told.splitlines() if "==" in line)
    if unknown := sorted(versions.keys() - entries.keys()):
        raise install.Trouble(f"{', '.join(unknown)} is not in {LOCK.name}: run `make lock`")
    return "\n".join(f"{name}=={entries[name]}" for name in sorted(versions)) + "\n"


def split(entry: str) -> "tuple[str, str]":
    name, _, rest = entry.partition("==")
    return name, rest


def packages(service: str, into: Path) -> None:
    _, asked = needed(service)
    uv, env = install.the_uv(), install.environment()
    with tempfile.TemporaryDirectory() as folder:
        pinned = Path(folder) / "pinned.txt"
        pinned.write_text(locked(asked))
        count = pinned.read_text().count("==")
        install.run("Making the venv", [uv, "venv", "--quiet", "--python", sys.executable, str(into)], env)
        command = [uv, "pip", "install", "--no-progress", "--python", str(into / "bin" / "python")]
        command += ["--no-deps", "--require-hashes", "--requirement", str(pinned)]
        install.run(f"Installing {count} packages", command, env)
    for left in (path for name in LEFT_OVER for path in into.glob(f"lib/python*/site-packages/{name}")):
        shutil.rmtree(left)
    strip(into)
    compile_all(into)


def own(service: str, venv: Path, into: Path) -> None:
    members, _ = needed(service)
    uv, env = install.the_uv(), install.environment()
    with tempfile.TemporaryDirectory() as wheels:
        for name, folder in members.items():
            command = [uv, "build", "--wheel", "--quiet", "--python", sys.executable, "--out-dir", wheels]
            command += ["--build-constraints", str(LOCK), "--require-hashes", str(folder)]
            install.run(f"Building {name}", command, env)
        command = [uv, "pip", "install", "--no-progress", "--python", str(venv / "bin" / "python")]
        command += ["--target", str(into), "--no-deps", "--no-index", "--find-links", wheels, *members]
        install.run("Installing them", command, env)
    forget_uv(into)
    compile_all(into)


def forget_uv(folder: Path) -> None:
    """What uv notes for itself in an install from wheels: the moment that each was made."""
    (folder / ".lock").unlink()
    for note in folder.glob("*.dist-info/uv_cache.json"):
        note.unlink()
        record = note.with_name("RECORD")
        kept = [line for line in record.read_text().splitlines(keepends=True) if f"/{note.name}," not in line]
        record.write_text("".join(kept))


def strip(folder: Path) -> None:
    """Takes what only a debugger reads out of the libraries, which is a quarter of them. Raises Trouble."""
    program = shutil.which("strip")
    if program is None:
        raise install.Trouble("there is no strip: install binutils")
    libraries = [str(path) for path in folder.rglob("*.so*") if path.is_file()]
    subprocess.run([program, "--strip-unneeded", *libraries], check=True)  # noqa: S603


def compile_all(folder: Path) -> None:
    command = [sys.executable, "-m", "compileall", "-q", "-j", "0", "--invalidation-mode", "unchecked-hash"]
    subprocess.run([*command, str(folder)], check=True, env=dict(os.environ, PYTHONHASHSEED="0"))  # noqa: S603


def layer(folder: Path, root: Path) -> None:
    """The folder below another root, with its parents, and all of one time."""
    shutil.copytree(folder, root / folder.relative_to("/"), symlinks=True)
    then = int(os.environ.get("SOURCE_DATE_EPOCH") or 0)
    for path in [*root.rglob("*"), root]:
        os.utime(path, (then, then), follow_symlinks=False)


if __name__ == "__main__":
    try:
        step, name, base, layers = sys.argv[1], sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4])
        packages(name, base / step) if step == "packages" else own(name, base / "packages", base / step)
        layer(base / step, layers / step)
    except install.Trouble as trouble:
        sys.exit(f"cauce: {trouble}")

"""The install before everything else, without a network: what it says, and that an interrupted one heals."""

import importlib.util
import os
import stat
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from devstack import place

INSTALL = place.root() / "libs" / "devstack" / "install.py"

# A uv that makes what it is asked for, notes it, and fails when it is told to.
UV = """#!{python}
import os, pathlib, sys
home = pathlib.Path({home!r})
with (home / "asked").open("a") as file:
    file.write(" ".join(sys.argv[1:3]) + "\\n")
if sys.argv[1] == "venv":
    (home / ".venv" / "bin").mkdir(parents=True, exist_ok=True)
    (home / ".venv" / "bin" / "python").touch()
if sys.argv[2] == "sync" and (home / "fails").exists():
    sys.exit((home / "fails").read_text())
"""


def run_as(prelude: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    """The install in a Python that `prelude` has changed, on an empty PATH."""
    program = f"import runpy, sys\n{prelude}\nrunpy.run_path({str(INSTALL)!r}, run_name='__main__')"
    return subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"PATH": str(folder), "CAUCE_ROOT": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_python_that_is_too_old_is_one_sentence(tmp_path: Path) -> None:
    done = run_as("sys.version_info = (3, 9, 2, 'final', 0); sys.version = '3.9.2 (main)'", tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith(f"cauce: Python 3.11 or newer is needed, and {sys.executable} is 3.9.2: install one")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("module", ["venv", "ensurepip"])
def test_a_python_without_venv_is_one_sentence(tmp_path: Path, module: str) -> None:
    done = run_as(f"sys.modules[{module!r}] = None", tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith(f"cauce: {sys.executable} comes without venv and ensurepip")
    assert done.stderr.count("\n") == 1


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The install on an empty workspace in tmp_path, with the uv above."""
    uv = tmp_path / "uv"
    uv.write_text(UV.format(python=sys.executable, home=str(tmp_path)))
    uv.chmod(uv.stat().st_mode | stat.S_IXUSR)
    (tmp_path / "libs" / "devstack").mkdir(parents=True)
    for name in ("requirements.lock", "libs/devstack/uv.lock.txt", "libs/devstack/pyproject.toml"):
        (tmp_path / name).write_text("asyncpg==0.32.0\n")
    monkeypatch.setenv("CAUCE_ROOT", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    spec = importlib.util.spec_from_file_location("install_under_test", INSTALL)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "the_uv", lambda: str(uv))
    return module


def asked(folder: Path) -> list[str]:
    lines = (folder / "asked").read_text().splitlines()
    (folder / "asked").unlink()
    return lines


def test_an_unchanged_workspace_is_not_installed_again(install: ModuleType, tmp_path: Path) -> None:
    install.main()
    assert asked(tmp_path) == ["venv --quiet", "pip sync", "pip install"]
    install.main()
    assert not (tmp_path / "asked").exists()


def test_a_changed_lock_is_installed_into_the_environment_that_is_there(install: ModuleType, tmp_path: Path) -> None:
    install.main()
    asked(tmp_path)
    (tmp_path / "requirements.lock").write_text("asyncpg==0.33.0\n")
    install.main()
    assert asked(tmp_path) == ["pip sync", "pip install"]


def test_an_interrupted_install_is_started_over(
    install: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    install.main()
    (tmp_path / "requirements.lock").write_text("asyncpg==0.33.0\n")
    (tmp_path / "fails").write_text("the network went away")
    with pytest.raises(install.Trouble, match="the install stopped at: Installing 1 packages"):
        install.main()
    assert "the network went away" in capsys.readouterr().err
    (tmp_path / "fails").unlink()
    asked(tmp_path)
    install.main()
    assert asked(tmp_path) == ["venv --quiet", "pip sync", "pip install"]
    assert "An install was interrupted: starting it over." in capsys.readouterr().err
    assert install.up_to_date()


def test_an_environment_whose_python_is_gone_is_made_anew(install: ModuleType, tmp_path: Path) -> None:
    install.main()
    asked(tmp_path)
    (tmp_path / ".venv" / "bin" / "python").unlink()
    install.main()
    assert asked(tmp_path)[0] == "venv --quiet"


def test_a_full_disk_while_installing_is_one_sentence(install: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "fails").write_text("error: failed to write: No space left on device (os error 28)")
    with pytest.raises(install.Trouble, match=r"^the disk is full \(\d+ MB left at .*\): make room, then start again$"):
        install.main()


def test_what_only_pip_is_told_reaches_uv(install: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("UV_DEFAULT_INDEX", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)
    told = {"index-url": "https://mirror.example/simple", "cert": "/etc/ssl/ours.pem"}
    monkeypatch.setattr(install, "pip_configuration", lambda: told)
    env = install.environment()
    assert env["UV_DEFAULT_INDEX"] == "https://mirror.example/simple"
    assert env["SSL_CERT_FILE"] == "/etc/ssl/ours.pem"


def test_without_a_writable_home_uv_keeps_its_cache_in_the_repository(
    install: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("UV_CACHE_DIR", raising=False)
    monkeypatch.setenv("HOME", "")
    assert install.environment()["UV_CACHE_DIR"] == str(tmp_path / ".tools" / "cache")


def test_no_committed_lock_names_where_packages_come_from() -> None:
    for lock in ("requirements.lock", "libs/devstack/uv.lock.txt"):
        assert "://" not in (place.root() / lock).read_text()

"""Giving up root for an account that the repository is closed to, as PostgreSQL demands."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from devstack.child import LAUNCH

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root has root to give up")

TELL = """
import os, sys
capabilities = [line.split()[1] for line in open("/proc/self/status") if line.startswith("CapEff")][0]
print(os.getuid() != 0, os.access(sys.argv[1], os.R_OK), int(capabilities, 16))
"""
PASS_THROUGH_DIRECTORIES = (1 << 1, 1 << 2)


def as_nobody(program: list[str], reach: Path) -> "subprocess.CompletedProcess[str]":
    launch = [sys.executable, "-I", "-S", str(LAUNCH), str(os.getpid()), "15"]
    launch += ["--as", "nobody", "--reach", str(reach), "--"]
    return subprocess.run([*launch, *program], cwd="/", capture_output=True, text=True, check=False)


@pytest.fixture
def python() -> str:
    """One that anybody may run; the project's own may lie below /root."""
    if not os.access("/usr/bin/python3", os.X_OK):
        pytest.skip("this machine has no /usr/bin/python3")
    return "/usr/bin/python3"


def test_what_lies_behind_a_closed_folder_is_reached_with_one_capability(tmp_path: Path, python: str) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    (closed / "file").touch()
    done = as_nobody([python, "-c", TELL, str(closed / "file")], closed / "file")
    gave_up, reads, capabilities = done.stdout.split()
    assert (gave_up, reads) == ("True", "True"), done.stderr
    assert int(capabilities) in PASS_THROUGH_DIRECTORIES


def test_where_nothing_is_closed_no_capability_is_kept(python: str) -> None:
    done = as_nobody([python, "-c", TELL, "/"], Path("/"))
    assert done.stdout.split() == ["True", "True", "0"], done.stderr


def test_what_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    done = as_nobody(["/bin/true"], tmp_path / "nowhere")
    assert done.returncode == 126
    assert done.stderr == (
        f"{tmp_path}/nowhere is out of reach of the account nobody, which must run this as root may not\n"
    )


def test_a_program_whose_parent_is_gone_is_not_started() -> None:
    launch = [sys.executable, "-I", "-S", str(LAUNCH), "1", "15", "--", "/bin/echo", "started"]
    done = subprocess.run(launch, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (125, "")

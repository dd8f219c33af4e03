"""One supervisor a clone, by a lock that ends with its process."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from devstack.trouble import Trouble


@contextlib.contextmanager
def alone(run: Path) -> Iterator[None]:
    """One supervisor a clone. Trouble when there is another."""
    run.mkdir(parents=True, exist_ok=True)
    with (run / "supervisor.lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Trouble(f"it is running already (pid {pid_of_other(run)}): `make stop` ends it") from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def pid_of_other(run: Path) -> int | None:
    """The pid of the supervisor that holds this clone, None when there is none."""
    try:
        with (run / "supervisor.lock").open("r+") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return int(lock.read())
    except (FileNotFoundError, ValueError):
        pass
    return None

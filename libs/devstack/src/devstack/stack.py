"""One clone's stack: its servers, its secrets, and the environment each service is run in."""

import hashlib
import json
import os
import secrets
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from signal import SIGKILL, SIGTERM, Signals

import asyncpg
from engine.database import create_owned_database

from devstack import issuer, place
from devstack.child import Child, end_leftover
from devstack.files import write_secret
from devstack.kafka import Kafka
from devstack.postgres import Postgres, with_database
from devstack.services import KAFKA_CONTROLLER_PORT, KAFKA_PORT, POSTGRES_PORT, SERVICES, Service
from devstack.trouble import Trouble

Command = Callable[[Service], Sequence[str]]
ROOM = 128 * 2**20
"""Free bytes below which the disk counts as full: stopping in order needs some."""


def run_command(service: Service) -> Sequence[str]:
    return [sys.executable, "-m", "service", "run", service.name]


def migrate_command(service: Service) -> Sequence[str]:
    return [sys.executable, "-m", "service", "migrate", service.name, "--admit"]  # nothing older runs beside it


@dataclass
class Stack:
    """Everything below `kept` outlives a run; everything below `run` tells of the present one."""

    kept: Path = field(default_factory=place.kept)
    run: Path = field(default_factory=place.run)
    services: Sequence[Service] = SERVICES
    postgres_port: int = POSTGRES_PORT
    kafka_port: int = KAFKA_PORT
    run_command: Command = run_command
    migrate_command: Command = migrate_command
    load_command: Sequence[str] = (sys.executable, "-m", "sample.load")

    # -- where

    def log(self, name: str) -> Path:
        return self.run / "logs" / f"{name}.log"

    def pidfile(self, name: str) -> Path:
        return self.run / "pids" / f"{name}.json"

    def shown(self, path: Path) -> str:
        """As a person in the repository would type it."""
        return os.path.relpath(path, place.root())

    @property
    def token_file(self) -> Path:
        return self.run / "token"

    @property
    def loaded_mark(self) -> Path:
        return self.run / "sample.loaded"

    @property
    def migrated_mark(self) -> Path:
        return self.kept / "migrated"

    @property
    def passwords_file(self) -> Path:
        return self.kept / "passwords.json"

    # -- what runs

    @cached_property
    def postgres(self) -> Postgres:
        name = "postgres"
        return Postgres(self.kept / name, self.postgres_port, log=self.log(name), pidfile=self.pidfile(name))

    @cached_property
    def kafka(self) -> Kafka:
        name = "kafka"
        return Kafka(self.kept / name, self.kafka_port, log=self.log(name), pidfile=self.pidfile(name))

    def serving(self, service: Service) -> Child:
        """A crash of ours is a crash of the services: they are made to be killed, and a drain could outlive us."""
        return self._child(service.name, self.run_command(service), self.environment(service), SIGKILL)

    def migrating(self, service: Service) -> Child:
        return self._child(f"{service.name}-migrate", self.migrate_command(service), self.environment(service), SIGTERM)

    def loading(self) -> Child:
        """The sample's loader: what it tells goes to our screen, what goes wrong to its log."""
        urls = {service.name: service.url for service in self.services}
        # relative, so that the commands it shows to a person stay short
        told = {"CAUCE_SERVICES": json.dumps(urls), "CAUCE_TOKEN_FILE": self.shown(self.token_file)}
        child = self._child("sample", self.load_command, self._shared() | told, SIGTERM)
        child.to_screen = True
        return child

    def _child(self, name: str, command: Sequence[str], env: dict[str, str], death_signal: Signals) -> Child:
        return Child(
            name,
            command,
            log=self.log(name),
            env=env,
            pidfile=self.pidfile(name),
            death_signal=death_signal,
            cwd=place.root(),
        )

    def _shared(self) -> dict[str, str]:
        ours = {name: value for name, value in os.environ.items() if not name.startswith(("CAUCE_", "PG"))}
        return ours | {
            "CAUCE_KAFKA_BOOTSTRAP": self.kafka.bootstrap,
            "CAUCE_LOG_LEVEL": os.environ.get("CAUCE_LOG_LEVEL", "info"),
            "PYTHONUNBUFFERED": "1",
        }

    def environment(self, service: Service) -> dict[str, str]:
        """All that a service is told, the same names as anywhere else it may run."""
        name = service.name
        return self._shared() | {
            "CAUCE_POSTGRES_URL": with_database(self.postgres.url(), name, name, self.passwords()[name]),
            "CAUCE_JWKS": str(self.issuer.jwks),
            "CAUCE_SEALING_KEYS": self.issuer.sealing_keys(),
            "CAUCE_ISSUER": issuer.ISSUER,
            "CAUCE_AUDIENCE": issuer.AUDIENCE,
            "CAUCE_ROLE": "all",
            "CAUCE_PORT": str(service.port),
        }

    # -- what it takes

    @property
    def issuer(self) -> issuer.Issuer:
        return issuer.Issuer(self.kept)

    def passwords(self) -> dict[str, str]:
        """The database roles' passwords, made once for each."""
        try:
            known: dict[str, str] = json.loads(self.passwords_file.read_text())
        except FileNotFoundError:
            known = {}
        missing = {service.name: secrets.token_urlsafe(18) for service in self.services if service.name not in known}
        if missing:
            write_secret(self.passwords_file, json.dumps(known | missing, indent=1))
        return known | missing

    def publish_keys(self) -> None:
        """The issuer's key set, and a token for the sample and for a person's first curl (a week, every scope)."""
        self.issuer.publish()
        scopes = {scope for role in issuer.ROLES for scope in issuer.scopes_of(role)}
        write_secret(self.token_file, self.issuer.mint("make-run", scopes, ttl=7 * 24 * 3600))

    async def make_databases(self) -> None:
        connection = await asyncpg.connect(self.postgres.url())
        try:
            made = [await create_owned_database(connection, *each) for each in self.passwords().items()]
        finally:
            await connection.close()
        if any(made):
            self.migrated_mark.unlink(missing_ok=True)

    def fingerprint(self) -> str:
        """Of the code that migrates and the cluster that it migrated: while it is the same there is nothing to do."""
        digest = hashlib.sha256((self.kafka.data / "meta.properties").read_bytes())
        sources = [*place.root().glob("libs/*/src"), *place.root().glob("services/*/src")]
        files = sorted(file for source in sources for kind in ("*.py", "*.sql") for file in source.rglob(kind))
        for file in [*files, place.root() / "requirements.lock"]:
            digest.update(str(file).encode() + file.read_bytes())
        return digest.hexdigest()

    @property
    def migrated(self) -> bool:
        return self.migrated_mark.exists() and self.migrated_mark.read_text() == self.fingerprint()

    def note_migrated(self) -> None:
        self.migrated_mark.write_text(self.fingerprint())

    # -- what may be in the way

    def end_leftovers(self) -> list[str]:
        """Ends what a killed supervisor may have left, in the order of an ordinary stop; their names."""
        last = [self.pidfile("kafka"), self.pidfile("postgres")]
        first = [file for file in sorted((self.run / "pids").glob("*.json")) if file not in last]
        return [name for file in (*first, *last) if (name := end_leftover(file)) is not None]

    def ports(self) -> list[tuple[int, str]]:
        """Every port, and what it is for."""
        wanted = [(self.postgres_port, "Postgres"), (self.kafka_port, "Kafka")]
        wanted += [(self.kafka_port + KAFKA_CONTROLLER_PORT - KAFKA_PORT, "Kafka's controller")]
        return wanted + [(service.port, f"the {service.name} service") for service in self.services]

    def require_room(self) -> None:
        for folder in (self.kept, self.run):
            folder.mkdir(parents=True, exist_ok=True)
            if shutil.disk_usage(folder).free < ROOM:
                raise disk_full(folder)


def disk_full(folder: Path) -> Trouble:
    left = shutil.disk_usage(folder).free // 2**20
    return Trouble(
        f"the disk is full ({left} MB left at {folder}): make room, then start again; nothing stored is lost"
    )

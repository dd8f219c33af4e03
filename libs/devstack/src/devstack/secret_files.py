"""The secrets that containers start with, as files; made at random where they are not there yet, and then left alone.

    python -m devstack.secret_files FOLDER POSTGRES_HOST

FOLDER/<service> is the /run/secrets of a service: CAUCE_POSTGRES_URL, CAUCE_SEALING_KEYS, and issuer.jwks.json, which a
development issuer's tokens are verified by. FOLDER/postgres has the superuser's password, FOLDER/admin the address that
roles and databases are made with, FOLDER/issuer the issuer's private key; there is no issuer where CAUCE_ISSUER names
another. Who is given a folder may read it: containers have accounts of many numbers, and see no other folder.
"""

import base64
import os
import secrets
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from devstack.files import write_secret
from devstack.issuer import ISSUER, Issuer
from devstack.services import SERVICES

READABLE = 0o444


def password() -> str:
    return secrets.token_urlsafe(24)


def sealing_key() -> str:
    return f"first={base64.b64encode(secrets.token_bytes(32)).decode()}"


def address(name: str, host: str) -> str:
    return f"postgresql://{name}:{password()}@{host}/{name}"


def kept(file: Path, make: Callable[[], str]) -> str:
    """What the file holds; what is made, where there is none."""
    if not file.exists():
        write_secret(file, make(), READABLE)
        sys.stdout.write(f"made {file}\n")
    return file.read_text().strip()


def make(folder: Path, host: str, *, issuer: bool) -> None:
    """All of them, for a Postgres that is to be at `host`."""
    superuser = kept(folder / "postgres" / "POSTGRES_PASSWORD", password)
    kept(folder / "admin" / "CAUCE_POSTGRES_ADMIN_URL", lambda: f"postgresql://postgres:{superuser}@{host}/postgres")
    for service in SERVICES:
        name, own = service.name, folder / service.name
        kept(own / "CAUCE_POSTGRES_URL", partial(address, name, host))
        kept(own / "CAUCE_SEALING_KEYS", sealing_key)
        if issuer:
            kept(own / "issuer.jwks.json", lambda: Issuer(folder / "issuer").publish().read_text())


if __name__ == "__main__":
    make(Path(sys.argv[1]), sys.argv[2], issuer=os.environ.get("CAUCE_ISSUER", ISSUER) == ISSUER)

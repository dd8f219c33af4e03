"""Personal data that can be forgotten: sealed under a key of its subject's before it gets anywhere, unreadable once
the key is destroyed.

An event log is for ever, and so are its topics, views, snapshots and backups. What tells who a person is enters them
only sealed; the subject's key is a row in the owning service's database, and erasure is the end of that row. The keys
themselves are stored wrapped by a key from the environment, so that a dump of the database alone opens nothing.

AES-SIV (RFC 5297) is deterministic: the same text of the same subject and field seals to the same, so that a rule can
see that a repeat is a repeat, and nothing equal shows across subjects or fields.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import secrets
from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID, uuid5

import asyncpg
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, AESSIV
from events.sealed import SEALED, is_sealed

from engine.store import Db

KEY_BYTES = 64
"""Of a subject's key: AES-256 in SIV mode."""
NONCE_BYTES = 12
_INDEX = UUID("6c1f1f0a-3c52-4f43-9d0a-0d2f6f0f5b6e")
"""The namespace of blind indexes."""
_NOBODY = UUID(int=0)
"""The subject whose key blind indexes are made with: wrapped anew like the others, never erased."""


class Erased(Exception):
    """The subject was erased: nothing can be sealed for it, or opened, ever again."""

    def __init__(self, subject: UUID) -> None:
        super().__init__(f"subject {subject} was erased")
        self.subject = subject


class MasterKeys:
    """The keys that wrap the subjects' keys, by name: the first wraps, the others still open what they wrapped."""

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        """Raises ValueError unless there is a key, and each is of 32 bytes."""
        if not keys or any(len(key) != 32 for key in keys.values()):
            raise ValueError("at least one key is needed, each of 32 bytes")
        self._keys = dict(keys)
        self.newest = next(iter(keys))

    @classmethod
    def parse(cls, text: str) -> MasterKeys:
        """From `2026=<base64>,2024=<base64>`, newest first. Raises ValueError, which does not repeat the text."""
        keys: dict[str, bytes] = {}
        for item in filter(None, (part.strip() for part in text.split(","))):
            name, equals, value = item.partition("=")
            if not (name and equals) or name in keys:
                raise ValueError("write each key as <name>=<base64 of 32 bytes>, with commas between them")
            try:
                keys[name] = base64.b64decode(value, validate=True)
            except binascii.Error:
                raise ValueError(f"the key {name} is not base64") from None
        return cls(keys)

    def wrap(self, key: bytes, subject: UUID) -> tuple[str, bytes]:
        """The name of the key that wrapped it, and the wrapped key."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        return self.newest, nonce + AESGCM(self._keys[self.newest]).encrypt(nonce, key, subject.bytes)

    def unwrap(self, name: str, wrapped: bytes, subject: UUID) -> bytes:
        """Raises LookupError for a key that is not there any more, ValueError for one that does not fit."""
        if name not in self._keys:
            raise LookupError(f"the key {name} wrapped the keys of some subjects and is not configured any more")
        try:
            return AESGCM(self._keys[name]).decrypt(wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], subject.bytes)
        except InvalidTag:
            raise ValueError(f"the key {name} is another one than wrapped the key of subject {subject}") from None


class Vault:
    """Seals and opens under the keys of one service's subjects."""

    def __init__(self, master: MasterKeys) -> None:
        self._master = master

    async def seal(self, db: Db, subject: UUID, fields: Mapping[str, str]) -> dict[str, str]:
        """Each field's text, sealed under the subject's key, which is made with its first use. Raises Erased."""
        cipher = AESSIV(await self._key(db, subject))
        return {
            field: f"{SEALED}{subject}.{_text(cipher.encrypt(text.encode(), [field.encode()]))}"
            for field, text in fields.items()
        }

    async def blind(self, db: Db, text: str) -> UUID:
        """An id that is the same for the same text and tells nothing of it: to find equals among what is sealed."""
        key = await self._key(db, _NOBODY)
        return uuid5(_INDEX, hmac.digest(key, text.encode(), "sha256").hex())

    async def _key(self, db: Db, subject: UUID) -> bytes:
        name, wrapped = self._master.wrap(AESSIV.generate_key(KEY_BYTES * 8), subject)
        await db.execute(
            "insert into subject_key (subject, master, wrapped) values ($1, $2, $3) on conflict do nothing",
            subject,
            name,
            wrapped,
        )
        if (key := (await self._keys(db, [subject])).get(subject)) is None:
            raise Erased(subject)
        return key

    async def open(self, db: Db, field: str, sealed: Iterable[str]) -> list[str | None]:
        """The texts that were sealed as this field, in order; None where the subject was erased.

        Raises ValueError for what was not sealed here as this field."""
        parsed = [_parsed(each) for each in sealed]
        keys = await self._keys(db, sorted({subject for subject, _ in parsed}))
        return [_opened(keys.get(subject), field, secret, subject) for subject, secret in parsed]

    async def _keys(self, db: Db, subjects: Sequence[UUID]) -> dict[UUID, bytes]:
        rows = await db.fetch(
            "select subject, master, wrapped from subject_key where subject = any($1) and wrapped is not null", subjects
        )
        return {row["subject"]: self._master.unwrap(row["master"], row["wrapped"], row["subject"]) for row in rows}

    async def erase(self, db: Db, subject: UUID) -> bool:
        """Destroys the subject's key for good. False if it was erased before."""
        return await erase(db, [subject]) == 1

    async def rewrap(self, db: asyncpg.Connection, limit: int = 500) -> int:
        """Wraps keys anew that older master keys wrapped, at most `limit`; 0 when none is left and the older master
        keys may go."""
        rows = await db.fetch(
            "select subject, master, wrapped from subject_key where master <> $1 order by subject limit $2",
            self._master.newest,
            limit,
        )
        for row in rows:
            name, wrapped = self._master.wrap(
                self._master.unwrap(row["master"], row["wrapped"], row["subject"]), row["subject"]
            )
            await db.execute(
                "update subject_key set master = $2, wrapped = $3 where subject = $1 and master = $4",
                row["subject"],
                name,
                wrapped,
                row["master"],
            )
        return len(rows)


async def erase(db: Db, subjects: Iterable[UUID]) -> int:
    """Destroys the keys of these subjects for good: one that never had a key can never get one, either. Returns how
    many were not erased before."""
    status: str = await db.execute(
        "insert into subject_key (subject, erased_at) select distinct s, clock_timestamp() from unnest($1::uuid[]) s"
        " on conflict (subject) do update set master = null, wrapped = null, erased_at = clock_timestamp()"
        " where subject_key.erased_at is null",
        list(subjects),
    )
    return int(status.rsplit(" ", 1)[1])


def _text(secret: bytes) -> str:
    return base64.urlsafe_b64encode(secret).rstrip(b"=").decode()


def _parsed(sealed: str) -> tuple[UUID, bytes]:
    try:
        subject, secret = sealed.removeprefix(SEALED).split(".")
        if not is_sealed(sealed):
            raise ValueError
        return UUID(subject), base64.b64decode(secret + "=" * (-len(secret) % 4), b"-_", validate=True)
    except ValueError:
        raise ValueError("not a sealed text") from None


def _opened(key: bytes | None, field: str, secret: bytes, subject: UUID) -> str | None:
    if key is None:
        return None
    try:
        return AESSIV(key).decrypt(secret, [field.encode()]).decode()
    except InvalidTag:
        raise ValueError(f"not sealed as {field} of subject {subject}") from None

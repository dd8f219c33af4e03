"""The token issuer's public keys (a JWKS), from a file or an http(s) URL."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import orjson
import structlog
from engine.errors import Unavailable
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

log = structlog.get_logger()

MAX_AGE = 300.0
"""Seconds after which the keys are fetched again."""
INTERVAL = 10.0
"""Seconds in which there is at most one fetch, whatever key ids callers name."""
WITHOUT = 1.0
"""The same while there are no keys at all and every request fails for it."""


class Keys:
    """Fetched when first needed, again when they are old or a token names a key that is not among them.

    While the source is away the keys of before are used. `changed` is called when a fetch brought other keys.
    """

    def __init__(self, source: str, now: Callable[[], float] = time.monotonic) -> None:
        self.source = source
        self.changed: list[Callable[[], None]] = []
        self._now = now
        self._keys: KeySet | None = None
        self._text = b""
        self._fetched = self._tried = float("-inf")
        self._lock = asyncio.Lock()

    async def current(self) -> KeySet:
        """Raises Unavailable while there are none."""
        if self._keys is None or self._now() - self._fetched > MAX_AGE:
            return await self.refreshed()
        return self._keys

    async def refreshed(self) -> KeySet:
        """As `current`, fetched again unless that was done just now."""
        async with self._lock:
            if self._now() - self._tried >= (WITHOUT if self._keys is None else INTERVAL):
                self._tried = self._now()
                await self._fetch()
        if self._keys is None:
            raise Unavailable("the token issuer's keys cannot be read")
        return self._keys

    async def _fetch(self) -> None:
        try:
            text = await self._read()
            if text != self._text:
                self._keys = KeySet.import_key_set(orjson.loads(text))
                self._text = text
                for tell in self.changed:
                    tell()
            self._fetched = self._now()
        except (OSError, httpx.HTTPError, JoseError, ValueError, KeyError, TypeError) as error:
            log.warning("token_keys_unreadable", source=self.source, error=str(error), kept=self._keys is not None)

    async def _read(self) -> bytes:
        if not self.source.startswith(("http://", "https://")):
            return await asyncio.to_thread(Path(self.source).read_bytes)
        async with httpx.AsyncClient(timeout=5) as client:
            answer = await client.get(self.source)
            answer.raise_for_status()
            return answer.content

"""The token issuer's public keys: a JWKS from a file or a URL, or by OIDC discovery from the issuer itself."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import orjson
import structlog
from engine.errors import Unavailable
from joserfc.errors import JoseError
from joserfc.jwk import JWKRegistry, KeySet

log = structlog.get_logger()

MAX_AGE = 300.0
"""Seconds after which the keys are fetched again."""
INTERVAL = 10.0
"""Seconds in which there is at most one fetch, whatever key ids callers name."""
WITHOUT = 1.0
"""The same while there are no keys at all and every request fails for it."""
FETCH = 5.0
"""Seconds that a fetch may take, discovery included."""
PATIENCE = 0.5
"""Seconds that a request with a known key waits for keys that are old, before it goes by the old ones."""

NO_KEYS = (OSError, httpx.HTTPError, JoseError, ValueError, KeyError, TypeError)
"""Everything that a source may do instead of giving keys."""


class Keys:
    """Fetched when first needed, again when they are old or a token names a key that is not among them.

    While the source is away the keys of before are used, and nobody waits for it: a source that failed, or that is
    slow, is asked in the background until it answers again. `changed` is called when a fetch brought other keys.
    """

    def __init__(
        self, source: str | None, now: Callable[[], float] = time.monotonic, *, issuer: str | None = None
    ) -> None:
        """`source` is a file or an http(s) URL; None: what `issuer`, a URL, says of itself."""
        self.source = source or discovery(issuer or "")
        self._issuer = issuer if source is None else None
        self.changed: list[Callable[[], None]] = []
        self._now = now
        self._keys: KeySet | None = None
        self._found: list[dict[str, Any]] | None = None
        self._fetched = self._tried = float("-inf")
        self._fetching: asyncio.Task[None] | None = None
        self._away = False

    @property
    def old(self) -> bool:
        return self._now() - self._fetched > MAX_AGE

    async def current(self) -> KeySet:
        """Raises Unavailable while there are none."""
        if self._keys is None:
            return await self.refreshed()
        if self.old:
            fetch = self._fetch()
            if fetch is not None and not self._away:
                done, _ = await asyncio.wait({fetch}, timeout=PATIENCE)
                self._away = self._away or not done
        return self._keys

    async def refreshed(self) -> KeySet:
        """As `current`, fetched again unless that was done just now."""
        fetch = self._fetch()
        if fetch is not None:
            await asyncio.wait({fetch})
        if self._keys is None:
            raise Unavailable("the token issuer's keys cannot be read")
        return self._keys

    def _fetch(self) -> asyncio.Task[None] | None:
        """The fetch that is going on, begun now if it is time for one."""
        if self._fetching is None:
            if self._now() - self._tried < (WITHOUT if self._keys is None else INTERVAL):
                return None
            self._tried = self._now()
            self._fetching = asyncio.create_task(self._read())
            self._fetching.add_done_callback(self._done)
        return self._fetching

    def _done(self, fetch: asyncio.Task[None]) -> None:
        self._fetching = None
        if not fetch.cancelled():
            fetch.result()

    async def _read(self) -> None:
        try:
            async with asyncio.timeout(FETCH):
                found = await self._key_set()
            if found != self._found:
                self._keys, self._found = usable(found), found
                for tell in self.changed:
                    tell()
            self._fetched, self._away = self._now(), False
        except NO_KEYS as error:
            self._away = True
            log.warning("token_keys_unreadable", source=self.source, error=repr(error), kept=self._keys is not None)

    async def _key_set(self) -> list[dict[str, Any]]:
        if not is_url(self.source):
            text = await asyncio.to_thread(Path(self.source).read_bytes)
            return list(orjson.loads(text)["keys"])
        async with httpx.AsyncClient(timeout=FETCH) as client:
            url = self.source
            if self._issuer is not None:
                about = await got(client, url)
                if about["issuer"] != self._issuer:
                    raise ValueError(f"{url} speaks for the issuer {about['issuer']!r}, not for {self._issuer!r}")
                url = about["jwks_uri"]
            return list((await got(client, url))["keys"])


async def got(client: httpx.AsyncClient, url: str) -> dict[str, Any]:
    answer = await client.get(url)
    answer.raise_for_status()
    body: dict[str, Any] = orjson.loads(answer.content)
    return body


def usable(found: list[dict[str, Any]]) -> KeySet:
    """Those that may verify a signature. An issuer may publish kinds of key that are not known here yet.

    Raises ValueError where nothing is left.
    """
    keys = []
    for each in found:
        if each.get("use", "sig") != "sig":
            continue
        try:
            keys.append(JWKRegistry.import_key(each))
        except (JoseError, ValueError, KeyError, TypeError) as error:
            log.warning("token_key_unusable", kid=each.get("kid"), kty=each.get("kty"), error=str(error))
    if not keys:
        raise ValueError("there is no key among them that verifies signatures")
    return KeySet(keys)


def is_url(source: str) -> bool:
    return source.startswith(("http://", "https://"))


def discovery(issuer: str) -> str:
    """Where an issuer tells of itself (OpenID Connect Discovery 1.0, section 4)."""
    return f"{issuer.rstrip('/')}/.well-known/openid-configuration"

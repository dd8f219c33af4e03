"""What routes that take or show personal data ask for: to seal it before it becomes part of a command, to open it for
who may see it, and to erase a person."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated
from uuid import UUID

from engine.runtime import Engine
from engine.sealing import Erased, MasterKeys, Vault
from fastapi import Depends
from starlette.requests import Request

from service.problems import ProblemError
from service.settings import InvalidSettings, Settings


class PersonErased(ProblemError):
    """Nothing can be kept of who was erased."""

    def __init__(self, service: str, subject: UUID) -> None:
        super().__init__(410, f"{service}.person_erased", f"The person {subject} was erased; nothing is kept of them.")


class Sealing:
    """Seals, opens and erases in the service's own database, each at once and apart from any command."""

    def __init__(self, service: str, engine: Engine, vault: Vault) -> None:
        self._service = service
        self._engine = engine
        self._vault = vault

    async def seal(self, subject: UUID, fields: Mapping[str, str | None]) -> dict[str, str | None]:
        """The fields with their texts sealed; what is null stays so. Raises PersonErased."""
        given = {field: text for field, text in fields.items() if text is not None}
        try:
            async with self._engine.acquire() as db:
                return {**fields, **await self._vault.seal(db, subject, given)}
        except Erased:
            raise PersonErased(self._service, subject) from None

    async def open(self, field: str, sealed: Iterable[str | None]) -> list[str | None]:
        """The texts in order; null stays so, and so does what was of somebody erased."""
        texts = list(sealed)
        given = [text for text in texts if text is not None]
        async with self._engine.acquire() as db:
            opened = iter(await self._vault.open(db, field, given))
        return [None if text is None else next(opened) for text in texts]

    async def blind(self, text: str) -> UUID:
        """The same for the same text, and tells nothing of it."""
        async with self._engine.acquire() as db:
            return await self._vault.blind(db, text)

    async def erase(self, subject: UUID) -> bool:
        """For good. False if it was before."""
        async with self._engine.acquire() as db:
            return await self._vault.erase(db, subject)


def sealing(request: Request) -> Sealing:
    state = request.app.state
    if state.vault is None:
        raise RuntimeError("the app was made without sealing=True")
    return Sealing(state.service, state.engine, state.vault)


Seal = Annotated[Sealing, Depends(sealing)]


def vault(settings: Settings) -> Vault:
    """Raises InvalidSettings."""
    if not settings.sealing_keys:
        raise InvalidSettings(
            "CAUCE_SEALING_KEYS is not set; it is the keys that wrap the keys of people, newest first, like"
            " 2026=<base64 of 32 random bytes>."
        )
    try:
        return Vault(MasterKeys.parse(settings.sealing_keys))
    except ValueError as error:
        raise InvalidSettings(f"CAUCE_SEALING_KEYS is not usable: {error}.") from None

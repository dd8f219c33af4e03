"""Routes: the registers of principals, brands and channels."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any, Literal

from engine import Command, Unknown
from events.partner import ExternalRef
from fastapi import APIRouter
from pydantic import BaseModel
from service import At, Collection, Filter, Handle, HandlePut, Read, Receipt, history_of, list_of, scope

from partner.domain.register import (
    Brand,
    Channel,
    KeepEntry,
    LinkEntry,
    Principal,
    Register,
    RetireEntry,
    entry_id,
    register_entries,
)
from partner.domain.words import Code, Text
from partner.register_views import view

READ, WRITE, DECIDE = scope("partner:read"), scope("partner:write"), scope("partner:decide")

principals = APIRouter(prefix="/principals", tags=["principals"])
brands = APIRouter(prefix="/brands", tags=["brands"])
channels = APIRouter(prefix="/channels", tags=["channels"])


class _EntryView(BaseModel):
    code: str
    status: Literal["kept", "retired"]
    name: str
    external_refs: list[ExternalRef]
    retired_because: str | None


class PrincipalView(_EntryView):
    content: Principal


class BrandView(_EntryView):
    principal: str
    content: Brand


class ChannelView(_EntryView):
    principal: str
    content: Channel


def entry_view(item: type[BaseModel]) -> Callable[..., Any]:
    """Shows rows of the register as this."""

    def show(**row: Any) -> BaseModel:
        refs = [{"system": system, "key": key} for system, key in sorted(json.loads(row["external_refs"]).items())]
        content = json.loads(row["content"])
        return item.model_validate({**row, "content": content, "external_refs": refs})

    return show


def collection(register: Register, item: type[Any], *filters: str | Filter) -> Collection[Any]:
    return Collection(
        register_entries,
        view,
        item,
        key="code",
        filters=("status", *filters),
        sorts=("name",),
        source=f"select * from {{register_entries}} where register = '{register}'",
        shown=entry_view(item),
        unknown=f"partner.{register}_unknown",
        name=f"{register}s",
    )


PRINCIPALS = collection("principal", PrincipalView)
BRANDS = collection("brand", BrandView, "principal")
CHANNELS = collection("channel", ChannelView, "principal")


class KeptPrincipal(Command):
    content: Principal


class KeptBrand(Command):
    content: Brand


class KeptChannel(Command):
    content: Channel


class Key(Command):
    """How the other system calls it."""

    key: Text


async def refuse_unknown_principal(db: Read, code: str) -> None:
    if await db.find(PRINCIPALS, of=entry_id("principal", code), code=code) is None:
        raise Unknown("partner.principal_unknown", principal=code)


@principals.put("/{code}", dependencies=[DECIDE])
async def keep_principal(code: Code, body: KeptPrincipal, handle: HandlePut) -> Receipt:
    """A company whose channel this is, whole, as it is from now on."""
    command = KeepEntry(code=code, content=body.content, occurred_at=body.occurred_at)
    return await handle(register_entries, entry_id("principal", code), command)


@brands.put("/{code}", dependencies=[DECIDE])
async def keep_brand(code: Code, body: KeptBrand, db: Read, handle: HandlePut) -> Receipt:
    """A brand of a principal's, whole, as it is from now on."""
    await refuse_unknown_principal(db, body.content.principal)
    command = KeepEntry(code=code, content=body.content, occurred_at=body.occurred_at)
    return await handle(register_entries, entry_id("brand", code), command)


@channels.put("/{code}", dependencies=[DECIDE])
async def keep_channel(code: Code, body: KeptChannel, db: Read, handle: HandlePut) -> Receipt:
    """A channel of a principal's, whole, as it is from now on."""
    await refuse_unknown_principal(db, body.content.principal)
    command = KeepEntry(code=code, content=body.content, occurred_at=body.occurred_at)
    return await handle(register_entries, entry_id("channel", code), command)


@principals.put("/{code}/external-references/{system}", dependencies=[WRITE])
async def link_principal(code: Code, system: Code, body: Key, handle: Handle) -> Receipt:
    """Another system calls the principal so from now on."""
    return await handle(register_entries, entry_id("principal", code), LinkEntry(system=system, **dict(body)))


@brands.put("/{code}/external-references/{system}", dependencies=[WRITE])
async def link_brand(code: Code, system: Code, body: Key, handle: Handle) -> Receipt:
    """Another system calls the brand so from now on."""
    return await handle(register_entries, entry_id("brand", code), LinkEntry(system=system, **dict(body)))


@channels.put("/{code}/external-references/{system}", dependencies=[WRITE])
async def link_channel(code: Code, system: Code, body: Key, handle: Handle) -> Receipt:
    """Another system calls the channel so from now on."""
    return await handle(register_entries, entry_id("channel", code), LinkEntry(system=system, **dict(body)))


@principals.post("/{code}/retirement", status_code=201, dependencies=[DECIDE])
async def retire_principal(code: Code, command: RetireEntry, handle: Handle) -> Receipt:
    """Nothing new is to be the principal's; what is stays."""
    return await handle(register_entries, entry_id("principal", code), command)


@brands.post("/{code}/retirement", status_code=201, dependencies=[DECIDE])
async def retire_brand(code: Code, command: RetireEntry, handle: Handle) -> Receipt:
    """Nothing new is to be of the brand; what is stays."""
    return await handle(register_entries, entry_id("brand", code), command)


@channels.post("/{code}/retirement", status_code=201, dependencies=[DECIDE])
async def retire_channel(code: Code, command: RetireEntry, handle: Handle) -> Receipt:
    """Nothing new is to go by the channel; what does stays."""
    return await handle(register_entries, entry_id("channel", code), command)


principals.add_api_route("", list_of(PRINCIPALS), methods=["GET"], dependencies=[READ])
brands.add_api_route("", list_of(BRANDS), methods=["GET"], dependencies=[READ])
channels.add_api_route("", list_of(CHANNELS), methods=["GET"], dependencies=[READ])


@principals.get("/{code}", dependencies=[READ])
async def read_principal(code: Code, db: Read, at: At) -> PrincipalView:
    """The principal as it is."""
    found: PrincipalView = await db.one(PRINCIPALS, at, of=entry_id("principal", code), code=code)
    return found


@brands.get("/{code}", dependencies=[READ])
async def read_brand(code: Code, db: Read, at: At) -> BrandView:
    """The brand as it is."""
    found: BrandView = await db.one(BRANDS, at, of=entry_id("brand", code), code=code)
    return found


@channels.get("/{code}", dependencies=[READ])
async def read_channel(code: Code, db: Read, at: At) -> ChannelView:
    """The channel as it is."""
    found: ChannelView = await db.one(CHANNELS, at, of=entry_id("channel", code), code=code)
    return found


def add_history(router: APIRouter, register: Register) -> None:
    history = history_of(register_entries, "code", partial(entry_id, register), noun=register)
    router.add_api_route("/{code}/history", history, methods=["GET"], dependencies=[READ])


add_history(principals, "principal")
add_history(brands, "brand")
add_history(channels, "channel")

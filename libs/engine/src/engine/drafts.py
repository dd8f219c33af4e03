"""What is kept in versions: drafted, looked at, published or discarded, and retired. Whatever was decided by a version
stays as it is when the next one comes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, TypeVar, overload

from pydantic import BaseModel

from engine.decider import Command, Rejected
from engine.views import Statement, Table, as_json

C = TypeVar("C")
M = TypeVar("M", bound=BaseModel)
T = TypeVar("T")


class Publish(Command):
    """The draft holds from now on."""


class DiscardDraft(Command):
    """The draft is not to be published."""


class Retire(Command):
    """Nothing new goes by it."""


class Version(Protocol):
    """What was published, counted from 1."""

    @property
    def version(self) -> int: ...


# -- what a decider asks


def publishable(
    draft: C | None,
    published: C | None,
    service: str,
    about: Mapping[str, Any] | None = None,
    version: Mapping[str, Any] | None = None,
) -> C:
    """The draft, if there is one and it says something new. Raises `<service>.nothing_drafted` and
    `<service>.draft_changes_nothing`, which say what they are `about`, and the second which `version` says it all."""
    draft = drafted(draft, service, about)
    if draft == published:
        raise Rejected(f"{service}.draft_changes_nothing", **(about or {}), **(version or {}))
    return draft


def drafted(draft: C | None, service: str, about: Mapping[str, Any] | None = None) -> C:
    """The draft, to be looked at. Raises `<service>.nothing_drafted`."""
    if draft is None:
        raise Rejected(f"{service}.nothing_drafted", **(about or {}))
    return draft


def next_version(kind: Callable[..., T], content: BaseModel, last: Version | None, /, **key: Any) -> T:
    """The content as it would be published: what it says, whose it is (`key`), and the number after the last."""
    return kind(**key, version=1 if last is None else last.version + 1, **dict(content))


@overload
def content_of(terms: BaseModel, kind: type[M]) -> M: ...
@overload
def content_of(terms: BaseModel | None, kind: type[M]) -> M | None: ...
def content_of(terms: BaseModel | None, kind: type[M]) -> M | None:
    """What a version says, without whose it is and its number."""
    return None if terms is None else kind.model_validate({name: getattr(terms, name) for name in kind.model_fields})


# -- how it is shown


@dataclass(frozen=True)
class VersionsTable(Table):
    """A table with a row for each thing that is kept in versions: its newest `version` (null before the first) and, as
    JSON, its `draft`."""

    def drafted(self, content: BaseModel, **key: Any) -> Statement:
        return self.upsert(*key, **key, draft=as_json(content))

    def drafted_with_title(self, content: bytes, title: str, code: str) -> Statement:
        """The title of what is published stays until the draft is."""
        return self.sql(
            "insert into {table} as t (code, title, draft) values ($1, $2, $3) on conflict (code) do update"
            " set draft = excluded.draft, title = case when t.version is null then excluded.title else t.title end",
            code,
            title,
            content,
        )

    def published(self, terms: Any, at: datetime, *key: str, **row: Any) -> Statement:
        """`row` are the columns of the key, and others. What was drafted is what is published."""
        version = {"version": terms.version, "terms": as_json(terms), "draft": None, "published_at": at}
        return self.upsert(*key, **row, **version)

    def discarded(self, **key: Any) -> Statement:
        return self.update(key, draft=None)

"""What a channel manager keeps in versions: drafted, looked at, published. Whatever was decided by a version stays as
it is when the next one comes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from engine import Command, Rejected
from pydantic import BaseModel

T = TypeVar("T", bound=BaseModel)


class Publish(Command):
    """The draft holds from now on."""


class DiscardDraft(Command):
    """The draft is not to be published."""


def publishable(draft: T | None, published: T | None) -> T:
    """The draft, if there is one and it says something new. Raises Rejected."""
    if draft is None:
        raise Rejected("partner.nothing_drafted")
    if draft == published:
        raise Rejected("partner.draft_changes_nothing")
    return draft


def content_of(terms: BaseModel | None, kind: type[T]) -> T | None:
    """What a version says, without its code and its number."""
    return None if terms is None else kind.model_validate(terms.model_dump(include=set(kind.model_fields)))


@dataclass(frozen=True)
class Difference:
    """What the draft says otherwise, by its path, as `bands[0].upper`. None: it was not there, or is not."""

    term: str
    before: Any
    after: Any


def differences(before: BaseModel | None, after: BaseModel) -> list[Difference]:
    """In the order of the content. Empty where nothing differs."""
    earlier = {} if before is None else before.model_dump(mode="json")
    return list(_differences("", earlier, after.model_dump(mode="json")))


def _differences(path: str, before: Any, after: Any) -> Iterator[Difference]:
    if isinstance(before, dict) and isinstance(after, dict):
        for name in dict.fromkeys((*before, *after)):
            yield from _differences(f"{path}.{name}".lstrip("."), before.get(name), after.get(name))
    elif isinstance(before, list) and isinstance(after, list):
        for n in range(max(len(before), len(after))):
            pair = [each[n] if n < len(each) else None for each in (before, after)]
            yield from _differences(f"{path}[{n}]", *pair)
    elif before != after:
        yield Difference(path, before, after)

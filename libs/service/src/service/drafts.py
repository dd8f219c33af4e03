"""The routes that are the same for whatever is kept in versions: its draft is published or discarded, and it is
retired. What a draft says, and what a preview of it tells, is each noun's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from inspect import Parameter, Signature
from typing import Any
from uuid import UUID

from engine import Command, Decider, Receipt
from engine.drafts import DiscardDraft, Publish, Retire
from fastapi import APIRouter, params

from service.handling import Handle, HandleSeen, Handling


@dataclass(frozen=True)
class Drafts:
    """Adds the routes to `router`. `key` are the parameters of the path by which one is named, with their kinds, and
    `id_of` makes its id of them; `decide` is the scope for all of them."""

    router: APIRouter
    decider: Decider[Any, Any, Any]
    id_of: Callable[..., UUID]
    key: Mapping[str, Any]
    decide: params.Depends

    def publication(self, name: str, doc: str, body: type[Command] = Publish) -> None:
        """Whoever publishes says by If-Match which draft was looked at."""
        self._add("publication", Publish, HandleSeen, name, doc, body)

    def discarding(self, name: str, body: type[Command] = DiscardDraft) -> None:
        self._add("draft/discarding", DiscardDraft, Handle, name, "The draft is not to be published.", body)

    def retirement(self, name: str, doc: str, body: type[Command] = Retire) -> None:
        self._add("retirement", Retire, Handle, name, doc, body)

    def _add(self, what: str, wanted: type[Command], handles: Any, name: str, doc: str, body: type[Command]) -> None:
        decider, id_of = self.decider, self.id_of

        async def endpoint(body: Command, handle: Handling, **key: Any) -> Receipt:
            return await handle(decider, id_of(**key), wanted(occurred_at=body.occurred_at))

        endpoint.__name__ = name
        endpoint.__doc__ = doc
        endpoint.__module__ = decider.decide.__module__  # where its refusals are
        endpoint.__signature__ = Signature(  # type: ignore[attr-defined]
            [
                *(Parameter(each, Parameter.KEYWORD_ONLY, annotation=kind) for each, kind in self.key.items()),
                Parameter("body", Parameter.KEYWORD_ONLY, annotation=body),
                Parameter("handle", Parameter.KEYWORD_ONLY, annotation=handles),
            ],
            return_annotation=Receipt,
        )
        path = "".join(f"/{{{each}}}" for each in self.key)
        self.router.add_api_route(
            f"{path}/{what}", endpoint, methods=["POST"], status_code=201, dependencies=[self.decide]
        )

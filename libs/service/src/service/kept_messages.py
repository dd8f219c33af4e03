"""Routes of the messages of a service's intake topic that were kept apart: listed, retried, dropped with a reason."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

import orjson
from fastapi import APIRouter, Depends
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from starlette.requests import Request

from service.access import scope
from service.handling import By
from service.paging import Listing, Page, foreign, listing
from service.topic_intake import Kept, TopicIntake, word_of


async def _intake(request: Request) -> TopicIntake:
    intake: TopicIntake = request.app.state.intake
    return intake


TheIntake = Annotated[TopicIntake, Depends(_intake)]


class MessageError(BaseModel):
    """`field` is `message` where no single field is to blame; `rule` is the code of a business rule or the name of a
    rule of form."""

    field: str
    rule: str
    message: str


class KeptMessage(BaseModel):
    message_id: UUID
    topic: str
    partition: int
    offset: int
    sent_at: AwareDatetime
    kept_at: AwareDatetime
    key: str | None
    value: str | None = Field(description="As it came; what is no UTF-8 is replaced.")
    errors: list[MessageError]


class Retaken(BaseModel):
    outcome: Literal["accepted", "repeated", "kept"]
    errors: list[MessageError] = Field(description="Why it is kept still; empty when it is not.")


class Dropped(BaseModel):
    message_id: UUID


class Drop(BaseModel):
    model_config = ConfigDict(extra="forbid")

    reason: str = Field(min_length=1, max_length=500, description="Why it needs no effect; it is recorded.")


def kept_messages(service: str) -> APIRouter:
    router = APIRouter(prefix="/kept-messages", tags=["kept-messages"], dependencies=[scope(f"{service}:ops")])

    @router.get("")
    async def list_kept_messages(intake: TheIntake, page: Page) -> Listing[KeptMessage]:
        """Messages that could not be recorded and that nobody has settled, the oldest first."""
        rows = await intake.kept(_place(page.after), page.limit + 1)
        return listing(rows, page, key=lambda row: str(row["n"]), item=_shown)

    @router.post("/{message_id}/retry")
    async def retry_kept_message(message_id: UUID, intake: TheIntake, by: By) -> Retaken:
        """Records it now, when what it met is mended."""
        outcome = await intake.retry(message_id, by[0])
        errors = outcome.errors if isinstance(outcome, Kept) else ()
        told = [MessageError(field=each.field, rule=each.rule, message=each.message) for each in errors]
        return Retaken.model_validate({"outcome": word_of(outcome), "errors": told})

    @router.post("/{message_id}/drop")
    async def drop_kept_message(message_id: UUID, body: Drop, intake: TheIntake, by: By) -> Dropped:
        """Gives it up, with the reason."""
        await intake.drop(message_id, by[0], body.reason)
        return Dropped(message_id=message_id)

    unknown = {"{service}.intake_message_unknown": 404}
    retry_kept_message.cauce_refusals = drop_kept_message.cauce_refusals = unknown  # type: ignore[attr-defined]
    return router


def _shown(**row: Any) -> KeptMessage:
    return KeptMessage(
        **{name: row[name] for name in ("topic", "partition", "sent_at", "kept_at")},
        message_id=row["id"],
        offset=row["record"],
        key=_text(row["key"]),
        value=_text(row["value"]),
        errors=orjson.loads(row["errors"]),
    )


def _place(after: str | None) -> int:
    if after is None:
        return 0
    if not (after.isascii() and after.isdecimal() and len(after) < 19):
        raise foreign()
    return int(after)


def _text(value: bytes | None) -> str | None:
    return None if value is None else bytes(value).decode(errors="replace")

"""Commands that others send over Kafka: each message of the service's intake topic is one line of an import.

A message is a JSON object with the fields of the line, and `kind`, which says what it is. Commands are known by their
own keys, so a message that is handled again changes nothing; offsets are kept in Kafka and committed behind the effect.
Nothing is passed over: a message that cannot be read, or that a rule refuses, is kept apart with its errors, counted in
a metric, and retried or dropped by a person. What passes by itself is tried again without limit.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid5

import orjson
import structlog
from engine import Context, Receipt, Rejected, Send, Unknown
from engine.errors import Unavailable, passes
from engine.kafka import bounded, closed, intake_consumer, topic_ids
from engine.runtime import Engine
from events import INTAKES
from fastapi import FastAPI
from prometheus_client import Counter, Gauge
from pydantic import ValidationError

from service.handling import CLOCK_SKEW
from service.imports import Import, Upload
from service.intake import LONGEST_LINE, Bad, Good, LineError, bad, invalid
from service.sealing import Sealing

log = structlog.get_logger()

BATCH = 500
"""Messages that are recorded in one transaction."""
FIRST_DELAY, LONGEST_DELAY = 0.1, 2.0
COUNT_EVERY = 5.0

SCHEMA = """
create table if not exists intake_message (
    n           bigint generated always as identity,
    id          uuid primary key,
    topic       text not null,
    partition   integer not null,
    record      bigint not null,
    sent_at     timestamptz not null,
    key         bytea,
    value       bytea,
    errors      jsonb not null,
    kept_at     timestamptz not null default clock_timestamp(),
    settled_at  timestamptz,
    settled     text check (settled in ('retried', 'dropped')),
    settled_by  text,
    reason      text
);
create index if not exists intake_message_open on intake_message (n) where settled_at is null;
"""

KEEP = """
insert into intake_message (id, topic, partition, record, sent_at, key, value, errors)
values ($1, $2, $3, $4, $5, $6, $7, $8::text::jsonb) on conflict (id) do nothing
"""

OPEN = "select * from intake_message where settled_at is null"
COUNT = "select count(*) from intake_message where settled_at is null"
SETTLE = """
update intake_message set settled_at = clock_timestamp(), settled = $2, settled_by = $3, reason = $4
where id = $1 and settled_at is null
"""


@dataclass(frozen=True)
class Message:
    """A record of the topic, and an id that it has wherever it is read."""

    id: UUID
    topic: str
    partition: int
    offset: int
    sent_at: datetime
    key: bytes | None
    value: bytes | None


@dataclass(frozen=True)
class Kept:
    """A message that could not be recorded, and why."""

    message: Message
    errors: tuple[LineError, ...]


Outcome = Receipt | Kept


class TopicIntake:
    """Takes in what comes on a service's topic, as the `kinds` of imports that it knows."""

    def __init__(self, app: FastAPI, kinds: Sequence[Import[Any]]) -> None:
        engine: Engine = app.state.engine
        self.engine = engine
        self._seal = Sealing(app.state.service, engine, app.state.vault)
        self._kinds = {each.kind: each for each in kinds}
        self.topic = engine.called(INTAKES[engine.service])
        self._messages = Counter(
            "cauce_intake_messages",
            "Messages of the intake topic, by outcome: `accepted`, `repeated`, or `kept` apart.",
            ["outcome"],
            registry=engine.registry,
        )
        self._open = Gauge(
            "cauce_intake_kept_messages", "Messages kept apart that nobody has settled.", registry=engine.registry
        )
        self._joined = False
        self._lag = Gauge(
            "cauce_intake_lag_messages", "Messages of the intake topic not yet read.", registry=engine.registry
        )

    # -- one batch

    async def take(self, messages: Sequence[Message]) -> list[Outcome]:
        """What became of each. Raises what passes by itself; then all of them may be taken again."""
        try:
            return await self._together(messages)
        except Exception as error:
            if passes(error):
                raise
            if len(messages) > 1:  # find the one that cannot be handled
                half = len(messages) // 2
                return [*await self.take(messages[:half]), *await self.take(messages[half:])]
            log.exception("intake_failed", message=str(messages[0].id))
            told = "something went wrong on our side; the message's id finds it in the logs"
            return [Kept(messages[0], (LineError(0, "message", "internal_error", told),))]

    async def _together(self, messages: Sequence[Message]) -> list[Outcome]:
        context = Context(f"intake:{self.topic}")
        outcomes: dict[int, Outcome] = {}
        by_kind: dict[str, list[Good[Any]]] = {}
        for n, message in enumerate(messages):
            kind, read = self.read(n, message)
            if isinstance(read, Bad):
                outcomes[n] = Kept(message, read.errors)
            else:
                by_kind.setdefault(kind, []).append(read)
        sends: dict[int, tuple[Send, Mapping[str, str]]] = {}
        for kind, lines in by_kind.items():
            known = self._kinds[kind]
            upload = Upload(uuid5(UUID(int=0), self.topic), context.actor, self.engine.pool, self._seal, None)
            for line, send in zip(lines, await known.sends(upload, lines), strict=True):
                if (at := send.command.occurred_at) is not None and at > self.engine.clock() + CLOCK_SKEW:
                    error = LineError(line.line, "occurred_at", "not_in_the_future", "is in the future")
                    outcomes[line.line] = Kept(messages[line.line], (error,))
                else:
                    sends[line.line] = send, known.fields
        order = sorted(sends)  # as they came, whatever their kinds
        handled = await self.engine.handle_many([sends[n][0] for n in order], context)
        for n, outcome in zip(order, handled, strict=True):
            outcomes[n] = (
                Kept(messages[n], (refusal(outcome, sends[n][1]),)) if isinstance(outcome, Rejected) else outcome
            )
        return [outcomes[n] for n in range(len(messages))]

    def read(self, n: int, message: Message) -> tuple[str, Good[Any] | Bad]:
        """The message's kind, and the n-th line that it is, or what is wrong with it."""
        value = message.value
        if value is None or len(value) > LONGEST_LINE:
            return "", bad(n, "message", "message_size", f"must have 1 to {LONGEST_LINE} bytes")
        try:
            said = orjson.loads(value)
        except orjson.JSONDecodeError as error:
            return "", bad(n, "message", "json_invalid", f"is not JSON: {error}")
        if not isinstance(said, dict):
            return "", bad(n, "message", "object_needed", "is no JSON object")
        kind = said.pop("kind", None)
        if not isinstance(kind, str) or kind not in self._kinds:
            return "", bad(n, "kind", "kind_unknown", f"must be one of {', '.join(sorted(self._kinds))}")
        try:
            return kind, Good(n, self._kinds[kind].model.model_validate_json(orjson.dumps(said)))
        except ValidationError as error:
            return kind, invalid(n, error)

    async def keep(self, kept: Sequence[Kept]) -> None:
        """Puts them aside, once each."""
        rows = [
            (m.id, m.topic, m.partition, m.offset, m.sent_at, m.key, m.value, told(each.errors))
            for each in kept
            if (m := each.message)
        ]
        async with self.engine.acquire() as db:
            await db.executemany(KEEP, rows)
        for each in kept:
            log.error(
                "intake_kept",
                message=str(each.message.id),
                rules=[error.rule for error in each.errors],
                remedy="docs/operations.md#messages-kept-apart",
            )

    # -- what is kept apart

    async def kept(self, after: int, limit: int) -> list[Any]:
        """Messages behind the n-th that nobody has settled, in the order in which they were kept."""
        async with self.engine.acquire() as db:
            rows: list[Any] = await db.fetch(f"{OPEN} and n > $1 order by n limit $2", after, limit)
            return rows

    async def one(self, id: UUID) -> Any:
        """Raises Unknown."""
        async with self.engine.acquire() as db:
            row = await db.fetchrow(f"{OPEN} and id = $1", id)
        if row is None:
            raise Unknown(f"{self.engine.service}.intake_message_unknown", message_id=id)
        return row

    async def retry(self, id: UUID, actor: str) -> Outcome:
        """Takes the message again; it is settled unless it has to be kept still. Raises Unknown."""
        row = await self.one(id)
        message = Message(id, row["topic"], row["partition"], row["record"], row["sent_at"], row["key"], row["value"])
        [outcome] = await self.take([message])
        if isinstance(outcome, Kept):
            async with self.engine.acquire() as db:
                await db.execute(
                    "update intake_message set errors = $2::text::jsonb where id = $1", id, told(outcome.errors)
                )
        else:
            await self._settle(id, "retried", actor, None)
        return outcome

    async def drop(self, id: UUID, actor: str, reason: str) -> None:
        """Gives the message up; it stays with who said so and why. Raises Unknown."""
        await self.one(id)
        await self._settle(id, "dropped", actor, reason)

    async def _settle(self, id: UUID, how: str, actor: str, reason: str | None) -> None:
        async with self.engine.acquire() as db:
            await db.execute(SETTLE, id, how, actor, reason)

    # -- the topic

    async def run(self) -> None:
        """Takes in what comes until it is cancelled; joins the group anew after whatever passes by itself."""
        delay = FIRST_DELAY
        async with asyncio.TaskGroup() as group:
            group.create_task(self._count())
            while True:
                self._joined = False
                try:
                    await self._consume()
                except Exception as error:
                    if not passes(error):
                        raise
                    delay = FIRST_DELAY if self._joined else delay
                    log.warning("intake_waits", topic=self.topic, error=repr(error), delay=delay)
                await asyncio.sleep(delay)
                delay = min(delay * 2, LONGEST_DELAY)

    async def _consume(self) -> None:
        ids = await topic_ids(self.engine.kafka, [self.topic])
        if self.topic not in ids:
            raise Unavailable(f"no such topic yet: {self.topic}")
        consumer = intake_consumer(self.engine.kafka, self.topic, self.topic, max_records=BATCH)
        try:
            await bounded(consumer.start(), 30)
            while True:
                batches = await bounded(consumer.getmany(timeout_ms=300), 30)
                self._joined = True
                read = {tp: records for tp, records in batches.items() if records}
                if read:
                    await self.record([message_of(ids[self.topic], each) for tp in read for each in read[tp]])
                    await bounded(consumer.commit({tp: records[-1].offset + 1 for tp, records in read.items()}))
                behind = (max(0, (consumer.highwater(tp) or 0) - read[tp][-1].offset - 1) for tp in read)
                self._lag.set(sum(behind))
        finally:
            await closed(consumer.stop())

    async def record(self, messages: Sequence[Message]) -> None:
        """Takes them, and puts aside what cannot be taken."""
        outcomes = await self.take(messages)
        await self.keep([each for each in outcomes if isinstance(each, Kept)])
        for outcome in outcomes:
            self._messages.labels(word_of(outcome)).inc()

    async def _count(self) -> None:
        while True:
            try:
                async with self.engine.acquire() as db:
                    self._open.set(await db.fetchval(COUNT))
            except Exception as error:
                if not passes(error):
                    raise
                log.warning("intake_not_counted", error=repr(error))
            await asyncio.sleep(COUNT_EVERY)


def message_of(topic_id: UUID, record: Any) -> Message:
    return Message(
        uuid5(topic_id, f"{record.partition}/{record.offset}"),
        record.topic,
        record.partition,
        record.offset,
        datetime.fromtimestamp(record.timestamp / 1000, tz=UTC),
        record.key,
        record.value,
    )


def refusal(outcome: Rejected, fields: Mapping[str, str]) -> LineError:
    named = outcome.details.get("field") or fields.get(outcome.code, "message")
    return LineError(0, named, outcome.code, str(outcome))


def told(errors: Sequence[LineError]) -> str:
    return orjson.dumps([{"field": e.field, "rule": e.rule, "message": e.message} for e in errors]).decode()


def word_of(outcome: Outcome) -> str:
    if isinstance(outcome, Kept):
        return "kept"
    return "repeated" if outcome.position is None else "accepted"

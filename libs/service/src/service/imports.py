"""Uploads of many commands as jobs: `POST /kpi-reports/imports`, and then the job is asked how far it is.

An upload is kept in the service's own database as it comes in, and read from there by a worker, so that a job outlives
the request and the process. It is taken on where it stopped: the count of lines that are dealt with is kept after every
batch, and each line is a command with an id, so that a batch that was recorded and not yet counted is counted right.
"""

from __future__ import annotations

import asyncio
import contextlib
import csv
import io
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Annotated, Any, Generic, Literal, TypeVar
from uuid import UUID, uuid4, uuid5

import asyncpg
import structlog
from engine import Command, Context, Rejected, Rows, Send, Unknown
from engine.errors import Fenced, InFlight, passes
from engine.runtime import Engine
from engine.store import Db
from fastapi import APIRouter, FastAPI, Query, params
from pydantic import AwareDatetime, BaseModel, Field
from starlette.requests import ClientDisconnect, Request
from starlette.responses import StreamingResponse

from service.handling import CLOCK_SKEW, Caller
from service.intake import Bad, Format, Good, HeaderWrong, Intake, LineError
from service.limits import body_limit
from service.problems import ProblemError
from service.reading import Read
from service.sealing import Sealing

log = structlog.get_logger()
C = TypeVar("C", bound=Command)

MIB = 2**20
LARGEST = 256 * MIB
"""Bytes of an upload as they are sent, compressed or not."""
PIECE = MIB // 4
"""Bytes that are stored, and read again, at once."""
BATCH = 500
"""Lines that are recorded in one transaction."""
LEASE = timedelta(seconds=30)
"""For so long a job belongs to the worker that counted last."""
POLL = 5.0
"""Seconds after which a worker looks for what another process took in; of its own it hears at once."""
PATIENCE = timedelta(days=1)
"""For so long the rest of an upload may stay away."""
LOOK_AGAIN = 600.0
FORMATS: dict[str, Format] = {"application/x-ndjson": "ndjson", "text/csv": "csv"}

SCHEMA = """
create table if not exists import_job (
    id           uuid primary key,
    kind         text not null,
    status       text not null check (status in ('receiving', 'waiting', 'running', 'done', 'failed')),
    format       text not null,
    gzip         boolean not null,
    actor        text not null,
    correlation_id uuid not null,
    traceparent  text,
    tracestate   text,
    backfills    boolean not null,
    occurred_at  timestamptz,
    bytes        bigint not null default 0,
    pieces       integer not null default 0,
    lines        bigint not null default 0,
    accepted     bigint not null default 0,
    repeated     bigint not null default 0,
    rejected     bigint not null default 0,
    position     bigint,
    failure      text,
    created_at   timestamptz not null default clock_timestamp(),
    ended_at     timestamptz,
    holder       uuid,
    leased_until timestamptz
);
do $$ begin  -- what older ones lack; an ALTER TABLE that has nothing to do would still lock out everybody
    if not exists (select from pg_attribute where attrelid = 'import_job'::regclass and attname = 'traceparent') then
        alter table import_job add column traceparent text, add column tracestate text;
    end if;
end $$;
create index if not exists import_job_open on import_job (created_at) where status in ('waiting', 'running');
create table if not exists import_piece (
    job uuid not null, n integer not null, data bytea not null, primary key (job, n)
);
create table if not exists import_error (
    id bigint generated always as identity primary key, job uuid not null, line bigint not null, field text not null,
    rule text not null, message text not null
);
create index if not exists import_error_job on import_error (job, id);
"""

TAKE = """
update import_job set status = 'running', holder = $1, leased_until = clock_timestamp() + $2::interval where id = (
    select id from import_job where status in ('waiting', 'running')
    and (leased_until is null or leased_until < clock_timestamp() or holder = $1)
    order by created_at limit 1 for update skip locked
) returning *
"""
COUNT = """
update import_job set lines = $3, accepted = accepted + $4, repeated = repeated + $5, rejected = rejected + $6,
    position = greatest(position, $7), leased_until = clock_timestamp() + $8::interval
where id = $1 and holder = $2
"""


ABANDONED = """
with abandoned as (
    update import_job set status = 'failed', failure = 'the rest of the upload never came', ended_at = clock_timestamp()
    where status = 'receiving' and created_at < clock_timestamp() - $1::interval returning id
)
delete from import_piece where job in (select id from abandoned)
"""


@dataclass(frozen=True)
class Upload:
    """Of an import: what its lines are made commands with. `actor` sent it; `seal` is for services that keep personal
    data."""

    job: UUID
    actor: str
    db: Rows
    seal: Sealing
    occurred_at: datetime | None


@dataclass(frozen=True)
class Import(Generic[C]):
    """One kind of upload: lines of `model`, and how a batch of these becomes commands. `fields` says which field a
    refusal is about, by its code."""

    kind: str
    model: type[C]
    sends: Callable[[Upload, Sequence[Good[C]]], Awaitable[list[Send]]]
    fields: Mapping[str, str] = field(default_factory=dict)


class JobView(BaseModel):
    """`lines` are those that are dealt with: `accepted` (recorded now), `repeated` (recorded before) or `rejected`, and
    empty ones. A job that is `receiving` waits for the rest of its upload: send all of it again with the same key."""

    id: UUID
    kind: str
    status: Literal["receiving", "waiting", "running", "done", "failed"]
    bytes: int = Field(description="Of the upload that have come in.")
    lines: int
    accepted: int
    repeated: int
    rejected: int
    position: int | None = Field(description="The highest position of the log among those accepted; null without.")
    failure: str | None = Field(description="Why it failed: nothing, or nothing more, of it was read.")
    errors: str = Field(description="Where each rejected line is told, with its field and the rule.")
    created_at: AwareDatetime
    ended_at: AwareDatetime | None


def shown(path: str, row: Mapping[str, Any]) -> JobView:
    return JobView(**row, errors=f"{path}/{row['id']}/errors")


class ServiceRows:
    """The service's own views, outside of a request."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def fetch(self, query: str, *args: Any) -> list[Any]:
        async with self._engine.acquire() as db:
            rows: list[Any] = await db.fetch(query, *args)
            return rows

    async def fetchrow(self, query: str, *args: Any) -> Any:
        async with self._engine.acquire() as db:
            return await db.fetchrow(query, *args)

    async def fetchval(self, query: str, *args: Any) -> Any:
        async with self._engine.acquire() as db:
            return await db.fetchval(query, *args)


# -- the worker


@dataclass
class Tally:
    accepted: int = 0
    repeated: int = 0
    rejected: int = 0
    position: int | None = None
    errors: list[LineError] = field(default_factory=list)

    def take(self, line: int, outcome: Any, fields: Mapping[str, str]) -> None:
        if isinstance(outcome, Rejected):
            named = outcome.details.get("field") or fields.get(outcome.code, "line")
            self.reject(LineError(line, named, outcome.code, str(outcome)))
        elif outcome.position is None:
            self.repeated += 1
        else:
            self.accepted += 1
            self.position = max(self.position or 0, outcome.position)

    def reject(self, *errors: LineError) -> None:
        self.rejected += 1
        self.errors += errors


class Worker:
    """Takes jobs on, one after another, for as long as it runs."""

    def __init__(self, app: FastAPI, kinds: Sequence[Import[Any]]) -> None:
        self._engine: Engine = app.state.engine
        self._seal = Sealing(app.state.service, app.state.engine, app.state.vault)
        self._kinds = {each.kind: each for each in kinds}
        self._me = uuid4()
        self._wake = asyncio.Event()
        self._look_again = 0.0

    def wake(self) -> None:
        self._wake.set()

    async def run(self) -> None:
        while True:
            self._wake.clear()
            try:
                while await self.one():
                    pass
                await self.give_up()
            except Exception as error:
                if not passes(error):
                    raise
                log.warning("imports_wait", error=repr(error))
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._wake.wait(), POLL)

    async def one(self) -> bool:
        """Deals with the job that waits longest; False if there is none."""
        async with self._engine.acquire() as db:
            job = await db.fetchrow(TAKE, self._me, LEASE)
        if job is None:
            return False
        try:
            await self._read(job)
        except HeaderWrong as error:
            await self._end(job["id"], f"the header does not name the columns of a line: {error}")
        except Exception as error:
            if passes(error):
                raise
            log.exception("import_failed", job=str(job["id"]))
            await self._end(job["id"], "something went wrong on our side; the job's id finds it in the logs")
        else:
            await self._end(job["id"], None)
        return True

    async def give_up(self) -> None:
        """Ends jobs whose upload stays away, and lets go of what came: it may tell of people."""
        if asyncio.get_running_loop().time() < self._look_again:
            return
        self._look_again = asyncio.get_running_loop().time() + LOOK_AGAIN
        async with self._engine.acquire() as db:
            await db.execute(ABANDONED, PATIENCE)

    async def _read(self, job: Mapping[str, Any]) -> None:
        kind = self._kinds[job["kind"]]
        intake: Intake[Any] = Intake(kind.model, job["format"], gzip=job["gzip"])
        batch: list[Good[Any] | Bad] = []
        async for read in self._lines(job, intake):
            if read.line > job["lines"]:
                batch.append(read)
            if len(batch) == BATCH:
                await self._record(job, kind, batch)
                batch = []
        await self._record(job, kind, batch)

    async def _lines(self, job: Mapping[str, Any], intake: Intake[Any]) -> AsyncIterator[Good[Any] | Bad]:
        for n in range(job["pieces"]):
            async with self._engine.acquire() as db:
                data = await db.fetchval("select data from import_piece where job = $1 and n = $2", job["id"], n)
            for read in intake.feed(data):
                yield read
        for read in intake.finish():
            yield read

    async def _record(self, job: Mapping[str, Any], kind: Import[Any], batch: Sequence[Good[Any] | Bad]) -> None:
        if not batch:
            return
        tally = Tally()
        for read in batch:
            if isinstance(read, Bad):
                tally.reject(*read.errors)
        good = [read for read in batch if isinstance(read, Good)]
        upload = Upload(job["id"], job["actor"], ServiceRows(self._engine), self._seal, job["occurred_at"])
        sends = await kind.sends(upload, good)
        refused = [self._refused(job, send.command) for send in sends]
        kept = [n for n, no in enumerate(refused) if no is None]
        outcomes = iter(
            await self._engine.handle_many(
                [sends[n] for n in kept],
                Context(
                    job["actor"],
                    job["correlation_id"],
                    traceparent=job["traceparent"],
                    tracestate=job["tracestate"],
                ),
                # Of a batch that was recorded and then not counted each line gets its first answer again.
                command_ids=[uuid5(job["id"], str(good[n].line)) for n in kept],
                request=b"",
            )
        )
        for read, no in zip(good, refused, strict=True):
            tally.take(read.line, no or next(outcomes), kind.fields)
        await self._count(job["id"], batch[-1].line, tally)

    def _refused(self, job: Mapping[str, Any], command: Command) -> Rejected | None:
        """By the clock: what a request of its own would have been told at once."""
        at, now = command.occurred_at, self._engine.clock()
        if at is not None and at > now + CLOCK_SKEW:
            return Rejected(f"{self._engine.service}.occurred_at_in_the_future", field="occurred_at")
        if at is not None and at < now - CLOCK_SKEW and not job["backfills"]:
            return Rejected(f"{self._engine.service}.backfill_scope_needed", field="occurred_at")
        return None

    async def _count(self, job: UUID, lines: int, tally: Tally) -> None:
        """Raises Fenced where another worker has taken the job on meanwhile."""
        async with self._engine.acquire() as db, db.transaction():
            status = await db.execute(
                COUNT, job, self._me, lines, tally.accepted, tally.repeated, tally.rejected, tally.position, LEASE
            )
            if status != "UPDATE 1":
                raise Fenced(f"import {job} is another worker's")
            await db.executemany(
                "insert into import_error (job, line, field, rule, message) values ($1, $2, $3, $4, $5)",
                [(job, *asdict(error).values()) for error in tally.errors],
            )

    async def _end(self, job: UUID, failure: str | None) -> None:
        async with self._engine.acquire() as db, db.transaction():
            await db.execute(
                "update import_job set status = $3, failure = $4, ended_at = clock_timestamp(), leased_until = null"
                " where id = $1 and holder = $2",
                job,
                self._me,
                "done" if failure is None else "failed",
                failure,
            )
            await db.execute("delete from import_piece where job = $1", job)


# -- the routes


def import_routes(kind: Import[Any], path: str, *, read: params.Depends, write: params.Depends) -> APIRouter:
    """`POST {path}`, `GET {path}/{job_id}` and `GET {path}/{job_id}/errors`."""
    router = APIRouter(prefix=path, tags=[path.strip("/").partition("/")[0]])
    record = {"type": "string", "description": f"A line each, with the fields of {kind.model.__name__}."}
    content = {
        "application/x-ndjson": {"schema": record, "example": "{...}\n{...}\n"},
        "text/csv": {"schema": record, "example": ",".join(kind.model.model_fields) + "\r\n...\r\n"},
    }
    told = "CSV has a header with the names of the fields, in any order. Content-Encoding: gzip is read."
    body = {"requestBody": {"required": True, "description": told, "content": content}}

    async def start(
        request: Request,
        occurred_at: Annotated[
            AwareDatetime | None, Query(description="Of lines that do not say it; the past needs the backfill scope.")
        ] = None,
    ) -> JobView:
        """Takes an upload in, and deals with it by and by. Good lines are kept, bad ones named. One that broke off is
        sent again from its beginning, with the same Idempotency-Key: what has come in is passed over."""
        caller = Caller(request.scope["cauce.exchange"])
        id = caller.key() or uuid4()
        row = await _begun(caller, kind, id, request, occurred_at)
        if row["status"] == "receiving":
            row = await _receive(request, caller.engine, row)
            request.app.state.imports.wake()
        return shown(path, row)

    async def job(job_id: UUID, db: Read) -> JobView:
        """How far the import is, and what has become of its lines."""
        return shown(path, await _found(db, job_id))

    async def errors(job_id: UUID, db: Read) -> StreamingResponse:
        """Each rejected line with its field and rule, as CSV."""
        await _found(db, job_id)
        return StreamingResponse(_errors(db, job_id), media_type="text/csv")

    async def _found(db: Read, job_id: UUID) -> Mapping[str, Any]:
        row = await db.fetchrow("select * from import_job where id = $1 and kind = $2", job_id, kind.kind)
        if row is None:
            raise Unknown(f"{service_of(write)}.import_unknown", job_id=job_id)
        found: Mapping[str, Any] = row
        return found

    job.cauce_refusals = errors.cauce_refusals = {"{service}.import_unknown": 404}  # type: ignore[attr-defined]
    start.cauce_refusals = {  # type: ignore[attr-defined]
        "media_type_unsupported": 415,
        "encoding_unsupported": 415,
        "upload_broken_off": 400,
        "request_in_flight": 409,
    }
    start.__name__ = f"import_{kind.kind}"
    job.__name__, errors.__name__ = f"{kind.kind}_import", f"{kind.kind}_import_errors"
    router.add_api_route(
        "", start, methods=["POST"], status_code=202, dependencies=[write, body_limit(LARGEST)], openapi_extra=body
    )
    router.add_api_route("/{job_id}", job, methods=["GET"], dependencies=[read])
    csv_content = {"text/csv": {"schema": {"type": "string"}, "example": "line,field,rule,message\r\n"}}
    router.add_api_route(
        "/{job_id}/errors",
        errors,
        methods=["GET"],
        dependencies=[read],
        response_class=StreamingResponse,
        responses={200: {"content": csv_content}},
    )
    return router


def service_of(scope: params.Depends) -> str:
    name: str = scope.dependency.name  # type: ignore[union-attr]
    return name.partition(":")[0]


async def _begun(
    caller: Caller, kind: Import[Any], id: UUID, request: Request, occurred_at: datetime | None
) -> Mapping[str, Any]:
    """The job's row, made now or by the same request before."""
    format, gzip = format_of(request), is_gzip(request)
    async with caller.engine.acquire() as db:
        await db.execute(
            "insert into import_job (id, kind, status, format, gzip, actor, correlation_id, backfills, occurred_at,"
            " traceparent, tracestate) values ($1, $2, 'receiving', $3, $4, $5, $6, $7, $8, $9, $10)"
            " on conflict do nothing",
            id,
            kind.kind,
            format,
            gzip,
            caller.context.actor,
            caller.context.correlation_id,
            f"{caller.service}:backfill" in caller.principal.scopes,
            occurred_at,
            caller.context.traceparent,
            caller.context.tracestate,
        )
        return await _row(db, id)


async def _receive(request: Request, engine: Engine, job: Mapping[str, Any]) -> Mapping[str, Any]:
    """Stores what comes behind what has come already; the job waits for a worker when all is there."""
    pending = bytearray()
    skip, pieces = job["bytes"], job["pieces"]

    async def store(size: int) -> None:
        nonlocal pieces
        data = bytes(pending[:size])
        del pending[:size]
        try:
            async with engine.acquire() as db, db.transaction():
                await db.execute("insert into import_piece values ($1, $2, $3)", job["id"], pieces, data)
                await db.execute(
                    "update import_job set bytes = bytes + $2, pieces = pieces + 1 where id = $1", job["id"], len(data)
                )
        except asyncpg.UniqueViolationError:
            raise InFlight from None  # the same upload comes in twice at once
        pieces += 1
        request.scope["cauce.exchange"].alive()

    try:
        async for chunk in request.stream():
            passed = min(skip, len(chunk))
            skip -= passed
            pending += chunk[passed:]
            while len(pending) >= PIECE:
                await store(PIECE)
    except ClientDisconnect:
        raise ProblemError(400, "upload_broken_off", "The upload broke off; send all of it again.") from None
    if pending:
        await store(len(pending))
    async with engine.acquire() as db:
        await db.execute("update import_job set status = 'waiting' where id = $1 and status = 'receiving'", job["id"])
        return await _row(db, job["id"])


async def _row(db: Db, id: UUID) -> Mapping[str, Any]:
    row: Mapping[str, Any] | None = await db.fetchrow("select * from import_job where id = $1", id)
    assert row is not None  # noqa: S101 - jobs are never deleted
    return row


async def _errors(db: Read, job: UUID) -> AsyncIterator[bytes]:
    yield b"line,field,rule,message\r\n"
    after = 0
    while rows := await db.fetch(
        "select * from import_error where job = $1 and id > $2 order by id limit 1000", job, after
    ):
        text = io.StringIO()
        csv.writer(text).writerows((row["line"], row["field"], row["rule"], row["message"]) for row in rows)
        yield text.getvalue().encode()
        after = rows[-1]["id"]


def format_of(request: Request) -> Format:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type not in FORMATS:
        raise ProblemError(415, "media_type_unsupported", f"Send {' or '.join(FORMATS)}.", media_type=media_type)
    return FORMATS[media_type]


def is_gzip(request: Request) -> bool:
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("identity", "gzip"):
        raise ProblemError(415, "encoding_unsupported", "Send the upload as it is or with gzip.", encoding=encoding)
    return encoding == "gzip"

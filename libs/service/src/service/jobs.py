"""Questions that take seconds: asked by a POST, answered by and by. A job only reads the service's views; what it finds
is kept beside the log and leaves no event behind.

A worker takes a job on under a lease, tells how far it is, and ends with a result and any number of lines. A job whose
worker died is begun anew by another.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Generic, Literal, TypeVar
from uuid import UUID, uuid4

import orjson
import structlog
from engine import Rows, Unknown
from engine.errors import Fenced, passes
from engine.runtime import Engine
from fastapi import APIRouter, FastAPI, params
from pydantic import AwareDatetime, BaseModel, Field
from starlette.requests import Request

from service.imports import ServiceRows, service_of
from service.paging import Listing, Page, Window, foreign, listing
from service.problems import ProblemError
from service.reading import Read

log = structlog.get_logger()
A = TypeVar("A", bound=BaseModel)
R = TypeVar("R", bound=BaseModel)
L = TypeVar("L", bound=BaseModel)

LEASE = timedelta(seconds=30)
"""For so long a job belongs to the worker that told last how far it is."""
POLL = 5.0
"""Seconds after which a worker looks for what another process was asked; of its own it hears at once."""
KEPT = timedelta(days=30)

SCHEMA = """
create table if not exists job (
    id           uuid primary key,
    kind         text not null,
    status       text not null check (status in ('waiting', 'running', 'done', 'failed')),
    asked        json not null,
    done         integer not null default 0,
    steps        integer,
    result       json,
    created_at   timestamptz not null default clock_timestamp(),
    ended_at     timestamptz,
    holder       uuid,
    leased_until timestamptz
);
create index if not exists job_open on job (created_at) where status in ('waiting', 'running');
create table if not exists job_line (
    n bigint generated always as identity primary key, job uuid not null, data json not null
);
create index if not exists job_line_job on job_line (job, n);
"""

TAKE = """
update job set status = 'running', done = 0, holder = $1, leased_until = clock_timestamp() + $2::interval where id = (
    select id from job where status in ('waiting', 'running') and kind = any ($3)
    and (leased_until is null or leased_until < clock_timestamp() or holder = $1)
    order by created_at limit 1 for update skip locked
) returning *
"""
HELD = "update job set leased_until = clock_timestamp() + $3::interval where id = $1 and holder = $2"
PROGRESS = """
update job set done = $4, steps = $5, leased_until = clock_timestamp() + $3::interval where id = $1 and holder = $2
"""
END = """
update job set status = $3, result = $4, ended_at = clock_timestamp(), leased_until = null where id = $1 and holder = $2
"""
JOBS = """
select * from job where kind = $1 and ($2::timestamptz is null or (created_at, id) < ($2, $3::uuid))
order by created_at desc, id desc limit $4
"""
FORGET = """
with forgotten as (delete from job where ended_at < clock_timestamp() - $1::interval returning id)
delete from job_line where job in (select id from forgotten)
"""


@dataclass(frozen=True)
class Running:
    """A job that is being done: what it may read, and how it tells. Raises Fenced where another worker has it now."""

    id: UUID
    db: Rows
    engine: Engine
    holder: UUID

    async def progress(self, done: int, of: int) -> None:
        await self._held(PROGRESS, done, of)

    async def tell(self, lines: Sequence[BaseModel]) -> None:
        """Adds to what it found."""
        await self._held(HELD)
        rows = [(self.id, line.model_dump_json().encode()) for line in lines]
        async with self.engine.acquire() as db:
            await db.executemany("insert into job_line (job, data) values ($1, $2)", rows)

    async def _held(self, query: str, *args: Any) -> None:
        async with self.engine.acquire() as db:
            if await db.execute(query, self.id, self.holder, LEASE, *args) != "UPDATE 1":
                raise Fenced(f"job {self.id} is another worker's")


@dataclass(frozen=True)
class Job(Generic[A, R, L]):
    """One kind of question: `run(running, asked)` answers it, by a `result` and by `line`s."""

    kind: str
    asked: type[A]
    result: type[R]
    line: type[L]
    run: Callable[[Running, A], Awaitable[R]]


class JobStatus(BaseModel, Generic[A, R]):
    """`done` of `steps` are done; `result` is there when the status is `done`. It is kept for 30 days."""

    id: UUID
    kind: str
    asked: A
    status: Literal["waiting", "running", "done", "failed"]
    done: int
    steps: int | None = Field(description="Null until that is known.")
    result: R | None
    lines: str = Field(description="Where single findings are listed.")
    created_at: AwareDatetime
    ended_at: AwareDatetime | None


class Worker:
    """Does jobs, one after another, for as long as it runs."""

    def __init__(self, app: FastAPI, jobs: Sequence[Job[Any, Any, Any]]) -> None:
        self._engine: Engine = app.state.engine
        self._jobs = {job.kind: job for job in jobs}
        self._me = uuid4()
        self._wake = asyncio.Event()

    def wake(self) -> None:
        self._wake.set()

    async def run(self) -> None:
        while True:
            self._wake.clear()
            try:
                while await self.one():
                    pass
            except Exception as error:
                if not passes(error):
                    raise
                log.warning("jobs_wait", error=repr(error))
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._wake.wait(), POLL)

    async def one(self) -> bool:
        """Does the job that waits longest; False if there is none."""
        async with self._engine.acquire() as db:
            row = await db.fetchrow(TAKE, self._me, LEASE, list(self._jobs))
            if row is None:
                return False
            await db.execute("delete from job_line where job = $1", row["id"])
        job = self._jobs[row["kind"]]
        running = Running(row["id"], ServiceRows(self._engine), self._engine, self._me)
        try:
            result = await job.run(running, job.asked.model_validate_json(row["asked"]))
        except Exception as error:
            if passes(error):
                raise
            log.exception("job_failed", job=str(row["id"]), kind=job.kind)
            await self._end(row["id"], "failed", None)
        else:
            await self._end(row["id"], "done", result)
        return True

    async def _end(self, id: UUID, status: str, result: BaseModel | None) -> None:
        told = None if result is None else result.model_dump_json().encode()
        async with self._engine.acquire() as db, db.transaction():
            await db.execute(END, id, self._me, status, told)
            await db.execute(FORGET, KEPT)


# -- the routes


async def begin(request: Request, job: Job[A, R, L], path: str, id: UUID, asked: A) -> JobStatus[A, R]:
    """The job of this id, begun now or by the same request before. Raises the problem of a key that was used for
    another question."""
    engine: Engine = request.app.state.engine
    said = asked.model_dump_json().encode()
    async with engine.acquire() as db:
        await db.execute(
            "insert into job (id, kind, status, asked) values ($1, $2, 'waiting', $3) on conflict do nothing",
            id,
            job.kind,
            said,
        )
        row = await db.fetchrow("select * from job where id = $1", id)
    assert row is not None  # noqa: S101 - it is forgotten after days
    if row["kind"] != job.kind or orjson.loads(row["asked"]) != orjson.loads(said):
        raise ProblemError(422, "idempotency_key_reused", "This Idempotency-Key was used for another question.")
    if request.app.state.jobs is not None:
        request.app.state.jobs.wake()
    return _shown(job, path, row)


def _shown(job: Job[A, R, L], path: str, row: Any) -> JobStatus[A, R]:
    asked = job.asked.model_validate_json(row["asked"])
    result = None if row["result"] is None else job.result.model_validate_json(row["result"])
    named = {name: row[name] for name in ("id", "kind", "status", "done", "steps", "created_at", "ended_at")}
    status = JobStatus[job.asked, job.result]  # type: ignore[name-defined]
    return status(**named, asked=asked, result=result, lines=f"{path}/{row['id']}/lines")


def job_routes(job: Job[A, R, L], path: str, *, read: params.Depends) -> APIRouter:
    """`GET {path}`, `GET {path}/{job_id}` and `GET {path}/{job_id}/lines`. The route that asks calls `begin`."""
    router = APIRouter(prefix=path, tags=[path.strip("/")])
    unknown = {f"{service_of(read)}.{job.kind}_unknown": 404}

    async def jobs(db: Read, page: Window) -> Listing[JobStatus[A, R]]:
        """What was asked, the last first."""
        rows = await db.fetch(JOBS, job.kind, *_place(page.after), page.limit + 1)
        return listing(
            [{"row": row} for row in rows],
            page,
            key=lambda last: f"{last['row']['created_at'].isoformat()} {last['row']['id']}",
            item=lambda row: _shown(job, path, row),
        )

    async def status(job_id: UUID, db: Read) -> JobStatus[A, R]:
        """How far it is, and what came of it."""
        return _shown(job, path, await found(db, job_id))

    async def lines(job_id: UUID, db: Read, page: Window) -> Listing[L]:
        """What it found, one by one."""
        await found(db, job_id)
        rows = await db.fetch(
            "select n, data from job_line where job = $1 and n > $2 order by n limit $3",
            job_id,
            _number(page.after),
            page.limit + 1,
        )
        told = [orjson.loads(row["data"]) | {"n": row["n"]} for row in rows]
        return listing(told, page, key=lambda row: str(row["n"]), item=lambda n, **row: job.line(**row))

    async def found(db: Read, job_id: UUID) -> Any:
        row = await db.fetchrow("select * from job where id = $1 and kind = $2", job_id, job.kind)
        if row is None:
            raise Unknown(next(iter(unknown)), job_id=job_id)
        return row

    of_job = JobStatus[job.asked, job.result]  # type: ignore[name-defined]
    shown: list[tuple[str, Callable[..., Coroutine[Any, Any, Any]], Any]] = [
        ("", jobs, Listing[of_job]),
        ("/{job_id}", status, of_job),
        ("/{job_id}/lines", lines, Listing[job.line]),  # type: ignore[name-defined]
    ]
    jobs.__name__, status.__name__, lines.__name__ = f"list_{job.kind}s", job.kind, f"list_{job.kind}_lines"
    for at, endpoint, model in shown:
        endpoint.__annotations__ |= {"return": model, **({} if endpoint is status else {"page": Page})}
        if endpoint is not jobs:
            endpoint.cauce_refusals = unknown  # type: ignore[attr-defined]
        router.add_api_route(at, endpoint, methods=["GET"], dependencies=[read], response_model=model)
    return router


def _place(after: str | None) -> tuple[datetime | None, UUID | None]:
    if after is None:
        return None, None
    at, _, id = after.partition(" ")
    try:
        moment = datetime.fromisoformat(at)
        if moment.tzinfo is None or not 1 < moment.year < 9999:
            raise foreign()
        return moment, UUID(id)
    except ValueError:
        raise foreign() from None


def _number(after: str | None) -> int:
    if after is None:
        return 0
    if not (after.isascii() and after.isdecimal() and len(after) < 19):
        raise foreign()
    return int(after)

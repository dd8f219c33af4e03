"""Questions that are answered by and by, whatever becomes of who answers them. On performance-svc, which has such."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from uuid import UUID, uuid4

import pytest
from engine.errors import Fenced
from engine.runtime import Engine
from fastapi import FastAPI
from pydantic import BaseModel
from service import Job, Running
from service.jobs import KEPT, Worker


class Question(BaseModel):
    up_to: int


class Answer(BaseModel):
    total: int


class Number(BaseModel):
    number: int


Run = Callable[[Running, Question], Awaitable[Answer]]


async def count(running: Running, asked: Question) -> Answer:
    for n in range(1, asked.up_to + 1):
        await running.progress(n - 1, asked.up_to)
        await running.tell([Number(number=n)])
    return Answer(total=asked.up_to)


def worker(app: FastAPI, run: Run) -> Worker:
    return Worker(app, [Job("count", Question, Answer, Number, run)])


@pytest.fixture
def engine(performance: FastAPI) -> Engine:
    found: Engine = performance.state.engine
    return found


async def asked(engine: Engine, up_to: int = 2) -> UUID:
    id = uuid4()
    async with engine.acquire() as db:
        question = Question(up_to=up_to).model_dump_json().encode()
        await db.execute("insert into job (id, kind, status, asked) values ($1, 'count', 'waiting', $2)", id, question)
    return id


async def now(engine: Engine, id: UUID) -> tuple[str, int, str | None, list[str]]:
    """Its status, how many steps are done, its result, and its lines."""
    async with engine.acquire() as db:
        row = await db.fetchrow("select status, done, result from job where id = $1", id)
        lines = await db.fetch("select data from job_line where job = $1 order by n", id)
    assert row is not None
    said = None if row["result"] is None else row["result"].decode()
    return row["status"], row["done"], said, [line["data"].decode() for line in lines]


DONE = '{"total":2}', ['{"number":1}', '{"number":2}']


async def test_a_job_goes_on_from_its_beginning_after_what_passes_by_itself_and_tells_nothing_twice(
    performance: FastAPI, engine: Engine
) -> None:
    times = []

    async def interrupted(running: Running, question: Question) -> Answer:
        times.append(running.id)
        answer = await count(running, question)
        if len(times) == 1:
            raise TimeoutError
        return answer

    id, doing = await asked(engine), worker(performance, interrupted)
    with pytest.raises(TimeoutError):
        await doing.one()
    assert (await now(engine, id))[0] == "running"
    assert await doing.one()
    assert await now(engine, id) == ("done", 1, *DONE)
    assert not await doing.one()


async def test_a_job_that_goes_wrong_says_so_and_the_next_is_done(performance: FastAPI, engine: Engine) -> None:
    async def wrong(running: Running, question: Question) -> Answer:
        return Answer(total=1 // (question.up_to - 2))

    bad, good = await asked(engine, 2), await asked(engine, 3)
    doing = worker(performance, wrong)
    assert await doing.one()
    assert await doing.one()
    assert await now(engine, bad) == ("failed", 0, None, [])
    assert await now(engine, good) == ("done", 0, '{"total":1}', [])


async def test_a_job_whose_worker_is_gone_is_another_workers_and_the_first_tells_nothing_more(
    performance: FastAPI, engine: Engine
) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slow(running: Running, question: Question) -> Answer:
        await running.tell([Number(number=1)])
        begun.set()
        await go_on.wait()
        return await count(running, question)

    id = await asked(engine)
    first = asyncio.create_task(worker(performance, slow).one())
    await begun.wait()
    other = worker(performance, count)
    assert not await other.one()  # it is held
    async with engine.acquire() as db:
        await db.execute("update job set leased_until = clock_timestamp() - interval '1 second' where id = $1", id)
    assert await other.one()
    assert await now(engine, id) == ("done", 1, *DONE)
    go_on.set()
    with pytest.raises(Fenced):
        await first
    assert await now(engine, id) == ("done", 1, *DONE)


async def test_what_was_answered_long_ago_is_forgotten(performance: FastAPI, engine: Engine) -> None:
    old, new = await asked(engine), await asked(engine)
    doing = worker(performance, count)
    assert await doing.one()
    async with engine.acquire() as db:
        await db.execute("update job set ended_at = ended_at - $2::interval where id = $1", old, KEPT)
    assert await doing.one()
    async with engine.acquire() as db:
        assert await db.fetchval("select array_agg(id) from job") == [new]
        assert await db.fetchval("select count(*) from job_line where job = $1", old) == 0

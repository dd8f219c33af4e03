"""A partner's own people, in a small renting service where everything belongs to somebody."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest
from engine import Command, Decider, Rejected, Send, Table, Unknown, View
from events import Event
from fastapi import APIRouter, FastAPI, Query
from pydantic import BaseModel
from service import Handle, HandleMany, NewId, Read, Receipt, UnsafeRoute, body_limit, create_app, own, scope
from service.partners import Narrowed, narrow, tables_of
from starlette.requests import Request

MINE, OTHER = UUID(int=1), UUID(int=2)


class Rented(Event, type="cauce.renting.Rented.v1"):
    partner_id: UUID


class Signed(Event, type="cauce.renting.Signed.v1"):
    side: str


class Rent(Command):
    partner_id: UUID
    price: int = 1


class Sign(Command):
    side: Literal["owner", "tenant"]


@dataclass(frozen=True)
class Lease:
    partner_id: UUID | None = None
    signed: tuple[str, ...] = ()


def decide(command: Rent | Sign, lease: Lease, now: datetime) -> list[Any]:
    match command:
        case Rent(partner_id=partner_id, price=price):
            if price > 100:
                raise Rejected("renting.too_dear")
            return [Rented(partner_id=partner_id)]
        case Sign(side=side):
            if lease.partner_id is None:
                raise Unknown("renting.lease_unknown")
            return [Signed(side=side)]


def evolve(lease: Lease, event: Any) -> Lease:
    match event:
        case Rented(partner_id=partner_id):
            return Lease(partner_id)
        case _:
            return Lease(lease.partner_id, (*lease.signed, event.side))


LEASES: Decider[Any, Any, Any] = Decider(
    "lease", decide, evolve, Lease, Rented | Signed, owner=lambda lease: lease.partner_id
)
NOBODYS: Decider[Any, Any, Any] = Decider("notice", decide, evolve, Lease, Rented | Signed)

READ, WRITE = scope("renting:read"), scope("renting:write")


class Body(BaseModel):
    partner_id: UUID


def renting() -> APIRouter:
    router = APIRouter(tags=["leases"])

    @router.get("/partners/{partner_id}", dependencies=[READ, own("partner_id")])
    async def by_partner(partner_id: UUID) -> UUID:
        return partner_id

    @router.get("/leases", dependencies=[READ, own(query="partner_id")])
    async def list_(
        partner_id: UUID | None = None, text: Annotated[list[str] | None, Query()] = None
    ) -> tuple[UUID | None, list[str] | None]:
        return partner_id, text

    @router.get("/leases/{id}", dependencies=[READ, own("id", LEASES)])
    async def read(id: UUID, db: Read) -> int:
        return (await db.load(LEASES, id)).version

    @router.post("/leases", status_code=201, dependencies=[WRITE, own(body="partner_id"), body_limit(200)])
    async def rent(command: Rent, id: NewId, handle: Handle) -> Receipt:
        return await handle(LEASES, id, command)

    @router.post(
        "/leases/{id}/signatures", status_code=201, dependencies=[WRITE, own("id", LEASES, only={"side": "tenant"})]
    )
    async def sign(id: UUID, command: Sign, handle: Handle) -> Receipt:
        return await handle(LEASES, id, command)

    @router.get("/notices", dependencies=[READ])
    async def notices() -> str:
        return "for our own people"

    # What a careless author might write: open, and nothing said of whose it is.
    @router.get("/careless/{id}", dependencies=[READ, own()])
    async def careless(id: UUID, db: Read) -> int:
        return (await db.load(LEASES, id)).version

    @router.get("/careless-notice/{id}", dependencies=[READ, own()])
    async def careless_notice(id: UUID, db: Read) -> int:
        return (await db.load(NOBODYS, id)).version

    @router.post("/careless/{id}", status_code=201, dependencies=[WRITE, own()])
    async def careless_sign(id: UUID, command: Sign, handle: Handle) -> Receipt:
        return await handle(LEASES, id, command)

    @router.post("/careless", status_code=201, dependencies=[WRITE, own()])
    async def careless_rent(command: Rent, id: NewId, handle: Handle) -> Receipt:
        return await handle(LEASES, id, command)

    @router.post("/careless-many", dependencies=[WRITE, own()])
    async def careless_many(handle_many: HandleMany) -> int:
        return len(await handle_many([Send(LEASES, UUID(int=7), Rent(partner_id=OTHER))]))

    return router


@pytest.fixture
def app(engine: Any, settings: Any) -> FastAPI:
    return create_app("renting", settings(), routes=[renting()], deciders=[LEASES, NOBODYS], engine=engine)


@pytest.fixture
def us(app: FastAPI, connect: Any, issuer: Any) -> httpx.AsyncClient:
    client: httpx.AsyncClient = connect(app, issuer.token(scope="renting:read renting:write"))
    return client


@pytest.fixture
def them(app: FastAPI, connect: Any, issuer: Any) -> httpx.AsyncClient:
    """Somebody of the partner MINE."""
    token = issuer.token(sub="ben", scope="renting:read renting:write", partner_id=str(MINE))
    client: httpx.AsyncClient = connect(app, token)
    return client


async def rented(client: httpx.AsyncClient, partner_id: UUID) -> str:
    answer = await client.post("/leases", json={"partner_id": str(partner_id)})
    assert answer.status_code == 201, answer.text
    id: str = answer.json()["id"]
    return id


def refused(answer: httpx.Response, status: int, code: str) -> None:
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text


# -- the first line: what a route says


async def test_a_route_that_says_nothing_of_whose_it_is_is_closed_to_them_and_open_to_us(us, them):
    refused(await them.get("/notices"), 403, "partner_closed")
    refused(await them.get("/log"), 403, "partner_closed")
    assert (await us.get("/notices")).status_code == 200


async def test_the_scope_is_needed_as_well(app, connect, issuer):
    client = connect(app, issuer.token(scope="renting:write", partner_id=str(MINE)))
    refused(await client.get(f"/partners/{MINE}"), 403, "scope_missing")


async def test_a_path_that_names_another_partner_leads_nowhere_as_one_that_does_not_exist(us, them):
    assert (await them.get(f"/partners/{MINE}")).status_code == 200
    assert (await them.get(f"/partners/{str(MINE).upper()}")).status_code == 200
    for path in (f"/partners/{OTHER}", f"/partners/{uuid4()}", "/partners/x"):
        refused(await them.get(path), 404, "not_found")
    assert (await us.get(f"/partners/{OTHER}")).status_code == 200


async def test_a_thing_of_another_partner_answers_as_what_does_not_exist(us, them):
    mine, other = await rented(us, MINE), await rented(us, OTHER)
    assert (await them.get(f"/leases/{mine}")).json() == 1
    strange, absent = await them.get(f"/leases/{other}"), await them.get(f"/leases/{uuid4()}")
    assert strange.json()["code"] == absent.json()["code"] == "not_found"
    assert strange.json().keys() == absent.json().keys()
    assert (await us.get(f"/leases/{other}")).json() == 1


@pytest.mark.parametrize("query", ["", "?", f"?partner_id={MINE}", "?partner_id=", "?partner_id=x"])
async def test_a_list_is_narrowed_to_their_own_whatever_they_ask(them, query):
    assert (await them.get(f"/leases{query}")).json() == [str(MINE), None]


def test_whatever_was_said_of_the_partner_before_is_gone_once_it_is_narrowed():
    request = Request({"type": "http", "query_string": f"partner_id=x&a=1&partner_id=&partner_id={MINE}".encode()})
    narrow(request, "partner_id", MINE)
    assert request.query_params.multi_items() == [("a", "1"), ("partner_id", str(MINE))]


async def test_narrowing_leaves_the_rest_of_the_query_as_it_was(them):
    answer = await them.get("/leases", params={"text": ["a&partner_id=b", "é +%", ""], "partner_id": str(MINE)})
    assert answer.json() == [str(MINE), ["a&partner_id=b", "é +%", ""]]


@pytest.mark.parametrize(
    "query",
    [
        f"partner_id={OTHER}",
        f"partner_id={MINE}&partner_id={OTHER}",
        f"partner_id={OTHER}&partner_id={MINE}",
        f"partner%5Fid={OTHER}",
        f"partner_id=%7B{OTHER}%7D",
        f"partner_id={OTHER.hex}",
    ],
)
async def test_a_list_of_another_partner_is_refused(them, query):
    refused(await them.get(f"/leases?{query}"), 403, "partner_other")


async def test_our_own_people_see_the_list_that_they_ask_for(us):
    assert (await us.get("/leases")).json() == [None, None]
    assert (await us.get(f"/leases?partner_id={OTHER}")).json() == [str(OTHER), None]


async def test_a_body_that_names_another_partner_is_refused_and_their_own_taken(them, engine):
    refused(await them.post("/leases", json={"partner_id": str(OTHER)}), 403, "partner_other")
    refused(await them.post("/leases", json={"partner_id": OTHER.hex}), 403, "partner_other")
    assert engine.facts == []
    assert (await them.post("/leases", json={"partner_id": str(MINE)})).status_code == 201
    assert [fact.actor for fact in engine.facts] == ["ben"]


@pytest.mark.parametrize(
    "body", [b"", b"{", b"\xff", b"[]", b"{}", b'"x"', b'{"partner_id": 5}', b'{"partner_id": []}']
)
async def test_a_body_that_cannot_be_read_is_told_so(them, body):
    answer = await them.post("/leases", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == (400 if body == b"\xff" else 422), answer.text


async def test_of_a_name_that_is_there_twice_the_one_that_counts_is_the_one_that_is_looked_at(them, engine):
    def twice(first: UUID, last: UUID) -> bytes:
        return f'{{"partner_id": "{first}", "partner_id": "{last}"}}'.encode()

    json = {"Content-Type": "application/json"}
    refused(await them.post("/leases", content=twice(MINE, OTHER), headers=json), 403, "partner_other")
    assert (await them.post("/leases", content=twice(OTHER, MINE), headers=json)).status_code == 201
    assert [fact.event.partner_id for fact in engine.facts] == [MINE]


async def test_a_body_over_the_routes_limit_is_not_read_to_see_whose_it_is(them):
    answer = await them.post("/leases", json={"partner_id": str(MINE), "occurred_at": "x" * 500})
    refused(answer, 413, "body_too_large")


async def test_they_act_only_as_what_they_are(us, them):
    mine, other = await rented(us, MINE), await rented(us, OTHER)
    refused(await them.post(f"/leases/{mine}/signatures", json={"side": "owner"}), 403, "partner_may_not")
    refused(await them.post(f"/leases/{mine}/signatures", json={}), 403, "partner_may_not")
    refused(await them.post(f"/leases/{other}/signatures", json={"side": "tenant"}), 404, "not_found")
    assert (await them.post(f"/leases/{mine}/signatures", json={"side": "tenant"})).status_code == 201
    assert (await us.post(f"/leases/{mine}/signatures", json={"side": "owner"})).status_code == 201


def test_a_route_whose_path_does_not_have_what_it_goes_by_is_refused_at_the_start(settings, engine):
    router = APIRouter()

    @router.get("/things/{id}", dependencies=[READ, own("thing_id", LEASES)])
    async def read(id: UUID) -> None: ...

    with pytest.raises(UnsafeRoute, match="thing_id"):
        create_app("renting", settings(), routes=[router], deciders=[LEASES], engine=engine)


# -- the second line: what comes of a route that is open and forgot


async def test_an_aggregate_of_another_partner_is_not_there_for_them(us, them):
    mine, other = await rented(us, MINE), await rented(us, OTHER)
    assert [(await them.get(f"/careless/{id}")).json() for id in (mine, other)] == [1, 0]
    assert [(await us.get(f"/careless/{id}")).json() for id in (mine, other)] == [1, 1]


async def test_an_aggregate_that_does_not_say_whose_it_is_is_not_there_for_them(us, them, engine):
    id = UUID(int=5)
    await engine.handle(Send(NOBODYS, id, Rent(partner_id=MINE)), us_context())
    assert (await us.get(f"/careless-notice/{id}")).json() == 1
    assert (await them.get(f"/careless-notice/{id}")).json() == 0


async def test_a_command_about_what_is_not_theirs_is_not_handled(us, them, engine):
    other, mine = await rented(us, OTHER), await rented(us, MINE)
    before = len(engine.facts)
    refused(await them.post(f"/careless/{other}", json={"side": "tenant"}), 404, "not_found")
    refused(await them.post("/careless", json={"partner_id": str(OTHER)}), 404, "not_found")
    refused(await them.post("/careless-many"), 403, "partner_closed")
    assert len(engine.facts) == before
    assert (await them.post(f"/careless/{mine}", json={"side": "tenant"})).status_code == 201
    assert (await them.post("/careless", json={"partner_id": str(MINE)})).status_code == 201


async def test_a_rule_that_refuses_what_would_be_theirs_says_so_itself(them):
    refused(await them.post("/careless", json={"partner_id": str(MINE), "price": 101}), 409, "renting.too_dear")
    refused(await them.post(f"/careless/{uuid4()}", json={"side": "tenant"}), 404, "renting.lease_unknown")


def us_context() -> Any:
    from engine import Context

    return Context("ana")


# -- the second line: what SQL sees

LEASE_ROWS = Table("leases", "lease_id int primary key,\n partner_id uuid not null,\n area text not null")
SIGNATURES = Table("signatures", "lease_id int primary key, partner_id uuid, day int")
AREAS = Table("areas", "area text primary key, rank int not null")
TARIFFS = Table("tariffs", "tariff text primary key, other_partner_id uuid")


def nothing(fact: Any) -> list[Any]:
    return []


TABLES = tables_of([View("leases", 1, (LEASE_ROWS, SIGNATURES), nothing), View("areas", 1, (AREAS, TARIFFS), nothing)])


@asynccontextmanager
async def some_rows(url: str) -> AsyncIterator[asyncpg.Connection[Any]]:
    db = await asyncpg.connect(url)
    try:
        await db.execute("create table leases (lease_id int primary key, partner_id uuid not null, area text not null)")
        await db.execute("create table areas (area text primary key, rank int not null)")
        await db.execute("create table event (position int)")
        await db.execute("insert into areas values ('n', 1), ('s', 2)")
        await db.execute("insert into event values (1)")
        await db.executemany(
            "insert into leases values ($1, $2, $3)",
            [(n, MINE if n % 2 else OTHER, "n" if n < 5 else "s") for n in range(1, 9)],
        )
        yield db
    finally:
        await db.close()


Asked = Callable[..., Any]
SEES: list[tuple[str, tuple[Any, ...], list[Any]]] = [
    ("select lease_id from leases order by lease_id", (), [1, 3, 5, 7]),
    ("select lease_id from leases where area = $1 and lease_id > $2 order by 1 desc limit $3", ("s", 0, 5), [7, 5]),
    ("SELECT lease_id FROM Leases ORDER BY lease_id LIMIT 1", (), [1]),
    ('select "lease_id" from "leases" l where l.lease_id = 2', (), []),
    ("select count(*) from leases", (), [4]),
    ("select (select count(*) from leases) from areas", (), []),
    ("select area from areas", (), []),
    ("select position from event", (), []),
    ("select a.lease_id from leases a join leases b using (lease_id) order by 1", (), [1, 3, 5, 7]),
    ("with x as (select * from leases) select lease_id from x order by 1", (), [1, 3, 5, 7]),
    (" With x as (select 1 as n) select n from x", (), [1]),
    ("select 5 where $1::int = 1", (1,), [5]),
]


@pytest.mark.parametrize(("query", "args", "found"), SEES, ids=[each[0] for each in SEES])
async def test_a_query_sees_only_one_partners_rows(database, query, args, found):
    query, args = Narrowed(MINE, TABLES)(query, args)
    async with some_rows(database) as db:
        assert [row[0] for row in await db.fetch(query, *args)] == found


async def test_a_table_of_nobodys_rows_is_seen_where_the_route_says_so(database):
    query, args = Narrowed(MINE, TABLES, ("areas",))("select area, lease_id from areas join leases using (area)", ())
    async with some_rows(database) as db:
        assert sorted(tuple(row) for row in await db.fetch(query, *args)) == [("n", 1), ("n", 3), ("s", 5), ("s", 7)]


@pytest.mark.parametrize(
    "query",
    ["select * from public.leases", "select * from leases__g1", "select * from PUBLIC . leases",
     "select relname from pg_class", "select * from information_schema.tables"],
)  # fmt: skip
async def test_a_query_that_names_tables_by_other_names_is_not_sent(query):
    with pytest.raises(ValueError, match="plain names"):
        Narrowed(MINE, TABLES)(query, ())


async def test_an_index_is_used_as_ever(database):
    async with some_rows(database) as db:
        await db.execute(
            "insert into leases select n, gen_random_uuid(), 'x' from generate_series(10, 20000) n; analyze leases;"
            " create index by_partner on leases (partner_id)"
        )
        query, args = Narrowed(MINE, TABLES)("select * from leases where lease_id > $1 order by lease_id", (0,))
        plan = "\n".join(row[0] for row in await db.fetch(f"explain {query}", *args))
    assert "by_partner" in plan
    assert "Seq Scan" not in plan
    assert "CTE" not in plan


def test_every_table_of_the_views_and_of_the_engine_is_known():
    assert TABLES["leases"]
    assert TABLES["signatures"]
    assert not TABLES["areas"]
    assert not TABLES["tariffs"]
    assert TABLES.keys() >= {"event", "stream", "command", "parked_event", "dropped_event", "process", "timer", "store"}

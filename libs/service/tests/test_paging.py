from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any, Literal
from uuid import UUID, uuid4

import pytest
from engine import Table, View
from hypothesis import given, strategies
from pydantic import BaseModel
from service import Collection, Filter, Invalid, listing, page
from service.paging import Window, cursor


class Item(BaseModel):
    key: str


async def test_pages_follow_each_other_without_a_gap_or_a_repeat(client):
    for _ in range(7):
        await client.post("/loans", json={"amount": "5"})
    seen, after, pages = [], None, 0
    while pages == 0 or after is not None:
        answer = (await client.get("/loans", params={"limit": 3} | ({"after": after} if after else {}))).json()
        seen += [item["loan_id"] for item in answer["items"]]
        after, pages = answer["next"], pages + 1
    assert pages == 3
    assert len(seen) == len(set(seen)) == 7
    assert seen == sorted(seen)


async def test_a_last_page_that_is_just_full_has_no_next(client):
    for _ in range(2):
        await client.post("/loans", json={"amount": "5"})
    assert (await client.get("/loans?limit=2")).json()["next"] is None


@pytest.mark.parametrize("after", ["", "%%%", "abc", "YQ==", "é", "YR", "_w", "\x00"])
async def test_a_cursor_that_was_not_handed_out_is_a_422_that_names_it(client, after):
    answer = await client.get("/loans", params={"after": after})
    assert answer.status_code == 422, answer.text
    assert [(e["field"], e["rule"]) for e in answer.json()["errors"]] == [("after", "cursor")]


@pytest.mark.parametrize("limit", ["0", "501", "x", "-1"])
async def test_a_limit_outside_1_to_500_is_a_422(client, limit):
    answer = await client.get("/loans", params={"limit": limit})
    assert [e["field"] for e in answer.json()["errors"]] == ["limit"]


async def test_fifty_is_the_limit_where_none_is_given():
    assert await page() == Window(50, None)


@given(strategies.text(min_size=1, max_size=200).filter(lambda s: s.isprintable()))
async def test_every_key_comes_back_out_of_its_cursor(key):
    assert (await page(10, cursor(key))).after == key


@given(strategies.text(min_size=1, max_size=50))
async def test_any_other_text_is_refused_or_is_the_cursor_of_what_it_gives(text):
    try:
        window = await page(10, text)
    except Invalid:
        return
    assert cursor(window.after) == text


@given(count=strategies.integers(0, 30), limit=strategies.integers(1, 10))
async def test_walking_a_list_by_its_cursors_shows_every_item_once(count, limit):
    keys = [f"{n:03}" for n in range(count)]
    seen, after = [], None
    for _ in range(count + 2):
        window = await page(limit, after)
        rows = [{"key": k} for k in keys if window.after is None or k > window.after][: limit + 1]
        shown = listing(rows, window, key=lambda row: row["key"], item=Item)
        seen += [item.key for item in shown.items]
        after = shown.next
        if after is None:
            break
    assert seen == keys


# -- declared lists


class Loaned(BaseModel):
    loan_id: UUID
    status: Literal["open", "closed"]
    due_on: date
    paid_on: date | None


LOANED = Table("loans", "loan_id uuid primary key, status text, due_on date, paid_on date, name text")
LOANS: Collection[Loaned] = Collection(
    None,  # type: ignore[arg-type]
    View("loans", 1, (LOANED,), lambda fact: ()),
    Loaned,
    key="loan_id",
    filters=("status", Filter("name", str, "name like {}", lambda name: f"{name}%")),
    sorts=("due_on", "paid_on"),
)


def asked(sort: str | None = None, after: str | None = None, **given: Any) -> tuple[str, tuple[Any, ...]]:
    return LOANS.query(given, sort=sort, after=after, limit=2)


def next_of(sort: str | None, **row: Any) -> str:
    """The cursor behind this row."""
    found = {"loan_id": uuid4(), "status": "open", "due_on": date(2026, 1, 2), "paid_on": None, **row}
    following = LOANS.page([found, found, found], sort=sort, limit=2).next
    assert following is not None
    return following


def test_a_list_is_of_what_is_asked_for_in_the_order_of_its_key() -> None:
    base = "select * from (select * from loans) as t"
    assert asked() == (f"{base} order by loan_id limit $1", (3,))
    assert asked(status="open", name="a", unasked=None) == (
        f"{base} where status = $1 and name like $2 order by loan_id limit $3",
        ("open", "a%", 3),
    )


def test_a_page_goes_on_behind_the_last_row_in_either_direction() -> None:
    id = uuid4()
    query, args = asked("-due_on", next_of("-due_on", loan_id=id), status="open")
    assert "where status = $1 and (due_on, loan_id) < ($2, $3) order by due_on desc, loan_id desc limit $4" in query
    assert args == ("open", date(2026, 1, 2), id, 3)


def test_nulls_come_last_either_way_and_are_walked_by_the_key() -> None:
    id = uuid4()
    query, args = asked("-paid_on", next_of("-paid_on", loan_id=id, paid_on=date(2026, 1, 3)))
    behind = "(paid_on < $2 or paid_on is null or (paid_on = $2 and (loan_id) < ($1)))"
    assert f"where {behind} order by paid_on desc nulls last, loan_id desc" in query
    assert args == (id, date(2026, 1, 3), 3)
    query, args = asked("paid_on", next_of("paid_on", loan_id=id))
    assert "where (paid_on is null and (loan_id) > ($1)) order by paid_on nulls last, loan_id" in query
    assert args == (id, 3)


@pytest.mark.parametrize(("made", "used"), [(None, "due_on"), ("due_on", "-due_on"), ("due_on", None)])
def test_a_cursor_belongs_to_the_order_that_it_was_made_in(made: str | None, used: str | None) -> None:
    with pytest.raises(Invalid):
        asked(used, next_of(made))


@pytest.mark.parametrize("text", ["[]", "{}", "1", '["due_on"]', '["due_on", "x", "y"]', '["due_on", null, null]'])
def test_a_cursor_that_was_made_up_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        asked("due_on", cursor(text))


@pytest.mark.parametrize("wrong", [{"key": "number"}, {"filters": ("colour",)}, {"sorts": ("name",)}])
def test_a_list_by_what_nobody_knows_the_type_of_is_not_declared(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="has no field"):
        replace(LOANS, **wrong)


@pytest.mark.parametrize("path", ["/loans", "/loans/count", "/streams/loan/00000000-0000-0000-0000-000000000001"])
async def test_a_parameter_that_nothing_reads_is_a_422_that_names_it_and_the_others(client, path):
    answer = await client.get(path, params={"colour": "red"})
    assert [(e["field"], e["rule"]) for e in answer.json()["errors"]] == [("colour", "unknown")]
    if path == "/loans":
        assert "after, limit" in answer.json()["detail"]

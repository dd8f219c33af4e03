from __future__ import annotations

import pytest
from hypothesis import given, strategies
from pydantic import BaseModel
from service import Invalid, listing, page
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

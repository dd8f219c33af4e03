"""What is kept in versions: its rules, and the rows that show it."""

from datetime import UTC, datetime

import pytest
from engine import Rejected
from engine.drafts import VersionsTable, content_of, drafted, next_version, publishable
from pydantic import BaseModel

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)


class Content(BaseModel):
    title: str
    limit: int


class Terms(Content):
    code: str
    version: int


TEN, TWENTY = Content(title="Prices", limit=10), Content(title="Prices", limit=20)
FIRST = Terms(code="prices", version=1, title="Prices", limit=10)
TABLE = VersionsTable("price_lists", "code text primary key, version integer, terms json, draft json")


def test_the_first_version_is_number_one_and_each_draft_the_one_after_the_last() -> None:
    assert next_version(Terms, TEN, None, code="prices") == FIRST
    second = next_version(Terms, TWENTY, FIRST, code="prices")
    assert (second.version, second.limit) == (2, 20)


def test_what_says_something_new_can_be_published() -> None:
    assert publishable(TEN, None, "shop") == TEN
    assert publishable(TWENTY, content_of(FIRST, Content), "shop") == TWENTY


def test_where_nothing_is_drafted_there_is_nothing_to_look_at_and_nothing_to_publish() -> None:
    nothing = Rejected("shop.nothing_drafted", list="prices")
    with pytest.raises(Rejected) as looked_at:
        drafted(None, "shop", {"list": "prices"})
    with pytest.raises(Rejected) as published:
        publishable(None, TEN, "shop", {"list": "prices"})
    assert looked_at.value == published.value == nothing


def test_a_draft_that_says_what_the_version_says_is_not_published_and_the_refusal_names_the_version() -> None:
    with pytest.raises(Rejected) as refusal:
        publishable(TEN, content_of(FIRST, Content), "shop", {"list": "prices"}, {"list_version": 1})
    assert refusal.value == Rejected("shop.draft_changes_nothing", list="prices", list_version=1)


def test_a_row_shows_the_draft_until_it_is_published_or_discarded() -> None:
    draft = b'{"title":"Prices","limit":10}'
    assert TABLE.drafted(TEN, code="prices") == TABLE.upsert("code", code="prices", draft=draft)
    assert TABLE.published(FIRST, NOW, "code", code="prices") == TABLE.upsert(
        "code",
        code="prices",
        version=1,
        terms=FIRST.model_dump_json().encode(),
        draft=None,
        published_at=NOW,
    )
    assert TABLE.discarded(code="prices") == TABLE.update({"code": "prices"}, draft=None)

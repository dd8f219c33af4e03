import io
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from rich.console import Console

from sample.load import main
from sample.services import Service, connect
from sample.story import Story, curl
from sample.summary import Summary, worth_a_look


def lists(name: str, rows: dict[str, list[dict[str, Any]]]) -> Service:
    """A service that has these lists."""

    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=orjson.dumps({"items": rows[request.url.path], "next": None}))

    return connect(name, f"http://{name}", "token", transport=httpx.MockTransport(answer))


def story(*, terminal: bool) -> tuple[Story, io.StringIO]:
    screen = io.StringIO()
    return Story(Console(file=screen, force_terminal=terminal, width=80)), screen


def test_off_a_terminal_every_sentence_is_one_plain_line_however_long() -> None:
    told, screen = story(terminal=False)
    name = "ALASKA CLUB (SNACK BAR) [red]THE SUMMIT[/red] " + "X" * 80
    with told.running(), told.step("2000: 523 apply", 523) as step:
        told.say(name)
        step.done()
    assert screen.getvalue() == name + "\n"


def test_on_a_terminal_a_line_says_what_is_done_and_how_far_it_is() -> None:
    told, screen = story(terminal=True)
    with told.running(), told.step("2000: 523 apply", 523) as step:
        step.done(17)
        assert told._progress is not None
        told._progress.refresh()
    assert "2000: 523 apply" in screen.getvalue()
    assert "17/523" in screen.getvalue()


def test_a_command_to_see_why_can_be_pasted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CAUCE_TOKEN_FILE", raising=False)
    assert curl("http://127.0.0.1:8108/flags") == (
        'curl -sH "Authorization: Bearer $(cat .run/token)" http://127.0.0.1:8108/flags'
    )


def test_the_summary_lies_beside_the_token(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CAUCE_TOKEN_FILE", str(tmp_path / "token"))
    summary = Summary(1, 2, 3, 4, 5, 6, {"partner.events": 7}, 8.5)
    path = summary.write()
    assert path == tmp_path / "summary.json"
    assert orjson.loads(path.read_bytes()) == {
        "partners": 1,
        "kpi_reports": 2,
        "evaluations": 3,
        "flags": 4,
        "suspensions": 5,
        "reinstatements": 6,
        "events": {"partner.events": 7},
        "elapsed_seconds": 8.5,
    }


async def test_worth_a_look_are_who_was_suspended_most_who_is_longest_and_who_was_taken_for_another() -> None:
    partners = [{"partner_id": id, "legal_name": id.upper()} for id in ("a", "b", "c")]
    restrictions = [
        {"partner_id": "b", "status": "lifted", "imposed_at": "2002-01-01T21:00:00Z"},
        {"partner_id": "b", "status": "active", "imposed_at": "2008-01-01T21:00:00Z"},
        {"partner_id": "c", "status": "active", "imposed_at": "2007-01-01T21:00:00Z"},
    ]
    applications: list[dict[str, Any]] = [
        {"application_id": "1", "legal_name": "A", "looks_like": None, "looks_like_name": None},
        {"application_id": "2", "legal_name": "B  .", "looks_like": "b", "looks_like_name": "B"},
    ]
    services = {
        "partner": lists("partner", {"/partners": partners, "/applications": applications}),
        "risk": lists("risk", {"/restrictions": restrictions}),
    }
    assert await worth_a_look(services) == [
        ("B was suspended twice.", "http://risk/risk-profiles/b/why"),
        ("C has been suspended since the closing of 2006.", "http://partner/partners/c"),
        ("B  . was taken for B, and registered by a person's decision.", "http://partner/applications/2"),
    ]


async def test_where_nothing_of_the_kind_happened_nothing_is_worth_a_look() -> None:
    services = {
        "partner": lists("partner", {"/partners": [], "/applications": []}),
        "risk": lists("risk", {"/restrictions": []}),
    }
    assert await worth_a_look(services) == []


def test_the_load_ends_with_one_sentence_where_there_is_no_token(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CAUCE_TOKEN_FILE", str(tmp_path / "token"))
    with pytest.raises(SystemExit, match=r"^sample: The token cannot be read: .*make run.* writes one\.$"):
        main()
    assert "Real: the names" in capsys.readouterr().out

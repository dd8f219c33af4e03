from __future__ import annotations

import asyncio
import socket
import sys
import threading
from datetime import UTC, datetime
from types import ModuleType
from uuid import UUID, uuid4

import asyncpg
import pytest
import uvicorn
from engine import Context, Send
from engine.parking import ParkedStream
from service import Settings, cli, server
from typer.testing import CliRunner

ID = UUID("7f0c1d1e-0000-4000-8000-000000000000")
STREAM = f"loan-{uuid4()}"


@pytest.fixture(autouse=True)
def environment(monkeypatch, issuer):
    """No variable of the real one, and wide enough for tables."""
    import os

    for name in [name for name in os.environ if name.startswith("CAUCE_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("COLUMNS", "220")
    monkeypatch.setenv("TERMINAL_WIDTH", "220")
    monkeypatch.setattr(cli.out, "_width", 220)
    monkeypatch.setattr(cli.err, "_width", 220)
    return monkeypatch


@pytest.fixture
def cauce():
    def call(*words):
        result = CliRunner().invoke(cli.app, list(words))
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return call


@pytest.fixture
def installed(environment, make_app):
    """The lending service as a package; making its app takes the engine in memory."""
    environment.setenv("CAUCE_POSTGRES_URL", "postgresql://x")
    package, module = ModuleType("lending"), ModuleType("lending.app")
    module.app = make_app.again
    environment.setitem(sys.modules, "lending", package)
    environment.setitem(sys.modules, "lending.app", module)


@pytest.fixture
def running(environment, make_app, issuer):
    """The lending service on a port, and a token in the environment."""
    listening = socket.create_server(("127.0.0.1", 0))
    serving = uvicorn.Server(server.config(make_app(port=1, log_level="error")))
    thread = threading.Thread(target=lambda: asyncio.run(serving.serve(sockets=[listening])))
    thread.start()
    url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    environment.setenv("CAUCE_SERVICES", f'{{"lending": "{url}"}}')
    environment.setenv("CAUCE_TOKEN", issuer.token())
    yield url
    serving.should_exit = True
    thread.join(10)
    assert not thread.is_alive()


def said(result):
    return " ".join((result.stdout + result.stderr).split())


@pytest.mark.parametrize(
    "words",
    [
        ["run"], ["migrate"], ["database"], ["topics"], ["stream"], ["lag"], ["view", "rebuild"],
        ["parked", "list"], ["parked", "retry"], ["parked", "drop"],
    ],
    ids=" ".join,
)  # fmt: skip
def test_every_command_teaches_itself_with_an_example(cauce, words):
    result = cauce(*words, "--help")
    assert result.exit_code == 0
    assert f"cauce {' '.join(words)}" in result.output.partition("Example:")[2]


def test_a_service_that_does_not_exist_is_a_sentence(cauce):
    result = cauce("run", "nowhere")
    assert result.exit_code == 1
    assert said(result) == "There is no service 'nowhere': its package would be nowhere with an app.py."


def test_a_broken_import_inside_a_service_is_not_taken_for_its_absence(cauce, environment, tmp_path):
    (tmp_path / "halfway").mkdir()
    (tmp_path / "halfway" / "app.py").write_text("import absent_library\n")
    environment.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="absent_library"):
        cauce("run", "halfway")


def test_a_missing_setting_is_a_sentence_and_another_exit_code(cauce, environment, tmp_path):
    (tmp_path / "unset").mkdir()
    (tmp_path / "unset" / "app.py").write_text("from service import Settings\n\ndef app():\n    Settings()\n")
    environment.syspath_prepend(tmp_path)
    result = cauce("run", "unset")
    assert result.exit_code == 2
    assert said(result).startswith("CAUCE_POSTGRES_URL is not set; it is the address of the service's database")


# -- what reads the database


async def filled(engine, lending):
    for command in (lending.Open(amount=5), lending.Approve(by="eva")):
        await engine.handle(Send(lending.loans, ID, command), Context("ana"))


def test_a_stream_is_shown_with_both_clocks_and_the_state_it_led_to(cauce, installed, engine, lending):
    asyncio.run(filled(engine, lending))
    result = cauce("stream", "lending", f"loan-{ID}")
    assert result.exit_code == 0
    text = said(result)
    for expected in ("LoanOpened", "LoanApproved", "2026-09-15 12:00:00", "ana", '"approved_by": "eva"', "version 2"):
        assert expected in text
    assert engine.calls == [("start",), ("stop",)]


def test_a_stream_may_be_shown_as_of_a_version(cauce, installed, engine, lending):
    asyncio.run(filled(engine, lending))
    text = said(cauce("stream", "lending", f"loan-{ID}", "--version", "1"))
    assert "LoanOpened" in text
    assert "LoanApproved" not in text
    assert '"approved_by": null' in text


def test_a_stream_may_be_shown_as_it_was_known_at_a_time_in_utc(cauce, installed, engine, lending):
    asyncio.run(filled(engine, lending))
    assert cauce("stream", "lending", f"loan-{ID}", "--recorded-by", "2026-09-15T12:00:00").exit_code == 0
    result = cauce("stream", "lending", f"loan-{ID}", "--recorded-by", "2026-09-15T11:59:59")
    assert (result.exit_code, said(result)) == (1, f"lending has no events of loan-{ID} up to there.")


@pytest.mark.parametrize(
    ("stream", "sentence"),
    [
        (f"debt-{ID}", f"lending has no streams like debt-{ID}; its streams are loan-<uuid>."),
        ("loan-7", "lending has no streams like loan-7; its streams are loan-<uuid>."),
        (f"loan-{'x' * 36}", f"loan-{'x' * 36} does not end in a uuid; streams are loan-<uuid>."),
        (f"loan-{ID}", f"lending has no events of loan-{ID}."),
    ],
)
def test_a_stream_that_is_not_there_is_a_sentence(cauce, installed, stream, sentence):
    result = cauce("stream", "lending", stream)
    assert (result.exit_code, said(result)) == (1, sentence)


def test_a_database_that_is_away_is_a_sentence_that_names_the_variables(cauce, installed, engine, monkeypatch):
    async def refused(_):
        raise ConnectionRefusedError(111, "refused")

    monkeypatch.setattr(type(engine), "start", refused)
    result = cauce("stream", "lending", f"loan-{ID}")
    assert result.exit_code == 1
    assert "Check CAUCE_POSTGRES_URL" in said(result)


def test_migrating_needs_the_address_of_kafka_too(cauce, installed, environment, engine):
    environment.setattr(sys.modules["lending.app"], "app", lambda: Settings())
    result = cauce("migrate", "lending")
    assert result.exit_code == 2
    assert said(result).startswith("CAUCE_KAFKA_BOOTSTRAP is not set")


def test_a_service_is_migrated(cauce, installed, engine):
    result = cauce("migrate", "lending")
    assert result.exit_code == 0
    assert said(result) == "lending: the database and the topics are ready."
    assert engine.calls == [("migrate",)]


def test_the_service_may_be_named_by_its_image(cauce, installed, engine, environment):
    environment.setenv("CAUCE_SERVICE", "lending")
    assert said(cauce("migrate")) == "lending: the database and the topics are ready."
    assert said(cauce("migrate", "nowhere")).startswith("There is no service 'nowhere'")


def test_whether_a_service_is_migrated_can_be_asked_and_waited_for(cauce, installed, engine, environment):
    result = cauce("migrate", "lending", "--check")
    assert result.exit_code == 1
    assert said(result) == "lending is not migrated to this release yet: cauce migrate lending does it."

    async def meanwhile(_):
        await engine.migrate()

    environment.setattr(cli.asyncio, "sleep", meanwhile)
    result = cauce("migrate", "lending", "--check", "--wait", "60")
    assert result.exit_code == 0
    assert said(result) == "lending: the database and the topics are ready."


def test_a_migration_may_wait_for_the_database_that_somebody_else_makes(cauce, installed, engine, environment):
    there = False

    async def made(_):
        nonlocal there
        there = True

    async def migrate(_):
        if not there:
            raise asyncpg.InvalidCatalogNameError('database "lending" does not exist')

    environment.setattr(type(engine), "migrate", migrate)
    environment.setattr(cli.asyncio, "sleep", made)
    result = cauce("migrate", "lending", "--wait", "60")
    assert said(result) == "lending: the database and the topics are ready."


def test_a_view_is_rebuilt_with_progress(cauce, installed, engine, lending):
    asyncio.run(filled(engine, lending))
    result = cauce("view", "rebuild", "lending", "loans")
    assert result.exit_code == 0
    assert "2/2" in said(result)
    assert said(result).endswith("loans is rebuilt and live.")
    assert engine.calls == [("start",), ("stop",)]


def test_a_view_that_does_not_exist_is_a_sentence(cauce, installed, engine):
    result = cauce("view", "rebuild", "lending", "debts")
    assert result.exit_code == 1
    assert "there is no view 'debts'" in said(result)
    assert engine.calls == [("start",), ("stop",)]


# -- what asks running services


def test_the_lag_of_every_subscription_is_shown(cauce, running):
    result = cauce("lag", "lending")
    assert result.exit_code == 0
    assert "lending.reminding" in said(result)
    assert "(relay)" in said(result)
    assert said(cauce("lag")) == said(result)


def test_one_service_that_is_away_does_not_hide_the_others(cauce, running, environment):
    environment.setenv("CAUCE_SERVICES", f'{{"lending": "{running}", "risk": "http://127.0.0.1:1"}}')
    result = cauce("lag")
    assert result.exit_code == 0
    assert "lending.reminding" in result.stdout
    assert "risk does not answer at http://127.0.0.1:1" in said(result)


def test_parked_streams_are_listed_retried_and_dropped(cauce, running, engine):
    assert said(cauce("parked", "list", "lending")) == "lending: nothing is parked."
    since = datetime(2026, 9, 1, tzinfo=UTC)
    engine.parked_streams.append(ParkedStream("lending.reminding", STREAM, "ValueError: no", since, 3))
    listed = said(cauce("parked", "list", "lending"))
    assert STREAM in listed
    assert "ValueError: no" in listed
    assert "cauce parked retry lending" in listed
    retried = cauce("parked", "retry", "lending", "lending.reminding", STREAM)
    assert retried.exit_code == 1
    assert "1 handled, 2 left." in said(retried)
    assert "It stopped at: ValueError: no." in said(retried)
    dropped = cauce("parked", "drop", "lending", "lending.reminding", STREAM, "--reason", "entered twice")
    assert said(dropped) == "3 dropped."
    assert ("drop", "lending.reminding", STREAM, "entered twice", "ana") in engine.calls


def test_dropping_needs_a_reason(cauce, running):
    assert cauce("parked", "drop", "lending", "lending.reminding", STREAM).exit_code == 2


def test_what_is_not_parked_is_a_sentence_that_says_where_to_look(cauce, running):
    result = cauce("parked", "retry", "lending", "lending.reminding", STREAM)
    assert result.exit_code == 1
    assert "`cauce parked list lending` show" in said(result)


def test_a_token_may_be_in_a_file(cauce, running, environment, issuer, tmp_path):
    (tmp_path / "token").write_text(issuer.token() + "\n")
    environment.delenv("CAUCE_TOKEN")
    environment.setenv("CAUCE_TOKEN_FILE", str(tmp_path / "token"))
    assert cauce("lag", "lending").exit_code == 0


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("CAUCE_TOKEN", "", "There is no token: set CAUCE_TOKEN, or CAUCE_TOKEN_FILE"),
        ("CAUCE_TOKEN", "x.y.z", "Get a new one and put it into CAUCE_TOKEN."),
        ("CAUCE_SERVICES", "{", "CAUCE_SERVICES is not usable: it is a JSON map"),
        ("CAUCE_SERVICES", '{"a": 5}', "CAUCE_SERVICES is not usable: it is a JSON map"),
        ("CAUCE_SERVICES", '{"a": "http://x"}', "There is no address for lending: there are a (see CAUCE_SERVICES)."),
    ],
)
def test_what_keeps_a_command_from_asking_is_a_sentence(cauce, running, environment, name, value, sentence):
    environment.setenv(name, value)
    result = cauce("lag", "lending")
    assert result.exit_code in (1, 2)
    assert sentence in said(result)


def test_an_unreadable_token_file_is_a_sentence(cauce, environment, tmp_path):
    environment.setenv("CAUCE_TOKEN_FILE", str(tmp_path / "absent"))
    assert "which cannot be read: No such file or directory." in said(cauce("lag", "risk"))


def test_a_token_without_the_scope_is_a_sentence_that_names_it(cauce, running, environment, issuer):
    environment.setenv("CAUCE_TOKEN", issuer.token(scope="lending:read"))
    result = cauce("parked", "list", "lending")
    assert result.exit_code == 1
    assert "The token does not have the scope lending:ops. Use one that has it." in said(result)


def test_without_a_map_services_are_at_their_local_ports(cauce, environment):
    environment.setenv("CAUCE_TOKEN", "x")
    from service.addresses import addresses

    assert addresses()["risk"] == "http://127.0.0.1:8108"

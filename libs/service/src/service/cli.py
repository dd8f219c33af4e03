"""`cauce`: run a service, look into its log, and bring it on when it is stuck."""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from types import FrameType
from typing import Annotated, Any, NoReturn, TypeVar
from uuid import UUID

import asyncpg
import typer
from engine import Decider, Fact
from engine.admission import StillRead
from engine.errors import passes
from engine.leases import holders
from engine.recovery import declare_restore
from engine.runtime import Engine
from engine.store import Db
from engine.timers import let_fire_again, waiting
from fastapi import FastAPI
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from service import databases, server
from service.addresses import addresses
from service.client import Failed, ask, every
from service.routing import UnsafeRoute
from service.settings import InvalidSettings, KafkaSettings
from service.topics import look_after_all

T = TypeVar("T")
NOT_YET = (asyncpg.InvalidCatalogNameError, asyncpg.InvalidAuthorizationSpecificationError)
"""There is no such database or role: whoever makes them may be at it."""
app = typer.Typer(help="Run Cauce's services and look after them.", no_args_is_help=True, rich_markup_mode="rich")
view = typer.Typer(help="Read models.", no_args_is_help=True)
timers = typer.Typer(help="Timers that do not fire.", no_args_is_help=True)
parked = typer.Typer(help="Streams that a subscription could not go on with.", no_args_is_help=True)
app.add_typer(view, name="view")
app.add_typer(parked, name="parked")
app.add_typer(timers, name="timers")
out = Console()
err = Console(stderr=True, soft_wrap=True)

Service = Annotated[str, typer.Argument(help="A service's name, like partner.", show_default=False)]
Own = Annotated[str, typer.Argument(help="A service's name, like partner.", show_default=False, envvar="CAUCE_SERVICE")]
Subscription = Annotated[str, typer.Argument(help="As `cauce lag` shows it, like risk.rules.", show_default=False)]
Stream = Annotated[str, typer.Argument(help="<category>-<uuid>, like contract-7f0c...", show_default=False)]


def main() -> None:
    signal.signal(signal.SIGTERM, _leave)
    app()


def _leave(number: int, _: FrameType | None) -> NoReturn:
    """A container's first process is not ended by a signal that it has no handler for."""
    raise SystemExit(128 + number)


@app.command()
def run(name: Own) -> None:
    """Runs a service until it is told to stop; then it finishes what is open and leaves in order.

    Settings come from CAUCE_... variables. Example: CAUCE_POSTGRES_URL=postgresql://... CAUCE_KAFKA_BOOTSTRAP=...
    CAUCE_JWKS=jwks.json [b]cauce run partner[/b]
    """
    if "service.name=" not in os.environ.get("OTEL_RESOURCE_ATTRIBUTES", ""):
        os.environ.setdefault("OTEL_SERVICE_NAME", f"{name}-svc")
    with sentences():
        started = server.serve(_app(name))
    if not started:
        fail(f"{name} did not start; the lines above say why.", 3)


@app.command()
def migrate(
    name: Own,
    check: Annotated[bool, typer.Option("--check", help="Only look; make nothing.")] = False,
    wait: Annotated[
        float, typer.Option(min=0, help="Seconds until all that it needs, or with --check the migration, is there.")
    ] = 0,
    admit: Annotated[
        bool, typer.Option("--admit", help="End the way back: write what only this release reads.")
    ] = False,
) -> None:
    """Makes or brings up to date a service's tables and topics. Safe to repeat, to run many times at once, and while
    the release before runs.

    With --check it only says whether this release of the service may start; exit 1 if not.
    Types of events that a release is the first to know are read from its start and not written before they are
    admitted: until then the release before may come back. Say [b]--admit[/b] when all runs on this release and is to
    stay.
    Example: [b]cauce migrate partner[/b], roll out, and then [b]cauce migrate partner --admit[/b]; or, where that is
    done elsewhere, [b]cauce migrate partner --check --wait 300[/b]
    """
    if check and admit:
        raise typer.BadParameter("--check only looks; say --admit without it.")
    new: list[str] = []
    with sentences():
        engine = _engine(name, needs_kafka=True)
        if not asyncio.run(_within(wait, engine.migrated if check else lambda: _done(engine.migrate()))):
            fail(f"{name} is not migrated to this release yet: cauce migrate {name} does it.")
        if admit:
            new = asyncio.run(engine.admit())
    out.print(f"{name}: the database and the topics are ready.")
    if admit:
        out.print(f"{name}: {', '.join(new) if new else 'no type of event'} newly admitted.", highlight=False)


async def _within(seconds: float, attempt: Callable[[], Awaitable[bool]]) -> bool:
    """Tries once a second for so long, also where Postgres or Kafka is away or not set up yet."""
    deadline = monotonic() + seconds
    while True:
        try:
            if await attempt():
                return True
        except Exception as error:
            if not (passes(error) or isinstance(error, NOT_YET)) or monotonic() >= deadline:
                raise
        if monotonic() >= deadline:
            return False
        await asyncio.sleep(1)


async def _done(work: Awaitable[None]) -> bool:
    await work
    return True


@app.command()
def database(
    files: Annotated[
        list[Path] | None,
        typer.Argument(help="Files with the address of one service's database each; CAUCE_POSTGRES_URL if absent."),
    ] = None,
    check: Annotated[bool, typer.Option("--check", help="Only look, as the service itself; make nothing.")] = False,
) -> None:
    """Makes the role and the database of a service, under the limits that its guarantees rest on. Safe to repeat.

    CAUCE_POSTGRES_URL says what both are called (they have one name) and sets the password; CAUCE_POSTGRES_ADMIN_URL is
    the same server for a role that may make them, and no service is ever told of it.
    Example: CAUCE_POSTGRES_ADMIN_URL=postgresql://... CAUCE_POSTGRES_URL=postgresql://... [b]cauce database[/b]
    """
    wrong = []
    with sentences():
        for each in databases.asked(files or []):
            if check:
                missing = asyncio.run(each.missing())
                wrong += missing
                said = "; ".join(missing) or "as it should be"
            else:
                said = "made" if asyncio.run(each.make()) else "was there; its password and limits are set"
            out.print(f"{each.name}: {said}.", highlight=False)
    if wrong:
        fail("Without these limits one stuck transaction holds up all that follows: cauce database sets them.")


@app.command()
def topics(
    check: Annotated[bool, typer.Option("--check", help="Only look; make nothing.")] = False,
) -> None:
    """Makes the Kafka topics of all services as they are declared, and says which is otherwise.

    Safe to repeat: what is there is never changed. Reads CAUCE_KAFKA_BOOTSTRAP, CAUCE_TOPIC_PREFIX and
    CAUCE_KAFKA_REPLICATION (how many brokers keep each record, 1 if not said; production has 3).
    Example: [b]CAUCE_KAFKA_BOOTSTRAP=127.0.0.1:59092 cauce topics[/b]
    """
    table = Table("topic", "partitions", "kept", "")
    with sentences():
        settings = KafkaSettings()
        seen = asyncio.run(
            look_after_all(
                settings.kafka,
                prefix=settings.topic_prefix,
                replication=settings.kafka_replication,
                make=not check,
            )
        )
    for each in seen:
        said = "made" if each.made else "; ".join(each.differs) or "there"
        table.add_row(each.name, str(each.declared.partitions), each.declared.kept, said)
    out.print(table)
    if any(each.differs for each in seen):
        fail(
            "Not all topics are as declared. What is missing, cauce topics makes; settings are altered with Kafka's own"
            " tools; another number of partitions takes a new topic."
        )


@app.command()
def stream(
    name: Service,
    stream_id: Stream,
    version: Annotated[int | None, typer.Option(min=1, help="Only up to this version.")] = None,
    recorded_by: Annotated[datetime | None, typer.Option(help="Only what the log knew then (UTC).")] = None,
) -> None:
    """Shows what happened to one thing, with both clocks, and the state that it led to.

    Reads the service's own database, CAUCE_POSTGRES_URL.
    Example: [b]cauce stream contract contract-7f0c1d1e-0000-4000-8000-000000000000 --version 3[/b]
    """
    until = None if recorded_by is None else recorded_by.replace(tzinfo=UTC)
    with sentences():
        engine = _engine(name)
        decider, id = _parsed(engine, name, stream_id)
        facts, state = asyncio.run(_read(engine, decider, id, version, until))
    if not facts:
        fail(f"{name} has no events of {stream_id}{' up to there' if version or recorded_by else ''}.")
    out.print(_happenings(stream_id, facts))
    out.print(f"State at version {facts[-1].version}:")
    out.print_json(json.dumps(state))


@view.command("rebuild")
def rebuild(name: Service, view_name: Annotated[str, typer.Argument(help="The view.", show_default=False)]) -> None:
    """Builds a view anew from the log, beside the live one, and switches when it has caught up.

    Workers of the service must be running: they do the work. Example: [b]cauce view rebuild contract contracts[/b]
    """
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with sentences():
        engine = _engine(name)
        with Progress(*columns, console=out) as progress:
            task = progress.add_task(f"{name}: {view_name}", total=None)

            async def work() -> None:
                async with _started(engine):
                    await engine.rebuild(
                        view_name, lambda done, total: progress.update(task, completed=done, total=total)
                    )

            asyncio.run(work())
    out.print(f"{view_name} is rebuilt and live.")


@app.command()
def restored(name: Service) -> None:
    """Declares that a service's database was loaded back into the cluster that it came from.

    Say it after the restore and before the workers start. A restore into another cluster, or to another point in time,
    is seen without it. Reads CAUCE_POSTGRES_URL. Example: [b]cauce restored partner[/b]
    """
    with sentences():
        asyncio.run(_in_store(_engine(name), declare_restore))
    out.print(f"{name}: the next relay starts a new incarnation. Start the workers and read its line new_incarnation.")


@app.command()
def lag(name: Annotated[str | None, typer.Argument(help="One service; all if absent.")] = None) -> None:
    """Shows how far behind each subscription is, and how many streams of it are parked.

    Needs CAUCE_TOKEN with <service>:read. Example: [b]cauce lag risk[/b]
    """
    table = Table("service", "subscription", "source", "lag", "parked", title=None)
    with sentences():
        names = [name] if name else sorted(addresses())
        failed = []
        for each in names:
            try:
                _add_lag(table, each)
            except Failed as failure:
                failed.append(str(failure))
    if table.row_count:
        out.print(table)
    for sentence in failed:
        err.print(sentence, style="red", highlight=False, markup=False)
    if not table.row_count:
        raise typer.Exit(1)


@parked.command("list")
def parked_list(name: Service) -> None:
    """Lists parked streams with the reason. Needs CAUCE_TOKEN with <service>:ops.

    Example: [b]cauce parked list risk[/b]
    """
    with sentences():
        found = every(name, "/parked-streams")
    if not found:
        out.print(f"{name}: nothing is parked.")
        return
    table = Table("subscription", "stream", "events", "since", "reason")
    for each in found:
        table.add_row(each["subscription"], each["stream"], str(each["events"]), each["since"], each["reason"])
    out.print(table)
    out.print(f"Next: mend the cause, then `cauce parked retry {name} <subscription> <stream>`.", highlight=False)


@parked.command("retry")
def parked_retry(name: Service, subscription: Subscription, stream_id: Stream) -> None:
    """Handles a parked stream's events again, in order. Needs CAUCE_TOKEN with <service>:ops.

    Example: [b]cauce parked retry risk risk.rules evaluation-7f0c...[/b]
    """
    with sentences():
        result = ask(name, "POST", f"/parked-streams/{subscription}/{stream_id}/retry")
    out.print(f"{result['handled']} handled, {result['remaining']} left.")
    if result["error"]:
        fail(f"It stopped at: {result['error']}. Mend that and retry, or drop the stream with a reason.")


@parked.command("drop")
def parked_drop(
    name: Service,
    subscription: Subscription,
    stream_id: Stream,
    reason: Annotated[str, typer.Option(help="Why the event needs no effect. It is recorded.")],
) -> None:
    """Gives up the first waiting event of a parked stream for good. Needs CAUCE_TOKEN with <service>:ops.

    Example: [b]cauce parked drop risk risk.rules evaluation-7f0c... --reason "entered twice, see ticket 12"[/b]
    """
    with sentences():
        result = ask(name, "POST", f"/parked-streams/{subscription}/{stream_id}/drop", json={"reason": reason})
    out.print(f"{result['events']} dropped.")


@timers.command("list")
def timers_list(
    name: Service, limit: Annotated[int, typer.Option(min=1, help="How many to show at most.")] = 100
) -> None:
    """Lists timers that were set aside because what they do failed, and those that are overdue.

    Reads the service's own database, CAUCE_POSTGRES_URL. Example: [b]cauce timers list risk[/b]
    """
    with sentences():
        found = asyncio.run(_in_store(_engine(name), lambda db: waiting(db, limit)))
    if not found:
        out.print(f"{name}: no timer waits that should have fired.")
        return
    table = Table("subscription", "key", "due", "why")
    for each in found:
        table.add_row(each.subscription, each.key, f"{each.due_at:%Y-%m-%d %H:%M:%S}", each.error or "overdue")
    out.print(table)
    out.print(f"Next: mend the cause, then `cauce timers retry {name} <subscription> <key>`.", highlight=False)


@timers.command("retry")
def timers_retry(
    name: Service,
    subscription: Subscription,
    key: Annotated[str, typer.Argument(help="As `cauce timers list` shows it.", show_default=False)],
) -> None:
    """Lets a timer that was set aside fire again, in the worker that fires timers.

    Writes to the service's own database, CAUCE_POSTGRES_URL.
    Example: [b]cauce timers retry risk risk.reviewing 7f0c...[/b]
    """
    with sentences():
        found = asyncio.run(_in_store(_engine(name), lambda db: let_fire_again(db, subscription, key)))
    if not found:
        fail(f"{subscription} has set no such timer aside; `cauce timers list {name}` shows which there are.")
    out.print(f"It fires within a second or two, or is set aside again: `cauce timers list {name}`.", highlight=False)


@app.command()
def leases(name: Service) -> None:
    """Shows which process leads what: the relay, timers, and each reader of the service's own log.

    Reads the service's own database, CAUCE_POSTGRES_URL. Example: [b]cauce leases risk[/b]
    """
    with sentences():
        found = asyncio.run(_in_store(_engine(name), holders))
    table = Table("lease", "holder", "epoch", "until", "")
    for each in found:
        held = "held" if each.held else "[yellow]free[/yellow]"
        table.add_row(each.lease, each.holder or "-", str(each.epoch), f"{each.until:%Y-%m-%d %H:%M:%S}", held)
    out.print(table)
    if not any(each.held for each in found):
        fail(f"Nobody leads: no worker of {name} runs, or none reaches this database.")


def fail(sentence: str, code: int = 1) -> NoReturn:
    err.print(sentence, style="red", highlight=False, markup=False)
    raise typer.Exit(code)


@contextmanager
def sentences() -> Iterator[None]:
    """Turns the failures that a person can do something about into a sentence, and the exit code."""
    try:
        yield
    except InvalidSettings as error:
        fail(str(error), 2)
    except (UnsafeRoute, Failed, StillRead) as error:
        fail(str(error))
    except LookupError as error:
        fail(f"{error.args[0] if error.args else error}.")
    except Exception as error:
        if not passes(error):
            raise
        fail(f"Postgres or Kafka cannot be reached: {error}. Check CAUCE_POSTGRES_URL and CAUCE_KAFKA_BOOTSTRAP.")


def _app(name: str) -> FastAPI:
    try:
        module = importlib.import_module(f"{name}.app")
    except ModuleNotFoundError as error:
        if error.name not in (name, f"{name}.app"):
            raise
        raise Failed(f"There is no service {name!r}: its package would be {name} with an app.py.") from None
    made: FastAPI = module.app()
    return made


def _engine(name: str, *, needs_kafka: bool = False) -> Engine:
    """For a command that does not serve: no tasks, no tokens, nothing on stdout but the answer."""
    unneeded = {"CAUCE_JWKS": "unneeded"} | ({} if needs_kafka else {"CAUCE_KAFKA_BOOTSTRAP": "unneeded:1"})
    before = dict(os.environ)
    try:
        os.environ.update({**unneeded, **before, "CAUCE_ROLE": "api", "CAUCE_LOG_LEVEL": "error"})
        engine: Engine = _app(name).state.engine
    finally:
        os.environ.clear()
        os.environ.update(before)
    return engine


@asynccontextmanager
async def _started(engine: Engine) -> AsyncIterator[None]:
    await engine.start()
    try:
        yield
    finally:
        await engine.stop()


async def _in_store(engine: Engine, work: Callable[[Db], Awaitable[T]]) -> T:
    async with _started(engine), engine.acquire() as db:
        return await work(db)


def _parsed(engine: Engine, name: str, stream_id: str) -> tuple[Decider[Any, Any, Any], UUID]:
    category, text = stream_id[:-37], stream_id[-36:]
    deciders = engine.store.deciders
    if category not in deciders:
        raise Failed(f"{name} has no streams like {stream_id}; its streams are {_forms(deciders)}.")
    try:
        return deciders[category], UUID(text)
    except ValueError:
        raise Failed(f"{stream_id} does not end in a uuid; streams are {_forms(deciders)}.") from None


def _forms(categories: Any) -> str:
    return ", ".join(f"{category}-<uuid>" for category in sorted(categories))


async def _read(
    engine: Engine, decider: Decider[Any, Any, Any], id: UUID, version: int | None, until: datetime | None
) -> tuple[list[Fact[Any]], Any]:
    facts: list[Fact[Any]] = []
    async with _started(engine):
        while page := await engine.history(decider, id, after=len(facts), limit=500):
            facts += page
        loaded = await engine.load(decider, id, version=version, recorded_by=until)
    shown = [f for f in facts if f.version <= loaded.version]
    return shown, decider.state_adapter.dump_python(loaded.state, mode="json")


def _happenings(stream_id: str, facts: list[Fact[Any]]) -> Table:
    table = Table("v", "event", "occurred", "recorded", "by", "because of", "data", title=stream_id)
    for fact in facts:
        table.add_row(
            str(fact.version),
            type(fact.event).__name__,
            f"{fact.occurred_at:%Y-%m-%d %H:%M:%S}",
            f"{fact.recorded_at:%Y-%m-%d %H:%M:%S}",
            fact.actor,
            str(fact.causation_id or "-"),
            json.dumps(fact.event.model_dump(mode="json"), ensure_ascii=False),
        )
    return table


def _add_lag(table: Table, name: str) -> None:
    subscriptions = every(name, "/subscriptions")
    log = ask(name, "GET", "/log")
    table.add_row(name, "(relay)", name, _shown(log["head"] - log["published"]), "")
    for each in subscriptions:
        table.add_row(name, each["name"], each["source"], _shown(each["lag"]), _shown(each["parked"]))


def _shown(number: int) -> str:
    return "0" if number == 0 else f"[yellow]{number:,}[/yellow]"

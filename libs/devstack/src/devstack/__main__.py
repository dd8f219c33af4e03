"""`python -m devstack`: the commands behind make run, stop, token, clean and doctor."""

import asyncio
import contextlib
import ctypes
import logging
import os
import platform
import shutil
import signal
import sys
from collections.abc import Iterator
from typing import Annotated

import psutil
import typer

from devstack import jars, place, ports
from devstack.alone import alone, pid_of_other
from devstack.child import went
from devstack.screen import Screen
from devstack.stack import Stack, disk_full
from devstack.supervisor import Supervisor
from devstack.token import token
from devstack.trouble import Trouble, full_disk

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    help="The whole of Cauce on one machine: a real Postgres, a real Kafka and every service, as child processes.",
)


@contextlib.contextmanager
def one_sentence() -> Iterator[None]:
    """What is wrong with the machine ends the command with one sentence; what is wrong with us keeps its traceback."""
    try:
        yield
    except Trouble as trouble:
        typer.echo(f"cauce: {trouble}", err=True)
        raise SystemExit(1) from None
    except Exception as error:
        if not full_disk(error):
            raise
        typer.echo(f"cauce: {disk_full(place.kept())}", err=True)
        raise SystemExit(1) from None


@app.command()
def run(
    sample: Annotated[
        bool, typer.Option(help="Load the sample (twenty years of a real channel) unless it is loaded.")
    ] = True,
    stay: Annotated[
        bool, typer.Option(help="Keep running; --no-stay stops in order once everything is up and loaded.")
    ] = True,
) -> None:
    """Start everything, load the sample the first time, and show how the services do until Ctrl-C.

    Ctrl-C stops services, Kafka and Postgres in that order and keeps the data; the next run goes on from there. Logs
    are in .run/logs, a token for the APIs in .run/token.
    """
    die_with_make()
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # that a broker is not there yet is no news here
    with one_sentence():
        stack = Stack()
        with alone(stack.run):
            asyncio.run(Supervisor(stack, Screen(), load=sample, stay=stay).run())


@app.command()
def stop() -> None:
    """Stop what `run` started, from another terminal: in order, keeping the data.

    Also ends what a run that was killed may have left behind; only processes that its pidfiles prove to be ours.
    """
    with one_sentence():
        stack = Stack()
        pid = pid_of_other(stack.run)
        if pid is not None:
            process = psutil.Process(pid)
            process.terminate()
            if not went(process, 120):
                raise Trouble(f"the run (pid {pid}) did not stop within two minutes")
            typer.echo("Stopped.")
        ended = stack.end_leftovers()
        if ended:
            typer.echo(f"Ended what an earlier run had left: {', '.join(ended)}.")
        elif pid is None:
            typer.echo("Nothing was running.")


app.command()(one_sentence()(token))


@app.command()
def clean(
    everything: Annotated[bool, typer.Option("--all", help="The fetched Kafka jars, too.")] = False,
) -> None:
    """Wipe the data, keys, logs and the sample, so that the next run starts as in a fresh clone.

    Refuses while a run is going on.
    """
    with one_sentence():
        stack = Stack()
        with alone(stack.run):
            stack.end_leftovers()
            for path in stack.kept.glob("*"):
                if path.name != "test" and (everything or path != place.jars()):  # tests may be running
                    remove(path)
        shutil.rmtree(stack.run)
        typer.echo("Wiped.")


def remove(path: "os.PathLike[str]") -> None:
    shutil.rmtree(path) if os.path.isdir(path) else os.unlink(path)


@app.command()
def doctor() -> None:
    """Say what this machine has, and what would stop a run: ports, disk, jars, leftovers."""
    with one_sentence():
        stack = Stack()
        typer.echo(f"Python {platform.python_version()} at {sys.executable}; {platform.platform()}")
        memory, disk = psutil.virtual_memory().available, shutil.disk_usage(place.root()).free
        typer.echo(f"{memory / 2**30:.1f} GiB of memory and {disk / 2**30:.1f} GiB of disk are free")
        typer.echo(f"Kafka {jars.KAFKA}: {'fetched' if jars.ready().is_dir() else 'to be fetched by the first run'}")
        pid = pid_of_other(stack.run)
        if pid is not None:
            typer.echo(f"It is running (pid {pid}).")
            return
        typer.echo(f"The sample is {'loaded' if stack.loaded_mark.exists() else 'not loaded'}; nothing is running")
        stack.require_room()
        for port, purpose in stack.ports():
            ports.require_free(port, purpose)
        typer.echo(f"All ports are free on {ports.HOST}: `make run` can start.")


def die_with_make() -> None:
    """A `make` that is killed takes us along, in order (Linux)."""
    if sys.platform == "linux" and "MAKELEVEL" in os.environ:
        parent = os.getppid()
        ctypes.CDLL(None).prctl(1, int(signal.SIGTERM), 0, 0, 0)
        if os.getppid() != parent:
            os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    app()

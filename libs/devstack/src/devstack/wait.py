"""Waiting: for a condition, for the first or all of some coroutines, and for a coroutine from plain code."""

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

from devstack.child import Child
from devstack.trouble import Trouble

T = TypeVar("T")
EVERY = 0.02


def until(ready: Callable[[], bool], child: Child, seconds: float) -> None:
    """Returns when `ready()`; Trouble when the child dies first or the seconds run out."""
    deadline = time.monotonic() + seconds
    while not ready():
        if not child.alive():
            raise child.died()
        if time.monotonic() > deadline:
            raise Trouble(
                f"{child.name} was not ready within {seconds:.0f} s; the end of its log {child.log}:", child.log
            )
        time.sleep(EVERY)


def until_true(ready: Callable[[], bool], what: str, seconds: float) -> None:
    """Returns when `ready()`; Trouble when the seconds run out."""
    deadline = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > deadline:
            raise Trouble(f"{what} was not ready within {seconds:.0f} s")
        time.sleep(EVERY)


def run_apart(coroutine: Coroutine[object, object, T]) -> T:
    """The coroutine's result, from a loop in a thread of its own, so that it works inside and outside another loop."""
    result: Future[T] = Future()

    def run() -> None:
        try:
            result.set_result(asyncio.run(coroutine))
        except BaseException as error:  # noqa: BLE001 - handed to the caller
            result.set_exception(error)

    threading.Thread(target=run, name="run_apart").start()
    return result.result()


async def first(*coroutines: Coroutine[Any, Any, object]) -> None:
    """Until one of them returns or fails; the others are cancelled, and done with, before this returns."""
    tasks = [asyncio.create_task(each) for each in coroutines]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()


async def gathered(*coroutines: Coroutine[Any, Any, object]) -> None:
    """All of them; when one fails the others are cancelled, and done with, before its error goes on."""
    tasks = [asyncio.create_task(each) for each in coroutines]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

"""The topics of all services: made where they are not there, and compared with what is declared where they are."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from engine.kafka import FoundTopic, create_topic, find_topic
from events import INTAKES, TOPICS, Topic, state_topic
from events.states import STATES

DECLARED = (*TOPICS.values(), *(state_topic(service) for service in STATES), *INTAKES.values())


@dataclass(frozen=True)
class Seen:
    """A declared topic, whether it was made just now, and in what it is not as declared."""

    name: str
    declared: Topic
    made: bool
    differs: tuple[str, ...]


async def look_after_all(bootstrap: str, *, prefix: str, replication: int, make: bool) -> list[Seen]:
    """Every declared topic, side by side."""
    every = (look_after(bootstrap, each, prefix=prefix, replication=replication, make=make) for each in DECLARED)
    return await asyncio.gather(*every)


async def look_after(bootstrap: str, declared: Topic, *, prefix: str, replication: int, make: bool) -> Seen:
    """Makes the topic if it is not there and may be made. What is there is never changed."""
    name, made = prefix + declared.name, False
    if make:
        with contextlib.suppress(ValueError):  # of another number of partitions: that is among the differences
            made = await create_topic(
                bootstrap,
                name,
                partitions=declared.partitions,
                replication=replication,
                configs=declared.configs(replication),
            )
    found = await find_topic(bootstrap, name)
    if found is None:  # made this moment, the broker may not know yet of what it made
        return Seen(name, declared, made, () if make else ("it is not there",))
    return Seen(name, declared, made, tuple(_differences(found, declared, replication)))


def _differences(found: FoundTopic, declared: Topic, replication: int) -> Iterator[str]:
    if found.partitions != declared.partitions:
        yield f"it has {found.partitions} partitions and not {declared.partitions}"
    if found.replication != replication:
        yield f"each record is kept {found.replication} times and not {replication}"
    for key, value in declared.configs(replication).items():
        if found.configs.get(key) != value:
            yield f"{key} is {found.configs.get(key)} and not {value}"

"""How many events the Kafka topics hold, counted from the records themselves."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Iterable

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError

from sample.services import Trouble

BOOTSTRAP = "127.0.0.1:59092"


Kinds = dict[str, int]
"""Distinct events by their name, like `PartnerSigned`."""


async def distinct_events(services: Iterable[str]) -> dict[str, Kinds]:
    """By topic, from each topic's first record on. A relay that was killed may have sent an event twice: events are
    told apart by their ids. Raises Trouble where Kafka cannot be read."""
    bootstrap = os.environ.get("CAUCE_KAFKA_BOOTSTRAP", BOOTSTRAP)
    prefix = os.environ.get("CAUCE_TOPIC_PREFIX", "")
    topics = {f"{prefix}{service}.events": f"{service}.events" for service in services}
    # Without a group a consumer takes every partition of its topics, and commits nothing.
    consumer = AIOKafkaConsumer(
        *topics,
        bootstrap_servers=bootstrap,
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=4 << 20,
    )
    try:
        async with asyncio.timeout(60):
            await consumer.start()
            found = await _events(consumer)
    except (KafkaError, TimeoutError) as error:
        raise Trouble(
            f"The topics cannot be read from Kafka at {bootstrap}: {error or 'no answer in 60 s'}."
        ) from error
    finally:
        await consumer.stop()
    return {name: dict(Counter(found.get(topic, {}).values())) for topic, name in topics.items()}


async def _events(consumer: AIOKafkaConsumer) -> dict[str, dict[bytes, str]]:
    """By topic: the name of each event by its id."""
    ends = await consumer.end_offsets(consumer.assignment())
    found: dict[str, dict[bytes, str]] = {}
    while any([await consumer.position(part) < end for part, end in ends.items()]):
        for part, records in (await consumer.getmany(timeout_ms=1000)).items():
            names = found.setdefault(part.topic, {})
            for record in records:
                headers = dict(record.headers)
                names[headers["ce_id"]] = headers["ce_type"].decode().split(".")[2]
    return found

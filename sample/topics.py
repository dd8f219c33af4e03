"""How many events the Kafka topics hold, counted from the records themselves."""

from __future__ import annotations

import asyncio
import os

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError

from sample.services import Trouble

BOOTSTRAP = "127.0.0.1:59092"


async def distinct_events(services: list[str]) -> dict[str, int]:
    """Distinct event ids by topic. A restarted relay may send an event twice: it is one event."""
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
            ids = await _ids(consumer)
    except (KafkaError, TimeoutError) as error:
        raise Trouble(
            f"The topics cannot be read from Kafka at {bootstrap}: {error or 'no answer in 60 s'}."
        ) from error
    finally:
        await consumer.stop()
    return {name: len(ids.get(topic, ())) for topic, name in topics.items()}


async def _ids(consumer: AIOKafkaConsumer) -> dict[str, set[bytes]]:
    ends = await consumer.end_offsets(consumer.assignment())
    ids: dict[str, set[bytes]] = {}
    while any([await consumer.position(part) < end for part, end in ends.items()]):
        for part, records in (await consumer.getmany(timeout_ms=1000)).items():
            seen = ids.setdefault(part.topic, set())
            for record in records:
                seen.update(value for name, value in record.headers if name == "ce_id")
    return ids

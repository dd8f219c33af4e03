"""The topics, declared in one place: who asks for one, or makes it, looks here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

RECORD_BYTES = 1_048_588
"""What a topic of ours takes at once; brokers may be set otherwise."""


@dataclass(frozen=True)
class Topic:
    """One service's events, the latest state of each of its things, or what others send it to take in. The count of
    partitions decides where keys go, so it is fixed: growth is a new topic.

    `retention_ms` None keeps everything; of states the last of each key is kept for ever. How often each record is
    kept is the environment's business.
    """

    service: str
    partitions: int = 6
    retention_ms: int | None = None
    carries: Literal["events", "state", "intake"] = "events"

    @property
    def name(self) -> str:
        return f"{self.service}.{self.carries}"

    @property
    def kept(self) -> str:
        """How long, in words."""
        if self.retention_ms is not None:
            return f"for {self.retention_ms / 86_400_000:g} days"
        return "the last of each key" if self.carries == "state" else "for ever"

    def configs(self, replication: int) -> dict[str, str]:
        """Kafka's topic settings, where each record is kept so many times: one broker may be away."""
        return {
            "retention.ms": "-1" if self.retention_ms is None else str(self.retention_ms),
            "retention.bytes": "-1",
            "cleanup.policy": "compact" if self.carries == "state" else "delete",
            "max.message.bytes": str(RECORD_BYTES),
            "min.insync.replicas": str(max(1, replication - 1)),
        }


TOPICS: Mapping[str, Topic] = {
    topic.service: topic
    for topic in (Topic("partner"), Topic("contract"), Topic("training"), Topic("performance"), Topic("risk"))
}


INTAKES: Mapping[str, Topic] = {
    topic.service: topic for topic in (Topic("performance", retention_ms=30 * 86_400_000, carries="intake"),)
}
"""Where others send what a service is to record. What was recorded is in its log, so these are not kept for ever."""


def topic(service: str) -> Topic:
    """The topic of a service; one that is not listed (in a test, say) gets what is usual."""
    return TOPICS.get(service) or Topic(service)


def state_topic(service: str) -> Topic:
    """Where a service's states are, keyed and spread as its events are."""
    return replace(topic(service), retention_ms=None, carries="state")


def topic_of(service: str) -> str:
    """The name of the Kafka topic that carries a service's events."""
    return topic(service).name

"""`cauce topics`, on a real Kafka: it makes what is declared, changes nothing, and says what is otherwise."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from click.testing import Result
from devstack.wait import until_true
from engine.kafka import FoundTopic, create_topic, find_topic
from service import cli
from service.topics import DECLARED
from typer.testing import CliRunner

Cauce = Callable[..., Result]


@pytest.fixture
def cauce(kafka: str, topic_prefix: str, monkeypatch: pytest.MonkeyPatch) -> Cauce:
    monkeypatch.setenv("CAUCE_KAFKA_BOOTSTRAP", kafka)
    monkeypatch.setenv("CAUCE_TOPIC_PREFIX", topic_prefix)
    monkeypatch.delenv("CAUCE_KAFKA_REPLICATION", raising=False)
    monkeypatch.setattr(cli.out, "_width", 220)
    monkeypatch.setattr(cli.err, "_width", 220)

    def call(*words: str) -> Result:
        return CliRunner().invoke(cli.app, ["topics", *words], catch_exceptions=False)

    return call


def found(bootstrap: str, name: str) -> FoundTopic:
    """The topic, once the broker knows of what it made."""
    seen: list[FoundTopic] = []

    def there() -> bool:
        seen.extend(topic for topic in [asyncio.run(find_topic(bootstrap, name))] if topic is not None)
        return bool(seen)

    until_true(there, name, 60)
    return seen[0]


def test_every_declared_topic_is_made_once(cauce: Cauce, kafka: str, topic_prefix: str) -> None:
    assert {topic.name for topic in DECLARED} >= {"partner.events", "contract.events", "partner.state"}
    first = cauce()
    assert first.exit_code == 0
    assert first.stdout.count("made") == len(DECLARED)
    for topic in DECLARED:
        made = found(kafka, topic_prefix + topic.name)
        assert made.partitions == topic.partitions
        assert made.configs.items() >= topic.configs(replication=1).items()
    again = cauce()
    assert again.exit_code == 0
    assert again.stdout.count("there") == len(DECLARED)


def test_who_only_looks_makes_nothing(cauce: Cauce, kafka: str, topic_prefix: str) -> None:
    result = cauce("--check")
    assert result.exit_code == 1
    assert result.stdout.count("it is not there") == len(DECLARED)
    assert "What is missing, cauce topics makes" in result.stderr
    assert asyncio.run(find_topic(kafka, f"{topic_prefix}partner.events")) is None


def test_what_is_otherwise_is_said_and_left_as_it_is(cauce: Cauce, kafka: str, topic_prefix: str) -> None:
    name = f"{topic_prefix}partner.events"
    configs = DECLARED[0].configs(replication=1) | {"retention.ms": "604800000"}
    asyncio.run(create_topic(kafka, name, partitions=4, replication=1, configs=configs))
    before = found(kafka, name)
    result = cauce()
    assert result.exit_code == 1
    assert "it has 4 partitions and not 6; retention.ms is 604800000 and not -1" in result.stdout
    assert found(kafka, name) == before


def test_a_kafka_that_is_not_said_is_a_sentence(cauce: Cauce, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CAUCE_KAFKA_BOOTSTRAP")
    result = cauce()
    assert result.exit_code == 2
    assert "CAUCE_KAFKA_BOOTSTRAP is not set; it is the address of a Kafka broker" in result.stderr


def test_a_kafka_that_does_not_answer_is_a_sentence(cauce: Cauce, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAUCE_KAFKA_BOOTSTRAP", "127.0.0.1:1")
    result = cauce()
    assert result.exit_code == 1
    assert "Postgres or Kafka cannot be reached" in result.stderr

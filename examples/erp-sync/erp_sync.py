"""Keeps an ERP's vendor table in SQLite from Cauce's event stream.

    python erp_sync.py --bootstrap 127.0.0.1:59092 --database erp.sqlite

Kill it whenever you like and start it again: where it is in the stream is kept in the database, in the transaction of
what the events did. So each event's effect is there once, whatever happens between.
"""

from __future__ import annotations

import argparse
import json
import signal
import sqlite3
import sys
import time
from collections.abc import Iterable, Sequence
from typing import Any

import vendors
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition

SERVICES = ("partner", "contract")
PATIENCE = 10.0

POSITIONS = """
create table if not exists position (
    topic text, partition integer, next_offset integer not null, sequence text not null,
    primary key (topic, partition)
);
create table if not exists change (   -- what the ERP's own people see of it; each event once
    event_id text primary key, type text not null, subject text not null, happened_at text not null
);
"""


class Stuck(Exception):
    """A record that cannot be taken in. Nothing behind it of its partition is, until somebody has looked."""


def open_database(path: str) -> sqlite3.Connection:
    db = sqlite3.connect(path, timeout=30, isolation_level=None)
    db.execute("pragma journal_mode = wal")
    db.execute("pragma synchronous = full")
    db.executescript(POSITIONS + vendors.SCHEMA)
    return db


def position(db: sqlite3.Connection, topic: str, partition: int) -> tuple[int, str]:
    """The next offset to take in, and the highest sequence that was."""
    row = db.execute(
        "select next_offset, sequence from position where topic = ? and partition = ?", (topic, partition)
    ).fetchone()
    return row or (0, "")


def take_in(db: sqlite3.Connection, messages: Iterable[Message]) -> dict[tuple[str, int], int]:
    """One transaction: what the events do, and how far we are. Returns the next offset of each partition."""
    reached: dict[tuple[str, int], int] = {}
    db.execute("begin immediate")
    try:
        for message in messages:
            reached[message.topic(), message.partition()] = take_in_one(db, message)
    except BaseException:
        db.execute("rollback")
        raise
    db.execute("commit")
    return reached


def take_in_one(db: sqlite3.Connection, message: Message) -> int:
    place = (message.topic(), message.partition())
    next_offset, seen = position(db, *place)
    if message.offset() < next_offset:
        return next_offset  # another process of ours was quicker
    try:
        headers = {name: value.decode() for name, value in message.headers() or []}
        sequence = headers["ce_sequence"]
        if sequence > seen:  # otherwise it was sent again: Cauce sends at least once, in order
            apply(db, headers, message.value())
            seen = sequence
    except Exception as error:
        where = f"{place[0]}, partition {place[1]}, offset {message.offset()}"
        raise Stuck(f"{where}: {type(error).__name__}: {error}") from error
    db.execute("insert or replace into position values (?, ?, ?, ?)", (*place, message.offset() + 1, seen))
    return message.offset() + 1


def apply(db: sqlite3.Connection, headers: dict[str, str], value: bytes) -> None:
    handler = vendors.handler_of(headers["ce_type"])
    if handler is None:
        return
    handler(db, json.loads(value))
    db.execute(
        "insert into change values (?, ?, ?, ?)",
        (headers["ce_id"], headers["ce_type"], headers["ce_subject"], headers["ce_time"]),
    )


def new_consumer(bootstrap: str) -> Consumer:
    """One that joins no group: Kafka's own offsets would be a second truth beside ours. (The client wants a name.)"""
    return Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "erp-sync",
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "auto.offset.reset": "error",
            "socket.timeout.ms": int(PATIENCE * 1000),
        }
    )


def go_on(consumer: Consumer, db: sqlite3.Connection, topics: Sequence[str]) -> dict[tuple[str, int], int]:
    """Every partition from where we left off. Returns where each ends now."""
    assigned, ends = [], {}
    for topic in topics:
        found = consumer.list_topics(topic, timeout=PATIENCE).topics[topic]
        if found.error is not None:
            raise KafkaException(found.error)
        for partition in sorted(found.partitions):
            left_off = position(db, topic, partition)[0]
            assigned.append(TopicPartition(topic, partition, left_off or OFFSET_BEGINNING))
            _, ends[topic, partition] = consumer.get_watermark_offsets(assigned[-1], timeout=PATIENCE)
    consumer.assign(assigned)
    return ends


def follow(db: sqlite3.Connection, options: argparse.Namespace) -> None:
    topics = [f"{options.topic_prefix}{service}.events" for service in SERVICES]
    consumer = new_consumer(options.bootstrap)
    try:
        ends = go_on(consumer, db, topics)
        reached = {place: position(db, *place)[0] for place in ends}
        while not (options.once and all(reached[place] >= end for place, end in ends.items())):
            messages = consumer.consume(options.batch, timeout=1.0)
            for message in messages:
                if message.error() is not None:
                    raise KafkaException(message.error())
            if messages:
                reached |= take_in(db, messages)
                print(f"taken in: {sum(reached.values()):,}", flush=True)
    finally:
        consumer.close()


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bootstrap", default="127.0.0.1:59092", help="a Kafka broker; default: %(default)s")
    parser.add_argument("--database", default="erp.sqlite", help="the ERP's database; default: %(default)s")
    parser.add_argument("--topic-prefix", default="", help="what the environment puts before topic names")
    parser.add_argument("--batch", type=int, default=500, help="records a transaction, at most; default: %(default)s")
    parser.add_argument("--once", action="store_true", help="end when everything sent before the start is taken in")
    return parser.parse_args(given)


def main() -> int:
    options = arguments()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    db = open_database(options.database)
    while True:
        try:
            follow(db, options)
            return 0
        except KeyboardInterrupt:
            return 0
        except Stuck as error:
            print(f"{error}\nNothing was lost: mend the cause and start again.", file=sys.stderr)
            return 1
        except KafkaException as error:
            problem: Any = error.args[0]
            if problem.code() == KafkaError._AUTO_OFFSET_RESET:
                print(f"{problem.str()}\nThe topic was made anew: see the README.", file=sys.stderr)
                return 1
            print(f"Kafka: {problem.str()}; trying again.", file=sys.stderr)
            time.sleep(2)


if __name__ == "__main__":
    sys.exit(main())

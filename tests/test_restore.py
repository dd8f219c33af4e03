"""What is lost and comes back: a service's database from a dump that was taken under load, and then all of Kafka."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from faults.channel import Channel, busy, until
from faults.checker import judge_services
from faults.child import SHORT
from faults.evidence import Evidence, data_of
from faults.ledger import Asked, Ledger


@pytest.fixture
async def channel(tmp_path: Path) -> AsyncIterator[Channel]:
    async with busy(tmp_path / "fleet") as made:
        yield made


def told(channel: Channel, event: str) -> Iterator[dict[str, Any]]:
    """What the processes of partner say in their logs under that name."""
    for replica in channel.fleet.of("partner"):
        for line in replica.child.log.read_text().splitlines():
            if line.startswith("{") and (entry := json.loads(line))["event"] == event:
                yield entry


async def evidence_of(channel: Channel) -> dict[str, Evidence]:
    found = await channel.evidence()
    lost = {sent.raw.id for sent in found["partner"].topic} - {event.id for event in found["partner"].events}
    return {**found, "partner": replace(found["partner"], lost=frozenset(lost))}


async def assert_all_fits(channel: Channel, found: dict[str, Evidence], asked: Sequence[Asked]) -> None:
    window, now = int(SHORT["relay_window"]), datetime.now(UTC)
    verdicts = [
        *judge_services(found, Ledger(list(asked)), window=window, stumbles=4, now=now),
        await channel.views(found),
    ]
    assert [str(verdict) for verdict in verdicts if not verdict.passed] == []
    assert channel.ledger.broken == []
    registered = {data_of(event)["partner_id"] for event in found["partner"].called("PartnerRegistered")}
    negotiating = Counter(data_of(event)["partner_id"] for event in found["contract"].called("NegotiationOpened"))
    assert registered <= negotiating.keys()
    assert set(negotiating.values()) == {1}


async def test_a_service_comes_back_from_a_dump_and_kafka_from_the_services(channel: Channel, tmp_path: Path) -> None:
    fleet, ledger = channel.fleet, channel.ledger
    await channel.traffic()
    acknowledged, dump = ledger.of("acknowledged"), tmp_path / "partner.dump"
    await asyncio.to_thread(fleet.postgres.dump, "partner", dump)  # while the applicants go on
    await channel.traffic()
    await channel.pause()
    lost_at = len(ledger.asked)

    await restored(channel, dump)
    await channel.traffic()
    await channel.pause()
    acknowledged += ledger.asked[lost_at:]
    found = await evidence_of(channel)
    await assert_all_fits(channel, found, acknowledged)
    ghosts = found["partner"].lost
    [entry] = told(channel, "new_incarnation")
    assert entry["ghosts"] == len(ghosts) > 0
    assert {UUID(id) for id in entry["first_ghosts"]} <= ghosts
    before = [sent.raw.position for sent in found["partner"].topic if sent.raw.incarnation == 1]
    assert entry["positions_from"] > max(before)
    incarnations = {sent.raw.id: sent.raw.incarnation for sent in found["partner"].topic}

    await kafka_lost(channel)
    await channel.traffic()
    await channel.pause()
    found = await evidence_of(channel)
    await assert_all_fits(channel, found, acknowledged + ledger.asked[lost_at:])
    assert found["partner"].lost == frozenset()  # ghosts were nowhere else
    again = {sent.raw.id: sent.raw.incarnation for sent in found["partner"].topic}
    assert {id: n for id, n in incarnations.items() if id not in ghosts}.items() <= again.items()
    assert [entry["sent_again_behind"] for entry in told(channel, "topic_lost_records") if "up_to" in entry] == [0]


async def restored(channel: Channel, dump: Path) -> None:
    """As docs/operations.md says, into the cluster that it came from."""
    await channel.fleet.end("partner")
    await channel.fleet.restore("partner", dump)
    code, said = await channel.run(None, "partner", "service", "restored", "partner")
    assert code == 0, said
    await begun(channel, "partner")


async def kafka_lost(channel: Channel) -> None:
    await channel.fleet.end(*channel.fleet.counts)
    await channel.fleet.lose_kafka()
    await channel.probe.topics_are_new()
    await begun(channel, *channel.fleet.counts)


async def begun(channel: Channel, *services: str) -> None:
    balancers = [channel.clients[service].balancer for service in services]
    await until(lambda: all(balancer.leads_to_nobody for balancer in balancers), "they are seen to be down")
    channel.fleet.begin(*services)
    await channel.all_ready()

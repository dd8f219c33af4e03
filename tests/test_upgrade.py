"""A release rolls out over the one before it and back again, while clients go on asking: real processes of both, on
one Postgres and one Kafka. It has a new version of an event and of a view, and new columns in the view and in the event
table."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import pytest
from devstack import place

from faults import business
from faults.channel import Channel, busy, until
from faults.checker import judge_services, judged
from faults.child import SHORT

APPLIED_1, APPLIED_2 = "cauce.partner.PartnerApplied.v1", "cauce.partner.PartnerApplied.v2"
CONSEQUENCES = business.CONSEQUENCES[:2] + business.CONSEQUENCES[3:4]
"""From the request for a registration over the name and the partner to the negotiation, which is another service's."""

CHANGES: dict[str, list[tuple[str, str]]] = {
    "engine/schema.sql": [("('event', 'client', 'text')", "('event', 'region', 'text'), ('event', 'client', 'text')")],
    "events/partner.py": [
        (
            f'class PartnerApplied(Event, type="{APPLIED_1}", key="application-{{application_id}}"):',
            f'class PartnerApplied(\n    Event,\n    type="{APPLIED_2}",\n    key="application-{{application_id}}",\n'
            f'    upcasts={{"{APPLIED_1}": lambda old: {{**old, "language": "unknown"}}}},\n'
            f'    downcast=("{APPLIED_1}", lambda new: {{k: v for k, v in new.items() if k != "language"}}),\n):',
        ),
        (
            "    name_key: UUID | None = None\n\n\nclass ApplicationScored",
            "    name_key: UUID | None = None\n    language: str\n\n\nclass ApplicationScored",
        ),
    ],
    "partner/domain/application.py": [
        (
            "\n            outlet_name=command.outlet_name,",
            '\n            outlet_name=command.outlet_name,\n            language="es",',
        )
    ],
    "partner/views.py": [
        (
            "    outlet_name text not null,\n    applied_at",
            "    language text not null,\n    outlet_name text not null,\n    applied_at",
        ),
        (
            "outlet_name=applied.outlet_name,",
            "outlet_name=applied.outlet_name,\n                language=applied.language,",
        ),
        ('View("applications", version=2', 'View("applications", version=3'),
    ],
    "partner/api/shown.py": [
        ("    outlet_name: str\n    applied_at", "    outlet_name: str\n    language: str\n    applied_at")
    ],
}
"""What release 2 has otherwise, by file: what is there now, and what takes its place."""


@pytest.fixture(scope="session")
def release_2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the packages of release 2, to be found before those that are installed."""
    folder = tmp_path_factory.mktemp("release-2")
    for package in (place.root() / "libs/engine/src/engine", place.root() / "libs/events/src/events"):
        shutil.copytree(package, folder / package.name)
    shutil.copytree(place.root() / "services/partner-svc/src/partner", folder / "partner")
    for name, changes in CHANGES.items():
        text = (folder / name).read_text()
        for old, new in changes:
            assert text.count(old) == 1, f"{name} is not as this test believes: {old!r}"
            text = text.replace(old, new)
        (folder / name).write_text(text)
    return folder


@pytest.fixture
async def channel(tmp_path: Path) -> AsyncIterator[Channel]:
    async with busy(tmp_path / "fleet", partners=2) as made:
        yield made


async def builds(channel: Channel) -> set[tuple[int, bool]]:
    """Versions of the view, and whether each is shown."""
    connection = await asyncpg.connect(channel.fleet.direct_url("partner"))
    try:
        rows = await connection.fetch("select version, live from view_build where name = 'applications'")
    finally:
        await connection.close()
    return {(row["version"], row["live"]) for row in rows}


async def test_a_release_rolls_out_and_back_under_load_and_no_request_fails_and_no_effect_is_lost_or_doubled(
    channel: Channel, release_2: Path
) -> None:
    first, second = channel.fleet.of("partner")
    await channel.traffic()
    await channel.migrate(release_2)  # beside the old release, under load

    first = await channel.replace(first, release_2)
    await channel.traffic()
    await channel.pause()
    assert await builds(channel) == {(2, False), (3, True)}
    # Each reads its own: whoever comes back finds the old one as it should be.
    for release in (None, release_2):  # one after the other: both fold into tables of one name
        assert await channel.wrong_views(release) == ""

    await channel.traffic(0)
    second = await channel.replace(second, release_2)
    channel.languages.clear()
    await channel.traffic()
    assert set(channel.languages) <= {"unknown", None}  # what is stored cannot say more yet
    assert "unknown" in channel.languages

    first = await channel.replace(first, None)
    await channel.traffic()
    second = await channel.replace(second, None)
    await channel.traffic()
    await until(lambda: _only(channel, {(2, True)}), "the old version of the view is shown again, and no other is left")
    await channel.pause()

    await assert_nothing_went_wrong(channel)
    await written_before_all_can_read_it(channel, release_2)


async def _only(channel: Channel, expected: set[tuple[int, bool]]) -> bool:
    return await builds(channel) == expected


async def assert_nothing_went_wrong(channel: Channel) -> None:
    assert channel.ledger.broken == []
    assert channel.ledger.of("acknowledged") == channel.ledger.asked
    assert len(channel.clients["partner"].balancer.led) == 6  # each process had its part of it
    evidence, now = await channel.evidence(), datetime.now(UTC)
    assert {raw.type for raw in evidence["partner"].called("PartnerApplied")} == {APPLIED_1}
    verdicts = [
        *judge_services(evidence, channel.ledger, window=int(SHORT["relay_window"]), stumbles=4, now=now),
        judged(business.consequences, evidence, now, CONSEQUENCES),
        await channel.views(evidence),
    ]
    assert [str(verdict) for verdict in verdicts if not verdict.passed] == []
    assert len(evidence["contract"].called("NegotiationOpened")) == channel.told >= 25


async def written_before_all_can_read_it(channel: Channel, release_2: Path) -> None:
    """What all of the above would have found: without the admission, the release before fails its callers."""
    await channel.start(release_2)
    connection = await asyncpg.connect(channel.fleet.direct_url("partner"))
    try:
        await connection.execute("insert into admitted_type (type) values ($1)", APPLIED_2)
        await connection.execute("update store set view_epoch = view_epoch + 1")
    finally:
        await connection.close()
    channel.go()
    await until(lambda: any("answered 500" in each for each in channel.ledger.broken), "an old process fails")

"""The scenario on the real stack, cut off on its way, gone on with, and run again."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from devstack.issuer import Issuer
from rich.console import Console

from sample.dates import on
from sample.scenario.__main__ import play
from sample.scenario.setting import CODE, KIND, LABEL, SEED, Calendar, figures
from sample.services import Service, Trouble
from sample.setting import RULE, define
from sample.settle import settled
from sample.story import Story
from sample.verify import differences

if TYPE_CHECKING:
    from sample.tests.conftest import Running


@dataclass
class Told(Story):
    """Tells its sentences to the test, and says when it comes to one of them."""

    console: Console = field(default_factory=lambda: Console(file=io.StringIO()))
    told: list[str] = field(default_factory=list)
    until: str = "nothing is told like this"
    there: asyncio.Event = field(default_factory=asyncio.Event)

    def say(self, sentence: str, *, style: str | None = None) -> None:
        self.told.append(sentence)
        if self.until in sentence:
            self.there.set()


async def test_the_story_is_played_once_wherever_it_was_cut_off(running: Running, issuer: Issuer) -> None:
    services = running.services
    await define(services, on(2000, (1, 1)))

    def mint(role: str, subject: str, partner_id: UUID | None = None) -> str:
        return issuer.mint(subject, roles=[role], partner_id=partner_id)

    # Cut off in the middle of an act.
    first = Told(until="opens an improvement plan")
    playing, waiting = asyncio.create_task(play(services, first, mint)), asyncio.create_task(first.there.wait())
    await asyncio.wait([playing, waiting], return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    assert not playing.done(), playing.exception()
    playing.cancel()
    await asyncio.wait([playing])

    second = Told()
    await play(services, second, mint)
    begun = first.told[: len(first.told) - 1]
    assert second.told[: len(begun)] == begun, "what was done before is told again, and was not done again"
    assert len([each for each in second.told if "Refused, as expected" in each]) == 8
    assert "  partner: says of the plan: 2 of 2 have signed." in second.told
    await came_of_it(services)
    assert any(f"{services['risk'].url}/risk-profiles/" in each and "/why" in each for each in second.told)

    # The sample is as it was: nothing of the file is there, and nothing else is taken for it.
    compared, found = await differences(services, [])
    assert (found, set(compared.values())) == ([], {0})
    assert await services["risk"].items("/flags", rule=RULE) == []
    assert await services["risk"].items("/rule-failures") == []

    # Run again, it changes nothing; nor does another seed.
    before = await settled(services)
    third = Told()
    await play(services, third, mint)
    assert any("nothing is changed" in each for each in third.told)
    assert third.told[-2:] == second.told[-2:]
    with pytest.raises(Trouble, match=f"begun with --seed {SEED}"):
        await play(services, Told(), mint, seed=SEED + 1)
    assert await settled(services) == before


async def came_of_it(services: Mapping[str, Service]) -> None:
    partner, contract, training, performance, risk = (
        services[name] for name in ("partner", "contract", "training", "performance", "risk")
    )
    cast = figures(SEED)
    applications = {row["legal_name"]: row["status"] for row in await partner.items("/applications")}
    assert applications == {cast.regular: "approved", cast.overridden: "approved", cast.declined: "declined"}
    partners = {row["legal_name"]: row for row in await partner.items("/partners")}
    assert {name: row["status"] for name, row in partners.items()} == {
        cast.regular: "active",
        cast.overridden: "terminated",
    }
    assert all(name.endswith(LABEL) for name in partners)
    assert {row["kind"] for row in partners.values()} == {KIND}
    regular, poor = (partners[name]["partner_id"] for name in (cast.regular, cast.overridden))

    assert await one(contract, "/contracts", partner_id=regular, royalty_percent="5.5") == "in_force"
    assert await one(contract, "/contracts", partner_id=poor, royalty_percent="5") == "terminated"
    assert await one(contract, "/breaches", partner_id=regular, ground="noncompliance") == "cured"
    (statement,) = await contract.items("/royalty-statements", partner_id=regular)
    assert Decimal(statement["total"]) == round(sum(map(Decimal, cast.sales)) * Decimal("0.055"), 2)
    assert {row["status"] for row in await training.items("/enrolments")} == {"completed"}
    assert {row["course"] for row in await training.items("/enrolments")} == {CODE, "food-safety"}
    assert await one(training, "/manual-acknowledgements", partner_id=regular) == "acknowledged"
    assert await one(training, "/corrective-actions", partner_id=regular) == "verified"
    assert await one(performance, "/improvement-plans", partner_id=poor, outcome="improved") == "closed"
    (low, _) = (await performance.get(f"/scorecards/{CODE}/draft"))["draft"]["bands"]
    assert Decimal(low["upper"]) == 97
    assert await one(risk, "/restrictions", partner_id=poor, kind="order_block") == "lifted"
    assert await one(risk, "/adjustments", partner_id=poor, kind="probation") == "decided"
    why = await risk.get(f"/risk-profiles/{poor}/why")
    assert why["flags"][0]["by_rule"]["terms"]["when"] == "value < 60.0"
    assert why["adjustments"][0]["because"][0]["type"] == "cauce.performance.PartnerEvaluated.v1"


async def one(service: Service, path: str, *, partner_id: str, **like: Any) -> str:
    """The status of the one of the partner's, which is like this."""
    (row,) = await service.items(path, partner_id=partner_id)
    assert {name: row[name] for name in like} == like
    status: str = row["status"]
    return status


@pytest.mark.parametrize(
    ("today", "periods"),
    [
        (date(2026, 11, 28), ("2026-09", "2026-10")),
        (date(2026, 1, 1), ("2025-11", "2025-12")),
        (date(2026, 2, 28), ("2025-12", "2026-01")),
    ],
)
def test_the_two_months_are_those_before_the_one_of_today(today: date, periods: tuple[str, str]) -> None:
    assert Calendar.before(today).periods == periods


def test_the_same_seed_gives_the_same_figures_and_each_seed_a_plan_that_can_be_met() -> None:
    assert figures(SEED) == figures(SEED)
    assert figures(SEED) != figures(SEED + 1)
    for seed in range(200):
        cast = figures(seed)
        assert cast.poor[0] < cast.goal <= cast.poor[1] < 60 <= min(cast.good)
        assert len({cast.regular, cast.overridden, cast.declined}) == 3

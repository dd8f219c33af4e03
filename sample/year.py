"""A year of history as it would have happened: newcomers join, inspections are reported, the year is closed."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sample import dates
from sample.dates import closing, on
from sample.history import Report, Year
from sample.joining import Newcomers, Row, together
from sample.services import Service, Trouble
from sample.setting import METRIC, SCORECARD
from sample.settle import reached, settled
from sample.story import Story

SOURCE = "anchorage_inspections"
COLUMNS = ("source", "source_ref", "partner_id", "outlet_id", "metric", "period", "value")
EXAMPLES = 2
PATH = (
    "applied, was scored and approved, agreed on terms, got the disclosure document, signed once its 14 days were "
    "over, was trained, opened its outlet, and trades"
)


@dataclass(frozen=True)
class Closed:
    """What came of a year, as performance-svc and risk-svc tell it."""

    evaluations: int
    flagged: Sequence[Row]
    resolved: Sequence[Row]
    suspended: Sequence[Row]
    reinstated: Sequence[Row]


@dataclass
class Channel:
    """The services, and the screen that tells what happens in them. The very first to join goes ahead of the others,
    to be seen on its way: `welcomed` is whether it has."""

    services: Mapping[str, Service]
    story: Story
    welcomed: bool = False

    async def live(self, year: Year) -> None:
        """Through a whole year; nothing is under way any more when it returns. Raises Trouble."""
        newcomers, reports = len(year.newcomers), len(year.reports)
        self.story.heading(f"{year.year}: {_count(newcomers, 'newcomer')}, {_count(reports, 'inspection')}")
        await self.reach(on(year.year, (1, 1)))
        await self.join(year)
        await settled(self.services)
        partners = {row["legal_name"]: row for row in await self.services["partner"].items("/partners")}
        await self.report(year, partners)
        await self.close(year.year)
        await settled(self.services)
        await self.reach(closing(year.year))
        self.tell(await self.closed(year.year), {row["partner_id"]: row["legal_name"] for row in partners.values()})

    async def reach(self, instant: datetime) -> None:
        await together(reached(service, instant) for service in self.services.values())

    # -- who joined

    async def join(self, year: Year) -> None:
        if not year.newcomers:
            return
        if not self.welcomed:
            await self._join(year.year, year.newcomers[:1])
            self.welcomed = True
        await self._join(year.year, year.newcomers)

    async def _join(self, year: int, names: Sequence[str]) -> None:
        newcomers = Newcomers(self.services, self.story, year, names)
        await newcomers.join()
        example, name = next(iter(newcomers.partners.items()))
        if len(names) == 1:
            self.story.say(f"  {name} {PATH}.")
        else:
            self.story.say(f"  {len(names)} joined and trade, among them {name}.")
        self.story.why(f"{self.services['partner'].url}/partners/{example}/history")
        for row in newcomers.held:
            self.story.say(
                f"  {row['legal_name']} was held as a possible duplicate of {row['looks_like_name']}; "
                "a person decided that they are two, and it was registered."
            )
            self.story.why(f"{self.services['partner'].url}/applications/{row['application_id']}")

    # -- what was reported

    async def report(self, year: Year, partners: Mapping[str, Row]) -> None:
        performance = self.services["performance"]
        receipt = await performance.post_csv(
            "/kpi-reports/bulk",
            upload(year.reports, partners),
            key="sample",
            occurred_at=on(year.year, dates.INSPECTED).isoformat(),
        )
        if receipt["rejected"]:
            error = receipt["errors"][0]
            raise Trouble(
                f"performance rejected {receipt['rejected']} of {receipt['received']} inspections of {year.year}, the "
                f"first at line {error['line']}: {error['field']} {error['message']}"
            )

    async def close(self, year: int) -> None:
        body = {"scorecard": SCORECARD, "occurred_at": closing(year).isoformat()}
        await self.services["performance"].post(f"/periods/{year}/close", body, key="sample")

    # -- what came of it

    async def closed(self, year: int) -> Closed:
        performance, risk = self.services["performance"], self.services["risk"]
        period, flags, restrictions = await together(
            [performance.get(f"/periods/{year}"), risk.items("/flags"), risk.items("/restrictions")]
        )
        if period["status"] != "evaluated":
            raise Trouble(f"The evaluation of {year} did not come to its end: see {performance.url}/periods/{year}")
        at = closing(year)
        return Closed(
            period["evaluations"],
            flagged=[flag for flag in flags if _at(flag["raised_at"], at)],
            resolved=[flag for flag in flags if _at(flag["closed_at"], at)],
            suspended=[each for each in restrictions if _at(each["imposed_at"], at)],
            reinstated=[each for each in restrictions if _at(each["lifted_at"], at)],
        )

    def tell(self, closed: Closed, names: Mapping[str, str]) -> None:
        self.story.say(
            f"  The year is closed: {_count(closed.evaluations, 'partner')} evaluated, {len(closed.flagged)} flagged, "
            f"{_count(len(closed.resolved), 'flag')} resolved, {len(closed.suspended)} suspended, "
            f"{len(closed.reinstated)} reinstated."
        )
        for flag in closed.flagged[:EXAMPLES]:
            self.because(flag, names, "was flagged", flag["explanation"])
        for each in closed.suspended:
            self.because(each, names, "was suspended", each["reason"])
        for each in closed.reinstated:
            self.because(each, names, "was reinstated", each["lifted_because"])

    def because(self, row: Row, names: Mapping[str, str], what: str, reason: str) -> None:
        self.story.say(f"  {names[row['partner_id']]} {what}: {reason}")
        self.story.why(f"{self.services['risk'].url}/risk-profiles/{row['partner_id']}/why")


def upload(reports: Sequence[Report], partners: Mapping[str, Row]) -> bytes:
    """The CSV of the bulk intake."""
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(COLUMNS)
    for report in reports:
        partner = partners[report.name]
        lines.writerow(
            (SOURCE, report.source_ref, partner["partner_id"], partner["outlet_id"], METRIC, report.year, report.score)
        )
    return text.getvalue().encode()


def _at(instant: str | None, at: datetime) -> bool:
    return instant is not None and datetime.fromisoformat(instant) == at


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"

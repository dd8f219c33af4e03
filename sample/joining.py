"""A year's newcomers on their way from the application to trading, worked as a person works lists of what is to do."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from sample import dates
from sample.dates import Day, on
from sample.services import Service, Trouble
from sample.setting import DIMENSIONS, GATE, STANDARD
from sample.settle import heard, reached, settled
from sample.story import Story

T = TypeVar("T")
Row = Mapping[str, Any]

AREA = "US-AK"
TERMS = {"jurisdiction": AREA, "grants": [{"area": AREA}], "royalties": [{"percent": 5}]}
ITEMS = ("premises_approved", "opening_stock_delivered")
DISTINCT = "Two establishments in the city's records, inspected under both names."


@dataclass
class Newcomers:
    """Some newcomers of a year. `partners` are their names by the ids that they have, or will have, as partners."""

    services: Mapping[str, Service]
    story: Story
    year: int
    names: Sequence[str]
    partners: dict[str, str] = field(default_factory=dict)
    held: list[Row] = field(default_factory=list)

    async def join(self) -> None:
        """Through every step until they trade. What has been done before is not done again. Raises Trouble."""
        partner, contract, training = (self.services[name] for name in ("partner", "contract", "training"))
        await self.apply(partner)
        await settled({"partner": partner})
        await self.decide_on_duplicates(partner)
        await settled({"partner": partner, "contract": contract})
        await self.negotiate(contract)
        await heard(contract, contract)
        await self.sign(contract)
        await heard(contract, contract, partner, training)
        # Each of these is one service's affair. What partner-svc is to hear of them has to be there before the opening,
        # so that it is the opening that makes a partner trade, on its day.
        await together([reached(contract, on(self.year, dates.IN_FORCE)), self.train(training), self.prepare(partner)])
        await together([heard(contract, partner), heard(training, partner)])
        await self.open(partner)
        await self.check(partner)

    async def apply(self, partner: Service) -> None:
        ids = set(await self.each("apply", self.names, lambda name: self._apply(partner, name)))
        rows = await partner.items("/applications")
        ours = [row for row in rows if row["application_id"] in ids]
        self.partners = {row["partner_id"]: row["legal_name"] for row in ours}
        await self.each("are scored", _in(ours, "applied"), lambda row: self._score(partner, row))
        await self.each("are approved", _in(ours, "applied", "scored"), lambda row: self._approve(partner, row))

    async def _apply(self, partner: Service, name: str) -> str:
        content = {
            "legal_name": name,
            "kind": "franchisee",
            "area": AREA,
            "outlet_name": name,
            "external_refs": [{"system": "anchorage_inspections", "key": name}],
        }
        receipt = await self.post(partner, "/applications", dates.APPLIED, f"sample/apply/{name}", **content)
        return str(receipt["id"])

    async def _score(self, partner: Service, row: Row) -> None:
        body = {"standard": STANDARD, "scores": made_up_scores(row["legal_name"]), "gates": {GATE: True}}
        await self.post(partner, f"/applications/{row['application_id']}/scores", dates.SCORED, **body)

    async def _approve(self, partner: Service, row: Row) -> None:
        path = f"/applications/{row['application_id']}"
        await self.post(partner, f"{path}/approval", dates.APPROVED, "sample", path)

    async def decide_on_duplicates(self, partner: Service) -> None:
        """The platform holds whoever is called like a partner; here a person says that they are two."""
        self.held = self.ours(await partner.items("/possible-duplicates"))
        for row in self.held:
            path = f"/applications/{row['application_id']}"
            what = f"{path}/duplicate-decision"
            await self.post(partner, what, dates.DUPLICATE_DECIDED, "sample", path, distinct=True, reason=DISTINCT)

    async def negotiate(self, contract: Service) -> None:
        todo = self.ours(await contract.items("/negotiations", status="open"))
        await self.each("agree on the terms", todo, lambda row: self._agree(contract, row))

    async def _agree(self, contract: Service, row: Row) -> None:
        path = f"/negotiations/{row['negotiation_id']}"
        await self.post(contract, f"{path}/offers", dates.TERMS_OFFERED, terms=TERMS)
        await self.post(contract, f"{path}/partner-acceptance", dates.TERMS_ACCEPTED, round=1)

    async def sign(self, contract: Service) -> None:
        todo = self.ours(await contract.items("/contracts", status="drafted"))
        await self.each("get the disclosure document", todo, lambda row: self._disclose(contract, row))
        rows = [
            *await contract.items("/contracts", status="disclosed"),
            *await contract.items("/contracts", status="in_window"),
        ]
        todo = self.ours(rows)
        await self.each("sign", todo, lambda row: self._sign(contract, row))

    async def _disclose(self, contract: Service, row: Row) -> None:
        await self.post(contract, f"/contracts/{row['contract_id']}/disclosure", dates.DISCLOSED)

    async def _sign(self, contract: Service, row: Row) -> None:
        path = f"/contracts/{row['contract_id']}/signatures"
        effective = on(self.year, dates.IN_FORCE).date().isoformat()
        for party, day in (("partner", dates.SIGNED_BY_PARTNER), ("principal", dates.SIGNED_BY_PRINCIPAL)):
            if party in row["awaits"]:
                await self.post(contract, path, day, f"sample/{party}", party=party, effective_from=effective)

    async def train(self, training: Service) -> None:
        todo = self.ours(await training.items("/enrolments", status="assigned"))
        await self.each("start their training", todo, lambda row: self._start(training, row))
        todo = self.ours(await training.items("/enrolments", status="started"))
        await self.each("pass it", todo, lambda row: self._assess(training, row))

    async def _start(self, training: Service, row: Row) -> None:
        await self.post(training, f"/enrolments/{row['enrolment_id']}/start", dates.TRAINING_STARTED)

    async def _assess(self, training: Service, row: Row) -> None:
        score = 75 + number(self.partners[row["partner_id"]], "course") % 25
        await self.post(training, f"/enrolments/{row['enrolment_id']}/assessments", dates.ASSESSED, score=score)

    async def prepare(self, partner: Service) -> None:
        for item in ITEMS:
            rows = self.ours(await partner.items("/partners", status="onboarding"))
            todo = [row for row in rows if item in row["open_items"]]
            await self.each("get their outlets ready", todo, partial(self._complete, partner, item))

    async def _complete(self, partner: Service, item: str, row: Row) -> None:
        await self.post(partner, f"/partners/{row['partner_id']}/checklist/{item}/completion", dates.CHECKED)

    async def open(self, partner: Service) -> None:
        todo = self.ours(await partner.items("/partners", status="onboarding"))
        await self.each("open them", todo, lambda row: self._open(partner, row))

    async def _open(self, partner: Service, row: Row) -> None:
        path = f"/partners/{row['partner_id']}/outlet-opening"
        await self.post(partner, path, dates.OPENED, time_zone="America/Anchorage")

    async def check(self, partner: Service) -> None:
        """Raises Trouble unless all of them trade."""
        trading = self.ours(
            [
                *await partner.items("/partners", status="active"),
                *await partner.items("/partners", status="suspended"),
            ]
        )
        missing = self.partners.keys() - {row["partner_id"] for row in trading}
        if missing or len(self.partners) != len(self.names):
            example = min(missing, default="")
            raise Trouble(
                f"{len(self.names) - len(trading)} of the newcomers of {self.year} do not trade, among them "
                f"{self.partners.get(example, 'one without an application')}: see {partner.url}/partners/{example}"
            )

    def ours(self, rows: Iterable[Row]) -> list[Row]:
        """Other people may be at work in these services too."""
        return [row for row in rows if row["partner_id"] in self.partners]

    async def post(
        self, service: Service, path: str, day: Day, key: str = "sample", seen: str | None = None, /, **body: Any
    ) -> Any:
        """One key a path is enough where there is one command a path: a key is of a caller at a path."""
        return await service.post(path, {**body, "occurred_at": on(self.year, day).isoformat()}, key=key, seen=seen)

    async def each(self, what: str, todo: Sequence[T], act: Callable[[T], Coroutine[Any, Any, Any]]) -> list[Any]:
        with self.story.step(f"{self.year}: {len(self.names)} {what}", len(todo)) as step:

            async def one(item: T) -> Any:
                done = await act(item)
                step.done()
                return done

            return await together([one(item) for item in todo])


async def together(work: Iterable[Coroutine[Any, Any, Any]]) -> list[Any]:
    """All at once; the first that fails ends the others."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(each) for each in work]
    except BaseExceptionGroup as failed:
        raise failed.exceptions[0] from None
    return [task.result() for task in tasks]


def number(name: str, what: str) -> int:
    """The same for the same name in every run."""
    return zlib.crc32(f"{what}/{name}".encode())


def made_up_scores(name: str) -> dict[str, int]:
    return {dimension: 60 + number(name, dimension) % 41 for dimension in DIMENSIONS}


def _in(rows: Iterable[Row], *statuses: str) -> list[Row]:
    return [row for row in rows if row["status"] in statuses]

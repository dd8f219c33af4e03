"""A steady mixed load from the client's side: partners on their way, reports in bulk, periods closed, and reads."""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import Callable, Coroutine, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from faults.ledger import Client, Ledger, Line, Unanswered
from sample.joining import ITEMS
from sample.services import Refused, Trouble
from sample.setting import COURSE, DIMENSIONS, GATE, METRIC, SCORECARD, STANDARD, define

AREA = "NONE"
"""A place without a disclosure law, where everything can be signed on the day."""
TERMS = {"jurisdiction": AREA, "grants": [{"area": AREA}], "royalties": [{"percent": 5}]}
EXPIRING = "hygiene"
"""A course, not required for launch, with a certificate that ends: it is passed years ago, so that its timer is due."""
SOURCE = "tills"
COLUMNS = ("source", "source_ref", "partner_id", "metric", "period", "value")
STORIES = 5
"""Partners on their way at once."""
THINKING = 0.8
"""Seconds at most between two steps of one of them."""
PATIENCE = 150.0
UPLOAD_LINES = 40
LATE = 0.1
"""The share of reports that come for a period that is closed already."""


class Stuck(Trouble):
    """A consequence did not come in time."""


class Load:
    """`run` until cancelled. What it asked for and was told is in the ledger."""

    def __init__(self, clients: Mapping[str, Client], ledger: Ledger, seed: int) -> None:
        self.clients = clients
        self.ledger = ledger
        self.stuck: list[str] = []
        self._random = Random(seed)
        self._number = 0
        self._periods = ["1990-01"]
        self._reports = 0

    async def prepare(self) -> None:
        """What the channel works by."""
        for client in self.clients.values():
            client.choice.seed(self._random.random())
        now = datetime.now(UTC)
        while True:
            try:
                await define(self.clients, now)
                break
            except Unanswered:
                continue
        content = {"title": "Hygiene", "pass_mark": 50, "required_for_launch": False, "max_attempts": 3}
        body = {**content, "validity_months": 12, "time_zone": "UTC"}
        await self._do("training", lambda key: self.clients["training"].put(f"/courses/{EXPIRING}", body, key=key))

    async def run(self) -> None:
        work: list[Callable[[], Coroutine[Any, Any, None]]] = [self._live] * STORIES
        async with asyncio.TaskGroup() as group:
            for step, pause in ((self._report, 1.5), (self._close, 9.0), (self._read, 0.5)):
                group.create_task(self._again(step, pause))
            for live in work:
                group.create_task(self._again(live, THINKING))

    async def _again(self, step: Callable[[], Coroutine[Any, Any, None]], pause: float) -> None:
        while True:
            try:
                await step()
            except Trouble as trouble:
                self.stuck.append(str(trouble))
            await asyncio.sleep(pause * (0.5 + self._random.random()))

    # -- a client's habits

    async def _do(self, what: str, ask: Callable[[str], Coroutine[Any, Any, Any]]) -> Any:
        """Asks; a client that went away and comes back asks anew, under another key. What it finds done is done."""
        for attempt in range(5):
            try:
                return await ask(f"{what}/{attempt}")
            except Unanswered:
                continue
            except Refused:
                if attempt == 0:
                    raise
                return None
        raise Stuck(f"nobody answered {what}")

    async def _post(self, service: str, path: str, key: str = "once", /, **body: Any) -> Any:
        return await self._do(key, lambda k: self.clients[service].post(path, body, key=k))

    async def _until(self, service: str, path: str, found: Callable[[Any], Any], **params: Any) -> Any:
        """Asks until what is found is something."""
        deadline = asyncio.get_running_loop().time() + PATIENCE
        pause = 0.15
        while True:
            try:
                there = found(await self.clients[service].get(path, **params))
            except Refused as refused:
                if refused.status != 404:
                    raise
                there = None
            except Unanswered:
                there = None
            if there:
                return there
            if asyncio.get_running_loop().time() > deadline:
                raise Stuck(f"{service} {path} {params} has not come in {PATIENCE:.0f} s")
            await asyncio.sleep(pause * (0.5 + self._random.random()))
            pause = min(pause * 1.5, 1.5)

    async def _think(self) -> None:
        await asyncio.sleep(THINKING * self._random.random())

    # -- a partner on its way

    async def _live(self) -> None:
        self._number += 1
        number = self._number
        name = f"Partner {number} of {self._random.randrange(1 << 40):x}"
        application = await self._apply(name)
        await self._think()
        scores = {dimension: self._random.randint(60, 100) for dimension in DIMENSIONS}
        at = f"/applications/{application}"
        await self._post("partner", f"{at}/scores", standard=STANDARD, scores=scores, gates={GATE: True})
        await self._post("partner", f"{at}/approval")
        partner = await self._until("partner", at, lambda row: row["partner_id"])
        await self._sign(partner)
        await self._think()
        await asyncio.gather(self._train(partner), self._open(partner))
        if number % 2:
            await self._expire(partner)

    async def _apply(self, name: str) -> str:
        receipt = await self._post(
            "partner",
            "/applications",
            name,
            legal_name=name,
            kind="franchisee",
            area=AREA,
            outlet_name=name,
            external_refs=[{"system": "faults", "key": name}],
        )
        if receipt is None:
            raise Stuck(f"{name} applied without an answer")
        return str(receipt["id"])

    async def _sign(self, partner: str) -> None:
        negotiation = await self._until("contract", "/negotiations", _first("negotiation_id"), partner_id=partner)
        await self._post("contract", f"/negotiations/{negotiation}/offers", terms=TERMS)
        await self._post("contract", f"/negotiations/{negotiation}/partner-acceptance", round=1)
        contract = await self._until("contract", f"/negotiations/{negotiation}", lambda row: row["contract_id"])
        await self._until("contract", f"/contracts/{contract}", lambda row: row["status"])
        await self._think()
        await self._post("contract", f"/contracts/{contract}/disclosure")
        for party in ("partner", "principal"):
            await self._post("contract", f"/contracts/{contract}/signatures", party, party=party)
        await self._until("contract", f"/contracts/{contract}", lambda row: row["status"] == "in_force")

    async def _train(self, partner: str) -> None:
        enrolment = await self._until(
            "training", "/enrolments", _first("enrolment_id"), partner_id=partner, course=COURSE
        )
        await self._post("training", f"/enrolments/{enrolment}/start")
        await self._think()
        await self._post("training", f"/enrolments/{enrolment}/assessments", score=self._random.randint(75, 100))

    async def _open(self, partner: str) -> None:
        at = f"/partners/{partner}"
        await self._until("partner", at, lambda row: row["status"] == "onboarding")
        for item in ITEMS:
            await self._post("partner", f"{at}/checklist/{item}/completion")
        await self._post("partner", f"{at}/outlet-opening", time_zone="UTC")
        await self._until("partner", at, lambda row: row["stage"] == "active")

    async def _expire(self, partner: str) -> None:
        past = datetime.now(UTC) - timedelta(days=900 + self._random.randrange(100))
        at = past.isoformat()
        receipt = await self._post(
            "training", "/enrolments", partner, partner_id=partner, course=EXPIRING, occurred_at=at
        )
        if receipt is None:
            return
        enrolment = receipt["id"]
        await self._post("training", f"/enrolments/{enrolment}/start", occurred_at=at)
        await self._post("training", f"/enrolments/{enrolment}/assessments", score=90, occurred_at=at)
        await self._until("training", f"/enrolments/{enrolment}", lambda row: row["status"] == "expired")

    # -- what is reported of all of them

    async def _report(self) -> None:
        partners = [row["partner_id"] for row in await self.clients["partner"].items("/partners", status="active")]
        chosen = self._random.sample(partners, min(len(partners), UPLOAD_LINES))
        if not chosen:
            return
        lines = [self._line(partner) for partner in chosen]
        await self._do(
            f"upload {self._reports}",
            lambda key: self.clients["performance"].upload("/kpi-reports/bulk", upload(lines), lines, key=key),
        )

    def _line(self, partner: str) -> Line:
        self._reports += 1
        late = len(self._periods) > 1 and self._random.random() < LATE
        period = self._random.choice(self._periods[:-1]) if late else self._periods[-1]
        worth = 70 + int(partner[:2], 16) % 20  # some partners do badly, again and again
        return Line(str(self._reports), partner, period, min(100, worth + self._random.randint(-10, 10)))

    async def _close(self) -> None:
        if self._reports == 0:
            return
        period = self._periods[-1]
        year, month = int(period[:4]), int(period[5:])
        self._periods.append(f"{year + month // 12}-{month % 12 + 1:02}")
        await self._post("performance", f"/periods/{period}/close", scorecard=SCORECARD)

    # -- what somebody looks at

    async def _read(self) -> None:
        service, path = self._random.choice(
            (
                ("partner", "/partners"),
                ("partner", "/applications"),
                ("contract", "/contracts"),
                ("training", "/enrolments"),
                ("performance", "/evaluations"),
                ("performance", "/kpi-reports"),
                ("risk", "/flags"),
                ("risk", "/restrictions"),
            )
        )
        await self.clients[service].get(path, limit=20)


def _first(name: str) -> Callable[[Any], Any]:
    return lambda page: page["items"][0][name] if page["items"] else None


def upload(lines: Sequence[Line]) -> bytes:
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(COLUMNS)
    for line in lines:
        rows.writerow((SOURCE, line.source_ref, line.partner_id, METRIC, line.period, line.value))
    return text.getvalue().encode()

"""A pair of services in this process, and the checker's judgement of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from devstack.fixtures import Databases
from engine import Context, Receipt, Send
from engine.runtime import Engine, Tuning, no_failpoint

from faults import business
from faults.checker import Verdict, judge_services, judged
from faults.evidence import Evidence, gathered
from faults.folds import folded
from faults.ledger import Asked, Ledger
from faults.tests import lapsing

PATIENCE = 60.0
WINDOW = 5
VIEWS = "Every view equals the fold of the store"

Failpoint = Callable[[str], Awaitable[None]]


@dataclass
class Pair:
    """partner and risk, each with any number of engines on its database."""

    databases: Databases
    kafka: str
    prefix: str
    urls: dict[str, str] = field(default_factory=dict)
    engines: list[Engine] = field(default_factory=list)
    ledger: Ledger = field(default_factory=Ledger)
    lost: frozenset[UUID] = frozenset()

    async def start(self, service: str, failpoint: Failpoint = no_failpoint, **tuning: Any) -> Engine:
        url = self.urls.get(service) or self.urls.setdefault(service, self.databases.create())
        own: dict[str, dict[str, Any]] = {
            "partner": {"deciders": [lapsing.lapsing]},
            "risk": {"deciders": [lapsing.restricting], "policies": [lapsing.following], "views": [lapsing.heard]},
        }
        short = {
            "partitions": 3,
            "lease_seconds": 30.0,
            "transaction_seconds": 30.0,
            "session_seconds": 6.0,
            "pool_size": 6,
            "relay_window": WINDOW,
        }
        engine = Engine(
            service,
            postgres_url=url,
            kafka_bootstrap=self.kafka,
            topic_prefix=self.prefix,
            tuning=Tuning(**{**short, **tuning}),
            failpoint=failpoint,
            **own[service],
        )
        await engine.migrate()
        await engine.start()
        self.engines.append(engine)
        return engine

    async def lapse(self, engine: Engine, ids: Sequence[UUID]) -> None:
        """Commands of a client that is told of each."""
        for id in ids:
            command = lapsing.Lapse(partner_id=id, reason="no answer")
            context = Context("client", uuid4())
            receipt = await engine.handle(Send(lapsing.lapsing, id, command), context, command_id=uuid4())
            self.note(context.correlation_id, receipt)

    def note(self, correlation_id: UUID, receipt: Receipt) -> None:
        told = {"id": str(receipt.id), "version": receipt.version, "position": receipt.position}
        self.ledger.asked.append(
            Asked(
                "partner",
                "a test",
                "",
                correlation_id,
                outcome="acknowledged",
                receipt={**told, "events": list(receipt.events)},
            )
        )

    async def settle(self, partner: Engine, risk: Engine) -> None:
        assert await partner.published((await partner.log()).head, PATIENCE)
        for name in [each.name for each in await risk.subscriptions()]:
            assert await risk.handled(name, PATIENCE)

    async def judge(self, partner: Engine, risk: Engine) -> dict[str, Verdict]:
        """What does not hold, by the check's first words."""
        await self.settle(partner, risk)
        channel: dict[str, Evidence] = {}
        for engine in (partner, risk):
            topic, lost = engine.topic(engine.service), self.lost if engine is partner else frozenset()
            url = self.urls[engine.service]
            channel[engine.service] = await gathered(engine.service, url, self.kafka, topic, 3, lost)
        now = datetime.now(UTC)
        # Only of partner's topic is spoken here: risk's own events go on while this looks.
        only = {"partner": channel["partner"]}
        verdicts = [
            *judge_services(only, self.ledger, window=WINDOW, stumbles=1, now=now),
            judged(business.consequences, channel, now, lapsing.CONSEQUENCES),
            Verdict(VIEWS, tuple(await folded("risk", self.urls["risk"], [lapsing.heard], risk.store.codec, channel))),
        ]
        return {verdict.check: verdict for verdict in verdicts if not verdict.passed}

"""The middle: sales and royalties, an audit, a breach that is cured, and two months of figures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sample.scenario.joining import Joining, Partner
from sample.scenario.setting import (
    BELOW,
    CARD,
    CODE,
    METRIC,
    METRIC_TERMS,
    RULE,
    STRICTER,
    SYSTEM,
    TEMPLATE,
)
from sample.scenario.stage import KEYS_END, Person, Stage
from sample.services import Trouble


@dataclass
class Trading:
    stage: Stage
    joining: Joining
    regular: Partner
    poor: Partner

    @property
    def ana(self) -> Person:
        return self.joining.ana

    @property
    def ben(self) -> Person:
        return self.joining.ben

    @property
    def source(self) -> str:
        return f"{SYSTEM}-{self.stage.figures.seed}"

    async def sell(self) -> None:
        stage, calendar, ana, partner = self.stage, self.stage.calendar, self.ana, self.regular
        for n, amount in enumerate(stage.figures.sales):
            day = calendar.in_first(5 + 7 * n)
            await ana.does(
                "performance", "/sales", f"sale/{n}", source=self.source, source_ref=f"sale-{n}",
                partner_id=partner.id, sold_on=day[:10], amount=amount, currency="USD", occurred_at=day,
            )  # fmt: skip
        stage.tell(partner.name, f"reports sales of {', '.join(stage.figures.sales)} USD in {calendar.periods[0]}.")
        await stage.heard()
        receipt = await ana.does(
            "contract", f"/contracts/{partner.contract}/royalty-statements", "royalties", period=calendar.periods[0],
            occurred_at=calendar.in_second(2),
        )  # fmt: skip
        statement = await stage.services["contract"].get(f"/royalty-statements/{receipt['id']}")
        stage.tell("contract", f"states {statement['total']} USD of royalties for {calendar.periods[0]}.")

    async def audit(self) -> None:
        stage, at, ana, ben, partner = self.stage, self.stage.calendar.in_second, self.ana, self.ben, self.regular
        template = f"/audit-templates/{CODE}"
        await ana.puts("training", f"{template}/draft", "draft", occurred_at=at(3), **TEMPLATE)
        await ana.does("training", f"{template}/publication", "publish", seen=template, occurred_at=at(3))
        answers = [{"item": "stock", "rating": 50}, {"item": "signs", "rating": 100}]
        receipt = await ana.does(
            "training", "/field-audits", "audit", partner_id=partner.id, template=CODE, audited_on=at(4)[:10],
            answers=answers, occurred_at=at(4),
        )  # fmt: skip
        path = f"/field-audits/{receipt['id']}"
        publication = f"{path}/publication"
        alone = await ana.is_refused(
            "training.second_person_needed", "training", publication, "alone", seen=path, occurred_at=at(5)
        )
        stage.tell_refused(
            "ana", f"audits {partner.name} and wants to publish it", "another person has to look at it", alone
        )
        await ben.does("training", publication, "publish", seen=path, occurred_at=at(5))
        audit = await stage.services["training"].get(path)
        stage.tell("ben", f"publishes it: {audit['total']} of 100, not passed; stock was not counted.")
        await stage.heard()
        action = await stage.one("training", "/corrective-actions", audit_id=receipt["id"])
        path = f"/corrective-actions/{action['action_id']}"
        await ana.does(
            "training", f"{path}/evidence", "evidence", references=["dam://scenario/count"],
            note="Counted on site.", occurred_at=at(9),
        )  # fmt: skip
        await ben.does("training", f"{path}/verification", "verify", seen=path, occurred_at=at(10))
        stage.tell("ben", "verifies the corrective action by the evidence that ana submitted.")

    async def measure(self) -> None:
        """Two months of a metric of its own; what comes of the first is seen before the second is closed."""
        calendar, ana = self.stage.calendar, self.ana
        at, (first, second) = calendar.before_trading, calendar.periods
        await ana.puts("performance", f"/metrics/{METRIC}", "metric", occurred_at=at(89), **METRIC_TERMS)
        await ana.puts("performance", f"/scorecards/{CODE}", "scorecard", occurred_at=at(89), **CARD)
        await self._report(first, calendar.in_first(20), 0)
        await self._close(first, calendar.in_second(1))
        await self._plan(first)
        await self._rule()
        await self._report(second, calendar.in_second(20), 1)
        await self._close(second, calendar.over)
        await self._verify(first, second)
        await self._draft()

    async def _report(self, period: str, day: str, month: int) -> None:
        figures = self.stage.figures
        for partner, values in ((self.regular, figures.good), (self.poor, figures.poor)):
            await self.ana.does(
                "performance", "/kpi-reports", f"kpi/{period}/{partner.id}", source=self.source,
                source_ref=f"{period}/{partner.name}", partner_id=partner.id, metric=METRIC, period=period,
                value=values[month], occurred_at=day,
            )  # fmt: skip
            self.stage.tell(partner.name, f"has a service score of {values[month]} reported for {period}.")

    async def _close(self, period: str, at: str) -> None:
        await self.ana.does("performance", f"/periods/{period}/close", "close", scorecard=CODE, occurred_at=at)
        await self.stage.heard()
        for partner in (self.regular, self.poor):
            found = await self.stage.services["performance"].get(f"/evaluations/{partner.id}/{period}")
            self.stage.tell(partner.name, f"is evaluated for {period}: {found['total'][:-4]}, band {found['band']}.")

    async def _plan(self, period: str) -> None:
        stage = self.stage
        day = stage.calendar.in_second(2)
        await self.ana.does(
            "performance",
            "/improvement-plans",
            "plan",
            partner_id=self.poor.id,
            period=period,
            problems=[{"metric": METRIC, "goal": stage.figures.goal}],
            actions=[{"what": "Answer within a day.", "owner": "area-manager", "due_on": _next_year(day)}],
            time_zone="America/Chicago",
            occurred_at=day,
        )
        stage.tell("ana", f"opens an improvement plan for {self.poor.name}: from {period} to {stage.figures.goal}.")

    async def _rule(self) -> None:
        stage, day, path = self.stage, self.stage.calendar.in_second(3), f"/rules/{CODE}"
        await self.ana.puts("risk", f"{path}/draft", "draft", rule=RULE, occurred_at=day)
        rule = await stage.services["risk"].get(path)
        if rule["draft"] is not None:
            preview = await stage.services["risk"].get(f"{path}/draft/preview")
            stage.tell(
                "ana", f"drafts the rule `{RULE['when']}`; by its preview it would flag {preview['would_flag']}."
            )
        await self.ana.does("risk", f"{path}/publication", "publish", seen=path, occurred_at=day)
        await stage.heard()
        stage.tell("ana", "publishes the rule.")

    async def _verify(self, first: str, second: str) -> None:
        stage = self.stage
        plan = await stage.one("performance", "/improvement-plans", partner_id=self.poor.id, period=first)
        path = f"/improvement-plans/{plan['plan_id']}"
        if not plan["verified"]:
            raise Trouble(f"The plan of {self.poor.name} was to be verified by {second}: see {path}. {KEYS_END}")
        await self.ana.does(
            "performance", f"{path}/closure", "close", seen=path, outcome="improved", reason=f"Seen in {second}."
        )
        stage.tell("ana", f"closes the improvement plan: {second} has verified it, though below {BELOW} it stays.")

    async def _draft(self) -> None:
        """A stricter scorecard, which stays a draft."""
        stage, path = self.stage, f"/scorecards/{CODE}/draft"
        performance = stage.services["performance"]
        await self.ana.puts("performance", path, "stricter", seen=path, **STRICTER)
        outcome = (await performance.get(f"{path}/preview"))["outcome"]
        stage.tell(
            "ana", f"drafts a stricter scorecard: it would change {outcome['changed']} of the last month's bands."
        )
        job = await self.ana.does("performance", f"/scorecards/{CODE}/replays", "replay")
        done: dict[str, Any] = {}

        async def replayed() -> bool:
            done.update(await performance.get(f"/replays/{job['id']}"))
            return done["status"] in ("done", "failed")

        await stage.until("The replay", replayed)
        result = done["result"]
        stage.tell("ana", f"replays all of it: {result['evaluations']} evaluations, {result['changed']} would change.")

    async def cure(self) -> None:
        stage, at, ana, path = (
            self.stage,
            self.stage.calendar.in_second,
            self.ana,
            f"/contracts/{self.regular.contract}",
        )
        await ana.does(
            "contract", f"{path}/breaches", "breach", ground="noncompliance", reasons=["Stock was not counted."],
            occurred_at=at(6),
        )  # fmt: skip
        breach = await stage.one("contract", "/breaches", contract_id=self.regular.contract)
        stage.tell("ana", f"serves notice of a breach; cure is due by {breach['cure_until']} ({breach['law']}).")
        await ana.does(
            "contract", f"{path}/breaches/{breach['breach_id']}/cure", "cure", reason="Seen on site.",
            occurred_at=at(12),
        )  # fmt: skip
        stage.tell("ana", "finds it cured.")


def _next_year(day: str) -> str:
    return f"{int(day[:4]) + 1}{day[4:7]}-01"

"""The first half of the story: a recruiting plan and three applicants, two contracts, training, and two open shops."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sample.scenario.setting import (
    CODE,
    COURSE,
    KIND,
    LABEL,
    MANUAL,
    STANDARD,
    STATE,
    SYSTEM,
    terms,
)
from sample.scenario.stage import Person, Stage


@dataclass
class Partner:
    name: str
    id: str
    contract: str = ""


@dataclass
class Joining:
    stage: Stage
    ana: Person
    ben: Person

    async def recruit(self) -> tuple[Partner, Partner]:
        """The regular one and the overridden one."""
        stage, at, ana, ben = self.stage, self.stage.calendar.before_trading, self.ana, self.ben
        plan, standard = f"/recruitment-plans/{CODE}-{stage.figures.seed}", f"/standards/{CODE}"
        await ana.puts(
            "partner",
            plan,
            "plan",
            content={
                "title": f"Resellers in Wisconsin {LABEL}",
                "areas": [STATE],
                "kind": KIND,
                "target": 2,
                "starts_on": at(90)[:10],
                "ends_on": stage.calendar.after.isoformat(),
                "budget": "10000",
                "currency": "USD",
            },
            occurred_at=at(90),
        )
        stage.tell("ana", "plans to recruit two resellers in Wisconsin for 10,000 USD.")
        await ana.puts("partner", f"{standard}/draft", "draft", content=STANDARD, occurred_at=at(89))
        await ana.does("partner", f"{standard}/publication", "publish", seen=standard, occurred_at=at(89))
        stage.tell("ana", "publishes what applicants are judged by: experience, location, 50,000 USD, a clean record.")
        regular = await self._applies(stage.figures.regular, score=85, funds=90_000)
        overridden = await self._applies(stage.figures.overridden, score=75, funds=42_000)
        declined = await self._applies(stage.figures.declined, score=35, funds=60_000)

        await ana.does(
            "partner", f"{declined}/decline", "decline", seen=declined, reason="Too little experience.",
            occurred_at=at(66),
        )  # fmt: skip
        stage.tell("ana", f"declines {stage.figures.declined}: too little experience.")
        await ana.does("partner", f"{regular}/approval", "approve", seen=regular, occurred_at=at(66))
        stage.tell("ana", f"approves {stage.figures.regular}.")
        approval = f"{overridden}/approval"
        failed = await ana.is_refused(
            "partner.gates_failed", "partner", approval, "approve", seen=overridden, occurred_at=at(66)
        )
        stage.tell_refused(
            "ana", f"wants to approve {stage.figures.overridden}", "its own funds are below 50,000 USD", failed
        )
        override: dict[str, Any] = {"override_reason": "Its bank vouches for the missing 8,000 USD."}
        await ana.does("partner", approval, "override", seen=overridden, occurred_at=at(65), **override)
        stage.tell("ana", "proposes to override the gate: its bank vouches for the missing 8,000 USD.")
        alone = await ana.is_refused(
            "partner.second_person_needed", "partner", approval, "alone", seen=overridden, occurred_at=at(65),
            **override,
        )  # fmt: skip
        stage.tell_refused("ana", "tries to decide it alone", "an override takes two persons", alone)
        await ben.does("partner", approval, "second", seen=overridden, occurred_at=at(64), **override)
        stage.tell("ben", f"agrees with her reason: {stage.figures.overridden} is approved by two persons.")
        await stage.heard()
        found = [await stage.services["partner"].get(path) for path in (regular, overridden)]
        one, two = (Partner(row["legal_name"], row["partner_id"]) for row in found)
        return one, two

    async def _applies(self, name: str, *, score: int, funds: int) -> str:
        at = self.stage.calendar.before_trading
        receipt = await self.ana.does(
            "partner",
            "/applications",
            f"apply/{name}",
            legal_name=name,
            kind=KIND,
            area=STATE,
            outlet_name=name,
            external_refs=[{"system": SYSTEM, "key": f"{self.stage.figures.seed}/{name}"}],
            occurred_at=at(70),
        )
        path = f"/applications/{receipt['id']}"
        scored: dict[str, Any] = {
            "standard": CODE,
            "scores": {"experience": score, "location": score},
            "gates": {"record": True},
            "figures": {"own_funds": funds},
        }
        await self.ana.does("partner", f"{path}/scores", "score", occurred_at=at(68), **scored)
        self.stage.tell(name, f"applies, and is scored {score} of 100 with {funds:,} USD of its own.")
        return path

    async def sign(self, regular: Partner, overridden: Partner) -> None:
        stage, at, ana = self.stage, self.stage.calendar.before_trading, self.ana
        for partner, percent in ((regular, "6"), (overridden, "5")):
            row = await stage.one("contract", "/negotiations", partner_id=partner.id)
            path = f"/negotiations/{row['negotiation_id']}"
            await ana.does("contract", f"{path}/offers", "offer", terms=terms(percent), occurred_at=at(62))
            stage.tell("ana", f"offers {partner.name} a royalty of {percent}%.")
            if partner is regular:
                await ana.does("contract", f"{path}/partner-offers", "counter", terms=terms("5.5"), occurred_at=at(61))
                stage.tell(partner.name, "counters with 5.5%.")
                await ana.does("contract", f"{path}/acceptance", "accept", round=2, occurred_at=at(60))
                (_, counter) = (await stage.services["contract"].get(f"{path}/offers"))["offers"]
                changed = ", ".join(f"{d['term']} {d['before']} -> {d['after']}" for d in counter["differences"])
                stage.tell("ana", f"sees what differs ({changed}) and accepts round 2.")
            else:
                await ana.does("contract", f"{path}/partner-acceptance", "accept", round=1, occurred_at=at(60))
                stage.tell(partner.name, "accepts.")
        await stage.heard()
        for partner in (regular, overridden):
            await self._sign(partner, early=partner is regular)
        await stage.heard()

    async def _sign(self, partner: Partner, *, early: bool) -> None:
        stage, at, ana = self.stage, self.stage.calendar.before_trading, self.ana
        partner.contract = (await stage.one("contract", "/contracts", partner_id=partner.id))["contract_id"]
        path = f"/contracts/{partner.contract}"
        await ana.does("contract", f"{path}/disclosure", "disclose", occurred_at=at(58))
        stage.tell("ana", f"gives {partner.name} the disclosure document on {at(58)[:10]}.")
        if early:
            told = await ana.is_refused(
                "contract.disclosure_period_running", "contract", f"{path}/signatures", "early", party="partner",
                occurred_at=at(50),
            )  # fmt: skip
            because = f"the law allows it from {told['allowed_from']} on, {told['law']}"
            stage.tell_refused(partner.name, f"wants to sign on {at(50)[:10]}", because, told)
        for party in ("partner", "principal"):
            await ana.does(
                "contract", f"{path}/signatures", party, party=party, effective_from=at(35)[:10], occurred_at=at(40)
            )

        async def in_force() -> bool:
            # Later in the story one of them is at its end.
            status: str = (await stage.services["contract"].get(path))["status"]
            return status in ("in_force", "terminated")

        await stage.until(f"The contract of {partner.name} in force", in_force)
        stage.tell(partner.name, f"signs, as do we; the contract is in force from {at(35)[:10]}.")

    async def instruct(self) -> None:
        """What partners of the kind are taught and told; before they sign, so that they are asked by themselves."""
        at, ana = self.stage.calendar.before_trading, self.ana
        await ana.puts("training", f"/courses/{CODE}", "course", occurred_at=at(89), **COURSE)
        manual = f"/manuals/{CODE}"
        await ana.puts("training", f"{manual}/draft", "draft", manual=MANUAL, occurred_at=at(89))
        await ana.does("training", f"{manual}/publication", "publish", seen=manual, occurred_at=at(89))
        self.stage.tell("ana", "sets up a course for resellers with a pass mark of 70, and publishes their manual.")

    async def train(self, partner: Partner, *, fails_first: bool) -> None:
        stage, at, ana = self.stage, self.stage.calendar.before_trading, self.ana
        for row in await stage.services["training"].items("/enrolments", partner_id=partner.id):
            path = f"/enrolments/{row['enrolment_id']}"
            await ana.does("training", f"{path}/start", "start", occurred_at=at(34))
            if fails_first and row["course"] == CODE:
                await ana.does("training", f"{path}/assessments", "first", score=55, occurred_at=at(30))
                stage.tell(partner.name, "is assessed with 55 and fails the course.")
            await ana.does("training", f"{path}/assessments", "second", score=84, occurred_at=at(28))
            stage.tell(partner.name, f"passes the course {row['course']} with 84 and has its certificate.")

    async def acknowledge(self, partner: Partner) -> None:
        """Only the partner's own people can, and only today: what is dated back is for us to record."""
        stage = self.stage
        row = next(
            row
            for row in await stage.services["training"].items("/manual-acknowledgements", partner_id=partner.id)
            if row["manual"] == CODE
        )
        path = f"/manual-acknowledgements/{row['acknowledgement_id']}/acknowledgement"
        told = await self.ana.is_refused("training.partner_acknowledges", "training", path, "ours", version=1)
        stage.tell_refused("ana", f"ticks off the manual for {partner.name}", "only its own people can", told)
        await self.owner(partner).does("training", path, "theirs", version=1)
        stage.tell(partner.name, "acknowledges the manual itself.")

    def owner(self, partner: Partner) -> Person:
        return self.stage.person(f"owner of {partner.name}", "partner", UUID(partner.id))

    async def open(self, partner: Partner) -> None:
        stage, at, ana = self.stage, self.stage.calendar.before_trading, self.ana
        path = f"/partners/{partner.id}"
        for item in ("premises_approved", "opening_stock_delivered"):
            await ana.does("partner", f"{path}/checklist/{item}/completion", "done", occurred_at=at(26))
        await ana.does("partner", f"{path}/outlet-opening", "open", time_zone="America/Chicago", occurred_at=at(25))
        await stage.heard()
        stage.tell(partner.name, f"opens its shop on {at(25)[:10]} and trades.")

    async def count(self) -> None:
        """How far the recruiting plan is."""
        found = await self.stage.services["partner"].get(
            f"/recruitment-plans/{CODE}-{self.stage.figures.seed}/progress"
        )
        self.stage.tell("partner", f"says of the plan: {found['pipeline']['signed']} of {found['target']} have signed.")

"""What is done about a risk, today: a flag, a restriction, a contested adjustment, and at last a termination by two."""

from __future__ import annotations

from dataclasses import dataclass

from sample.scenario.joining import Joining, Partner
from sample.scenario.setting import CODE
from sample.scenario.stage import Person, Stage


@dataclass
class Acting:
    stage: Stage
    joining: Joining
    poor: Partner

    @property
    def ana(self) -> Person:
        return self.joining.ana

    @property
    def ben(self) -> Person:
        return self.joining.ben

    async def answer(self) -> None:
        stage, ana, ben, partner = self.stage, self.ana, self.ben, self.poor
        profile = f"/risk-profiles/{partner.id}"
        flag = await stage.one("risk", "/flags", partner_id=partner.id, rule=CODE)
        stage.tell("risk", f"has flagged {partner.name}: {flag['explanation']}.")
        await ana.does("risk", f"{profile}/flags/{flag['flag_id']}/acknowledgement", "acknowledge")
        stage.tell("ana", "acknowledges the flag.")
        await ana.does("risk", f"{profile}/restrictions", "block", kind="order_block", reason="Complaints pile up.")
        block = await stage.one("risk", "/restrictions", partner_id=partner.id, kind="order_block")
        stage.tell("ana", "imposes an order block.")
        lifting = f"{profile}/restrictions/{block['restriction_id']}/lifting"
        await ana.does("risk", lifting, "lift", seen=profile, reason="The complaints are answered.")
        stage.tell("ana", "lifts it: the complaints are answered.")

        await ana.does(
            "risk", f"{profile}/adjustments", "propose", kind="probation", reasons=["Two poor months."],
            flags=[flag["flag_id"]], contest_days=14, probation_days=90,
        )  # fmt: skip
        proposal = await stage.one("risk", "/adjustments", partner_id=partner.id)
        one = f"{profile}/adjustments/{proposal['adjustment_id']}"
        stage.tell("ana", f"proposes 90 days of probation; {partner.name} has 14 days to contest it.")
        early = await ben.is_refused("risk.contest_period_running", "risk", f"{one}/decision", "early", seen=profile)
        stage.tell_refused(
            "ben", "wants to decide at once", f"it may be contested until {early['decision_from'][:10]}", early
        )
        await self.joining.owner(partner).does(
            "risk", f"{one}/contest", "contest", statement="The second month was better."
        )
        stage.tell(partner.name, "contests: the second month was better.")
        silent = await ben.is_refused("risk.contest_unanswered", "risk", f"{one}/decision", "silent", seen=profile)
        stage.tell_refused("ben", "wants to decide on", "what it said is not answered", silent)
        await ben.does("risk", f"{one}/decision", "decide", seen=profile, answer="Better, and still below the line.")
        stage.tell("ben", "decides with an answer: better, and still below the line. The probation begins.")

    async def end(self) -> None:
        """Last of all: by this the story is known to be over."""
        stage, ana, ben, path = self.stage, self.ana, self.ben, f"/contracts/{self.poor.contract}"
        await ana.does("contract", f"{path}/breaches", "breach", ground="insolvency", reasons=["An order for relief."])
        breach = await stage.one("contract", "/breaches", contract_id=self.poor.contract)
        stage.tell(
            "ana", f"serves notice on {self.poor.name}: it is insolvent, which allows no cure ({breach['law']})."
        )
        ending = {"reason": "Insolvent.", "breach_id": breach["breach_id"]}
        await ana.does("contract", f"{path}/termination", "first", seen=path, **ending)
        alone = await ana.is_refused(
            "contract.second_person_needed", "contract", f"{path}/termination", "alone", seen=path, **ending
        )
        stage.tell_refused("ana", "proposes termination, and tries to decide it alone", "it takes two persons", alone)
        await ben.does("contract", f"{path}/termination", "second", seen=path, **ending)
        await stage.heard()
        stage.tell("ben", f"agrees: the contract of {self.poor.name} is terminated, and with it the partnership.")

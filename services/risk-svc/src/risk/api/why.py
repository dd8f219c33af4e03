"""Route: why a partner stands as it does, from the indicator to the decision, across services."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from engine import Rows
from fastapi import APIRouter
from pydantic import AwareDatetime, BaseModel, Field
from service import At, Read, own

from risk.api import shown
from risk.api.adjustments import ADJUSTMENTS, AdjustmentView
from risk.api.flags import FLAGS
from risk.api.restrictions import RESTRICTIONS
from risk.api.shown import READ, FlagView, RestrictionView
from risk.domain.profile import RiskProfile
from risk.domain.risk_profile import risk_profiles
from risk.domain.rule import RuleTerms

routes = APIRouter(prefix="/risk-profiles", tags=["risk profiles"])

HEARD = "select id, event_type, at from heard where partner_id = $1 and id = any($2) order by at, id"
FOLLOWED = """
select id, event_type, at, subject from heard
where partner_id = $1 and subject in (select subject from heard where partner_id = $1 and $2 = any(because))
order by at, id
"""
VERSIONS = "select code, version, terms, published_by from rule_versions where code = any($1)"


class EventBehind(BaseModel):
    """An event of some service that something rests on. An evaluation's has the figure under the rule: that which it
    told then, and the one of now if it was restated. `at` and the rest are null of what the service does not know."""

    event_id: UUID
    service: str | None
    type: str | None
    at: AwareDatetime | None
    period: str | None = None
    value: Decimal | None = None
    restated_to: Decimal | None = None


class RuleBehind(BaseModel):
    """The version of the rule that judged, and who published it."""

    terms: RuleTerms
    published_by: str


class WhyFlag(BaseModel):
    flag: FlagView
    by_rule: RuleBehind | None
    because: list[EventBehind]


class WhyRestriction(BaseModel):
    restriction: RestrictionView
    by_rule: RuleBehind | None = Field(description="null where a person imposed it")
    because: list[EventBehind]


class WhyAdjustment(BaseModel):
    """`led_to`: what came of the decision where it was carried out: notice, cure, its lapse, the end of a contract."""

    adjustment: AdjustmentView
    because: list[EventBehind]
    led_to: list[EventBehind]


class Why(BaseModel):
    """Each restriction, flag and adjustment of a partner, the latest first, with all that it rests on: the indicator's
    figures, the rule's version, the events of other services, who decided what, and what that led to."""

    partner_id: UUID
    restrictions: list[WhyRestriction]
    flags: list[WhyFlag]
    adjustments: list[WhyAdjustment]


@routes.get("/{partner_id}/why", dependencies=[READ, own("partner_id", reads=["rule_versions"])])
async def explain_risk_profile(partner_id: UUID, db: Read, at: At) -> Why:
    """The causal chain behind everything that stands, or stood, against the partner. The partner's own people see what
    we see."""
    restrictions = await db.all(RESTRICTIONS, at, of=partner_id, sort="-imposed_at", partner_id=partner_id)
    flags = await db.all(FLAGS, at, of=partner_id, sort="-raised_at", partner_id=partner_id)
    adjustments = await db.all(ADJUSTMENTS, at, of=partner_id, sort="-proposed_at", partner_id=partner_id)
    profile = (await db.state(risk_profiles, partner_id, at, partner_id=partner_id)).state
    behind = await Behind.of(db, partner_id, profile, [*restrictions, *flags, *adjustments])
    return Why(
        partner_id=partner_id,
        restrictions=[
            WhyRestriction(
                restriction=each,
                by_rule=behind.rule(each.rule, each.rule_version),
                because=behind.events(each.rule, each.evidence),
            )
            for each in restrictions
        ],
        flags=[
            WhyFlag(
                flag=each,
                by_rule=behind.rule(each.rule, each.rule_version),
                because=behind.events(each.rule, each.evidence),
            )
            for each in flags
        ],
        adjustments=[
            WhyAdjustment(
                adjustment=each,
                because=behind.events(None, each.evidence),
                led_to=[] if each.decision_id is None else await led_to(db, partner_id, each.decision_id),
            )
            for each in adjustments
        ],
    )


async def led_to(db: Rows, partner_id: UUID, decision_id: UUID) -> list[EventBehind]:
    return [event_behind(row) for row in await db.fetch(FOLLOWED, partner_id, decision_id)]


def event_behind(row: Any) -> EventBehind:
    return EventBehind(
        event_id=row["id"], service=row["event_type"].split(".")[1], type=row["event_type"], at=row["at"]
    )


@dataclass(frozen=True)
class Behind:
    """What was looked up to explain: the events heard by id, the rules' versions, and the profile's evaluations."""

    heard: dict[UUID, EventBehind]
    versions: dict[tuple[str, int], RuleBehind]
    profile: RiskProfile

    @staticmethod
    async def of(db: Rows, partner_id: UUID, profile: RiskProfile, things: Iterable[Any]) -> Behind:
        everything = list(things)
        ids = sorted({id for each in everything for id in each.evidence})
        rules = sorted({rule for each in everything if (rule := getattr(each, "rule", None)) is not None})
        return Behind(
            {row["id"]: event_behind(row) for row in await db.fetch(HEARD, partner_id, ids)},
            {
                (row["code"], row["version"]): RuleBehind(
                    terms=RuleTerms.model_validate_json(row["terms"]), published_by=row["published_by"]
                )
                for row in await db.fetch(VERSIONS, rules)
            },
            profile,
        )

    def rule(self, code: str | None, version: int | None) -> RuleBehind | None:
        return None if code is None or version is None else self.versions.get((code, version))

    def events(self, rule: str | None, evidence: Sequence[UUID]) -> list[EventBehind]:
        """In the order of periods, or of business time where there are none."""
        figures = {} if rule is None else {
            each.event_id: each for each in shown.evidence(self.profile.history(rule), evidence)
        }  # fmt: skip
        order = {id: n for n, id in enumerate([*figures, *(id for id in self.heard if id not in figures)])}
        return [
            self._event(id, figures.get(id)) for id in sorted(evidence, key=lambda each: order.get(each, len(order)))
        ]

    def _event(self, id: UUID, figure: shown.EvidenceView | None) -> EventBehind:
        event = self.heard.get(id) or EventBehind(event_id=id, service=None, type=None, at=None)
        if figure is None:
            return event
        told = {"period": figure.period, "value": figure.value, "restated_to": figure.restated_to}
        return event.model_copy(update=told)


ROUTES = (routes,)

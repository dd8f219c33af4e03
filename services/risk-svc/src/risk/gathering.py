"""What policies look up in risk-svc's own views before they react."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import structlog
from engine import Fact, Rows
from events.performance import PeriodClosed
from events.risk import RiskFlagged, Severity
from prometheus_client import Counter

from risk.domain.concentration import hhi, shares
from risk.domain.plan import PlanTerms
from risk.domain.rule import RulePublished, RuleTerms
from risk.domain.signal import Concentration
from risk.domain.watch import JudgementFailed, ReviewDue, RuleInUse
from risk.heard import Heard, heard_of

log = structlog.get_logger()

FAILURES = Counter("cauce_risk_rule_failures", "Judgements that a rule failed in.", ["rule"], registry=None)

RULES = """
select terms, status = 'retired' as retired from rulebook
where terms is not null and (
    status <> 'retired'
    or exists (select 1 from flags f where f.partner_id = $1 and f.rule = rulebook.code and f.status = 'open')
    or exists (
        select 1 from restrictions r where r.partner_id = $1 and r.rule = rulebook.code and r.status = 'active'
    ))
order by code
"""

PLANS = """
select terms from plans where status = 'active' and not exists (
    select 1 from contingencies c where c.plan = plans.code and c.partner_id = $1 and c.status = 'running'
) order by code
"""

SALES = """
select partner_id, currency, sum(amount) as amount from partner_sales
where sold_on > $1 and sold_on <= $2 group by partner_id, currency order by partner_id, currency
"""

OF_SALES = frozenset({"sales_share", "sales_hhi"})


@dataclass(frozen=True)
class Gathered:
    """What was heard, the rules that a partner is judged by, and its part of sales where one of them speaks of it."""

    heard: Heard
    rules: tuple[RuleInUse, ...]
    concentration: Concentration | None = None

    @property
    def on_evaluations(self) -> tuple[RuleInUse, ...]:
        return tuple(rule for rule in self.rules if rule.terms.judged_on == "evaluations")

    @property
    def on_events(self) -> tuple[RuleInUse, ...]:
        return tuple(rule for rule in self.rules if rule.terms.judged_on == "events")


@dataclass(frozen=True)
class Moved:
    """A period was closed: what partners sold may be another part of the whole now. Rules that speak of it, and whoever
    sold."""

    rules: tuple[str, ...]
    partners: tuple[UUID, ...]


async def what_it_means(db: Rows, fact: Fact[Any]) -> Gathered | Moved | None:
    if isinstance(fact.event, PeriodClosed):
        return await what_moved(db, fact.occurred_at)
    heard = heard_of(fact)
    if heard is None or heard.what is None:
        return None
    rules = await rules_in_use(db, heard.partner_id)
    return Gathered(heard, rules, await concentration_of(db, heard.partner_id, rules, heard.at))


async def what_moved(db: Rows, now: datetime) -> Moved | None:
    rows = await db.fetch("select terms from rulebook where status = 'active' and judged_on = 'events' order by code")
    terms = [RuleTerms.model_validate_json(row["terms"]) for row in rows]
    of_sales = [each for each in terms if each.speaks_of & OF_SALES]
    if not of_sales:
        return None
    sold = await sales(db, now, max(each.window_days for each in of_sales))
    return Moved(
        tuple(each.code for each in of_sales), tuple(sorted({id for amounts in sold.values() for id in amounts}))
    )


async def rules_in_use(db: Rows, partner_id: UUID) -> tuple[RuleInUse, ...]:
    rows = await db.fetch(RULES, partner_id)
    return tuple(RuleInUse(RuleTerms.model_validate_json(row["terms"]), row["retired"]) for row in rows)


async def concentration_of(
    db: Rows, partner_id: UUID, rules: Sequence[RuleInUse], now: datetime
) -> Concentration | None:
    """By the longest window of the rules that speak of sales; None where none does, or nothing was sold."""
    windows = [rule.terms.window_days for rule in rules if rule.terms.speaks_of & OF_SALES]
    if not windows:
        return None
    return within(await sales(db, now, max(windows)), partner_id)


async def sales(db: Rows, now: datetime, days: int) -> dict[str, dict[UUID, Decimal]]:
    """What each partner sold in each currency in these days, up to now."""
    sold: dict[str, dict[UUID, Decimal]] = {}
    for row in await db.fetch(SALES, (now - timedelta(days=days)).date(), now.date()):
        sold.setdefault(row["currency"], {})[row["partner_id"]] = row["amount"]
    return sold


def within(sold: dict[str, dict[UUID, Decimal]], partner_id: UUID) -> Concentration | None:
    """In the currency in which the partner sells most."""
    mine = {currency: amounts[partner_id] for currency, amounts in sold.items() if amounts.get(partner_id, 0) > 0}
    if not mine:
        return None
    parts = shares(sold[max(mine, key=lambda currency: (mine[currency], currency))])
    own = next(part.share for part in parts if part.partner_id == partner_id)
    return Concentration(float(own), float(hhi(part.share for part in parts)))


# -- of our own log


@dataclass(frozen=True)
class Review:
    """The rule that a partner is to be judged by again."""

    rules: tuple[RuleInUse, ...]
    concentration: Concentration | None


async def for_own_facts(db: Rows, fact: Fact[Any]) -> Any:
    match fact.event:
        case ReviewDue(partner_id=partner_id, rule=code):
            rules = tuple(rule for rule in await rules_in_use(db, partner_id) if rule.terms.code == code)
            return Review(rules, await concentration_of(db, partner_id, rules, fact.occurred_at))
        case RulePublished(rule=terms) if terms.judged_on == "events":
            # `heard` is written from topics and may be behind; whoever is missing is judged at the next signal.
            told = await db.fetch("select distinct partner_id from heard where kind = 'signal' order by partner_id")
            return tuple(row["partner_id"] for row in told)
        case JudgementFailed() as failed:
            # Here and not in `react`, which is pure.
            FAILURES.labels(failed.rule).inc()
            log.warning("rule_failed", rule=failed.rule, version=failed.rule_version, error=failed.error)
            return None
        case RiskFlagged(partner_id=partner_id, rule=rule, severity=severity):
            return await plans_asked_for(db, partner_id, rule, severity)
        case _:
            return None


async def plans_asked_for(db: Rows, partner_id: UUID, rule: str, severity: Severity) -> tuple[PlanTerms, ...]:
    """What a flag asks for, but for plans that run for the partner already."""
    rows = await db.fetch(PLANS, partner_id)
    plans = (PlanTerms.model_validate_json(row["terms"]) for row in rows)
    return tuple(plan for plan in plans if plan.asked_for_by(rule, severity))

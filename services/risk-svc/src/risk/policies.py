"""What risk-svc does when performance-svc evaluates a partner, or corrects an evaluation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from engine import Fact, Policy, Rows, Send
from events.performance import EvaluationRestated, PartnerEvaluated

from risk.domain.risk_profile import AssessEvaluation, risk_profiles
from risk.domain.rule import RuleTerms

RULES = """
select code, version, metric, flag_below, severity, suspend_after, lift_at, status = 'retired' as retired
from rules
where status = 'active'
   or exists (select 1 from flags f where f.partner_id = $1 and f.rule = rules.code and f.status = 'open')
   or exists (select 1 from restrictions r where r.partner_id = $1 and r.rule = rules.code and r.status = 'active')
order by code
"""


@dataclass(frozen=True)
class RuleInUse:
    """`retired`: the rule only closes what it opened."""

    terms: RuleTerms
    retired: bool


async def rules_in_use(db: Rows, fact: Fact[Any]) -> Sequence[RuleInUse]:
    if not isinstance(fact.event, PartnerEvaluated | EvaluationRestated):
        return ()
    rows = [dict(row) for row in await db.fetch(RULES, fact.event.partner_id)]
    return tuple(RuleInUse(retired=row.pop("retired"), terms=RuleTerms(**row)) for row in rows)


def assess_by_each_rule(fact: Fact[Any], rules: Sequence[RuleInUse]) -> Iterator[Send]:
    match fact.event:
        case PartnerEvaluated(partner_id=partner_id) | EvaluationRestated(partner_id=partner_id):
            values = {score.metric: score.value for score in fact.event.scores}
            for rule in rules:
                if rule.terms.metric in values:
                    yield Send(
                        risk_profiles,
                        partner_id,
                        AssessEvaluation(
                            partner_id=partner_id,
                            rule=rule.terms,
                            retired=rule.retired,
                            period=fact.event.period,
                            value=values[rule.terms.metric],
                            evaluation_id=fact.event_id,
                        ),
                    )


POLICIES = (Policy("assessment", source="performance", react=assess_by_each_rule, gather=rules_in_use),)

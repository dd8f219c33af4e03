"""Read models: rules, flags and restrictions as they stand. All are written with the append."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from engine import Fact, Statement, Table, View
from events.risk import RestrictionImposed, RestrictionLifted, RiskFlagged, RiskResolved

from risk.domain.flag import FlagAcknowledged
from risk.domain.rule import RuleDefined, RuleRetired

RULES = Table(
    "rules",
    """
    code text primary key,
    version integer not null,
    metric text not null,
    flag_below numeric not null,
    severity text not null,
    suspend_after integer,
    lift_at numeric,
    status text not null
    """,
)

FLAGS = Table(
    "flags",
    """
    flag_id uuid primary key,
    partner_id uuid not null,
    rule text not null,
    rule_version integer not null,
    severity text not null,
    period text,
    explanation text not null,
    evidence uuid[] not null,
    status text not null,
    acknowledged_by text,
    raised_at timestamptz not null,
    event_id uuid not null,
    closed_at timestamptz,
    closed_because text
    """,
    indexes=("(partner_id, status)", "(status, flag_id)"),
)

RESTRICTIONS = Table(
    "restrictions",
    """
    restriction_id uuid primary key,
    partner_id uuid not null,
    kind text not null,
    status text not null,
    imposed_by text not null,
    rule text,
    rule_version integer,
    reason text not null,
    evidence uuid[] not null,
    imposed_at timestamptz not null,
    event_id uuid not null,
    lifted_by text,
    lifted_at timestamptz,
    lifted_because text
    """,
    indexes=("(partner_id, status)", "(status, restriction_id)"),
)


def project_rules(fact: Fact[Any]) -> Iterator[Statement]:
    match fact.event:
        case RuleDefined() as rule:
            yield RULES.upsert("code", **rule.model_dump(), status="active")
        case RuleRetired(code=code):
            yield RULES.update({"code": code}, status="retired")


def project_flags(fact: Fact[Any]) -> Iterator[Statement]:
    match fact.event:
        case RiskFlagged() as flag:
            yield FLAGS.upsert(
                "flag_id",
                flag_id=flag.flag_id,
                partner_id=flag.partner_id,
                rule=flag.rule,
                rule_version=flag.rule_version,
                severity=flag.severity,
                period=flag.period,
                explanation=flag.explanation,
                evidence=list(flag.evidence),
                status="open",
                raised_at=fact.occurred_at,
                event_id=fact.event_id,
            )
        case FlagAcknowledged(flag_id=id):
            yield FLAGS.update({"flag_id": id}, acknowledged_by=fact.actor)
        case RiskResolved(flag_id=id, resolution=resolution, explanation=explanation):
            yield FLAGS.update(
                {"flag_id": id}, status=resolution, closed_at=fact.occurred_at, closed_because=explanation
            )


def project_restrictions(fact: Fact[Any]) -> Iterator[Statement]:
    match fact.event:
        case RestrictionImposed() as restriction:
            yield RESTRICTIONS.upsert(
                "restriction_id",
                restriction_id=restriction.restriction_id,
                partner_id=restriction.partner_id,
                kind=restriction.kind,
                status="active",
                imposed_by=restriction.by,
                rule=restriction.rule,
                rule_version=restriction.rule_version,
                reason=restriction.reason,
                evidence=list(restriction.evidence),
                imposed_at=fact.occurred_at,
                event_id=fact.event_id,
            )
        case RestrictionLifted(restriction_id=id, by=by, reason=reason):
            yield RESTRICTIONS.update(
                {"restriction_id": id},
                status="lifted",
                lifted_by=by,
                lifted_at=fact.occurred_at,
                lifted_because=reason,
            )


rules_view = View("rules", version=1, tables=(RULES,), project=project_rules, inline=True)
flags_view = View("flags", version=1, tables=(FLAGS,), project=project_flags, inline=True)
restrictions_view = View("restrictions", version=1, tables=(RESTRICTIONS,), project=project_restrictions, inline=True)

VIEWS = (rules_view, flags_view, restrictions_view)

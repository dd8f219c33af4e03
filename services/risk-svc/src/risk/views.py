"""Read models: rules, flags, restrictions and finances as they stand. All are written with the append."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from engine import Fact, Statement, Table, View, as_json
from engine.drafts import VersionsTable
from events.risk import (
    CreditLimitChanged,
    RestrictionImposed,
    RestrictionLifted,
    RiskCauseAdded,
    RiskFlagged,
    RiskResolved,
)

from risk.domain.accounts import AccountsReported
from risk.domain.exposure import ExposureEstimated
from risk.domain.flag import FlagAcknowledged
from risk.domain.rule import RuleDraftDiscarded, RuleDrafted, RulePublished, RuleRetired
from risk.domain.watch import JudgementFailed, JudgementRecovered

RULEBOOK = VersionsTable(
    "rulebook",
    """
    code text primary key,
    version integer not null default 0,
    status text not null default 'drafted',
    judged_on text,
    figure text,
    severity text,
    terms json,
    draft json,
    published_at timestamptz
    """,
)

RULE_VERSIONS = Table(
    "rule_versions",
    """
    code text not null,
    version integer not null,
    terms json not null,
    published_by text not null,
    published_at timestamptz not null,
    primary key (code, version)
    """,
)

RULE_FAILURES = Table(
    "rule_failures",
    """
    rule text not null,
    partner_id uuid not null,
    rule_version integer not null,
    error text not null,
    because uuid not null,
    failed_at timestamptz not null,
    primary key (rule, partner_id)
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
    acknowledged_at timestamptz,
    raised_at timestamptz not null,
    event_id uuid not null,
    closed_at timestamptz,
    closed_because text,
    closed_by text,
    causes uuid[] not null default '{}',
    cause_added_at timestamptz
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
    expires_at timestamptz,
    limit_amount numeric,
    limit_currency text,
    adjustment_id uuid,
    lifted_by text,
    lifted_at timestamptz,
    lifted_because text,
    expired boolean not null default false
    """,
    indexes=("(partner_id, status)", "(status, restriction_id)"),
)

ACCOUNTS = Table(
    "accounts",
    """
    partner_id uuid not null,
    year integer not null,
    figures json not null,
    reported_at timestamptz not null,
    event_id uuid not null,
    primary key (partner_id, year)
    """,
)

EXPOSURES = Table(
    "exposures",
    """
    partner_id uuid primary key,
    estimate json not null,
    estimated_at timestamptz not null,
    event_id uuid not null
    """,
)


def project_rules(fact: Fact[Any]) -> Iterator[Statement]:
    match fact.event:
        case RuleDrafted(code=code, content=content):
            yield RULEBOOK.drafted(content, code=code)
        case RulePublished(code=code, rule=rule):
            yield RULEBOOK.published(
                rule,
                fact.occurred_at,
                "code",
                code=code,
                status="active",
                judged_on=rule.judged_on,
                figure=rule.figure,
                severity=rule.severity,
            )
            yield RULE_VERSIONS.upsert(
                "code",
                "version",
                code=code,
                version=rule.version,
                terms=as_json(rule),
                published_by=fact.actor,
                published_at=fact.occurred_at,
            )
        case RuleDraftDiscarded(code=code):
            yield RULEBOOK.discarded(code=code)
        case RuleRetired(code=code):
            yield RULEBOOK.update({"code": code}, status="retired", draft=None)
        case JudgementFailed() as failed:
            yield RULE_FAILURES.upsert("rule", "partner_id", **failed.model_dump(), failed_at=fact.occurred_at)
        case JudgementRecovered(rule=rule, partner_id=id):
            yield RULE_FAILURES.delete(rule=rule, partner_id=id)


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
                causes=list(flag.causes),
            )
        case RiskCauseAdded(flag_id=id, causes=causes, explanation=explanation, evidence=evidence):
            yield FLAGS.update(
                {"flag_id": id},
                causes=list(causes),
                explanation=explanation,
                evidence=list(evidence),
                acknowledged_by=None,
                acknowledged_at=None,
                cause_added_at=fact.occurred_at,
            )
        case FlagAcknowledged(flag_id=id):
            yield FLAGS.update({"flag_id": id}, acknowledged_by=fact.actor, acknowledged_at=fact.occurred_at)
        case RiskResolved(flag_id=id, resolution=resolution, explanation=explanation):
            yield FLAGS.update(
                {"flag_id": id},
                status=resolution,
                closed_at=fact.occurred_at,
                closed_because=explanation,
                closed_by=fact.actor,
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
                expires_at=restriction.expires_at,
                limit_amount=None if restriction.limit is None else restriction.limit.amount,
                limit_currency=None if restriction.limit is None else restriction.limit.currency,
                adjustment_id=restriction.adjustment_id,
            )
        case CreditLimitChanged(restriction_id=id, limit=limit) if limit is not None:
            yield RESTRICTIONS.update({"restriction_id": id}, limit_amount=limit.amount, limit_currency=limit.currency)
        case RestrictionLifted(restriction_id=id, by=by, reason=reason, expired=expired):
            yield RESTRICTIONS.update(
                {"restriction_id": id},
                status="lifted",
                lifted_by=by,
                lifted_at=fact.occurred_at,
                lifted_because=reason,
                expired=expired,
            )


def project_finances(fact: Fact[Any]) -> Iterator[Statement]:
    match fact.event:
        case AccountsReported(partner_id=id, year=year, figures=figures):
            yield ACCOUNTS.upsert(
                "partner_id",
                "year",
                partner_id=id,
                year=year,
                figures=as_json(figures),
                reported_at=fact.occurred_at,
                event_id=fact.event_id,
            )
        case ExposureEstimated(partner_id=id, estimate=estimate):
            yield EXPOSURES.upsert(
                "partner_id",
                partner_id=id,
                estimate=as_json(estimate),
                estimated_at=fact.occurred_at,
                event_id=fact.event_id,
            )


rules_view = View(
    "rulebook", version=1, tables=(RULEBOOK, RULE_VERSIONS, RULE_FAILURES), project=project_rules, inline=True
)
flags_view = View("flags", version=3, tables=(FLAGS,), project=project_flags, inline=True)
restrictions_view = View("restrictions", version=2, tables=(RESTRICTIONS,), project=project_restrictions, inline=True)
finances_view = View("finances", version=1, tables=(ACCOUNTS, EXPOSURES), project=project_finances, inline=True)

VIEWS = (rules_view, flags_view, restrictions_view, finances_view)

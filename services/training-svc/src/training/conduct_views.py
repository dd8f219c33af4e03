"""Read models of conduct: codes, and breaches with what was decided. Both are written with the append."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from engine import Fact, Statement, Table, View
from engine.drafts import VersionsTable
from events.training import ConductBreached
from pydantic import TypeAdapter

from training.domain.conduct_code import (
    ConductCodeDraftDiscarded,
    ConductCodeDrafted,
    ConductCodePublished,
    ConductContent,
)
from training.domain.conduct_events import (
    BreachAnswered,
    BreachDismissed,
    BreachReported,
    SanctionProposed,
    SanctionReasoned,
)

CONDUCT = TypeAdapter(ConductContent)

CODES = VersionsTable(
    "conduct_codes",
    """
    code text primary key,
    title text not null,
    version integer,
    content json,
    draft json,
    published_on date
    """,
)

BREACHES = Table(
    "conduct_breaches",
    """
    breach_id uuid primary key,
    partner_id uuid not null,
    outlet_id uuid,
    conduct_code text not null,
    code_version integer not null,
    rule text not null,
    rule_title text not null,
    severity text not null,
    status text not null,
    happened_on date not null,
    account text not null,
    evidence text[] not null,
    reported_on date not null,
    answer_until date not null,
    answer text,
    proposed_sanction text,
    proposed_by text[],
    repetition integer,
    sanction text,
    expected_sanction text,
    departs boolean,
    reason text,
    decided_on date
    """,
    indexes=("(partner_id, rule)", "(status, breach_id)", "(conduct_code, rule, repetition)"),
)


def project_codes(fact: Fact[Any]) -> Iterator[Statement]:
    match fact.event:
        case ConductCodeDrafted(code=code, content=content):
            yield CODES.drafted_with_title(CONDUCT.dump_json(content), content.title, code)
        case ConductCodeDraftDiscarded(code=code):
            yield CODES.discarded(code=code)
        case ConductCodePublished(code=code, version=version, content=content, published_on=day):
            said = CONDUCT.dump_json(content)
            yield CODES.update(
                {"code": code}, title=content.title, version=version, content=said, draft=None, published_on=day
            )


def project_breaches(fact: Fact[Any]) -> Iterator[Statement]:
    key = {"breach_id": fact.stream_id}
    match fact.event:
        case BreachReported(rule=rule, evidence=evidence) as reported:
            row = reported.model_dump(exclude={"rule", "evidence", "time_zone", "by"})
            yield BREACHES.insert(
                **row,
                rule=rule.code,
                rule_title=rule.title,
                severity=rule.severity,
                evidence=list(evidence),
                status="reported",
            )
        case BreachAnswered(account=account):
            yield BREACHES.update(key, answer=account)
        case SanctionProposed(sanction=sanction, by=by):
            yield BREACHES.update(key, proposed_sanction=sanction, proposed_by=list(by))
        case ConductBreached() as breached:
            yield BREACHES.update(
                key,
                status="decided",
                repetition=breached.repetition,
                sanction=breached.sanction,
                departs=breached.departs,
                decided_on=breached.decided_on,
                proposed_sanction=None,
                proposed_by=None,
            )
        case SanctionReasoned(reason=reason, expected=expected):
            yield BREACHES.update(key, reason=reason, expected_sanction=expected)
        case BreachDismissed(reason=reason, dismissed_on=day):
            yield BREACHES.update(key, status="dismissed", reason=reason, decided_on=day)


codes_view = View("conduct_codes", version=1, tables=(CODES,), project=project_codes, inline=True)
breaches_view = View("conduct_breaches", version=1, tables=(BREACHES,), project=project_breaches, inline=True)

VIEWS = (codes_view, breaches_view)

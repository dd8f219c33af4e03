"""A field audit: recorded by who was there, approved by somebody else, and only then shown to the partner."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import assert_never
from uuid import UUID

from engine import Decider, Rejected, Unknown
from events.days import day_in
from events.training import FieldAuditPublished, Finding

from training.domain.action_events import action_id
from training.domain.audit_answers import Answer, beside_the_template, ratings, said
from training.domain.audit_events import (
    AuditCommand,
    AuditContent,
    AuditEvent,
    FieldAudit,
    FieldAuditRecorded,
    FieldAuditReturned,
    PublishAudit,
    RecordAudit,
    ReturnAudit,
    ReviseAudit,
    Status,
)
from training.domain.audit_scoring import met, score
from training.domain.template_content import TemplateTerms

# -- decide


def record(audit: FieldAudit, command: RecordAudit, now: datetime) -> list[AuditEvent]:
    """Raises `training.audit_differs`, `training.partner_unknown`, `training.template_not_in_use` and what
    `as_recorded` raises."""
    content = command.content
    if audit.recorded is not None:
        for field, before, after in differences(audit.recorded, content):
            hint = "what was seen is put right by a revision, after the audit was returned"
            raise Rejected(
                "training.audit_differs", audit_id=command.audit_id, field=field, recorded=before, sent=after, hint=hint
            )
        return []
    if not command.partner_known:
        raise Unknown("training.partner_unknown", partner_id=content.partner_id)
    if command.terms is None:
        raise Rejected("training.template_not_in_use", template=content.template)
    return [
        as_recorded(
            command.terms,
            content.audited_on,
            content.answers,
            now,
            audit_id=command.audit_id,
            partner_id=content.partner_id,
            outlet_id=content.outlet_id,
            source=content.source,
            source_ref=content.source_ref,
            by=command.by,
        )
    ]


def differences(recorded: FieldAuditRecorded, content: AuditContent) -> Iterable[tuple[str, object, object]]:
    for field in ("partner_id", "outlet_id", "template", "audited_on"):
        before, after = getattr(recorded, field), getattr(content, field)
        if before != after:
            yield field, before, after
    before, after = said(recorded.answers), said(content.answers)
    if before != after:
        yield "answers", sorted(before.keys() - after.keys()), sorted(k for k in after if before.get(k) != after[k])


def as_recorded(
    terms: TemplateTerms,
    audited_on: date,
    answers: Sequence[Answer],
    now: datetime,
    *,
    audit_id: UUID,
    partner_id: UUID,
    outlet_id: UUID | None,
    source: str | None,
    source_ref: str | None,
    by: tuple[str, ...],
) -> FieldAuditRecorded:
    """Raises `training.audited_in_the_future` and what `ratings` and `score` raise."""
    content = terms.content
    today = day_in(content.time_zone, now)
    if audited_on > today:
        raise Rejected("training.audited_in_the_future", today=today, time_zone=content.time_zone)
    scored = score(content, ratings(answers))
    return FieldAuditRecorded(
        audit_id=audit_id,
        partner_id=partner_id,
        outlet_id=outlet_id,
        source=source,
        source_ref=source_ref,
        template=terms.code,
        template_version=terms.version,
        time_zone=content.time_zone,
        metric=content.metric,
        metric_period=content.metric_period,
        audited_on=audited_on,
        answers=beside_the_template(content, answers),
        by=by,
        **vars(scored),
    )


def revise(audit: FieldAudit, recorded: FieldAuditRecorded, command: ReviseAudit, now: datetime) -> list[AuditEvent]:
    revision = command.revision
    same = recorded.audited_on == revision.audited_on and said(recorded.answers) == said(revision.answers)
    match audit.status:
        case Status.PUBLISHED:
            raise Rejected("training.audit_published")
        case Status.RECORDED if same:
            return []
        case Status.RECORDED:
            raise Rejected("training.audit_not_returned")
        case Status.RETURNED:
            kept = {
                name: getattr(recorded, name)
                for name in ("audit_id", "partner_id", "outlet_id", "source", "source_ref")
            }
            return [as_recorded(command.terms, revision.audited_on, revision.answers, now, by=command.by, **kept)]
        case _:
            assert_never(audit.status)


def give_back(audit: FieldAudit, recorded: FieldAuditRecorded, reason: str) -> list[AuditEvent]:
    match audit.status:
        case Status.PUBLISHED:
            raise Rejected("training.audit_published")
        case Status.RETURNED if audit.returned_because == reason:
            return []
        case Status.RETURNED:
            raise Rejected("training.audit_returned", reason=audit.returned_because)
        case Status.RECORDED:
            return [FieldAuditReturned(audit_id=recorded.audit_id, reason=reason)]
        case _:
            assert_never(audit.status)


def publish(audit: FieldAudit, recorded: FieldAuditRecorded, by: tuple[str, ...], now: datetime) -> list[AuditEvent]:
    """Raises `training.audit_returned`, `training.second_person_needed`."""
    if audit.status is Status.PUBLISHED:
        return []
    if audit.status is Status.RETURNED:
        raise Rejected("training.audit_returned", reason=audit.returned_because)
    if set(by) & set(recorded.by):
        raise Rejected("training.second_person_needed", recorded_by=list(recorded.by))
    return [
        FieldAuditPublished(
            audit_id=recorded.audit_id,
            partner_id=recorded.partner_id,
            outlet_id=recorded.outlet_id,
            template=recorded.template,
            template_version=recorded.template_version,
            audited_on=recorded.audited_on,
            total=recorded.total,
            passed=recorded.passed,
            critical_missed=recorded.critical_missed,
            sections=recorded.sections,
            findings=findings(recorded, day_in(recorded.time_zone, now)),
            metric=recorded.metric,
            metric_period=None if recorded.metric is None else recorded.metric_period,
            time_zone=recorded.time_zone,
        )
    ]


def findings(recorded: FieldAuditRecorded, today: date) -> tuple[Finding, ...]:
    """Every item that was not met in full. The partner learns of it today, so the days to put it right begin today."""
    found = []
    for each in recorded.answers:
        if each.rating is None or met(each.rating):
            continue
        days = each.correct_within_days
        found.append(
            Finding(
                item=each.item,
                section=each.section,
                title=each.title,
                critical=each.critical,
                rating=each.rating,
                owner=each.owner,
                action_id=None if days is None else action_id(recorded.audit_id, each.item),
                due_on=None if days is None else today + timedelta(days=days),
            )
        )
    return tuple(found)


def decide(command: AuditCommand, audit: FieldAudit, now: datetime) -> list[AuditEvent]:
    if isinstance(command, RecordAudit):
        return record(audit, command, now)
    recorded = audit.recorded
    if recorded is None:
        raise Unknown("training.field_audit_unknown")
    match command:
        case ReviseAudit():
            return revise(audit, recorded, command, now)
        case ReturnAudit(reason=reason):
            return give_back(audit, recorded, reason)
        case PublishAudit(by=by):
            return publish(audit, recorded, by, now)
        case _:
            assert_never(command)


# -- evolve


def evolve(audit: FieldAudit, event: AuditEvent) -> FieldAudit:
    match event:
        case FieldAuditRecorded():
            return FieldAudit(event)
        case FieldAuditReturned(reason=reason):
            return replace(audit, status=Status.RETURNED, returned_because=reason)
        case FieldAuditPublished():
            return replace(audit, status=Status.PUBLISHED)
        case _:
            assert_never(event)


def shown_to(audit: FieldAudit) -> UUID | None:
    """Nobody's before it is published: until then the partner's own people do not find it."""
    if audit.recorded is None or audit.status is not Status.PUBLISHED:
        return None
    return audit.recorded.partner_id


field_audits = Decider("field_audit", decide, evolve, initial=FieldAudit, events=AuditEvent, owner=shown_to)

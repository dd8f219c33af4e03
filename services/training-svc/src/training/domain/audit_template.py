"""An audit template: the sections and items that a field audit goes through, drafted, published, in versions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Annotated, assert_never
from uuid import UUID, uuid5

from engine import Command, Decider, Rejected, Unknown
from engine.drafts import DiscardDraft, Publish, Retire
from events import Event
from events.days import TimeZone
from events.training import PeriodKind
from pydantic import BaseModel, ConfigDict, Field

from training.domain.template_content import Content, Item, Section, TemplateTerms
from training.domain.words import Code, Title

TEMPLATES = UUID("6d2f0c3b-0a1e-4f7a-9f0d-2f6f8f7f4b31")
"""The namespace of template ids."""


def template_id(code: str) -> UUID:
    return uuid5(TEMPLATES, code)


# -- events


class AuditTemplateDrafted(Event, type="cauce.training.AuditTemplateDrafted.v1"):
    """What the next version is to be; no audit is scored by it yet."""

    code: str
    content: Content


class AuditTemplateDraftDiscarded(Event, type="cauce.training.AuditTemplateDraftDiscarded.v1"):
    """The draft is not to be published."""

    code: str


class AuditTemplatePublished(Event, type="cauce.training.AuditTemplatePublished.v1"):
    """A version, from 1; audits that are recorded from now on are scored by it, those before keep theirs."""

    code: str
    version: int
    content: Content


class AuditTemplateRetired(Event, type="cauce.training.AuditTemplateRetired.v1"):
    """Nothing is audited by it any more."""

    code: str


TemplateEvent = AuditTemplateDrafted | AuditTemplateDraftDiscarded | AuditTemplatePublished | AuditTemplateRetired


# -- commands


Mark = Annotated[Decimal, Field(ge=0, le=100, max_digits=5, decimal_places=2)]
Weight = Annotated[Decimal, Field(gt=0, le=1000, max_digits=9, decimal_places=4)]


class TemplateItem(BaseModel):
    """`weight` against the other items. A critical item that is not met in full fails the audit. With
    `correct_within_days` a miss has to be put right, by `owner`: a role at the partner, not a person."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    code: Code
    title: Title
    weight: Weight
    critical: bool = False
    correct_within_days: Annotated[int, Field(ge=1, le=365)] | None = None
    owner: Code = "outlet-manager"


class TemplateSection(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    code: Code
    title: Title
    items: Annotated[tuple[TemplateItem, ...], Field(min_length=1, max_length=200)]


SECTIONS = [
    {
        "code": "hygiene",
        "title": "Hygiene",
        "items": [
            {"code": "example", "title": "Cold food at 5 degrees or less", "weight": 3, "critical": True,
             "correct_within_days": 7},
            {"code": "floors", "title": "Floors are clean", "weight": 1},
        ],
    },
    {"code": "brand", "title": "Brand", "items": [{"code": "signs", "title": "Signs as agreed", "weight": 1}]},
]  # fmt: skip
"""An example that holds together."""


class TemplateContent(Command):
    """`pass_mark` and `critical_cap` from 0 to 100. `metric` is the code of the metric, in performance-svc, that the
    total of each published audit is a report of."""

    title: Title
    sections: Annotated[tuple[TemplateSection, ...], Field(min_length=1, max_length=50, examples=[SECTIONS])]
    pass_mark: Mark
    critical_cap: Mark | None = None
    metric: Code | None = None
    metric_period: PeriodKind = "year"
    time_zone: TimeZone = "UTC"

    def content(self) -> Content:
        return Content(
            title=self.title,
            sections=tuple(
                Section(each.code, each.title, tuple(Item(**item.model_dump()) for item in each.items))
                for each in self.sections
            ),
            pass_mark=self.pass_mark,
            critical_cap=self.critical_cap,
            metric=self.metric,
            metric_period=self.metric_period,
            time_zone=self.time_zone,
        )


class DraftTemplate(TemplateContent):
    code: Code


TemplateCommand = DraftTemplate | DiscardDraft | Publish | Retire


# -- state


@dataclass(frozen=True)
class AuditTemplate:
    """`terms` is None until a version is published, `draft` where nothing waits to be."""

    code: str | None = None
    draft: Content | None = None
    terms: TemplateTerms | None = None
    retired: bool = False

    def newest(self) -> Content:
        """The draft, or else the version that holds. Raises `training.audit_template_unknown`."""
        if self.draft is not None:
            return self.draft
        if self.terms is None:
            raise Unknown("training.audit_template_unknown")
        return self.terms.content


# -- decide and evolve


def draft(template: AuditTemplate, command: DraftTemplate) -> list[TemplateEvent]:
    """Raises `training.template_retired`, `training.section_twice`, `training.item_twice` and
    `training.critical_item_without_action`."""
    if template.retired:
        raise Rejected("training.template_retired", template=command.code)
    content = command.content()
    if repeated := twice(section.code for section in content.sections):
        raise Rejected("training.section_twice", sections=repeated)
    if repeated := twice(item.code for _, item in content.items):
        raise Rejected("training.item_twice", items=repeated)
    if lacking := [item.code for _, item in content.items if item.critical and item.correct_within_days is None]:
        raise Rejected("training.critical_item_without_action", items=lacking)
    if template.code is not None and content == template.newest():
        return []
    return [AuditTemplateDrafted(code=command.code, content=content)]


def publish(template: AuditTemplate) -> list[TemplateEvent]:
    if template.code is None:
        raise Unknown("training.audit_template_unknown")
    if template.retired:
        raise Rejected("training.template_retired", template=template.code)
    if template.draft is None:
        return []
    version = 1 if template.terms is None else template.terms.version + 1
    return [AuditTemplatePublished(code=template.code, version=version, content=template.draft)]


def discard(template: AuditTemplate) -> list[TemplateEvent]:
    if template.code is None:
        raise Unknown("training.audit_template_unknown")
    return [] if template.draft is None else [AuditTemplateDraftDiscarded(code=template.code)]


def retire(template: AuditTemplate) -> list[TemplateEvent]:
    if template.code is None:
        raise Unknown("training.audit_template_unknown")
    return [] if template.retired else [AuditTemplateRetired(code=template.code)]


def twice(codes: Iterable[str]) -> list[str]:
    return sorted(code for code, n in Counter(codes).items() if n > 1)


def decide(command: TemplateCommand, template: AuditTemplate, now: datetime) -> list[TemplateEvent]:
    match command:
        case DraftTemplate():
            return draft(template, command)
        case DiscardDraft():
            return discard(template)
        case Publish():
            return publish(template)
        case Retire():
            return retire(template)
        case _:
            assert_never(command)


def evolve(template: AuditTemplate, event: TemplateEvent) -> AuditTemplate:
    match event:
        case AuditTemplateDrafted(code=code, content=content):
            return replace(template, code=code, draft=content)
        case AuditTemplateDraftDiscarded():
            return replace(template, draft=None)
        case AuditTemplatePublished(code=code, version=version, content=content):
            return replace(template, code=code, draft=None, terms=TemplateTerms(code, version, content))
        case AuditTemplateRetired():
            return replace(template, draft=None, retired=True)
        case _:
            assert_never(event)


audit_templates = Decider("audit_template", decide, evolve, initial=AuditTemplate, events=TemplateEvent)

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from engine import Rejected, Unknown
from engine.drafts import DiscardDraft, Publish, Retire
from engine.testing import scenario
from events import Event
from pydantic import ValidationError
from training.domain.audit_template import (
    SECTIONS,
    AuditTemplateDraftDiscarded,
    AuditTemplateDrafted,
    AuditTemplatePublished,
    AuditTemplateRetired,
    DraftTemplate,
    TemplateContent,
    TemplateEvent,
    audit_templates,
)

NOW = datetime(2026, 3, 1, 9, tzinfo=UTC)


def draft(**changed: Any) -> DraftTemplate:
    content = {"title": "Food safety", "sections": SECTIONS, "pass_mark": 80}
    return DraftTemplate.model_validate({"code": "food-safety", **content, **changed})


def drafted(command: DraftTemplate) -> AuditTemplateDrafted:
    return AuditTemplateDrafted(code="food-safety", content=command.content())


def published(command: DraftTemplate, version: int) -> AuditTemplatePublished:
    return AuditTemplatePublished(code="food-safety", version=version, content=command.content())


FIRST, SECOND = draft(), draft(pass_mark=90)
IN_USE: list[Event] = [drafted(FIRST), published(FIRST, 1)]
RETIRED = [*IN_USE, AuditTemplateRetired(code="food-safety")]


def section(code: str, *items: dict[str, Any]) -> dict[str, Any]:
    return {"code": code, "title": code, "items": [{"title": "It is so", "weight": 1, **item} for item in items]}


def test_a_draft_that_is_not_to_be_published_is_discarded() -> None:
    discarded = AuditTemplateDraftDiscarded(code="food-safety")
    given: list[TemplateEvent] = [drafted(FIRST), published(FIRST, 1), drafted(SECOND)]
    scenario(audit_templates, given=given, when=DiscardDraft(), at=NOW, then=discarded)
    scenario(audit_templates, given=[*given, discarded], when=DiscardDraft(), at=NOW, then=[])
    assert audit_templates.fold([*given, discarded]).newest() == FIRST.content()
    unknown = Unknown("training.audit_template_unknown")
    scenario(audit_templates, when=DiscardDraft(), at=NOW, then=unknown)


def test_a_draft_changes_nothing_for_audits_until_it_is_published_as_the_next_version() -> None:
    scenario(audit_templates, given=[], when=FIRST, at=NOW, then=drafted(FIRST))
    scenario(audit_templates, given=[drafted(FIRST)], when=Publish(), at=NOW, then=published(FIRST, 1))
    scenario(audit_templates, given=IN_USE, when=SECOND, at=NOW, then=drafted(SECOND))
    state = audit_templates.fold([*IN_USE, drafted(SECOND)])
    assert state.terms is not None
    assert (state.terms.version, state.terms.content) == (1, FIRST.content())
    given = [*IN_USE, drafted(SECOND)]
    scenario(audit_templates, given=given, when=Publish(), at=NOW, then=published(SECOND, 2))


def test_the_same_content_again_and_publishing_without_a_draft_change_nothing() -> None:
    scenario(audit_templates, given=[drafted(FIRST)], when=FIRST, at=NOW, then=[])
    scenario(audit_templates, given=IN_USE, when=FIRST, at=NOW, then=[])
    scenario(audit_templates, given=IN_USE, when=Publish(), at=NOW, then=[])


def test_a_draft_is_drafted_anew_as_often_as_it_takes() -> None:
    scenario(audit_templates, given=[drafted(FIRST)], when=SECOND, at=NOW, then=drafted(SECOND))


def test_what_is_retired_is_neither_drafted_nor_published_and_is_retired_once() -> None:
    scenario(audit_templates, given=IN_USE, when=Retire(), at=NOW, then=RETIRED[-1])
    scenario(audit_templates, given=RETIRED, when=Retire(), at=NOW, then=[])
    refusal = Rejected("training.template_retired", template="food-safety")
    for command in (SECOND, Publish()):
        scenario(audit_templates, given=RETIRED, when=command, at=NOW, then=refusal)


@pytest.mark.parametrize("command", [Publish(), Retire()], ids=["publish", "retire"])
def test_there_is_nothing_to_publish_or_retire_of_a_template_that_nobody_drafted(command: Any) -> None:
    scenario(audit_templates, given=[], when=command, at=NOW, then=Unknown("training.audit_template_unknown"))


def test_each_section_and_each_item_is_there_once() -> None:
    twice = [section("hygiene", {"code": "floors"}), section("hygiene", {"code": "walls"})]
    refusal = Rejected("training.section_twice", sections=["hygiene"])
    scenario(audit_templates, given=[], when=draft(sections=twice), at=NOW, then=refusal)
    across = [section("hygiene", {"code": "floors"}), section("store", {"code": "floors"})]
    refusal = Rejected("training.item_twice", items=["floors"])
    scenario(audit_templates, given=[], when=draft(sections=across), at=NOW, then=refusal)


def test_a_critical_item_always_has_to_be_put_right() -> None:
    sections = [section("hygiene", {"code": "cold-chain", "critical": True}, {"code": "floors"})]
    refusal = Rejected("training.critical_item_without_action", items=["cold-chain"])
    scenario(audit_templates, given=[], when=draft(sections=sections), at=NOW, then=refusal)


@pytest.mark.parametrize(
    "wrong",
    [
        {"sections": []},
        {"sections": [section("hygiene")]},
        {"sections": [section("hygiene", {"code": "floors", "weight": 0})]},
        {"sections": [section("hygiene", {"code": "floors", "correct_within_days": 0})]},
        {"pass_mark": "100.01"},
        {"critical_cap": -1},
        {"metric_period": "week"},
        {"time_zone": "Mars"},
    ],
    ids=lambda wrong: "-".join(wrong),
)
def test_what_makes_no_template_is_refused_by_its_form(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        draft(**wrong)


def test_the_example_of_the_documentation_is_a_template() -> None:
    content = TemplateContent(title="An example", sections=SECTIONS, pass_mark=Decimal(80)).content()  # type: ignore[arg-type]
    assert [item.code for _, item in content.items] == ["example", "floors", "signs"]

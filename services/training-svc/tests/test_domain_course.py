from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from engine import Rejected, Unknown
from engine.drafts import DiscardDraft, Publish, Retire
from engine.testing import scenario
from pydantic import TypeAdapter, ValidationError
from training.domain.course import (
    Content,
    Course,
    CourseDefined,
    CourseDraftDiscarded,
    CourseDrafted,
    CourseEvent,
    CourseRetired,
    DefineCourse,
    DraftCourse,
    Module,
    course_id,
    courses,
)

NOW = datetime(2000, 3, 1, 9, tzinfo=UTC)


def content(**changes: Any) -> dict[str, Any]:
    return {
        "code": "hygiene",
        "title": "Food hygiene",
        "pass_mark": Decimal(70),
        "required_for_launch": True,
        "validity_months": 24,
        "max_attempts": 3,
        "time_zone": "America/Anchorage",
        **changes,
    }


def define(**changes: Any) -> DefineCourse:
    said = content(**changes)
    return DefineCourse.model_validate({**said, "modules": [vars(each) for each in said.pop("modules", ())]})


def defined(**changes: Any) -> CourseDefined:
    return CourseDefined(**{"version": 1, **content(**changes)})


def said(**changes: Any) -> Content:
    return Content.model_validate({name: value for name, value in content(**changes).items() if name != "code"})


RETIRED = CourseRetired(code="hygiene")
STRICTER = CourseDrafted(code="hygiene", content=said(pass_mark=Decimal(80)))


def test_a_course_is_defined_in_its_first_version() -> None:
    scenario(courses, when=DefineCourse(**content()), at=NOW, then=defined())


@pytest.mark.parametrize(
    "change",
    [
        {"title": "Hygiene"},
        {"pass_mark": Decimal(80)},
        {"required_for_launch": False},
        {"validity_months": None},
        {"max_attempts": 2},
        {"time_zone": "UTC"},
        {"modules": (Module("cold", "Cold chain"), Module("art", "Latte art", required=False))},
        {"required_of": ("agent", "franchisee")},
        {"expiring_days": 60},
    ],
)
def test_each_change_of_a_course_is_a_new_version(change: dict[str, Any]) -> None:
    scenario(courses, given=[defined()], when=define(**change), at=NOW, then=defined(version=2, **change))


def test_versions_count_on_also_when_the_content_returns_to_an_earlier_one() -> None:
    scenario(
        courses,
        given=[defined(), defined(version=2, max_attempts=2)],
        when=DefineCourse(**content()),
        at=NOW,
        then=defined(version=3),
    )


def test_defining_the_same_content_again_changes_nothing() -> None:
    scenario(courses, given=[defined()], when=DefineCourse(**content(pass_mark=Decimal("70.0"))), at=NOW, then=[])


def test_a_draft_changes_nothing_until_it_is_published_as_the_next_version() -> None:
    draft = DraftCourse(code="hygiene", content=STRICTER.content)
    scenario(courses, given=[defined()], when=draft, at=NOW, then=STRICTER)
    scenario(courses, given=[defined(), STRICTER], when=draft, at=NOW, then=[])
    assert courses.fold([defined(), STRICTER]).assignable().pass_mark == 70
    second = defined(version=2, pass_mark=Decimal(80))
    scenario(courses, given=[defined(), STRICTER], when=Publish(), at=NOW, then=second)
    assert courses.fold([defined(), STRICTER, second]).draft is None


def test_a_course_may_begin_as_a_draft_which_is_assigned_to_nobody() -> None:
    with pytest.raises(Unknown, match=r"training\.course_unknown"):
        courses.fold([STRICTER]).assignable()
    scenario(courses, given=[STRICTER], when=Publish(), at=NOW, then=defined(pass_mark=Decimal(80)))


def test_what_is_not_drafted_or_says_nothing_new_is_not_published() -> None:
    nothing = Rejected("training.nothing_drafted", course="hygiene")
    scenario(courses, given=[defined()], when=Publish(), at=NOW, then=nothing)
    same = Rejected("training.draft_changes_nothing", course="hygiene", course_version=1)
    given = [defined(), CourseDrafted(code="hygiene", content=said())]
    scenario(courses, given=given, when=Publish(), at=NOW, then=same)
    scenario(courses, when=Publish(), at=NOW, then=Unknown("training.course_unknown"))


def test_a_draft_is_discarded_once() -> None:
    discarded = CourseDraftDiscarded(code="hygiene")
    scenario(courses, given=[STRICTER], when=DiscardDraft(), at=NOW, then=discarded)
    scenario(courses, given=[STRICTER, discarded], when=DiscardDraft(), at=NOW, then=[])


def test_a_definition_past_a_draft_leaves_it_unless_it_says_the_same() -> None:
    assert courses.fold([STRICTER, defined()]).draft == STRICTER.content
    assert courses.fold([STRICTER, defined(pass_mark=Decimal(80))]).draft is None


def test_a_retired_course_has_no_next_version() -> None:
    refusal = Rejected("training.course_retired", course="hygiene")
    for command in (DraftCourse(code="hygiene", content=said()), Publish()):
        scenario(courses, given=[defined(), STRICTER, RETIRED], when=command, at=NOW, then=refusal)


def test_a_course_is_retired_once() -> None:
    scenario(courses, given=[defined()], when=Retire(), at=NOW, then=RETIRED)
    scenario(courses, given=[defined(), RETIRED], when=Retire(), at=NOW, then=[])


def test_a_course_that_does_not_exist_cannot_be_retired() -> None:
    scenario(courses, when=Retire(), at=NOW, then=Unknown("training.course_unknown"))


def test_the_code_of_a_retired_course_is_not_used_again() -> None:
    refusal = Rejected("training.course_retired", course="hygiene")
    scenario(courses, given=[defined(), RETIRED], when=DefineCourse(**content()), at=NOW, then=refusal)


def test_only_a_defined_course_in_use_can_be_assigned() -> None:
    terms = courses.fold([defined()]).assignable()
    assert (terms.code, terms.version, terms.pass_mark) == ("hygiene", 1, Decimal(70))
    with pytest.raises(Unknown):
        Course().assignable()
    with pytest.raises(Rejected, match=r"training\.course_retired"):
        courses.fold([defined(), RETIRED]).assignable()


@pytest.mark.parametrize(
    "wrong",
    [
        {"pass_mark": Decimal("100.01")},
        {"pass_mark": Decimal("-0.01")},
        {"max_attempts": 0},
        {"validity_months": 0},
        {"title": "  "},
        {"title": "Food\0hygiene"},
        {"code": "Food Hygiene"},
        {"time_zone": "Mars/Olympus"},
        {"time_zone": "../etc/passwd"},
        {"colour": "red"},
    ],
)
def test_content_that_makes_no_sense_is_refused_before_it_is_a_command(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        DefineCourse(**content(**wrong))


def test_a_courses_id_follows_from_its_code() -> None:
    assert course_id("hygiene") == course_id("hygiene") != course_id("safety")


def test_the_state_survives_a_snapshot() -> None:
    histories: list[list[CourseEvent]] = [[], [defined(), STRICTER], [defined(validity_months=None), RETIRED]]
    for events in histories:
        state = courses.fold(events)
        adapter = TypeAdapter(Course)
        assert adapter.validate_json(adapter.dump_json(state)) == state


@pytest.mark.parametrize(
    "wrong",
    [
        {"modules": [{"code": "cold", "title": "A"}, {"code": "cold", "title": "B"}]},
        {"required_for_launch": False, "required_of": ["agent"]},
        {"required_of": ["nobody"]},
        {"expiring_days": 0},
    ],
    ids=["module-twice", "required-of-some-and-not-at-all", "no-kind", "no-days"],
)
def test_a_course_that_does_not_hold_together_is_none(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        DefineCourse(**content(**wrong))

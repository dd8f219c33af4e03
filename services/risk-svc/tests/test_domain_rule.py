from datetime import UTC, datetime
from typing import Any

import pytest
from engine import Rejected, Unknown
from engine.drafts import DiscardDraft, Publish, Retire
from engine.testing import scenario
from pydantic import TypeAdapter, ValidationError
from risk.domain.rule import (
    DraftRule,
    Rule,
    RuleContent,
    RuleDraftDiscarded,
    RuleDrafted,
    RuleEvent,
    RulePublished,
    RuleRetired,
    RuleTerms,
    rule_id,
    rules,
)

NOW = datetime(2000, 1, 1, 9, tzinfo=UTC)
RETIRED = RuleRetired(code="low_score")


def content(**changes: Any) -> RuleContent:
    return RuleContent.model_validate(
        {
            "judged_on": "evaluations",
            "figure": "inspection_score",
            "metrics": ["inspection_score"],
            "value": 'metrics["inspection_score"]',
            "when": "value < 85.0",
            "severity": "high",
            "suspend_after": 2,
            "lifts_when": "value >= 90.0",
            **changes,
        }
    )


def on_events(**changes: Any) -> RuleContent:
    return RuleContent.model_validate(
        {
            "judged_on": "events",
            "figure": "missed reports",
            "value": "missed_reports",
            "when": "value >= 3.0",
            "severity": "medium",
            **changes,
        }
    )


def draft(said: RuleContent) -> DraftRule:
    return DraftRule(code="low_score", content=said)


def drafted(said: RuleContent) -> RuleDrafted:
    return RuleDrafted(code="low_score", content=said)


def published(version: int, said: RuleContent) -> RulePublished:
    return RulePublished(code="low_score", rule=RuleTerms(code="low_score", version=version, **dict(said)))


IN_FORCE: list[RuleEvent] = [drafted(content()), published(1, content())]


def test_a_rule_is_drafted_and_then_published_in_its_first_version() -> None:
    scenario(rules, when=draft(content()), at=NOW, then=drafted(content()))
    scenario(rules, given=[drafted(content())], when=Publish(), at=NOW, then=published(1, content()))


@pytest.mark.parametrize(
    "change",
    [
        {"when": "value < 80.0"},
        {"severity": "low"},
        {"suspend_after": 3},
        {"suspend_after": None, "lifts_when": None},
        {"value": 'metrics["inspection_score"] * 1.0'},
        {"window_days": 90},
    ],
)
def test_each_change_of_a_rule_is_a_new_version(change: dict[str, Any]) -> None:
    changed = content(**change)
    given = [*IN_FORCE, drafted(changed)]
    scenario(rules, given=IN_FORCE, when=draft(changed), at=NOW, then=drafted(changed))
    scenario(rules, given=given, when=Publish(), at=NOW, then=published(2, changed))


def test_the_same_draft_again_changes_nothing_and_one_that_changes_nothing_is_not_published() -> None:
    scenario(rules, given=[drafted(content())], when=draft(content()), at=NOW, then=[])
    refusal = Rejected("risk.draft_changes_nothing", rule="low_score", rule_version=1)
    scenario(rules, given=[*IN_FORCE, drafted(content())], when=Publish(), at=NOW, then=refusal)


def test_without_a_draft_there_is_nothing_to_publish() -> None:
    scenario(rules, given=IN_FORCE, when=Publish(), at=NOW, then=Rejected("risk.nothing_drafted", rule="low_score"))
    scenario(rules, given=IN_FORCE, when=DiscardDraft(), at=NOW, then=[])


def test_a_draft_is_discarded_and_the_version_in_force_stays() -> None:
    given = [*IN_FORCE, drafted(content(when="value < 80.0"))]
    scenario(rules, given=given, when=DiscardDraft(), at=NOW, then=RuleDraftDiscarded(code="low_score"))
    state = rules.fold([*given, RuleDraftDiscarded(code="low_score")])
    assert (state.draft, state.terms) == (None, published(1, content()).rule)


@pytest.mark.parametrize(
    ("change", "field", "says"),
    [
        ({"when": "value < 85"}, "when", "no matching overload"),
        ({"when": "value"}, "when", "has to be true or false"),
        ({"value": "band"}, "value", "has to be a number"),
        ({"value": "complaints"}, "value", "undeclared reference"),
        ({"lifts_when": "value >="}, "lifts_when", "Syntax error"),
        ({"when": "[1, 2].all(x, x > 0)"}, "when", "undeclared reference"),
        ({"when": "(" * 60 + "true" + ")" * 60}, "when", "recursion limit"),
    ],
    ids=["int", "no_bool", "no_number", "of_events", "syntax", "macro", "deep"],
)
def test_a_draft_that_could_not_be_judged_by_is_refused_with_what_is_wrong(
    change: dict[str, Any], field: str, says: str
) -> None:
    with pytest.raises(Rejected) as refusal:
        rules.decide(draft(content(**change)), rules.initial(), NOW)
    assert (refusal.value.code, refusal.value.details["field"]) == ("risk.expression_wrong", field)
    assert says in refusal.value.details["says"]


def test_a_rule_that_suspends_on_evaluations_says_what_lifts() -> None:
    refusal = Rejected("risk.lifts_when_missing", suspend_after=2)
    scenario(rules, when=draft(content(lifts_when=None)), at=NOW, then=refusal)
    never = content(suspend_after=None, lifts_when=None)
    scenario(rules, when=draft(never), at=NOW, then=drafted(never))


def test_a_rule_on_events_counts_none_in_a_row_and_knows_no_metrics() -> None:
    refusal = Rejected("risk.events_are_not_in_a_row", suspend_after=2)
    scenario(rules, when=draft(on_events(suspend_after=2)), at=NOW, then=refusal)
    refusal = Rejected("risk.metrics_need_evaluations", metrics=["sales"])
    scenario(rules, when=draft(on_events(metrics=["sales"])), at=NOW, then=refusal)
    once = on_events(suspend_after=1)
    scenario(rules, when=draft(once), at=NOW, then=drafted(once))


def test_a_rule_that_speaks_of_metrics_lists_them() -> None:
    refusal = Rejected("risk.metrics_missing", figure="inspection_score")
    scenario(rules, when=draft(content(metrics=[])), at=NOW, then=refusal)


def test_another_figure_is_another_rule() -> None:
    refusal = Rejected("risk.figure_is_fixed", figure="inspection_score", judged_on="evaluations")
    scenario(rules, given=IN_FORCE, when=draft(content(figure="sales")), at=NOW, then=refusal)
    scenario(rules, given=IN_FORCE, when=draft(on_events(figure="inspection_score")), at=NOW, then=refusal)


def test_a_rule_is_retired_once_and_its_code_is_not_used_again() -> None:
    scenario(rules, given=IN_FORCE, when=Retire(), at=NOW, then=RETIRED)
    scenario(rules, given=[*IN_FORCE, RETIRED], when=Retire(), at=NOW, then=[])
    refusal = Rejected("risk.rule_retired", rule="low_score")
    for command in (draft(content()), Publish()):
        scenario(rules, given=[*IN_FORCE, RETIRED], when=command, at=NOW, then=refusal)


@pytest.mark.parametrize("command", [Publish(), DiscardDraft(), Retire()], ids=["publish", "drop", "retire"])
def test_a_rule_that_does_not_exist_is_unknown(command: Any) -> None:
    scenario(rules, when=command, at=NOW, then=Unknown("risk.rule_unknown"))


@pytest.mark.parametrize(
    "wrong",
    [
        {"suspend_after": 0},
        {"severity": "awful"},
        {"when": "value < 85.0 || " + "value < 85.0 || " * 80 + "true"},
        {"metrics": ["Low Score"]},
        {"window_days": 0},
        {"window": 3},
        {"judged_on": "mondays"},
    ],
    ids=["none", "severity", "long", "metric", "window", "unknown", "judged_on"],
)
def test_content_that_makes_no_sense_is_refused_before_it_is_a_command(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        content(**wrong)


def test_what_was_defined_by_thresholds_is_read_as_expressions_that_judge_the_same() -> None:
    stored = (
        '{"code": "low_score", "version": 1, "metric": "inspection_score", "flag_below": "85", "severity": "high",'
        ' "suspend_after": 2, "lift_at": "90.5"}'
    )
    assert rules.codec.decode("cauce.risk.RuleDefined.v1", stored) == published(1, content(lifts_when="value >= 90.5"))


def test_a_rules_id_follows_from_its_code() -> None:
    assert rule_id("low_score") == rule_id("low_score") != rule_id("other")


def test_the_state_survives_a_snapshot() -> None:
    histories: list[list[RuleEvent]] = [[], [drafted(content())], [*IN_FORCE], [*IN_FORCE, RETIRED]]
    for events in histories:
        state = rules.fold(events)
        adapter = TypeAdapter(Rule)
        assert adapter.validate_json(adapter.dump_json(state)) == state

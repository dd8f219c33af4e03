from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from engine import Rejected, Unknown
from engine.testing import scenario
from pydantic import TypeAdapter, ValidationError
from risk.domain.rule import DefineRule, RetireRule, Rule, RuleDefined, RuleEvent, RuleRetired, rule_id, rules

NOW = datetime(2000, 1, 1, 9, tzinfo=UTC)
RETIRED = RuleRetired(code="low_score")


def content(**changes: Any) -> dict[str, Any]:
    return {
        "code": "low_score",
        "metric": "inspection_score",
        "flag_below": Decimal(85),
        "severity": "high",
        "suspend_after": 2,
        "lift_at": Decimal(90),
        **changes,
    }


def defined(**changes: Any) -> RuleDefined:
    return RuleDefined(**{"version": 1, **content(**changes)})


def test_a_rule_is_defined_in_its_first_version() -> None:
    scenario(rules, when=DefineRule(**content()), at=NOW, then=defined())


@pytest.mark.parametrize(
    "change",
    [
        {"flag_below": Decimal(80)},
        {"severity": "low"},
        {"suspend_after": 3},
        {"suspend_after": None, "lift_at": None},
        {"lift_at": Decimal(95)},
    ],
)
def test_each_change_of_a_rule_is_a_new_version(change: dict[str, Any]) -> None:
    command = DefineRule(**content(**change))
    scenario(rules, given=[defined()], when=command, at=NOW, then=defined(version=2, **change))


def test_defining_the_same_content_again_changes_nothing() -> None:
    scenario(rules, given=[defined()], when=DefineRule(**content(flag_below=Decimal("85.0"))), at=NOW, then=[])


def test_a_rule_may_flag_and_never_suspend() -> None:
    change: dict[str, Any] = {"suspend_after": None, "lift_at": None}
    scenario(rules, when=DefineRule(**content(**change)), at=NOW, then=defined(**change))


def test_a_rule_that_suspends_says_what_lifts() -> None:
    refusal = Rejected("risk.lift_at_missing", suspend_after=2)
    scenario(rules, when=DefineRule(**content(lift_at=None)), at=NOW, then=refusal)


def test_what_lifts_is_not_below_what_flags() -> None:
    refusal = Rejected("risk.lift_at_below_flag_below", lift_at=Decimal("84.9"), flag_below=Decimal(85))
    scenario(rules, when=DefineRule(**content(lift_at=Decimal("84.9"))), at=NOW, then=refusal)
    scenario(rules, when=DefineRule(**content(lift_at=Decimal(85))), at=NOW, then=defined(lift_at=Decimal(85)))


def test_another_metric_is_another_rule() -> None:
    refusal = Rejected("risk.metric_is_fixed", metric="inspection_score")
    scenario(rules, given=[defined()], when=DefineRule(**content(metric="sales")), at=NOW, then=refusal)


def test_a_rule_is_retired_once_and_its_code_is_not_used_again() -> None:
    scenario(rules, given=[defined()], when=RetireRule(), at=NOW, then=RETIRED)
    scenario(rules, given=[defined(), RETIRED], when=RetireRule(), at=NOW, then=[])
    refusal = Rejected("risk.rule_retired", rule="low_score")
    scenario(rules, given=[defined(), RETIRED], when=DefineRule(**content()), at=NOW, then=refusal)


def test_a_rule_that_does_not_exist_cannot_be_retired() -> None:
    scenario(rules, when=RetireRule(), at=NOW, then=Unknown("risk.rule_unknown"))


@pytest.mark.parametrize(
    "wrong",
    [
        {"suspend_after": 0},
        {"severity": "awful"},
        {"flag_below": Decimal("NaN")},
        {"code": "Low Score"},
        {"metric": ""},
        {"window": 3},
    ],
)
def test_content_that_makes_no_sense_is_refused_before_it_is_a_command(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        DefineRule(**content(**wrong))


def test_a_rules_id_follows_from_its_code() -> None:
    assert rule_id("low_score") == rule_id("low_score") != rule_id("other")


def test_the_state_survives_a_snapshot() -> None:
    histories: list[list[RuleEvent]] = [[], [defined()], [defined(suspend_after=None, lift_at=None), RETIRED]]
    for events in histories:
        state = rules.fold(events)
        adapter = TypeAdapter(Rule)
        assert adapter.validate_json(adapter.dump_json(state)) == state

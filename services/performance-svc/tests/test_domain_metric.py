from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from engine import Rejected
from engine.testing import scenario
from performance.domain.metric import DefineMetric, MetricContent, MetricDefined, metric_id, metrics
from pydantic import ValidationError

NOW = datetime(2026, 9, 15, 12, tzinfo=UTC)
CONTENT: dict[str, Any] = {
    "unit": "points",
    "direction": "higher",
    "aggregation": "mean",
    "minimum": Decimal(0),
    "maximum": Decimal(100),
    "due": "on_occurrence",
}


def define(**changes: Any) -> DefineMetric:
    return DefineMetric(code="inspection_score", **{**CONTENT, **changes})


def defined(version: int = 1, **changes: Any) -> MetricDefined:
    return MetricDefined(code="inspection_score", version=version, **{**CONTENT, **changes})


def test_a_metric_is_defined_as_version_1() -> None:
    scenario(metrics, when=define(), at=NOW, then=defined())


def test_other_bounds_and_another_due_make_the_next_version() -> None:
    changes = {"minimum": None, "maximum": Decimal(10), "due": "every_period"}
    given = [defined(), defined(2, maximum=None)]
    scenario(metrics, given=given, when=define(**changes), at=NOW, then=defined(3, **changes, due_since=NOW))


def test_a_report_is_due_since_its_metric_was_there_and_a_revision_leaves_that_as_it_is() -> None:
    due = defined(due="every_period", due_since=NOW)
    scenario(metrics, when=define(due="every_period"), at=NOW, then=due)
    later = NOW + timedelta(days=30)
    revised = {"due": "every_period", "maximum": Decimal(10)}
    scenario(metrics, given=[due], when=define(**revised), at=later, then=defined(2, **revised, due_since=NOW))
    scenario(metrics, given=[due], when=define(due="every_period"), at=later, then=[])
    again = [due, defined(2)]
    then = defined(3, due="every_period", due_since=later)
    scenario(metrics, given=again, when=define(due="every_period"), at=later, then=then)


def test_the_same_content_again_changes_nothing() -> None:
    given = [defined(), defined(2, maximum=Decimal(10))]
    scenario(metrics, given=given, when=define(maximum=Decimal("10.0")), at=NOW, then=[])
    scenario(metrics, given=given, when=define(), at=NOW, then=defined(3))


@pytest.mark.parametrize(("field", "other"), [("unit", "EUR"), ("direction", "lower"), ("aggregation", "last")])
def test_what_reports_were_made_in_cannot_be_changed(field: str, other: str) -> None:
    refusal = Rejected(
        "performance.metric_fixed", metric="inspection_score", field=field, is_=CONTENT[field], asked=other
    )
    scenario(metrics, given=[defined()], when=define(**{field: other}), at=NOW, then=refusal)


def test_a_minimum_above_the_maximum_is_refused() -> None:
    refusal = Rejected("performance.bounds_reversed", minimum=Decimal("100.5"), maximum=Decimal(100))
    scenario(metrics, when=define(minimum=Decimal("100.5")), at=NOW, then=refusal)


def test_a_minimum_may_be_the_maximum() -> None:
    scenario(metrics, when=define(minimum=Decimal(100)), at=NOW, then=defined(minimum=Decimal(100)))


def test_each_code_has_an_id_of_its_own() -> None:
    assert metric_id("sales") != metric_id("sales_")
    assert metric_id("sales") == metric_id("sales")


@pytest.mark.parametrize(
    ("json", "value"),
    [
        ("0.1", "0.1"),
        ("999999999.999999", "999999999.999999"),
        ("-12.5", "-12.5"),
        ("12345678901234567", "12345678901234567"),
        ('"123456789012345678.123456"', "123456789012345678.123456"),
        ('"1e3"', "1000"),
    ],
)
def test_numbers_are_taken_exactly(json: str, value: str) -> None:
    body = f'{{"unit": "EUR", "direction": "higher", "aggregation": "sum", "due": "on_occurrence", "minimum": {json}}}'
    assert str(MetricContent.model_validate_json(body).minimum) == value


@pytest.mark.parametrize("json", ["1000000000.1", "1e300", "0.0000001", '"1234567890123456789"', '"NaN"', '"Infinity"'])
def test_numbers_that_would_be_inexact_or_have_no_end_are_refused(json: str) -> None:
    body = f'{{"unit": "EUR", "direction": "higher", "aggregation": "sum", "due": "on_occurrence", "minimum": {json}}}'
    with pytest.raises(ValidationError, match="minimum"):
        MetricContent.model_validate_json(body)

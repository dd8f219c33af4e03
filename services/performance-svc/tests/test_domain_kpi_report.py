from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from engine import Rejected, Unknown
from engine.testing import scenario
from events.performance import KPIReported, KPIRestated
from hypothesis import given
from hypothesis import strategies as st
from performance.domain.kpi_report import RecordReport, ReportKPI, kpi_reports, report_id
from performance.domain.metric import MetricTerms
from pydantic import TypeAdapter, ValidationError

NOW = datetime(2019, 7, 1, tzinfo=UTC)
PARTNER, OUTLET = UUID("11111111-1111-4111-8111-111111111111"), UUID("22222222-2222-4222-8222-222222222222")
TERMS = MetricTerms("score", 1, "points", "higher", "mean", Decimal(0), Decimal(100), "on_occurrence")
ID = report_id("erp", "17")

CONTENT: dict[str, Any] = {
    "source": "erp",
    "source_ref": "17",
    "partner_id": PARTNER,
    "outlet_id": OUTLET,
    "metric": "score",
    "period": "2019",
    "value": Decimal("84.5"),
}


def report(terms: MetricTerms | None = TERMS, partner_known: bool = True, **changes: Any) -> RecordReport:
    reported = ReportKPI(**{**CONTENT, **changes})
    return RecordReport(report_id=reported.about(), report=reported, terms=terms, partner_known=partner_known)


def correction(value: str, ref: str = "17-a", **changes: Any) -> RecordReport:
    return report(corrects=ID, value=Decimal(value), source_ref=ref, **changes)


def reported(**changes: Any) -> KPIReported:
    return KPIReported(report_id=ID, **{**CONTENT, **changes})


def restated(previous: str, value: str, ref: str = "17-a") -> KPIRestated:
    kept = {name: CONTENT[name] for name in ("partner_id", "metric", "period", "source")}
    return KPIRestated(report_id=ID, previous=Decimal(previous), value=Decimal(value), source_ref=ref, **kept)


def refused(command: RecordReport, refusal: Rejected, *given: Any) -> None:
    scenario(kpi_reports, given=given, when=command, at=NOW, then=refusal)


def test_an_observation_is_reported() -> None:
    scenario(kpi_reports, when=report(), at=NOW, then=reported())
    scenario(kpi_reports, when=report(outlet_id=None, unit="points"), at=NOW, then=reported(outlet_id=None))


def test_the_same_report_again_is_a_repeat_however_its_number_is_written() -> None:
    scenario(kpi_reports, given=[reported()], when=report(value=Decimal("84.500")), at=NOW, then=[])


def test_a_repeat_is_one_even_where_metric_and_partner_have_changed_since() -> None:
    gone = report(terms=None, partner_known=False)
    scenario(kpi_reports, given=[reported()], when=gone, at=NOW, then=[])


@pytest.mark.parametrize(
    ("field", "other"),
    [("partner_id", OUTLET), ("outlet_id", None), ("metric", "sales"), ("period", "2018"), ("value", Decimal(85))],
)
def test_the_same_key_with_another_content_is_refused_with_a_hint(field: str, other: Any) -> None:
    refusal = Rejected(
        "performance.report_differs",
        report_id=ID,
        field=field,
        reported=CONTENT[field],
        hint="to change what was reported, send it with a source_ref of its own and corrects",
    )
    refused(report(**{field: other}), refusal, reported())


def test_a_report_that_was_corrected_is_still_repeated_by_what_it_first_said() -> None:
    history = [reported(), restated("84.5", "90")]
    scenario(kpi_reports, given=history, when=report(), at=NOW, then=[])
    refusal = Rejected(
        "performance.report_differs",
        report_id=ID,
        field="value",
        reported=Decimal("84.5"),
        hint="to change what was reported, send it with a source_ref of its own and corrects",
    )
    refused(report(value=Decimal(90)), refusal, *history)


def test_an_unknown_partner_and_an_unknown_metric_are_refused() -> None:
    refused(report(partner_known=False), Unknown("performance.partner_unknown", partner_id=PARTNER))
    refused(report(terms=None), Unknown("performance.metric_unknown", metric="score"))


def test_another_unit_is_refused_with_the_one_that_is_expected() -> None:
    refused(
        report(unit="percent"), Rejected("performance.unit_differs", metric="score", unit="percent", expected="points")
    )


def test_a_value_outside_the_bounds_is_refused_naming_the_bound() -> None:
    low, high = Decimal("-0.000001"), Decimal("100.000001")
    below = Rejected("performance.value_below_minimum", metric="score", value=low, minimum=Decimal(0))
    above = Rejected("performance.value_above_maximum", metric="score", value=high, maximum=Decimal(100))
    refused(report(value=low), below)
    refused(report(value=high), above)
    refused(correction("-0.000001"), below, reported())
    refused(correction("100.000001"), above, reported())


@pytest.mark.parametrize("value", [0, 100])
def test_a_value_at_a_bound_is_taken(value: int) -> None:
    scenario(kpi_reports, when=report(value=Decimal(value)), at=NOW, then=reported(value=Decimal(value)))


def test_a_report_for_a_period_that_has_not_begun_is_refused_with_its_first_day() -> None:
    refusal = Rejected("performance.period_not_begun", period="2019-Q4", begins=date(2019, 10, 1))
    refused(report(period="2019-Q4"), refusal)


# -- corrections


def test_a_correction_keeps_the_earlier_value_beside_the_new_one() -> None:
    scenario(kpi_reports, given=[reported()], when=correction("90"), at=NOW, then=restated("84.5", "90"))
    history = [reported(), restated("84.5", "90")]
    scenario(kpi_reports, given=history, when=correction("91", "17-b"), at=NOW, then=restated("90", "91", "17-b"))


def test_a_correction_may_go_back_to_what_was_reported_first() -> None:
    history = [reported(), restated("84.5", "90")]
    back = correction("84.5", "17-b")
    scenario(kpi_reports, given=history, when=back, at=NOW, then=restated("90", "84.5", "17-b"))


def test_a_correction_again_is_a_repeat_also_after_a_later_one() -> None:
    history = [reported(), restated("84.5", "90"), restated("90", "91", "17-b")]
    scenario(kpi_reports, given=history, when=correction("90"), at=NOW, then=[])


def test_a_correction_with_the_same_key_and_another_value_is_refused() -> None:
    refusal = Rejected("performance.correction_differs", report_id=ID, corrected_to=Decimal(90))
    refused(correction("92"), refusal, reported(), restated("84.5", "90"))


def test_a_correction_of_nothing_is_refused() -> None:
    refused(correction("90"), Unknown("performance.report_unknown", corrects=ID))


@pytest.mark.parametrize(("field", "other"), [("partner_id", OUTLET), ("metric", "sales"), ("period", "2018")])
def test_a_correction_of_another_partner_metric_or_period_is_refused(field: str, other: Any) -> None:
    refusal = Rejected("performance.correction_of_another", field=field, reported=CONTENT[field])
    refused(correction("90", **{field: other}), refusal, reported())


def test_a_correction_that_corrects_nothing_is_refused() -> None:
    refused(
        correction("84.50"), Rejected("performance.nothing_to_correct", report_id=ID, value=Decimal("84.5")), reported()
    )


def test_a_correction_is_checked_against_the_metric_too() -> None:
    refused(correction("90", terms=None), Unknown("performance.metric_unknown", metric="score"), reported())


# -- identity and form


def test_a_report_is_known_by_its_source_and_its_key_there_a_correction_by_what_it_corrects() -> None:
    assert ReportKPI(**CONTENT).about() == ID
    other = uuid4()
    assert ReportKPI(**CONTENT, corrects=other).about() == other


PRINTABLE = st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=1, max_size=20)


@given(st.tuples(PRINTABLE, PRINTABLE), st.tuples(PRINTABLE, PRINTABLE))
def test_two_keys_never_make_one_report(a: tuple[str, str], b: tuple[str, str]) -> None:
    assert (report_id(*a) == report_id(*b)) == (a == b)


@pytest.mark.parametrize(
    "changes",
    [
        {"source": "a\nb"},
        {"source": ""},
        {"source_ref": "a\x00"},
        {"source_ref": "x" * 201},
        {"metric": "Score"},
        {"period": "2019-13"},
        {"value": "much"},
        {"colour": "red"},
    ],
)
def test_a_report_that_is_not_well_formed_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ReportKPI(**{**CONTENT, **changes})


def test_the_state_survives_a_snapshot() -> None:
    state = kpi_reports.fold([reported(), restated("84.5", "90")])
    adapter: TypeAdapter[Any] = kpi_reports.state_adapter
    assert adapter.validate_json(adapter.dump_json(state)) == state


# -- ratio metrics


RETURNS = MetricTerms("returns", 1, "share", "lower", "ratio", Decimal(0), Decimal(1), "on_occurrence")
SHARE: dict[str, Any] = {"metric": "returns", "value": Decimal(3), "denominator": Decimal(40)}


def test_an_observation_of_a_ratio_metric_has_a_numerator_and_a_denominator() -> None:
    scenario(kpi_reports, when=report(RETURNS, **SHARE), at=NOW, then=reported(**SHARE))
    scenario(kpi_reports, given=[reported(**SHARE)], when=report(RETURNS, **SHARE), at=NOW, then=[])
    missing = Rejected("performance.denominator_missing", metric="returns")
    refused(report(RETURNS, metric="returns"), missing)
    unexpected = Rejected("performance.denominator_unexpected", metric="score", aggregation="mean")
    refused(report(denominator=Decimal(2)), unexpected)
    with pytest.raises(ValidationError):
        report(RETURNS, **{**SHARE, "denominator": Decimal(-1)})


def test_the_bounds_of_a_ratio_metric_hold_for_the_quotient() -> None:
    more = {**SHARE, "value": Decimal(41)}
    above = Rejected("performance.value_above_maximum", metric="returns", value=Decimal("1.025"), maximum=Decimal(1))
    refused(report(RETURNS, **more), above)
    below = Rejected("performance.value_below_minimum", metric="returns", value=Decimal("-0.025"), minimum=Decimal(0))
    refused(report(RETURNS, **{**SHARE, "value": Decimal(-1)}), below)


def test_a_day_on_which_there_was_nothing_to_divide_by_is_reported_as_it_was() -> None:
    nothing = {**SHARE, "denominator": Decimal(0)}
    scenario(kpi_reports, when=report(RETURNS, **nothing), at=NOW, then=reported(**nothing))


def test_a_correction_of_the_denominator_alone_is_one() -> None:
    kept = {name: CONTENT[name] for name in ("partner_id", "period", "source")}
    values = {"previous": Decimal(3), "value": Decimal(3), "previous_denominator": Decimal(40)}
    then = KPIRestated(report_id=ID, metric="returns", source_ref="17-a", denominator=Decimal(50), **values, **kept)
    more = report(RETURNS, corrects=ID, source_ref="17-a", **{**SHARE, "denominator": Decimal(50)})
    scenario(kpi_reports, given=[reported(**SHARE)], when=more, at=NOW, then=then)
    scenario(kpi_reports, given=[reported(**SHARE), then], when=more, at=NOW, then=[])
    same = report(RETURNS, corrects=ID, source_ref="17-b", **SHARE)
    refused(same, Rejected("performance.nothing_to_correct", report_id=ID, value=Decimal(3)), reported(**SHARE))
    other = report(RETURNS, **{**SHARE, "denominator": Decimal(41)})
    hint = "to change what was reported, send it with a source_ref of its own and corrects"
    differs = Rejected("performance.report_differs", report_id=ID, field="denominator", reported=Decimal(40), hint=hint)
    refused(other, differs, reported(**SHARE))

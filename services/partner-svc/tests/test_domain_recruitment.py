from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pytest
from engine import Rejected, Unknown
from engine.testing import scenario
from hypothesis import given
from hypothesis import strategies as st
from partner.domain.recruitment import (
    BookExpense,
    ClosePlan,
    PlanContent,
    PlanRecruitment,
    RecruitmentExpenseBooked,
    RecruitmentPlanClosed,
    RecruitmentPlanned,
    progress,
    recruitment_plans,
)
from partner.domain.words import within
from pydantic import ValidationError

SAID: dict[str, Any] = {
    "title": "Alaska 2026",
    "areas": ["US-AK"],
    "kind": "franchisee",
    "target": 10,
    "starts_on": "2026-01-01",
    "ends_on": "2026-12-31",
    "budget": 50_000,
    "currency": "USD",
}


def content(**changes: Any) -> PlanContent:
    return PlanContent.model_validate({**SAID, **changes})


def planned(**changes: Any) -> RecruitmentPlanned:
    return RecruitmentPlanned(code="alaska", content=content(**changes))


def plan(**changes: Any) -> PlanRecruitment:
    return PlanRecruitment(code="alaska", content=content(**changes))


def expense(amount: int = 1_200, currency: str = "USD") -> BookExpense:
    return BookExpense(
        reference="INV-7", purpose="Fair", amount=Decimal(amount), currency=currency, spent_on=date(2026, 2, 1)
    )


BOOKED = RecruitmentExpenseBooked(
    code="alaska", reference="INV-7", purpose="Fair", amount=Decimal(1_200), spent_on=date(2026, 2, 1)
)
CLOSED = RecruitmentPlanClosed(code="alaska", reason="Reached.")


def test_recruitment_is_planned_and_planned_anew(now: datetime) -> None:
    scenario(recruitment_plans, when=plan(), at=now, then=planned())
    scenario(recruitment_plans, given=[planned()], when=plan(), at=now, then=[])
    scenario(recruitment_plans, given=[planned()], when=plan(target=12), at=now, then=planned(target=12))


def test_a_plan_that_ends_before_it_starts_is_refused(now: datetime) -> None:
    refused = Rejected("partner.plan_ends_before_it_starts", starts_on=date(2026, 1, 1), ends_on=date(2025, 12, 31))
    scenario(recruitment_plans, when=plan(ends_on="2025-12-31"), at=now, then=refused)


def test_an_expense_is_booked_once_in_the_plans_own_currency(now: datetime) -> None:
    scenario(recruitment_plans, given=[planned()], when=expense(), at=now, then=BOOKED)
    scenario(recruitment_plans, given=[planned(), BOOKED], when=expense(), at=now, then=[])
    differs = Rejected("partner.expense_differs", reference="INV-7", amount=Decimal(1_200))
    scenario(recruitment_plans, given=[planned(), BOOKED], when=expense(1_300), at=now, then=differs)
    other = Rejected("partner.plan_in_another_currency", currency="USD")
    scenario(recruitment_plans, given=[planned()], when=expense(currency="EUR"), at=now, then=other)
    in_use = Rejected("partner.plan_currency_in_use", currency="USD")
    scenario(recruitment_plans, given=[planned(), BOOKED], when=plan(currency="EUR"), at=now, then=in_use)


def test_a_closed_plan_is_closed(now: datetime) -> None:
    scenario(recruitment_plans, given=[planned()], when=ClosePlan(reason="Reached."), at=now, then=CLOSED)
    given = [planned(), BOOKED, CLOSED]
    scenario(recruitment_plans, given=given, when=ClosePlan(reason="Reached."), at=now, then=[])
    scenario(recruitment_plans, given=given, when=expense(), at=now, then=[])
    refused = Rejected("partner.plan_closed", reason="Reached.")
    for command in (plan(target=11), ClosePlan(reason="Other.")):
        scenario(recruitment_plans, given=given, when=command, at=now, then=refused)
    scenario(recruitment_plans, given=[planned(), CLOSED], when=expense(), at=now, then=refused)


@pytest.mark.parametrize("command", [expense(), ClosePlan(reason="No.")], ids=["expense", "close"])
def test_a_plan_that_nobody_made_is_unknown(command: Any, now: datetime) -> None:
    scenario(recruitment_plans, when=command, at=now, then=Unknown("partner.recruitment_plan_unknown"))


@pytest.mark.parametrize(
    "wrong", [{"areas": []}, {"areas": ["Alaska"]}, {"target": 0}, {"budget": -1}, {"kind": "landlord"}], ids=str
)
def test_a_plan_that_makes_no_sense_is_no_command(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        plan(**wrong)


# -- how far it is


def test_progress_is_told_beside_what_even_progress_would_be() -> None:
    # 73 of 365 days: a fifth of ten partners should have signed.
    reached = progress(content(), 1, Decimal(12_000), date(2026, 3, 14))
    assert (reached.expected, reached.behind, reached.reached_percent) == (
        Decimal("2.0"),
        Decimal("1.0"),
        Decimal("10.0"),
    )
    assert (reached.budget_left, reached.cost_each) == (Decimal(38_000), Decimal("12000.00"))
    early = progress(content(), 0, Decimal(60_000), date(2025, 12, 31))
    assert (early.expected, early.behind) == (Decimal(0), Decimal(0))
    assert (early.cost_each, early.budget_left) == (None, Decimal(-10_000))


@given(st.integers(0, 30), st.dates(date(2025, 1, 1), date(2028, 1, 1)))
def test_nobody_is_expected_beyond_the_target_and_who_is_ahead_is_not_behind(signed: int, today: date) -> None:
    reached = progress(content(), signed, Decimal(0), today)
    assert 0 <= reached.expected <= 10
    assert reached.behind == max(reached.expected - signed, 0)


def test_an_area_lies_in_those_that_it_is_a_part_of() -> None:
    assert within("US-AK-99501") == ["US-AK-99501", "US-AK", "US"]
    assert within("ES") == ["ES"]

"""What must have come of what, told as short histories with something missing or something too much."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest

from faults import business
from faults.evidence import Evidence
from faults.tests.plain import NOW, PARTNER, Said

ID = str(PARTNER)


@pytest.fixture
def says() -> dict[str, Said]:
    return {service: Said(service) for service in ("partner", "contract", "training", "performance", "risk")}


def channel(says: Mapping[str, Said]) -> dict[str, Evidence]:
    return {service: said.evidence for service, said in says.items()}


def consequences(says: Mapping[str, Said]) -> list[str]:
    return list(business.consequences(channel(says), NOW))


def test_a_registration_opened_one_negotiation(says: dict[str, Said]) -> None:
    registered = says["partner"]("PartnerRegistered")
    says["contract"]("NegotiationOpened", registered)
    assert not consequences(says)


def test_a_registration_opened_none(says: dict[str, Said]) -> None:
    says["partner"]("PartnerRegistered")
    [said] = consequences(says)
    assert "led to nothing in contract" in said


def test_a_registration_opened_two(says: dict[str, Said]) -> None:
    registered = says["partner"]("PartnerRegistered")
    for _ in range(2):
        says["contract"]("NegotiationOpened", registered)
    [said] = consequences(says)
    assert "NegotiationOpened, NegotiationOpened" in said


def test_a_contract_that_begins_today_is_in_force_and_one_that_begins_tomorrow_is_not(says: dict[str, Said]) -> None:
    says["contract"]("ContractExecuted", in_force_at="2026-11-25T00:00:00Z")
    assert not consequences(says)
    says["contract"]("ContractExecuted", in_force_at="2026-11-23T00:00:00Z")
    assert len(consequences(says)) == 1


def test_only_a_suspension_suspends(says: dict[str, Said]) -> None:
    says["risk"]("RestrictionImposed", kind="order_block")
    assert not consequences(says)
    says["risk"]("RestrictionImposed", kind="suspension")
    assert len(consequences(says)) == 1


# -- evaluations


def reported(says: Mapping[str, Said], value: str) -> None:
    says["performance"]("KPIReported", partner_id=ID, period="2026-09", value=value)


def closed(says: Mapping[str, Said]) -> None:
    says["performance"]("PeriodClosed", period="2026-09")


def evaluated(says: Mapping[str, Said], total: str, name: str = "PartnerEvaluated") -> None:
    says["performance"](name, partner_id=ID, period="2026-09", total=total)


def evaluations(says: Mapping[str, Said]) -> Iterator[str]:
    return business.evaluations(channel(says))


def test_a_partner_is_evaluated_on_the_mean_of_its_reports(says: dict[str, Said]) -> None:
    reported(says, "80")
    reported(says, "85")
    closed(says)
    evaluated(says, "82.5")
    assert not list(evaluations(says))


@pytest.mark.parametrize("totals", [[], ["80"], ["82.5", "82.5"]], ids=["not at all", "on one report", "twice"])
def test_a_partner_is_evaluated_wrongly(says: dict[str, Said], totals: list[str]) -> None:
    reported(says, "80")
    reported(says, "85")
    closed(says)
    for total in totals:
        evaluated(says, total)
    assert list(evaluations(says))


def test_a_late_report_restates_the_evaluation(says: dict[str, Said]) -> None:
    reported(says, "80")
    closed(says)
    evaluated(says, "80")
    reported(says, "90")
    assert list(evaluations(says))
    evaluated(says, "85", "EvaluationRestated")
    assert not list(evaluations(says))


def test_a_partner_without_a_report_is_evaluated(says: dict[str, Said]) -> None:
    closed(says)
    evaluated(says, "80")
    assert list(evaluations(says))


# -- partners that trade

STEPS = ("PartnerRegistered", "ContractEffective", "TrainingPassed", "OutletOpened")


def stepped(says: Mapping[str, Said]) -> None:
    for step in STEPS:
        says["partner"](step)
    says["partner"]("ChecklistItemCompleted", item="opening_stock_delivered")


def test_whoever_has_all_of_it_trades(says: dict[str, Said]) -> None:
    stepped(says)
    says["partner"]("PartnerActivated")
    assert not list(business.partners_trade(channel(says)))


@pytest.mark.parametrize("times", [0, 2])
def test_whoever_has_all_of_it_was_activated_so_many_times(says: dict[str, Said], times: int) -> None:
    stepped(says)
    for _ in range(times):
        says["partner"]("PartnerActivated")
    assert list(business.partners_trade(channel(says)))


def test_somebody_trades_who_lacks_something(says: dict[str, Said]) -> None:
    says["partner"]("PartnerRegistered")
    says["partner"]("PartnerActivated")
    assert list(business.partners_trade(channel(says)))

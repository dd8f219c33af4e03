"""Operational facts: what is the same for all six nouns, and each noun's own rules."""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from engine import Decider, Rejected, Unknown
from engine.testing import scenario
from events import Event
from events.operational import (
    ConsumerFeedbackReported,
    CostReported,
    PaymentReported,
    SalesReported,
    ShipmentReported,
    StockReported,
)
from hypothesis import given
from hypothesis import strategies as st
from performance.domain.consumer_feedback import RecordFeedback, ReportFeedback, consumer_feedback
from performance.domain.cost import RecordCost, ReportCost, costs
from performance.domain.operational import RecordFact, ReportFact
from performance.domain.payment import RecordPayment, ReportPayment, payments
from performance.domain.sale import RecordSale, ReportSale, sales
from performance.domain.shipment import RecordShipment, ReportShipment, shipments
from performance.domain.stock_count import RecordStock, ReportStock, stock_counts
from pydantic import ValidationError

NOW = datetime(2026, 3, 31, 12, tzinfo=UTC)
PARTNER, OTHER = UUID(int=1), UUID(int=2)
SOURCE: dict[str, Any] = {"source": "pos", "source_ref": "17", "partner_id": PARTNER}


@dataclass(frozen=True)
class Noun:
    decider: Decider[Any, Any, Any]
    report: type[ReportFact]
    record: type[RecordFact]
    event: type[Event]
    content: dict[str, Any]
    changed: dict[str, Any]
    day: str

    def command(self, known: bool = True, **changes: Any) -> RecordFact:
        report = self.report(**{**SOURCE, **self.content, **changes})
        return self.record(fact_id=report.about(), report=report, partner_known=known)

    @property
    def id(self) -> UUID:
        return self.command().fact_id

    def happened(self, restatement: int = 0, **changes: Any) -> Event:
        id = {f"{self.decider.category}_id": self.id}
        return self.event(**{**SOURCE, **self.content, **id, "restatement": restatement, **changes})

    def corrects(self, ref: str = "17-a", **changes: Any) -> RecordFact:
        return self.command(corrects=self.id, source_ref=ref, **changes)

    def __str__(self) -> str:
        return self.decider.category


MONEY = {"amount": Decimal("120.50"), "currency": "EUR"}
DAY = date(2026, 3, 30)
SALE = Noun(sales, ReportSale, RecordSale, SalesReported, {**MONEY, "sold_on": DAY}, {"amount": Decimal(9)}, "sold_on")
SHIPMENT = Noun(
    shipments,
    ReportShipment,
    RecordShipment,
    ShipmentReported,
    {"product": "tea", "quantity": Decimal(10), "ordered_on": DAY},
    {"shipped_on": date(2026, 3, 31)},
    "ordered_on",
)
STOCK = Noun(
    stock_counts,
    ReportStock,
    RecordStock,
    StockReported,
    {"product": "tea", "quantity": Decimal(10), "counted_on": DAY},
    {"quantity": Decimal(11)},
    "counted_on",
)
FEEDBACK = Noun(
    consumer_feedback,
    ReportFeedback,
    RecordFeedback,
    ConsumerFeedbackReported,
    {"instrument": "nps", "score": Decimal(9), "given_on": DAY},
    {"score": Decimal(3)},
    "given_on",
)
NOUNS = [
    SALE,
    SHIPMENT,
    STOCK,
    FEEDBACK,
    Noun(
        costs,
        ReportCost,
        RecordCost,
        CostReported,
        {"kind": "transport", **MONEY, "incurred_on": DAY},
        {"kind": "storage"},
        "incurred_on",
    ),
    Noun(
        payments,
        ReportPayment,
        RecordPayment,
        PaymentReported,
        {"purpose": "royalty", "period": "2026-02", **MONEY, "paid_on": DAY},
        {"amount": Decimal(1)},
        "paid_on",
    ),
]
every_noun = pytest.mark.parametrize("noun", NOUNS, ids=str)


@every_noun
def test_a_fact_is_reported(noun: Noun) -> None:
    scenario(noun.decider, when=noun.command(), at=NOW, then=noun.happened())


@every_noun
def test_the_same_again_is_a_repeat_also_after_a_correction(noun: Noun) -> None:
    corrected = noun.happened(1, source_ref="17-a", **noun.changed)
    scenario(noun.decider, given=[noun.happened()], when=noun.command(), at=NOW, then=[])
    scenario(noun.decider, given=[noun.happened(), corrected], when=noun.command(), at=NOW, then=[])
    scenario(noun.decider, given=[noun.happened(), corrected], when=noun.corrects(**noun.changed), at=NOW, then=[])


@every_noun
def test_the_same_ref_with_other_content_is_a_conflict_that_names_the_field(noun: Noun) -> None:
    [(field, _)] = noun.changed.items()
    first: Any = noun.happened()
    refusal = Rejected(
        "performance.fact_differs",
        fact_id=noun.id,
        field=field,
        reported=getattr(first, field),
        hint="to change what was reported, send it with a source_ref of its own and corrects",
    )
    scenario(noun.decider, given=[first], when=noun.command(**noun.changed), at=NOW, then=refusal)


@every_noun
def test_only_a_correction_restates_and_it_says_all_anew(noun: Noun) -> None:
    corrected = noun.happened(1, source_ref="17-a", **noun.changed)
    scenario(noun.decider, given=[noun.happened()], when=noun.corrects(**noun.changed), at=NOW, then=corrected)
    back = noun.happened(2, source_ref="17-b")
    scenario(noun.decider, given=[noun.happened(), corrected], when=noun.corrects("17-b"), at=NOW, then=back)


@every_noun
def test_corrections_that_correct_nothing_are_refused(noun: Noun) -> None:
    [(field, _)] = noun.changed.items()
    first, corrected = noun.happened(), noun.happened(1, source_ref="17-a", **noun.changed)
    for given_, when, refusal in (
        ([], noun.corrects(), Unknown("performance.fact_unknown", corrects=noun.id)),
        ([first], noun.corrects(), Rejected("performance.nothing_to_correct", fact_id=noun.id)),
        (
            [first],
            noun.corrects(partner_id=OTHER, **noun.changed),
            Rejected("performance.correction_of_another", field="partner_id", reported=PARTNER),
        ),
        (
            [first, corrected],
            noun.corrects(),
            Rejected("performance.correction_differs", fact_id=noun.id, field=field),
        ),
    ):
        scenario(noun.decider, given=given_, when=when, at=NOW, then=refusal)


@every_noun
def test_a_partner_who_is_not_known_has_no_facts(noun: Noun) -> None:
    refusal = Unknown("performance.partner_unknown", partner_id=PARTNER)
    scenario(noun.decider, when=noun.command(known=False), at=NOW, then=refusal)


@every_noun
def test_a_day_may_have_begun_somewhere_but_not_be_to_come(noun: Noun) -> None:
    begun = {noun.day: date(2026, 4, 1)}
    scenario(noun.decider, when=noun.command(**begun), at=NOW, then=noun.happened(**begun))
    to_come = noun.command(**{noun.day: date(2026, 4, 2)})
    refusal = Rejected("performance.day_not_begun", field=noun.day, day=date(2026, 4, 2), latest=date(2026, 4, 1))
    scenario(noun.decider, when=to_come, at=NOW, then=refusal)


@every_noun
def test_a_fact_belongs_to_its_partner(noun: Noun) -> None:
    assert noun.decider.owner is not None
    assert noun.decider.owner(noun.decider.initial()) is None
    assert noun.decider.owner(noun.decider.fold([noun.happened()])) == PARTNER


def test_ids_of_two_nouns_are_never_the_same() -> None:
    assert len({noun.id for noun in NOUNS}) == len(NOUNS)


@given(st.decimals(-(10**12), 10**12, places=4), st.integers(0, 3))
def test_however_an_amount_is_written_it_is_the_same_fact(amount: Decimal, zeros: int) -> None:
    longer = Decimal(f"{amount}{'0' * min(zeros, 2)}")
    first = SALE.happened(amount=amount)
    scenario(sales, given=[first], when=SALE.command(amount=longer), at=NOW, then=[])


# -- each noun's own


def test_what_a_payment_is_for_is_said_once_and_not_changed() -> None:
    [payment] = [noun for noun in NOUNS if noun.decider is payments]
    first, contract = payment.happened(), UUID(int=7)
    added = payment.happened(1, source_ref="17-a", contract_id=contract)
    scenario(payments, given=[first], when=payment.corrects(contract_id=contract), at=NOW, then=added)
    for field, other, known in (("period", "2026-01", "2026-02"), ("contract_id", UUID(int=8), contract)):
        refusal = Rejected("performance.correction_of_another", field=field, reported=known)
        again = payment.corrects("17-b", **{"contract_id": contract, field: other})
        scenario(payments, given=[first, added], when=again, at=NOW, then=refusal)


def test_what_stock_is_worth_has_a_currency() -> None:
    worth = {"amount": Decimal(5), "currency": "EUR"}
    scenario(stock_counts, when=STOCK.command(**worth), at=NOW, then=STOCK.happened(**worth))
    for half in worth:
        refusal = Rejected("performance.amount_without_currency", field="currency")
        scenario(stock_counts, when=STOCK.command(**{half: worth[half]}), at=NOW, then=refusal)


def test_a_shipment_is_shipped_after_its_order_and_delivered_after_that() -> None:
    days = {"ordered_on": date(2026, 3, 1), "shipped_on": date(2026, 3, 5), "delivered_on": date(2026, 3, 4)}
    refusal = Rejected(
        "performance.days_out_of_order",
        field="delivered_on",
        shipped_on=date(2026, 3, 5),
        delivered_on=date(2026, 3, 4),
    )
    scenario(shipments, when=SHIPMENT.command(delivered=Decimal(8), **days), at=NOW, then=refusal)
    fine = {**days, "delivered_on": date(2026, 3, 5), "promised_on": date(2027, 1, 1), "delivered": Decimal(8)}
    scenario(shipments, when=SHIPMENT.command(**fine), at=NOW, then=SHIPMENT.happened(**fine))


def test_what_was_delivered_was_delivered_on_a_day() -> None:
    refusal = Rejected("performance.delivery_incomplete", field="delivered_on")
    scenario(shipments, when=SHIPMENT.command(delivered=Decimal(8)), at=NOW, then=refusal)
    scenario(shipments, when=SHIPMENT.command(delivered_on=DAY), at=NOW, then=refusal)


@pytest.mark.parametrize(
    ("instrument", "lowest", "highest"), [("nps", 0, 10), ("csat", 1, 5), ("ces", 1, 7), ("review", 1, 5)]
)
def test_a_score_is_on_its_instruments_scale(instrument: str, lowest: int, highest: int) -> None:
    for score in (lowest, highest):
        said = {"instrument": instrument, "score": Decimal(score)}
        scenario(consumer_feedback, when=FEEDBACK.command(**said), at=NOW, then=FEEDBACK.happened(**said))
    for off in (Decimal(lowest - 1), Decimal(highest + 1), None):
        refusal = Rejected(
            "performance.score_off_the_scale", field="score", instrument=instrument, scale=(lowest, highest)
        )
        said = {"instrument": instrument, "score": off}
        scenario(consumer_feedback, when=FEEDBACK.command(**said), at=NOW, then=refusal)


def test_a_complaint_has_no_score() -> None:
    said = {"instrument": "complaint", "score": None}
    scenario(consumer_feedback, when=FEEDBACK.command(**said), at=NOW, then=FEEDBACK.happened(**said))
    refusal = Rejected("performance.score_off_the_scale", field="score", instrument="complaint", scale=None)
    scenario(consumer_feedback, when=FEEDBACK.command(instrument="complaint"), at=NOW, then=refusal)


@pytest.mark.parametrize("customer", ["Ana López", "ana@example.com", ""])
def test_a_name_or_an_address_is_no_pseudonym(customer: str) -> None:
    with pytest.raises(ValidationError, match="customer"):
        SALE.command(customer=customer)

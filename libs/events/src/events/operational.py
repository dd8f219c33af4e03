"""Operational facts of performance-svc: what ERP, tills and logistics report of the business itself.

Each fact is a stream, known by (source, source_ref). A correction is the same event again, whole, with `restatement`
one higher: whoever keeps the highest of each id has the facts as they hold. Whose it is never changes. Quantities are
in the product's own unit, amounts are decimals in `currency` (ISO 4217), days are the place's own.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Literal
from uuid import UUID

from events.base import Event, Period

CostKind = Literal["goods", "transport", "storage", "service", "marketing", "rent", "staff", "other"]
Purpose = Literal["royalty", "fee", "goods", "other"]
Instrument = Literal["nps", "csat", "ces", "review", "complaint"]


class SalesReported(Event, type="cauce.performance.SalesReported.v1", key="sale-{sale_id}"):
    """A partner sold: one receipt, or the sum of some. `amount` is without taxes on it, and below zero for returns.
    `contract_id` is there where the source knows under which of several contracts; `customer` is a pseudonym."""

    sale_id: UUID
    partner_id: UUID
    outlet_id: UUID | None = None
    contract_id: UUID | None = None
    product: str | None = None
    quantity: Decimal | None = None
    amount: Decimal
    currency: str
    sold_on: date
    route: str | None = None
    customer: str | None = None
    source: str
    source_ref: str
    restatement: int = 0


class StockReported(Event, type="cauce.performance.StockReported.v1", key="stock_count-{stock_count_id}"):
    """So much of a product lay at a partner's on a day; `amount` is what it is worth, where that is known."""

    stock_count_id: UUID
    partner_id: UUID
    outlet_id: UUID | None = None
    product: str
    quantity: Decimal
    amount: Decimal | None = None
    currency: str | None = None
    counted_on: date
    source: str
    source_ref: str
    restatement: int = 0


class ShipmentReported(Event, type="cauce.performance.ShipmentReported.v1", key="shipment-{shipment_id}"):
    """An order line on its way to a partner: what was ordered and what came (`delivered`), by which route, and the days
    that lead time, on time and in full are computed from."""

    shipment_id: UUID
    partner_id: UUID
    outlet_id: UUID | None = None
    product: str
    quantity: Decimal
    delivered: Decimal | None = None
    route: str | None = None
    ordered_on: date
    promised_on: date | None = None
    shipped_on: date | None = None
    delivered_on: date | None = None
    source: str
    source_ref: str
    restatement: int = 0


class CostReported(Event, type="cauce.performance.CostReported.v1", key="cost-{cost_id}"):
    """What serving a partner cost on a day, by kind, and by product or route where it is theirs."""

    cost_id: UUID
    partner_id: UUID
    outlet_id: UUID | None = None
    kind: CostKind
    product: str | None = None
    route: str | None = None
    amount: Decimal
    currency: str
    incurred_on: date
    source: str
    source_ref: str
    restatement: int = 0


class PaymentReported(Event, type="cauce.performance.PaymentReported.v1", key="payment-{payment_id}"):
    """A partner paid. What for: `purpose`, and of royalties the contract and the period; `due_on` where the source
    knows it. An amount below zero was paid back."""

    payment_id: UUID
    partner_id: UUID
    contract_id: UUID | None = None
    purpose: Purpose
    period: Period | None = None
    amount: Decimal
    currency: str
    paid_on: date
    due_on: date | None = None
    source: str
    source_ref: str
    restatement: int = 0


class ConsumerFeedbackReported(
    Event, type="cauce.performance.ConsumerFeedbackReported.v1", key="consumer_feedback-{consumer_feedback_id}"
):
    """A consumer said what a partner's service was like. `score` is on the instrument's own scale (NPS 0 to 10, CSAT
    and review 1 to 5, CES 1 to 7) and null for a complaint; `customer` is a pseudonym."""

    consumer_feedback_id: UUID
    partner_id: UUID
    outlet_id: UUID | None = None
    instrument: Instrument
    score: Decimal | None = None
    product: str | None = None
    route: str | None = None
    given_on: date
    customer: str | None = None
    source: str
    source_ref: str
    restatement: int = 0


OPERATIONAL: tuple[type[Event], ...] = (
    SalesReported,
    StockReported,
    ShipmentReported,
    CostReported,
    PaymentReported,
    ConsumerFeedbackReported,
)

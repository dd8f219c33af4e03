"""Routes of operational facts: reported one at a time or as an upload, listed and read. They are the same for all six
nouns, but for what a partner's own people may see and say."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from inspect import Parameter, Signature
from typing import Any
from uuid import UUID

from engine import Decider, Send, View
from events import Event
from events.operational import (
    ConsumerFeedbackReported,
    CostReported,
    PaymentReported,
    SalesReported,
    ShipmentReported,
    StockReported,
)
from fastapi import APIRouter, params
from pydantic import BaseModel, Field, create_model
from service import (
    At,
    Collection,
    Filter,
    Handle,
    Import,
    Read,
    Receipt,
    history_of,
    import_routes,
    list_of,
    own,
    scope,
)
from service.imports import Upload
from service.intake import Good

from performance import operational_views as views
from performance.api.bulk import FIELDS
from performance.api.known import KnownPartners
from performance.domain.consumer_feedback import RecordFeedback, ReportFeedback, consumer_feedback
from performance.domain.cost import RecordCost, ReportCost, costs
from performance.domain.operational import RecordFact, ReportFact
from performance.domain.payment import RecordPayment, ReportPayment, payments
from performance.domain.sale import RecordSale, ReportSale, sales
from performance.domain.shipment import RecordShipment, ReportShipment, shipments
from performance.domain.stock_count import RecordStock, ReportStock, stock_counts

READ, WRITE = scope("performance:read"), scope("performance:write")


def shown_as(event: type[Event]) -> type[BaseModel]:
    """A fact as it holds now: what its last report said, and where that is in the log."""
    said: dict[str, Any] = {name: (each.annotation, ...) for name, each in event.model_fields.items()}
    return create_model(
        f"{event.__name__.removesuffix('Reported')}View",
        __doc__="As it holds now.",
        **said
        | {
            "restatement": (
                int,
                Field(description="How often it was corrected; its history has the earlier ones."),
            ),
            "event_id": (UUID, Field(description="The event that this is from, at this position of the log.")),
            "position": (int, ...),
        },
    )


@dataclass(frozen=True)
class Noun:
    """One kind of fact. `day` is what its lists are narrowed by; `seen` and `told` say whether a partner's own
    people may read and report what is theirs."""

    decider: Decider[Any, Any, Any]
    event: type[Event]
    report: type[ReportFact]
    record: type[RecordFact]
    view: View
    day: str
    filters: tuple[str, ...]
    seen: bool = True
    told: bool = False
    words: str = ""

    @property
    def key(self) -> str:
        return f"{self.decider.category}_id"

    @property
    def path(self) -> str:
        return f"/{self.view.name.replace('_', '-')}"

    def collection(self) -> Collection[Any]:
        days = (
            Filter("since", date, f"{self.day} >= {{}}", description=f"Only those whose `{self.day}` is not before."),
            Filter("until", date, f"{self.day} <= {{}}", description=f"Only those whose `{self.day}` is not after."),
        )
        return Collection(
            self.decider,
            self.view,
            shown_as(self.event),
            key="reported_at",
            filters=("partner_id", *self.filters, "source", *days),
            sorts=("reported_at", self.day),
            types={"reported_at": int},
            unknown="performance.fact_unknown",
            name=self.view.name,
        )

    def recording(self, report: ReportFact, known: bool, occurred_at: datetime | None) -> RecordFact:
        return self.record(fact_id=report.about(), report=report, partner_known=known, occurred_at=occurred_at)


@dataclass
class Recording:
    """Makes commands of reports, a batch at a time."""

    noun: Noun
    partners: KnownPartners
    occurred_at: datetime | None = None

    async def complete(self, reports: Sequence[ReportFact]) -> list[RecordFact]:
        known = await self.partners.among(report.partner_id for report in reports)
        return [
            self.noun.recording(report, report.partner_id in known, report.occurred_at or self.occurred_at)
            for report in reports
        ]

    async def sends(self, reports: Sequence[ReportFact]) -> list[Send]:
        return [Send(self.noun.decider, each.fact_id, each) for each in await self.complete(reports)]


def importing(noun: Noun) -> Import[Any]:
    async def sends(upload: Upload, lines: Sequence[Good[ReportFact]]) -> list[Send]:
        """A line is known by its own source and source_ref, whichever upload brings it."""
        recording = Recording(noun, KnownPartners(upload.db), upload.occurred_at)
        return await recording.sends([line.content for line in lines])

    return Import(noun.decider.category, noun.report, sends, FIELDS)


def routes_of(noun: Noun, kind: Import[Any]) -> tuple[APIRouter, APIRouter]:
    router = APIRouter(prefix=noun.path, tags=[noun.path.strip("/")])
    things, decider = noun.collection(), noun.decider

    async def report(report: ReportFact, db: Read, handle: Handle) -> Receipt:
        [command] = await Recording(noun, KnownPartners(db)).complete([report])
        return await handle(decider, command.fact_id, command)

    async def read(db: Read, at: At, **key: UUID) -> Any:
        return await db.one(things, at, **key)

    report.__name__, read.__name__ = f"report_{decider.category}", f"read_{decider.category}"
    report.__doc__ = (
        f"{noun.words} With `corrects` the correction of one. The same (source, source_ref) with the same content is a"
        " repeat; with another content it is refused."
    )
    read.__doc__ = f"The {decider.category.replace('_', ' ')} as it holds now."
    takes(report, Receipt, report=noun.report, db=Read, handle=Handle)
    takes(read, things.item, **{noun.key: UUID}, db=Read, at=At)
    router.add_api_route(
        "", report, methods=["POST"], status_code=201, dependencies=[WRITE, *mine(noun.told, body="partner_id")]
    )
    router.add_api_route(
        "",
        list_of(things, "In the order in which they came first."),
        methods=["GET"],
        dependencies=[READ, *mine(noun.seen, query="partner_id")],
    )
    router.add_api_route(
        f"/{{{noun.key}}}", read, methods=["GET"], dependencies=[READ, *([own(noun.key, decider)] if noun.seen else [])]
    )
    router.add_api_route("/{id}/history", history_of(decider), methods=["GET"], dependencies=[READ])
    return import_routes(kind, f"{noun.path}/imports", read=READ, write=WRITE), router


def takes(endpoint: Callable[..., Any], gives: Any, **parameters: Any) -> None:
    """Says what the noun's own types of an endpoint are, which is written for all of them."""
    made = [Parameter(name, Parameter.KEYWORD_ONLY, annotation=kind) for name, kind in parameters.items()]
    endpoint.__signature__ = Signature(made, return_annotation=gives)  # type: ignore[attr-defined]


def mine(open: bool, **whose: str) -> list[params.Depends]:
    return [own(**whose)] if open else []  # type: ignore[arg-type]


NOUNS = (
    Noun(
        sales,
        SalesReported,
        ReportSale,
        RecordSale,
        views.sales_view,
        "sold_on",
        ("outlet_id", "contract_id", "product", "route", "currency"),
        told=True,
        words="What a partner sold on a day.",
    ),
    Noun(
        stock_counts,
        StockReported,
        ReportStock,
        RecordStock,
        views.stock_counts_view,
        "counted_on",
        ("outlet_id", "product"),
        told=True,
        words="How much of a product lay at a partner's on a day.",
    ),
    Noun(
        shipments,
        ShipmentReported,
        ReportShipment,
        RecordShipment,
        views.shipments_view,
        "ordered_on",
        ("outlet_id", "product", "route"),
        words="An order line on its way to a partner.",
    ),
    Noun(
        costs,
        CostReported,
        ReportCost,
        RecordCost,
        views.costs_view,
        "incurred_on",
        ("outlet_id", "kind", "product", "route", "currency"),
        seen=False,
        words="What serving a partner cost.",
    ),
    Noun(
        payments,
        PaymentReported,
        ReportPayment,
        RecordPayment,
        views.payments_view,
        "paid_on",
        ("contract_id", "purpose", "period", "currency"),
        words="What a partner paid, as the principal's books have it.",
    ),
    Noun(
        consumer_feedback,
        ConsumerFeedbackReported,
        ReportFeedback,
        RecordFeedback,
        views.consumer_feedback_view,
        "given_on",
        ("outlet_id", "instrument", "product"),
        words="What a consumer said of a partner's service.",
    ),
)
IMPORTS = tuple(importing(noun) for noun in NOUNS)
ROUTES = tuple(router for noun, kind in zip(NOUNS, IMPORTS, strict=True) for router in routes_of(noun, kind))

"""Routes of metrics. GET /metrics is every service's own figures for Prometheus, so the list has another name."""

from __future__ import annotations

from decimal import Decimal

from engine import Unknown
from fastapi import APIRouter, Request
from pydantic import BaseModel
from service import Handle, Happening, Listing, Page, Read, Receipt, history_of, listing, own, scope

from performance.domain.metric import (
    Aggregation,
    Code,
    DefineMetric,
    Direction,
    Due,
    MetricContent,
    metric_id,
    metrics,
)

READ, WRITE = scope("performance:read"), scope("performance:write")

router = APIRouter(tags=["metrics"])
history = history_of(metrics)


class MetricView(BaseModel):
    code: str
    version: int
    unit: str
    direction: Direction
    aggregation: Aggregation
    minimum: Decimal | None
    maximum: Decimal | None
    due: Due


@router.put("/metrics/{code}", dependencies=[WRITE])
async def define_metric(code: Code, content: MetricContent, handle: Handle) -> Receipt:
    """A new version of the metric: other bounds or another due. The same content again changes nothing."""
    return await handle(metrics, metric_id(code), DefineMetric(code=code, **content.model_dump()))


@router.get("/metric-definitions", dependencies=[READ, own(reads=["metrics"])])
async def list_metrics(db: Read, page: Page) -> Listing[MetricView]:
    rows = await db.fetch(
        "select * from metrics where ($1::text is null or code > $1) order by code limit $2", page.after, page.limit + 1
    )
    return listing(rows, page, key=lambda row: str(row["code"]), item=MetricView)


@router.get("/metrics/{code}", dependencies=[READ, own(reads=["metrics"])])
async def read_metric(code: Code, db: Read) -> MetricView:
    row = await db.fetchrow("select * from metrics where code = $1", code)
    if row is None:
        raise Unknown("performance.metric_unknown", metric=code)
    return MetricView(**row)


@router.get("/metrics/{code}/history", dependencies=[READ])
async def metric_history(code: Code, request: Request, page: Page) -> Listing[Happening]:
    answer: Listing[Happening] = await history(metric_id(code), request, page)
    return answer

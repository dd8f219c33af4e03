"""Routes of metrics. GET /metrics is every service's own figures for Prometheus, so the list has another name."""

from __future__ import annotations

from decimal import Decimal

from fastapi import APIRouter
from pydantic import AwareDatetime, BaseModel, Field
from service import At, Collection, HandlePut, Read, Receipt, history_of, list_of, own, scope

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
from performance.views import basis_view

READ, DECIDE = scope("performance:read"), scope("performance:decide")

router = APIRouter(tags=["metrics"])


class MetricView(BaseModel):
    code: str
    version: int
    unit: str
    direction: Direction
    aggregation: Aggregation
    minimum: Decimal | None
    maximum: Decimal | None
    due: Due
    due_since: AwareDatetime | None = Field(description="For periods that begin then or later; null: for all.")


METRICS = Collection(
    metrics, basis_view, MetricView, key="code", filters=("unit", "direction", "due"), sorts=("unit",), name="metrics"
)


@router.put("/metrics/{code}", dependencies=[DECIDE])
async def define_metric(code: Code, content: MetricContent, handle: HandlePut) -> Receipt:
    """A new version of the metric: other bounds or another due. The same content again changes nothing."""
    return await handle(metrics, metric_id(code), DefineMetric(code=code, **content.model_dump()))


router.add_api_route(
    "/metric-definitions", list_of(METRICS), methods=["GET"], dependencies=[READ, own(reads=["metrics"])]
)


@router.get("/metrics/{code}", dependencies=[READ, own(reads=["metrics"])])
async def read_metric(code: Code, db: Read, at: At) -> MetricView:
    """The metric in its newest version."""
    return await db.one(METRICS, at, of=metric_id(code), code=code)


router.add_api_route(
    "/metrics/{code}/history", history_of(metrics, "code", metric_id), methods=["GET"], dependencies=[READ]
)

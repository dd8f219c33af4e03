"""The route of whole uploads of KPI reports: read, judged and recorded in batches as they come in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass, field
from typing import Annotated, Any
from uuid import UUID, uuid4

import structlog
from engine import Rejected, Send
from engine.errors import passes
from fastapi import APIRouter, Query, Request
from pydantic import AwareDatetime, BaseModel, Field
from service import HandleMany, ProblemError, Read, body_limit, scope
from service.intake import Bad, Format, Good, HeaderWrong, Intake
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Receive, Scope
from starlette.types import Send as SendMessage

from performance.api.known import Known
from performance.domain.kpi_report import RecordReport, ReportKPI, kpi_reports

log = structlog.get_logger()

MIB = 2**20
UPLOAD_LIMIT = 64 * MIB
"""Bytes as they are sent, compressed or not."""
BATCH = 500
"""Lines that are recorded in one transaction."""
IN_FLIGHT = 2
"""Batches of an upload that are recorded at once: while the database works on one, the next is read and judged."""
TOLD = 1000
"""Errors that an answer names; the rest are counted."""

ANSWER_AFTER = 20.0
"""Seconds after which the answer begins though the upload is still coming in."""
SPACE_EVERY = 10.0

FORMATS: dict[str, Format] = {"application/x-ndjson": "ndjson", "text/csv": "csv"}

FIELDS = {
    "performance.partner_unknown": "partner_id",
    "performance.metric_unknown": "metric",
    "performance.unit_differs": "unit",
    "performance.denominator_missing": "denominator",
    "performance.denominator_unexpected": "denominator",
    "performance.value_below_minimum": "value",
    "performance.value_above_maximum": "value",
    "performance.nothing_to_correct": "value",
    "performance.period_not_begun": "period",
    "performance.report_unknown": "corrects",
    "performance.correction_differs": "source_ref",
    "performance.occurred_at_in_the_future": "occurred_at",
    "performance.fact_unknown": "corrects",
}
"""Which field a refusal is about, where it does not say so itself."""

router = APIRouter(prefix="/kpi-reports", tags=["kpi-reports"])


class LineErrorView(BaseModel):
    """`line` counts from 1, a CSV's header included. `field` is `line` where no single field is to blame; `rule` is
    the code of a business rule or the name of a rule of form."""

    line: int
    field: str
    rule: str
    message: str


class BulkReceipt(BaseModel):
    """`received` lines were `accepted` (recorded now), `repeated` (recorded before) or `rejected`."""

    received: int
    accepted: int
    repeated: int
    rejected: int
    errors: list[LineErrorView] = Field(description=f"What is wrong with rejected lines; the first {TOLD}.")
    position: int | None = Field(description="The highest position of the log among those accepted; null without.")
    stopped: str | None = Field(
        default=None,
        description="Null where the upload was read to its end. Else the code of why not: what was received by then is "
        "kept, send it again. Only where the answer had begun; before that, it is a problem with a status.",
    )


@dataclass
class Tally:
    """What has become of an upload so far."""

    accepted: int = 0
    repeated: int = 0
    rejected: int = 0
    errors: list[LineErrorView] = field(default_factory=list)
    position: int | None = None

    def reject(self, *errors: LineErrorView) -> None:
        self.rejected += 1
        self.errors += errors[: TOLD - len(self.errors)]

    def receipt(self, stopped: str | None = None) -> BulkReceipt:
        received = self.accepted + self.repeated + self.rejected
        return BulkReceipt(
            received=received,
            accepted=self.accepted,
            repeated=self.repeated,
            rejected=self.rejected,
            errors=sorted(self.errors, key=lambda error: error.line),
            position=self.position,
            stopped=stopped,
        )


@dataclass
class Upload:
    """One upload on its way into the log."""

    known: Known
    handle_many: HandleMany
    keyed: bool
    tally: Tally = field(default_factory=Tally)
    batch: list[Good[ReportKPI]] = field(default_factory=list)
    recording: dict[asyncio.Task[None], set[UUID]] = field(default_factory=dict)
    """Batches in flight, and the reports that each is about."""

    async def receive(self, intake: Intake[ReportKPI], chunks: AsyncIterator[bytes]) -> None:
        """Raises ProblemError for what cannot be read at all. Batches in flight by then are kept, and counted."""
        try:
            await self.read(intake, chunks)
        finally:
            await asyncio.gather(*self.recording, return_exceptions=True)

    async def read(self, intake: Intake[ReportKPI], chunks: AsyncIterator[bytes]) -> None:
        try:
            async for chunk in chunks:
                for read in intake.feed(chunk):
                    await self.take(read)
            for read in intake.finish():
                await self.take(read)
        except HeaderWrong as error:
            raise ProblemError(
                422,
                "performance.csv_header_wrong",
                f"The header does not name the columns of a report: {error}.",
                missing=error.missing,
                unknown=error.unknown,
                twice=error.twice,
            ) from None
        await self.record()
        while self.recording:
            await self.one_recorded()

    async def take(self, read: Good[ReportKPI] | Bad) -> None:
        if isinstance(read, Bad):
            self.tally.reject(*(LineErrorView(**asdict(error)) for error in read.errors))
            return
        self.batch.append(read)
        if len(self.batch) == BATCH:
            await self.record()

    async def record(self) -> None:
        """Begins to record the batch. A line that is about the same report as one in flight (its correction, say) waits
        for it, so that lines take effect in their order."""
        if not self.batch:
            return
        batch, self.batch = self.batch, []
        commands = await self.known.complete([good.content for good in batch])
        about = {command.report_id for command in commands}
        while len(self.recording) >= IN_FLIGHT or any(not about.isdisjoint(ids) for ids in self.recording.values()):
            await self.one_recorded()
        self.recording[asyncio.create_task(self.recorded(batch, commands))] = about

    async def one_recorded(self) -> None:
        done, _ = await asyncio.wait(self.recording, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            del self.recording[task]
            task.result()

    async def recorded(self, batch: list[Good[ReportKPI]], commands: list[RecordReport]) -> None:
        sends = [Send(kpi_reports, command.report_id, command) for command in commands]
        # A line is known by its own source_ref. An Idempotency-Key is not passed on to its command, as that would fix
        # a refusal for good that the next upload may find mended (a partner that is known by then).
        ids = [uuid4() for _ in sends] if self.keyed else None
        for good, outcome in zip(batch, await self.handle_many(sends, command_ids=ids), strict=True):
            if isinstance(outcome, Rejected):
                self.tally.reject(refusal(good.line, outcome))
            elif outcome.position is None:
                self.tally.repeated += 1
            else:
                self.tally.accepted += 1
                self.tally.position = max(self.tally.position or 0, outcome.position)


def refusal(line: int, outcome: Rejected) -> LineErrorView:
    named = outcome.details.get("field") or FIELDS.get(outcome.code, "line")
    return LineErrorView(line=line, field=named, rule=outcome.code, message=str(outcome))


RECORD = {"type": "string", "description": "A line a report, with the fields of POST /kpi-reports."}
EXAMPLES = {
    "application/x-ndjson": '{"partner_id": "5f0c2a52-6d0b-4c55-9d6e-0a2f3b1c7e44", "metric": "inspection_score", '
    '"period": "2026", "value": 91, "source": "erp", "source_ref": "4711"}\n',
    "text/csv": "partner_id,metric,period,value,source,source_ref\r\n"
    "5f0c2a52-6d0b-4c55-9d6e-0a2f3b1c7e44,inspection_score,2026,91,erp,4711\r\n",
}
BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "CSV has a header with the names of the fields, in any order. Content-Encoding: gzip is read.",
        "content": {each: {"schema": RECORD, "example": EXAMPLES[each]} for each in FORMATS},
    }
}


@router.post(
    "/bulk",
    response_model=BulkReceipt,
    dependencies=[scope("performance:write"), body_limit(UPLOAD_LIMIT)],
    openapi_extra=BODY,
)
async def report_kpis_in_bulk(
    request: Request,
    db: Read,
    handle_many: HandleMany,
    occurred_at: Annotated[
        AwareDatetime | None, Query(description="Of lines that do not say it; the past needs the backfill scope.")
    ] = None,
) -> Any:
    """Any number of reports. Good lines are kept, bad ones named; sending an upload again counts repeats, so that one
    that broke off is simply sent again. The answer to a long upload begins with white space, to keep proxies patient.
    """
    upload = Upload(Known(db, occurred_at), handle_many, keyed="idempotency-key" in request.headers)
    intake = Intake(ReportKPI, format_of(request), gzip=is_gzip(request))
    receiving = asyncio.create_task(upload.receive(intake, chunks(request)))
    try:
        await asyncio.wait({receiving}, timeout=ANSWER_AFTER)
    except asyncio.CancelledError:
        receiving.cancel()
        raise
    if not receiving.done():
        return LongAnswer(upload.tally, receiving)
    receiving.result()
    return upload.tally.receipt()


class LongAnswer(Response):
    """Begins while the upload is still coming in, goes on with a space now and then, and ends with the receipt. What
    goes wrong by then can no longer have a status of its own, so the receipt says it."""

    media_type = "application/json"

    def __init__(self, tally: Tally, receiving: asyncio.Task[None]) -> None:
        super().__init__()
        del self.headers["content-length"]
        self._tally = tally
        self._receiving = receiving

    async def __call__(self, scope: Scope, receive: Receive, send: SendMessage) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        try:
            while not self._receiving.done():
                await send({"type": "http.response.body", "body": b" ", "more_body": True})
                await asyncio.wait({self._receiving}, timeout=SPACE_EVERY)
        finally:
            self._receiving.cancel()
        receipt = self._tally.receipt(stopped=why(self._receiving.exception()))
        await send({"type": "http.response.body", "body": receipt.model_dump_json().encode()})


def why(error: BaseException | None) -> str | None:
    if error is None:
        return None
    if isinstance(error, ProblemError):
        return error.code
    if passes(error):
        log.warning("unavailable", error=repr(error))
        return "unavailable"
    log.error("internal_error", exc_info=error)
    return "internal_error"


async def chunks(request: Request) -> AsyncIterator[bytes]:
    try:
        async for chunk in request.stream():
            yield chunk
    except ClientDisconnect:
        raise ProblemError(400, "performance.upload_broken_off", "The upload broke off.") from None


def format_of(request: Request) -> Format:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type not in FORMATS:
        raise ProblemError(
            415, "performance.media_type_unsupported", f"Send {' or '.join(FORMATS)}.", media_type=media_type
        )
    return FORMATS[media_type]


def is_gzip(request: Request) -> bool:
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("identity", "gzip"):
        raise ProblemError(
            415, "performance.encoding_unsupported", "Send the upload as it is or with gzip.", encoding=encoding
        )
    return encoding == "gzip"

"""Routes: breaches of conduct, and whether the same breach leads to the same sanction."""

from __future__ import annotations

from datetime import date
from uuid import UUID

from engine import Rows, Send
from events.training import Sanction, Severity
from fastapi import APIRouter
from pydantic import BaseModel
from service import (
    At,
    By,
    Collection,
    Filter,
    Handle,
    HandleSeen,
    NewId,
    Read,
    Receipt,
    history_of,
    list_of,
    own,
)

from training.api.known import Known
from training.api.shown import DECIDE, READ, WRITE
from training.conduct_views import breaches_view
from training.domain.conduct_breach import conduct_breaches
from training.domain.conduct_code import (
    code_id,
    conduct_codes,
)
from training.domain.conduct_events import (
    Answer,
    AnswerBreach,
    BreachContent,
    BreachReported,
    ConductBreach,
    DecideBreach,
    Decision,
    DismissBreach,
    ReportBreach,
    Status,
)
from training.domain.conduct_record import WeighConduct, conduct_records
from training.domain.days import months_later
from training.domain.words import Code

router = APIRouter(prefix="/conduct-breaches", tags=["conduct"])
disparity_router = APIRouter(prefix="/conduct-disparities", tags=["conduct"])


class ConductBreachView(BaseModel):
    """`answer` is the partner's side of it. `sanction` is what was decided on; `departs`: it is another than the
    `expected_sanction`, the code's for this rule and repetition."""

    breach_id: UUID
    partner_id: UUID
    outlet_id: UUID | None
    conduct_code: str
    code_version: int
    rule: str
    rule_title: str
    severity: Severity
    status: Status
    happened_on: date
    account: str
    evidence: list[str]
    reported_on: date
    answer_until: date
    answer: str | None
    repetition: int | None
    sanction: Sanction | None
    expected_sanction: Sanction | None
    departs: bool | None
    reason: str | None
    decided_on: date | None


class Case(BaseModel):
    breach_id: UUID
    partner_id: UUID
    outlet_id: UUID | None
    code_version: int
    severity: Severity
    sanction: Sanction
    departs: bool
    reason: str
    happened_on: date
    decided_on: date


class ComparableCases(BaseModel):
    """Other decided breaches of the same rule, for the same time (the newest 100 at most), beside this one: `expected`
    is what the code has, `proposed` waits for a second person, `sanctions` is how often each was decided on, and
    `differing` are the cases that ended otherwise than this one, or, before it is decided, than the code has."""

    breach_id: UUID
    rule: str
    repetition: int
    expected: Sanction
    proposed: Sanction | None
    sanction: Sanction | None
    sanctions: dict[Sanction, int]
    cases: list[Case]
    differing: list[UUID]


class Disparity(BaseModel):
    """A rule whose breaches, for the same time, led to several sanctions; `departing` of the cases took two persons."""

    conduct_code: str
    rule: str
    repetition: int
    cases: int
    departing: int
    sanctions: list[Sanction]
    breaches: list[UUID]


BREACHES = Collection(
    conduct_breaches,
    breaches_view,
    ConductBreachView,
    key="breach_id",
    filters=("status", "partner_id", "conduct_code", "rule", "severity", "sanction", "departs"),
    sorts=("happened_on", "decided_on"),
)
DISPARITIES = Collection(
    conduct_breaches,
    breaches_view,
    Disparity,
    key=("conduct_code", "rule", "repetition"),
    filters=(Filter("conduct_code", Code, "conduct_code = {}", description="Only of this code."),),
    sorts=("cases",),
    source="""
select conduct_code, rule, repetition, count(*) as cases, count(*) filter (where departs) as departing,
    array_agg(distinct sanction order by sanction) as sanctions,
    array_agg(breach_id order by decided_on, breach_id) as breaches
from {conduct_breaches} where status = 'decided'
group by conduct_code, rule, repetition having count(distinct sanction) > 1
""",
    name="conduct_disparities",
)
MOST_SHOWN = 100
BEFORE = """
select count(*) from conduct_breaches
where partner_id = $1 and conduct_code = $2 and rule = $3 and status = 'decided' and breach_id <> $4
    and happened_on <= $5 and happened_on > $6
"""
COMPARABLE = """
select breach_id, partner_id, outlet_id, code_version, severity, sanction, departs, reason, happened_on, decided_on
from conduct_breaches
where conduct_code = $1 and rule = $2 and repetition = $3 and status = 'decided' and breach_id <> $4
order by decided_on desc, breach_id limit $5
"""


@router.post("", status_code=201, dependencies=[WRITE])
async def report_breach(body: BreachContent, by: By, breach_id: NewId, db: Read, handle: Handle) -> Receipt:
    """Somebody says that a partner breached a rule. The partner sees it and may answer before anything is decided."""
    command = ReportBreach(
        occurred_at=body.occurred_at,
        breach_id=breach_id,
        content=body,
        terms=(await db.load(conduct_codes, code_id(body.conduct_code))).state.terms,
        partner_known=bool(await Known(db).partners([body.partner_id])),
        by=by,
    )
    return await handle(conduct_breaches, breach_id, command)


@router.post("/{breach_id}/answer", status_code=201, dependencies=[WRITE, own("breach_id", conduct_breaches)])
async def answer_breach(breach_id: UUID, body: Answer, handle: Handle) -> Receipt:
    """The partner's side of it, until it is decided."""
    return await handle(conduct_breaches, breach_id, AnswerBreach(**body.model_dump()))


@router.post("/{breach_id}/decision", status_code=201, dependencies=[DECIDE])
async def decide_breach(breach_id: UUID, body: Decision, by: By, db: Read, handle: HandleSeen) -> Receipt:
    """It is one, and leads to the code's sanction for this rule and repetition; to another once a second person says so
    for the same reason, while the first only proposes it. Not by who reported it, and not before the partner has
    answered or its time to is over. If-Match names the version that was looked at."""
    breach = (await db.load(conduct_breaches, breach_id)).state
    after = before = 0
    if breach.reported is not None:
        # In this order: what is decided after the first look is refused by it.
        after = (await db.load(conduct_records, breach.reported.partner_id)).state.decisions
        before = await times_before(db, breach.reported)
    decision = DecideBreach(before=before, by=by, **body.model_dump())
    return await handle(conduct_breaches, breach_id, decision, also=weighed(breach, after))


def weighed(breach: ConductBreach, after: int) -> list[Send]:
    """That no other decision on the partner came in between. What is decided stays, and is weighed no more."""
    reported = breach.reported
    if reported is None or breach.decided is not None:
        return []
    command = WeighConduct(partner_id=reported.partner_id, breach_id=reported.breach_id, after=after)
    return [Send(conduct_records, reported.partner_id, command)]


async def times_before(db: Rows, reported: BreachReported) -> int:
    since = months_later(reported.happened_on, -reported.rule.repeat_months)
    found: int = await db.fetchval(
        BEFORE,
        reported.partner_id,
        reported.conduct_code,
        reported.rule.code,
        reported.breach_id,
        reported.happened_on,
        since,
    )
    return found


@router.post("/{breach_id}/dismissal", status_code=201, dependencies=[DECIDE])
async def dismiss_breach(breach_id: UUID, command: DismissBreach, handle: HandleSeen) -> Receipt:
    """It is none. If-Match names the version that was looked at."""
    return await handle(conduct_breaches, breach_id, command)


router.add_api_route("", list_of(BREACHES), methods=["GET"], dependencies=[READ, own(query="partner_id")])


@router.get("/{breach_id}", dependencies=[READ, own("breach_id", conduct_breaches)])
async def read_breach(breach_id: UUID, db: Read, at: At) -> ConductBreachView:
    """What is said to have happened, the partner's answer, and what was decided."""
    return await db.one(BREACHES, at, breach_id=breach_id)


@router.get("/{breach_id}/comparable-cases", dependencies=[READ])
async def read_comparable_cases(breach_id: UUID, db: Read) -> ComparableCases:
    """What the same breach led to for others: to look at before a decision, and after it."""
    breach = (await db.state(conduct_breaches, breach_id, breach_id=breach_id)).state
    reported, decided = breach.reported, breach.decided
    assert reported is not None  # noqa: S101 - it exists
    repetition = 1 + await times_before(db, reported) if decided is None else decided.repetition
    rows = await db.fetch(COMPARABLE, reported.conduct_code, reported.rule.code, repetition, breach_id, MOST_SHOWN)
    cases = [Case(**row) for row in rows]
    expected = reported.rule.expected(repetition)
    mine = expected if decided is None else decided.sanction
    sanctions = [each.sanction for each in cases]
    return ComparableCases(
        breach_id=breach_id,
        rule=reported.rule.code,
        repetition=repetition,
        expected=expected,
        proposed=None if breach.wanted is None else breach.wanted.sanction,
        sanction=None if decided is None else decided.sanction,
        sanctions={each: sanctions.count(each) for each in sorted(set(sanctions))},
        cases=cases,
        differing=[each.breach_id for each in cases if each.sanction != mine],
    )


router.add_api_route("/{id}/history", history_of(conduct_breaches), methods=["GET"], dependencies=[READ])
disparity_router.add_api_route(
    "",
    list_of(DISPARITIES, "Rules whose breaches, for the same time, led to several sanctions, with all of the cases."),
    methods=["GET"],
    dependencies=[READ],
)

"""What partner-svc shows: the shapes of its answers, from rows and from aggregates."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from events.partner import DimensionScore, ExternalRef, PartnerKind, SuspensionCause, TaxId
from events.sealed import is_sealed
from pydantic import AwareDatetime, BaseModel, BeforeValidator

from partner.domain import application, partner
from partner.domain.application import Application
from partner.domain.checklist import Severity
from partner.domain.launch import ContractStatus
from partner.domain.partner import Partner


def _in_the_open(name: str | None) -> str | None:
    return SOLE_TRADER if name is not None and is_sealed(name) else name


SOLE_TRADER = "(sole trader)"
"""Shown for the name of a person; who may see it asks for the partner's personal data."""
Name = Annotated[str, BeforeValidator(_in_the_open)]


class DimensionView(BaseModel):
    """`weight` in percent."""

    code: str
    weight: Decimal


class StandardView(BaseModel):
    code: str
    version: int
    title: str
    dimensions: list[DimensionView]
    gates: list[str]


def standard(**row: Any) -> StandardView:
    pairs = zip(row.pop("dimensions"), row.pop("weights"), strict=True)
    return StandardView(dimensions=[DimensionView(code=code, weight=weight) for code, weight in pairs], **row)


class ApplicationView(BaseModel):
    """`total` from 0 to 100. `looks_like` is the partner that it may be a duplicate of. `partner_id` is the id that the
    partner has, or would have."""

    application_id: UUID
    partner_id: UUID
    status: application.Status
    legal_name: Name
    kind: PartnerKind
    area: str
    outlet_name: str
    applied_at: AwareDatetime
    standard: str | None
    standard_version: int | None
    total: Decimal | None
    failed_gates: list[str] | None
    override_reason: str | None
    looks_like: UUID | None
    looks_like_name: Name | None
    held_at: AwareDatetime | None
    closed_because: str | None


class DuplicateDecision(BaseModel):
    distinct: bool
    reason: str


class ApplicationDetail(ApplicationView):
    """With the scores behind the total, and what was decided about a possible duplicate."""

    external_refs: list[ExternalRef]
    scores: list[DimensionScore]
    duplicate_decision: DuplicateDecision | None


def application_detail(row: Mapping[str, Any], state: Application) -> ApplicationDetail:
    measured, duplicate = state.measured, state.duplicate
    decided = None
    if duplicate is not None and duplicate.distinct is not None:
        decided = DuplicateDecision(distinct=duplicate.distinct, reason=duplicate.reason or "")
    return ApplicationDetail(
        **row,
        external_refs=list(state.registration.external_refs) if state.registration else [],
        scores=list(measured.scores) if measured else [],
        duplicate_decision=decided,
    )


class PossibleDuplicate(BaseModel):
    """An applicant whose name is, but for the way it is written, the name of a partner."""

    application_id: UUID
    partner_id: UUID
    legal_name: Name
    area: str
    looks_like: UUID
    looks_like_name: Name
    held_at: AwareDatetime


class PartnerView(BaseModel):
    """`stage` is where the partner stands apart from a suspension; `open_items` are codes of its checklist."""

    partner_id: UUID
    application_id: UUID
    status: partner.Status
    stage: partner.Status
    legal_name: Name
    kind: PartnerKind
    area: str
    outlet_id: UUID
    outlet_name: str
    opened_on: date | None
    open_items: list[str]
    registered_at: AwareDatetime


class ItemView(BaseModel):
    code: str
    title: str
    severity: Severity
    done: bool


class OutletView(BaseModel):
    outlet_id: UUID
    name: str
    area: str
    opened_on: date | None
    checklist: list[ItemView]


class ContractView(BaseModel):
    contract_id: UUID
    status: ContractStatus


class TrainingView(BaseModel):
    enrolment_id: UUID
    course: str
    completed: bool


class PartnerDetail(BaseModel):
    """`suspended_because` are the causes of the suspension, with the ids of the events that they rest on; when the last
    is lifted the partner goes on from its `stage`. `missing_for_launch` is what it still needs before it trades."""

    partner_id: UUID
    application_id: UUID
    version: int
    status: partner.Status
    stage: partner.Status
    legal_name: Name
    kind: PartnerKind
    area: str
    external_refs: list[ExternalRef]
    sole_trader: bool
    tax_ids: list[TaxId]
    currency: str | None
    outlet: OutletView
    contracts: list[ContractView]
    trainings: list[TrainingView]
    missing_for_launch: list[str]
    suspended_because: list[SuspensionCause]


def _masked(tax_id: TaxId) -> TaxId:
    return tax_id.model_copy(update={"value": SOLE_TRADER}) if is_sealed(tax_id.value) else tax_id


def partner_detail(state: Partner, version: int) -> PartnerDetail:
    """Of a partner that is registered."""
    registration, outlet = state.registration, state.outlet
    assert registration is not None  # noqa: S101
    assert outlet is not None  # noqa: S101 - registered with it
    items = [
        ItemView(code=item.code, title=item.title, severity=item.severity, done=item.code in outlet.done)
        for item in outlet.items
    ]
    return PartnerDetail(
        partner_id=registration.partner_id,
        application_id=registration.application_id,
        version=version,
        status=state.status,
        stage=state.stage,
        legal_name=registration.legal_name,
        kind=registration.kind,
        area=registration.area,
        external_refs=list(state.data.external_refs),
        sole_trader=registration.sole_trader,
        tax_ids=[_masked(each) for each in state.data.tax_ids],
        currency=state.data.currency,
        outlet=OutletView(
            outlet_id=outlet.outlet_id,
            name=outlet.name,
            area=outlet.area,
            opened_on=outlet.opened_on,
            checklist=items,
        ),
        contracts=[ContractView(contract_id=id, status=status) for id, status in state.contracts.items()],
        trainings=[
            TrainingView(enrolment_id=id, course=each.course, completed=each.completed)
            for id, each in state.trainings.items()
        ],
        missing_for_launch=state.missing_for_launch() if state.launching else [],
        suspended_because=list(state.causes.values()) if state.status is partner.Status.SUSPENDED else [],
    )

"""What is shown of partners, from rows and from aggregates."""

from __future__ import annotations

from datetime import date
from uuid import UUID

from events.partner import (
    ExternalRef,
    PartnerKind,
    SuspensionCause,
    TaxId,
)
from events.sealed import is_sealed
from events.states import TierNow
from pydantic import AwareDatetime, BaseModel

from partner.api.shown import SOLE_TRADER, Name
from partner.api.shown_outlets import OutletView, outlet_view
from partner.domain import standing
from partner.domain.launch import ContractStatus
from partner.domain.standing import Partner


class PartnerView(BaseModel):
    """`stage` is where the partner stands apart from a suspension; `open_items` are codes of its checklist."""

    partner_id: UUID
    application_id: UUID
    status: standing.Status
    stage: standing.Status
    legal_name: Name
    kind: PartnerKind
    area: str
    outlet_id: UUID
    outlet_name: str
    opened_on: date | None
    open_items: list[str]
    registered_at: AwareDatetime


class ContractView(BaseModel):
    contract_id: UUID
    status: ContractStatus


class TrainingView(BaseModel):
    enrolment_id: UUID
    course: str
    completed: bool


class HandoverView(BaseModel):
    """That the business is to be another's, which a second person has to approve."""

    legal_name: Name
    reason: str
    proposed_by: list[str]


class PartnerDetail(BaseModel):
    """`outlet` is the one that the partner applied with, and the first of `outlets`. `suspended_because` are the causes
    of the suspension, with the ids of the events that they rest on; when the last is lifted the partner goes on from
    its `stage`. `missing_for_launch` is what it still needs before it trades."""

    partner_id: UUID
    application_id: UUID
    version: int
    status: standing.Status
    stage: standing.Status
    legal_name: Name
    kind: PartnerKind
    area: str
    external_refs: list[ExternalRef]
    sole_trader: bool
    tax_ids: list[TaxId]
    currency: str | None
    outlet: OutletView
    outlets: list[OutletView]
    contracts: list[ContractView]
    trainings: list[TrainingView]
    tiers: list[TierNow]
    transfer_proposed: HandoverView | None
    missing_for_launch: list[str]
    suspended_because: list[SuspensionCause]


def _masked(tax_id: TaxId) -> TaxId:
    return tax_id.model_copy(update={"value": SOLE_TRADER}) if is_sealed(tax_id.value) else tax_id


def partner_detail(state: Partner, version: int) -> PartnerDetail:
    """Of a partner that is registered."""
    registration, holder, handover = state.registration, state.holder, state.handover
    assert registration is not None  # noqa: S101
    assert holder is not None  # noqa: S101 - registered with it
    outlets = [outlet_view(each) for each in state.outlets.values()]
    return PartnerDetail(
        partner_id=registration.partner_id,
        application_id=registration.application_id,
        version=version,
        status=state.status,
        stage=state.stage,
        legal_name=holder.legal_name,
        kind=registration.kind,
        area=registration.area,
        external_refs=list(state.data.external_refs),
        sole_trader=holder.sole_trader,
        tax_ids=[_masked(each) for each in state.data.tax_ids],
        currency=state.data.currency,
        outlet=outlets[0],
        outlets=outlets,
        contracts=[ContractView(contract_id=id, status=status) for id, status in state.contracts.items()],
        trainings=[
            TrainingView(enrolment_id=id, course=each.course, completed=each.completed)
            for id, each in state.trainings.items()
        ],
        tiers=[TierNow(programme=code, tier=each.tier) for code, each in state.memberships.items()],
        transfer_proposed=None
        if handover is None
        else HandoverView(legal_name=handover.to.legal_name, reason=handover.reason, proposed_by=list(handover.by)),
        missing_for_launch=state.missing_for_launch() if state.launching else [],
        suspended_because=list(state.causes.values()) if state.status is standing.Status.SUSPENDED else [],
    )

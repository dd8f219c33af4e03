"""What is shown of the registry: partners, outlets, tiers and registers, from rows and from aggregates."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from typing import Any, Literal
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

from partner.api.shown import SOLE_TRADER, Name, read_json
from partner.api.versioned import DifferenceView
from partner.domain import standing
from partner.domain.checklist import ChecklistContent, ChecklistTerms, Outlet, Severity
from partner.domain.launch import ContractStatus
from partner.domain.programme import Benefit, ProgrammeContent, ProgrammeTerms
from partner.domain.register import Brand, Channel, Principal
from partner.domain.standing import Partner
from partner.domain.tier import Direction, Evaluated, Lacking, TierProposal


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


class ItemView(BaseModel):
    """`due_on` is the day by which it will be in place; `waived_because` why the outlet does without it."""

    code: str
    title: str
    severity: Severity
    done: bool
    due_on: date | None
    waived_because: str | None
    waiver_proposed_by: list[str]


class OutletView(BaseModel):
    outlet_id: UUID
    name: str
    area: str
    opened_on: date | None
    closed_on: date | None
    external_refs: list[ExternalRef]
    checklist: list[ItemView]


def outlet_view(outlet: Outlet) -> OutletView:
    return OutletView(
        outlet_id=outlet.outlet_id,
        name=outlet.name,
        area=outlet.area,
        opened_on=outlet.opened_on,
        closed_on=outlet.closed_on,
        external_refs=[ExternalRef(system=system, key=key) for system, key in outlet.references.items()],
        checklist=[
            ItemView(
                code=item.code,
                title=item.title,
                severity=item.severity,
                done=item.code in outlet.done,
                due_on=outlet.due.get(item.code),
                waived_because=outlet.waived.get(item.code),
                waiver_proposed_by=list(outlet.waivers[item.code].by) if item.code in outlet.waivers else [],
            )
            for item in outlet.items
        ],
    )


class OutletRow(BaseModel):
    outlet_id: UUID
    partner_id: UUID
    status: Literal["planned", "open", "closed"]
    name: str
    area: str
    opened_on: date | None
    closed_on: date | None
    closed_because: str | None


class ChecklistItemView(BaseModel):
    outlet_id: UUID
    item: str
    partner_id: UUID
    title: str
    severity: Severity
    status: Literal["open", "done", "waived"]
    due_on: date | None
    waived_because: str | None


class ChecklistView(BaseModel):
    """`terms` are what outlets get, null before the first version: then they get what came with the software."""

    kind: PartnerKind
    version: int | None
    terms: ChecklistTerms | None
    draft: ChecklistContent | None
    published_at: AwareDatetime | None


def checklist_view(**row: Any) -> ChecklistView:
    return ChecklistView(**{**row, **read_json(row, terms=ChecklistTerms, draft=ChecklistContent)})


class ChecklistPreview(BaseModel):
    """What publishing the draft would change. `newcomers_who_keep_theirs` do not trade yet, and have a list already."""

    kind: PartnerKind
    version: int
    differences: list[DifferenceView]
    newcomers_who_keep_theirs: int


class ProgrammeView(BaseModel):
    """`terms` are those by which partners are placed, null before the first version."""

    code: str
    title: str
    version: int | None
    terms: ProgrammeTerms | None
    draft: ProgrammeContent | None
    published_at: AwareDatetime | None


def programme_view(**row: Any) -> ProgrammeView:
    return ProgrammeView(**{**row, **read_json(row, terms=ProgrammeTerms, draft=ProgrammeContent)})


class PlacedOtherwise(BaseModel):
    """Where a partner would be if everything that is proposed were accepted: now, and under the draft."""

    partner_id: UUID
    tier: str
    proposed_tier: str
    proposed_tier_then: str


class ProgrammePreview(BaseModel):
    """What publishing the draft would make of the programme and its members (at most 100 of those that it would place
    otherwise are shown)."""

    code: str
    version: int
    differences: list[DifferenceView]
    members: int
    placed_otherwise: int
    partners: list[PlacedOtherwise]


class MembershipRow(BaseModel):
    """A partner's tier in a programme, and what is proposed for it; null: nothing."""

    partner_id: UUID
    programme: str
    tier: str
    joined_on: date
    changed_at: AwareDatetime
    proposed_tier: str | None
    direction: Direction | None
    programme_version: int | None
    evidence: list[UUID] | None
    proposed_at: AwareDatetime | None


class MembershipView(BaseModel):
    """A partner's tier in a programme with its benefits, and the evaluations that count, the oldest first."""

    partner_id: UUID
    programme: str
    tier: str
    title: str
    joined_on: date
    benefits: list[Benefit]
    evaluations: list[Evaluated]
    proposal: TierProposal | None


class NextTier(BaseModel):
    """`next_tier` null: there is none above. `missing` empty: the next evaluation proposes it, if it is as good."""

    partner_id: UUID
    programme: str
    programme_version: int
    tier: str
    next_tier: str | None
    benefits: list[Benefit]
    missing: list[Lacking]


class _EntryView(BaseModel):
    code: str
    status: Literal["kept", "retired"]
    name: str
    external_refs: list[ExternalRef]
    retired_because: str | None


class PrincipalView(_EntryView):
    content: Principal


class BrandView(_EntryView):
    principal: str
    content: Brand


class ChannelView(_EntryView):
    principal: str
    content: Channel


def entry_view(item: type[BaseModel]) -> Callable[..., Any]:
    """Shows rows of the register as this."""

    def show(**row: Any) -> BaseModel:
        refs = [{"system": system, "key": key} for system, key in sorted(json.loads(row["external_refs"]).items())]
        content = json.loads(row["content"])
        return item.model_validate({**row, "content": content, "external_refs": refs})

    return show


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

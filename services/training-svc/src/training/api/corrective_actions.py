"""Routes: findings that partners have to put right."""

from __future__ import annotations

from datetime import date
from uuid import UUID

from engine import Command
from fastapi import APIRouter
from pydantic import BaseModel, Field
from service import At, By, Collection, Handle, HandleSeen, Read, Receipt, history_of, list_of, own, scope

from training.audit_views import actions_view
from training.domain.action_events import Evidence, RejectEvidence, Status, SubmitEvidence, VerifyAction, WaiveAction
from training.domain.corrective_action import corrective_actions
from training.domain.words import Reason

READ, WRITE, DECIDE = scope("training:read"), scope("training:write"), scope("training:decide")

router = APIRouter(prefix="/corrective-actions", tags=["corrective-actions"])


class CorrectiveActionView(BaseModel):
    """`owner` is a role at the partner. `evidence`, `note` and `submitted_on` are what was submitted last."""

    action_id: UUID
    audit_id: UUID
    partner_id: UUID
    outlet_id: UUID | None
    item: str
    title: str
    critical: bool
    owner: str
    status: Status
    overdue: bool = Field(description="Its last day passed while nobody had shown that it was put right.")
    opened_on: date
    due_on: date
    evidence: list[str]
    note: str | None
    submitted_on: date | None
    rejected_because: str | None
    waived_because: str | None
    closed_on: date | None


class Verification(Command):
    """Nothing but that it was seen."""


class Waiver(Command):
    """Why it need not be put right."""

    reason: Reason


ACTIONS = Collection(
    corrective_actions,
    actions_view,
    CorrectiveActionView,
    key="action_id",
    filters=("status", "overdue", "partner_id", "outlet_id", "audit_id", "owner"),
    sorts=("due_on", "opened_on"),
)


@router.post("/{action_id}/evidence", status_code=201, dependencies=[WRITE, own("action_id", corrective_actions)])
async def submit_evidence(action_id: UUID, body: Evidence, by: By, handle: Handle) -> Receipt:
    """It was put right: here is by what that is shown. It takes the place of what was submitted before."""
    return await handle(corrective_actions, action_id, SubmitEvidence(by=by, **body.model_dump()))


@router.post("/{action_id}/rejection", status_code=201, dependencies=[WRITE])
async def reject_evidence(action_id: UUID, command: RejectEvidence, handle: HandleSeen) -> Receipt:
    """The evidence does not show it: the action is open again. If-Match names the version that was looked at."""
    return await handle(corrective_actions, action_id, command)


@router.post("/{action_id}/verification", status_code=201, dependencies=[WRITE])
async def verify_action(action_id: UUID, body: Verification, by: By, handle: HandleSeen) -> Receipt:
    """Somebody other than who submitted the evidence has seen that it was put right. If-Match names the version that
    was looked at."""
    return await handle(corrective_actions, action_id, VerifyAction(by=by, **body.model_dump()))


@router.post("/{action_id}/waiver", status_code=201, dependencies=[DECIDE])
async def waive_action(action_id: UUID, body: Waiver, by: By, handle: HandleSeen) -> Receipt:
    """It need not be put right, once a second person says so for the same reason; the first only proposes it. If-Match
    names the version that was looked at."""
    return await handle(corrective_actions, action_id, WaiveAction(by=by, **body.model_dump()))


router.add_api_route("", list_of(ACTIONS), methods=["GET"], dependencies=[READ, own(query="partner_id")])


@router.get("/{action_id}", dependencies=[READ, own("action_id", corrective_actions)])
async def read_corrective_action(action_id: UUID, db: Read, at: At) -> CorrectiveActionView:
    """The corrective action, and the evidence for it."""
    return await db.one(ACTIONS, at, action_id=action_id)


router.add_api_route("/{id}/history", history_of(corrective_actions), methods=["GET"], dependencies=[READ])

"""A breach of the contract by the partner: noticed with every reason, then cured, waived or lapsed. Notice and cure are
clocks of their own, by the law of the ground."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime
from typing import Annotated, TypeAlias
from uuid import UUID

from engine import Command, Proposal, Rejected, Unknown, seconds
from events import Event
from events.contract import BreachCured, BreachNoticed, CureLapsed
from pydantic import Field

from contract.domain.disclosure import RulesApplied, apply
from contract.domain.rules import Rules, breach_clocks
from contract.domain.standing import Breach, Contract, Draft, refuse_not_in_force
from contract.domain.terms import Code, Days, Reason, Text

# -- events that stay in the house


class CureReported(Event, type="cauce.contract.CureReported.v1"):
    """The partner says what was done about the breach; whether it is cured is for the principal to say."""

    contract_id: UUID
    breach_id: UUID
    account: str


class WaiverProposed(Event, type="cauce.contract.WaiverProposed.v1"):
    """Somebody wants to waive the breach. It is waived when another person wants the same."""

    contract_id: UUID
    breach_id: UUID
    reason: str
    by: tuple[str, ...]


BreachEvent: TypeAlias = RulesApplied | BreachNoticed | CureReported | BreachCured | WaiverProposed | CureLapsed


# -- commands


class Notice(Command):
    """`ground` is what the law calls it (`non_payment`, `insolvency` ...; `noncompliance` for the rest), `reasons` are
    all of them. `cure_days`: more time for curing than the law and the contract ask for. `evidence` are event ids."""

    ground: Code
    reasons: Annotated[tuple[Reason, ...], Field(min_length=1, max_length=50)]
    evidence: Annotated[tuple[UUID, ...], Field(max_length=200)] = ()
    cure_days: Days | None = None


class NoticeBreach(Notice):
    """`rules` are the jurisdiction's as they are that day."""

    breach_id: UUID
    rules: Rules


class Report(Command):
    account: Text


class ReportCure(Report):
    breach_id: UUID


class CureBreach(Command):
    breach_id: UUID
    reason: Reason


class WaiveBreach(Command):
    breach_id: UUID
    reason: Reason
    by: Annotated[tuple[str, ...], Field(min_length=1)]


class LapseCure(Command):
    breach_id: UUID


BreachCommand: TypeAlias = NoticeBreach | ReportCure | CureBreach | WaiveBreach | LapseCure


# -- decide


def notice(contract: Contract, draft: Draft, command: NoticeBreach, now: datetime) -> list[BreachEvent]:
    known = contract.breaches.get(command.breach_id)
    if known is not None and (known.ground, known.reasons) == (command.ground, command.reasons):
        return []
    if known is not None:
        raise Rejected("contract.already_noticed", breach_id=known.id, ground=known.ground)
    refuse_not_in_force(contract)
    rules, today = command.rules, command.rules.day(now)
    terms = contract.terms_on(today) or draft.terms
    clocks = breach_clocks(rules, terms, command.ground, today, command.cure_days)
    noticed = BreachNoticed(
        contract_id=draft.contract_id,
        partner_id=draft.partner_id,
        breach_id=command.breach_id,
        ground=command.ground,
        reasons=command.reasons,
        evidence=command.evidence,
        noticed_on=today,
        cure_until=clocks.cure_until,
        lapses_at=None if clocks.cure_until is None else rules.end_of(clocks.cure_until),
        termination_allowed_from=clocks.termination_allowed_from,
        law=clocks.law,
    )
    return [*apply(draft, rules), noticed]


def breach_of(contract: Contract, breach_id: UUID) -> Breach:
    if breach_id not in contract.breaches:
        raise Unknown("contract.breach_unknown", breach_id=breach_id)
    return contract.breaches[breach_id]


def refuse_over(breach: Breach) -> None:
    if not breach.open:
        raise Rejected("contract.breach_over", breach_id=breach.id, resolution=breach.status)


def report_cure(contract: Contract, draft: Draft, command: ReportCure) -> list[BreachEvent]:
    breach = breach_of(contract, command.breach_id)
    refuse_not_in_force(contract)
    refuse_over(breach)
    return [CureReported(contract_id=draft.contract_id, breach_id=breach.id, account=command.account)]


def cure(contract: Contract, draft: Draft, command: CureBreach, today: date) -> list[BreachEvent]:
    breach = breach_of(contract, command.breach_id)
    if breach.status == "cured":
        return []
    refuse_not_in_force(contract)
    refuse_over(breach)
    if breach.cure_until is None:
        raise Rejected("contract.not_curable", breach_id=breach.id, ground=breach.ground, law=breach.law)
    if breach.status == "lapsed" or today > breach.cure_until:
        raise Rejected("contract.cure_lapsed", breach_id=breach.id, cure_until=breach.cure_until, law=breach.law)
    return [cured(draft, breach, "cured", command.reason)]


def waive(contract: Contract, draft: Draft, command: WaiveBreach) -> list[BreachEvent]:
    """Also after its cure has lapsed. It takes two persons."""
    breach = breach_of(contract, command.breach_id)
    if breach.status == "waived":
        return []
    refuse_not_in_force(contract)
    refuse_over(breach)
    wanted = Proposal(command.reason, command.by)
    if not seconds(wanted, breach.waiver, "contract.second_person_needed"):
        proposed = WaiverProposed(
            contract_id=draft.contract_id, breach_id=breach.id, reason=command.reason, by=command.by
        )
        return [proposed]
    return [cured(draft, breach, "waived", command.reason)]


def cured(draft: Draft, breach: Breach, resolution: str, reason: str) -> BreachCured:
    return BreachCured.model_validate(
        {
            "contract_id": draft.contract_id,
            "partner_id": draft.partner_id,
            "breach_id": breach.id,
            "resolution": resolution,
            "reason": reason,
        }
    )


def lapse(contract: Contract, draft: Draft, breach_id: UUID, today: date) -> list[BreachEvent]:
    breach = breach_of(contract, breach_id)
    if breach.status != "noticed" or breach.cure_until is None or not contract.holds:
        return []
    if today <= breach.cure_until:
        raise Rejected("contract.cure_running", breach_id=breach.id, cure_until=breach.cure_until, law=breach.law)
    return [CureLapsed(contract_id=draft.contract_id, partner_id=draft.partner_id, breach_id=breach.id)]


# -- evolve


def evolve(breaches: Mapping[UUID, Breach], event: BreachEvent) -> Mapping[UUID, Breach]:
    match event:
        case BreachNoticed(breach_id=id):
            new = Breach(
                id=id,
                ground=event.ground,
                reasons=event.reasons,
                evidence=event.evidence,
                noticed_on=event.noticed_on,
                cure_until=event.cure_until,
                termination_allowed_from=event.termination_allowed_from,
                law=event.law,
            )
            return {**breaches, id: new}
        case BreachCured(breach_id=id, resolution=resolution):
            return {**breaches, id: replace(breaches[id], status=resolution)}
        case CureLapsed(breach_id=id):
            return {**breaches, id: replace(breaches[id], status="lapsed")}
        case WaiverProposed(breach_id=id, reason=reason, by=by):
            return {**breaches, id: replace(breaches[id], waiver=Proposal(reason, by))}
        case _:
            return breaches

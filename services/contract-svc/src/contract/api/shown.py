"""How things of contract-svc are shown."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

from engine import Rows, Unknown, differences
from events.contract import ContractTerms, Money
from pydantic import AwareDatetime, BaseModel, Field
from service import scope

from contract.domain import negotiation
from contract.domain.rules import Rules, RulesContent
from contract.domain.standing import Breach, BreachStatus, Contract, Party, Renewal, Side, Status, Succession
from contract.domain.terms import JurisdictionCode
from contract.policies import rules_in_use

READ, WRITE, DECIDE = scope("contract:read"), scope("contract:write"), scope("contract:decide")


async def rules_of(db: Rows, code: JurisdictionCode) -> Rules:
    """By which something in the jurisdiction is judged today. Raises Unknown."""
    rules = await rules_in_use(db, code)
    if rules is None:
        raise Unknown("contract.jurisdiction_unknown", jurisdiction=code)
    return rules


def terms_in(row: bytes | None) -> ContractTerms | None:
    return None if row is None else ContractTerms.model_validate_json(row)


class NegotiationView(BaseModel):
    """The terms are those of the offer that stands, or of the accepted one; null until there is one. `awaits` is the
    party whose answer is missing, `round` the number by which it accepts."""

    negotiation_id: UUID
    partner_id: UUID
    status: negotiation.Status
    opened_at: AwareDatetime
    round: int
    awaits: Party | None
    valid_until: date | None
    contract_id: UUID | None
    jurisdiction: str | None
    areas: list[str] | None
    royalty_percent: Decimal | None
    term_ends_on: date | None
    terms: ContractTerms | None
    lapsed_because: str | None


def negotiation_view(**row: Any) -> NegotiationView:
    return NegotiationView(**{**row, "terms": terms_in(row["terms"])})


class TermDifference(BaseModel):
    """A term by its path, as `royalties[0].percent`; null: it was not there, or is not."""

    term: str
    before: Any = Field(examples=["6"])
    after: Any = Field(examples=["5.5"])


class OfferView(BaseModel):
    """A round: who offered what, and what is different about it from the round before."""

    round: int
    party: Party
    terms: ContractTerms
    rules_version: int
    valid_until: date | None
    accepted: bool
    differences: list[TermDifference]


def offers(state: negotiation.Negotiation) -> Iterator[OfferView]:
    before: ContractTerms | None = None
    for round in state.rounds:
        found = () if before is None else differences(before, round.terms)
        yield OfferView(
            round=round.number,
            party=round.party,
            terms=round.terms,
            rules_version=round.rules.version,
            valid_until=round.valid_until,
            accepted=round.number == state.accepted,
            differences=[TermDifference(**vars(each)) for each in found],
        )
        before = round.terms


class ContractView(BaseModel):
    """`awaits` are the parties whose signature is missing; none of them may sign before `signing_allowed_from`, by the
    `law` that is cited. `effective_from` is the day agreed so far. `rules_version` is that of the jurisdiction's rules
    by which it is judged; 0: those that came with the software."""

    contract_id: UUID
    partner_id: UUID
    status: Status
    jurisdiction: str
    areas: list[str]
    royalty_percent: Decimal
    term_ends_on: date | None
    terms: ContractTerms | None
    rules_version: int
    delivered_on: date | None
    signing_allowed_from: date | None
    law: str | None
    awaits: list[Party]
    effective_from: date | None
    renewals: int
    renewal_awaits: list[Party] | None
    transferred_from: UUID | None
    successor_sought_at: AwareDatetime | None = Field(description="Since when another partner is to take its place.")
    successor_sought_because: list[str] | None
    ended_at: AwareDatetime | None
    terminated_because: str | None


def contract_view(**row: Any) -> ContractView:
    return ContractView(**{**row, "terms": terms_in(row["terms"])})


class BreachView(BaseModel):
    """`reported` is what the partner says was done about it. It may be cured up to `cure_until`; from
    `termination_allowed_from` on the contract may be terminated for it, by the `law` that is cited."""

    breach_id: UUID
    contract_id: UUID
    partner_id: UUID
    ground: str
    reasons: list[str]
    evidence: list[UUID]
    status: BreachStatus
    noticed_on: date
    cure_until: date | None
    termination_allowed_from: date
    law: str
    reported: list[str]
    waiver_proposed_by: list[str] | None
    resolved_because: str | None
    resolved_at: AwareDatetime | None


class PaymentView(BaseModel):
    reference: str
    purpose: str
    amount: Money


class AddendumView(BaseModel):
    """It holds from `effective_from` on if it is signed; `terms` null: it changes none of those that are kept."""

    number: int
    text: str
    effective_from: date
    signed_on: date | None
    differences: list[TermDifference]


class RenewalView(BaseModel):
    term_ends_on: date
    signed_by: list[Party]


class TransferView(BaseModel):
    to_partner_id: UUID
    effective_on: date
    consents: list[Side]


class SuccessionView(BaseModel):
    """That another partner is to take this one's place, by which adjustment, and on which events that rests."""

    adjustment_id: UUID
    reasons: list[str]
    evidence: list[UUID]


class BreachNow(BaseModel):
    breach_id: UUID
    ground: str
    status: BreachStatus
    cure_until: date | None
    termination_allowed_from: date


class FileView(BaseModel):
    """All that belongs to a contract today: its `terms` with the addenda that are effective, payments, breaches, a
    renewal, a transfer or a succession that is under way, and whether the partner has agreed to end it."""

    contract_id: UUID
    status: Status
    terms: ContractTerms
    rules: Rules
    payments: list[PaymentView]
    addenda: list[AddendumView]
    breaches: list[BreachNow]
    renewal: RenewalView | None
    transfer: TransferView | None
    succession: SuccessionView | None
    agreed_to_end: str | None


def file_of(contract_id: UUID, contract: Contract, today: date) -> FileView:
    draft = contract.draft
    terms = contract.terms_on(today)
    if draft is None or terms is None:
        raise Unknown("contract.contract_unknown", contract_id=contract_id)
    return FileView(
        contract_id=contract_id,
        status=contract.status,
        terms=terms,
        rules=draft.rules,
        payments=[
            PaymentView(reference=reference, purpose=each.purpose, amount=each.amount)
            for reference, each in contract.payments.items()
        ],
        addenda=[
            AddendumView(
                number=each.number,
                text=each.text,
                effective_from=each.effective_from,
                signed_on=each.signed_on,
                differences=[
                    TermDifference(**vars(d)) for d in (differences(draft.terms, each.terms) if each.terms else ())
                ],
            )
            for each in contract.addenda
        ],
        breaches=[_breach_now(each) for each in contract.breaches.values()],
        renewal=_renewal(contract.renewal),
        transfer=None
        if contract.transfer is None
        else TransferView(
            to_partner_id=contract.transfer.to_partner_id,
            effective_on=contract.transfer.effective_on,
            consents=sorted(contract.transfer.consents),
        ),
        succession=_succession(contract.succession),
        agreed_to_end=contract.agreed_to_end,
    )


def _succession(succession: Succession | None) -> SuccessionView | None:
    if succession is None:
        return None
    return SuccessionView(
        adjustment_id=succession.adjustment_id,
        reasons=list(succession.reasons),
        evidence=list(succession.evidence),
    )


def _breach_now(breach: Breach) -> BreachNow:
    return BreachNow(
        breach_id=breach.id,
        ground=breach.ground,
        status=breach.status,
        cure_until=breach.cure_until,
        termination_allowed_from=breach.termination_allowed_from,
    )


def _renewal(renewal: Renewal | None) -> RenewalView | None:
    if renewal is None:
        return None
    return RenewalView(term_ends_on=renewal.term_ends_on, signed_by=sorted(renewal.signed_by))


class JurisdictionView(BaseModel):
    """`rules` are what is judged by now: those that were published last, or (`shipped`) those that came with the
    software. `draft` is what somebody means to publish."""

    code: str
    shipped: bool
    rules: Rules | None
    draft: RulesContent | None
    published_at: AwareDatetime | None


def jurisdiction_view(**row: Any) -> JurisdictionView:
    return JurisdictionView(
        code=row["code"],
        shipped=row["rules"] is None,
        rules=None if row["rules"] is None else Rules.model_validate_json(row["rules"]),
        draft=None if row["draft"] is None else RulesContent.model_validate_json(row["draft"]),
        published_at=row["published_at"],
    )


class ClockMoved(BaseModel):
    """A contract whose disclosure was delivered: it stays as it is, and would be otherwise under the draft."""

    contract_id: UUID
    delivered_on: date
    signing_allowed_from: date
    under_the_draft: date


class Preview(BaseModel):
    """What publishing the draft would change: its `differences` from the rules of today, how many drafted contracts
    will be judged by it, and those already disclosed (at most 100) whose clock would have been another."""

    code: str
    differences: list[TermDifference]
    drafted_contracts: int
    disclosed_contracts: list[ClockMoved]


class ReservationView(BaseModel):
    """An exclusive right to sell, in this area, one that it lies in, or a part of it; null: any brand, any channel, no
    end."""

    contract_id: UUID
    area: str
    brand: str | None
    channel: str | None
    starts_on: date
    until: date | None


class TerritoryView(BaseModel):
    area: str
    status: Literal["free", "reserved"]
    reservations: list[ReservationView]

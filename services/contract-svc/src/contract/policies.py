"""What contract-svc does by itself: it opens a negotiation with each new partner, drafts what was agreed on, keeps the
clocks of offers, contracts and breaches, gives areas free again, lets a negotiation lapse whose contract is withdrawn,
and carries out what was decided of a partner: it serves the notice that a termination begins with, and has a successor
sought for whoever is to be replaced."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid5

from engine import CancelTimer, Fact, Policy, Reaction, Rows, Send, SetTimer
from events.contract import (
    BreachCured,
    BreachNoticed,
    ContractExpired,
    ContractTerminated,
    ContractTerms,
    ContractTransferred,
    DisclosureDelivered,
    NegotiationAccepted,
    NegotiationLapsed,
)
from events.partner import PartnerRegistered
from events.risk import AdjustmentDecided

from contract.domain.breach import LapseCure, NoticeBreach
from contract.domain.contract import DraftContract, contracts
from contract.domain.disclosure import OpenSigningWindow
from contract.domain.negotiation import (
    EndWithoutContract,
    LapseOffer,
    OpenNegotiation,
    TermsOffered,
    negotiation_id,
    negotiations,
)
from contract.domain.rules import GENERAL, Rules
from contract.domain.shipped import SHIPPED
from contract.domain.signature import ContractExecuted, ContractWithdrawn
from contract.domain.succession import SeekSuccessor
from contract.domain.term import BringIntoForce, ExpireContract, OpenRenewal, TermExtended
from contract.domain.terms import terms_of
from contract.domain.territory import releases, reservations
from contract.domain.transfer import CompleteTransfer, TransferConsented


async def rules_in_use(db: Rows, code: str) -> Rules | None:
    """What was published last, or what was shipped; None for a jurisdiction that has neither."""
    published = await db.fetchval("select rules from jurisdictions where code = $1", code)
    return SHIPPED.get(code) if published is None else Rules.model_validate_json(published)


def open_negotiation(fact: Fact[Any]) -> Iterator[Reaction]:
    match fact.event:
        case PartnerRegistered(partner_id=partner_id):
            yield Send(negotiations, negotiation_id(partner_id), OpenNegotiation(partner_id=partner_id))


# -- agreed terms, and areas


async def what_it_is_about(db: Rows, fact: Fact[Any]) -> Rules | ContractTerms | None:
    """The rules of agreed terms' jurisdiction; the terms of a contract that has ended or is another's."""
    match fact.event:
        case NegotiationAccepted(jurisdiction=code):
            return await rules_in_use(db, code)
        case ContractExpired() | ContractTerminated() | ContractWithdrawn() | ContractTransferred():
            terms = await db.fetchval("select terms from contracts where contract_id = $1", fact.event.contract_id)
            return None if terms is None else ContractTerms.model_validate_json(terms)
        case _:
            return None


def carry_on(fact: Fact[Any], about: Rules | ContractTerms | None) -> Iterator[Reaction]:
    yield from clocks(fact)
    if isinstance(fact.event, ContractWithdrawn):
        # That is what the world knows by: the partner stays no prospect of a contract that will not be.
        partner_id, reason = fact.event.partner_id, fact.event.reason
        yield Send(negotiations, negotiation_id(partner_id), EndWithoutContract(reason=reason))
    match fact.event, about:
        case NegotiationAccepted() as accepted, Rules() as rules:
            draft = DraftContract(
                contract_id=accepted.contract_id,
                partner_id=accepted.partner_id,
                terms=terms_of(accepted),
                rules=rules,
            )
            yield Send(contracts, accepted.contract_id, draft)
        case (ContractExpired() | ContractTerminated() | ContractWithdrawn()) as ended, ContractTerms() as terms:
            yield from releases(ended.contract_id, terms)
        case ContractTransferred() as transferred, ContractTerms() as terms:
            yield from reservations(
                transferred.contract_id,
                transferred.partner_id,
                terms,
                starts_on=transferred.effective_on,
                until=terms.term_ends_on,
            )


# -- clocks


def clocks(fact: Fact[Any]) -> Iterator[Reaction]:
    match fact.event:
        case TermsOffered(negotiation_id=id, round=round, lapses_at=at):
            if at is None:
                yield CancelTimer(offer(id))
            else:
                yield SetTimer(offer(id), at, Send(negotiations, id, LapseOffer(round=round)))
        case NegotiationAccepted(negotiation_id=id) | NegotiationLapsed(negotiation_id=id):
            yield CancelTimer(offer(id))
        case DisclosureDelivered(contract_id=id, opens_at=opens) if opens is not None:
            yield SetTimer(window(id), opens, Send(contracts, id, OpenSigningWindow()))
        case ContractExecuted(contract_id=id, in_force_at=begins, expires_at=ends, renewable_at=renewable):
            yield SetTimer(in_force(id), begins, Send(contracts, id, BringIntoForce()))
            if ends is not None:
                yield SetTimer(expiry(id), ends, Send(contracts, id, ExpireContract()))
            if renewable is not None:
                yield SetTimer(renewal(id), renewable, Send(contracts, id, OpenRenewal()))
        case TermExtended(contract_id=id, expires_at=ends, renewable_at=renewable):
            yield SetTimer(expiry(id), ends, Send(contracts, id, ExpireContract()))
            if renewable is not None:
                yield SetTimer(renewal(id), renewable, Send(contracts, id, OpenRenewal()))
        case TransferConsented(contract_id=id, transfers_at=at) if at is not None:
            yield SetTimer(transfer(id), at, Send(contracts, id, CompleteTransfer()))
        case BreachNoticed(contract_id=id, breach_id=breach_id, lapses_at=at) if at is not None:
            yield SetTimer(cure(id, breach_id), at, Send(contracts, id, LapseCure(breach_id=breach_id)))
        case BreachCured(contract_id=id, breach_id=breach_id):
            yield CancelTimer(cure(id, breach_id))
        case ContractTerminated(contract_id=id):
            for timer in (expiry(id), renewal(id), transfer(id)):
                yield CancelTimer(timer)


def offer(negotiation_id: UUID) -> str:
    return f"{negotiation_id}/offer"


def window(contract_id: UUID) -> str:
    return f"{contract_id}/window"


def in_force(contract_id: UUID) -> str:
    return f"{contract_id}/in_force"


def expiry(contract_id: UUID) -> str:
    return f"{contract_id}/expiry"


def renewal(contract_id: UUID) -> str:
    return f"{contract_id}/renewal"


def transfer(contract_id: UUID) -> str:
    return f"{contract_id}/transfer"


def cure(contract_id: UUID, breach_id: UUID) -> str:
    return f"{contract_id}/cure/{breach_id}"


# -- decided elsewhere


@dataclass(frozen=True)
class InForce:
    """A partner's contract, and the rules that a notice would be judged by."""

    contract_id: UUID
    rules: Rules


async def contracts_in_force(db: Rows, fact: Fact[Any]) -> Sequence[InForce]:
    if not isinstance(fact.event, AdjustmentDecided) or fact.event.kind not in ("terminate", "replace"):
        return ()
    rows = await db.fetch(
        "select contract_id, jurisdiction from contracts where partner_id = $1"
        " and status in ('in_force', 'renewal_eligible') order by contract_id",
        fact.event.partner_id,
    )
    found = [(row["contract_id"], await rules_in_use(db, row["jurisdiction"])) for row in rows]
    return tuple(InForce(id, rules) for id, rules in found if rules is not None)


def carry_out(fact: Fact[Any], held: Sequence[InForce]) -> Iterator[Reaction]:
    """A decided termination begins with notice, on the general ground: cure is never skipped. The rest is for two
    persons. Of a replacement it is noted that a successor is sought; who that is, a person says."""
    match fact.event:
        case AdjustmentDecided(kind="terminate") as decided:
            for each in held:
                notice = NoticeBreach(
                    breach_id=uuid5(each.contract_id, f"adjustment/{decided.adjustment_id}"),
                    ground=GENERAL,
                    reasons=decided.reasons,
                    evidence=(*decided.evidence, fact.event_id),
                    rules=each.rules,
                )
                yield Send(contracts, each.contract_id, notice)
        case AdjustmentDecided(kind="replace") as decided:
            for each in held:
                seek = SeekSuccessor(
                    adjustment_id=decided.adjustment_id,
                    reasons=decided.reasons,
                    evidence=(*decided.evidence, fact.event_id),
                )
                yield Send(contracts, each.contract_id, seek)


POLICIES = (
    Policy("opening", source="partner", react=open_negotiation),
    Policy("carrying_on", source="contract", react=carry_on, gather=what_it_is_about),
    Policy("adjustments", source="risk", react=carry_out, gather=contracts_in_force),
)

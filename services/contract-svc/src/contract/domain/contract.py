"""A contract: drafted, disclosed, in its window, signed by each party, in force from a day on, renewed, transferred,
expired or terminated. Each noun's rules are in its own module; here they come together."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import assert_never
from uuid import UUID

from engine import Command, Decider, Proposal, Rejected, Unknown
from events.contract import (
    BreachCured,
    BreachNoticed,
    ContractDrafted,
    ContractExpired,
    ContractInForce,
    ContractRenewed,
    ContractTerminated,
    ContractTerms,
    ContractTransferred,
    CureLapsed,
    DisclosureDelivered,
    PartnerSigned,
)

from contract.domain import addendum, breach, disclosure, signature, succession, term, termination, transfer
from contract.domain.addendum import AddendumProposed, AddendumSigned, ProposeAddendum, SignAddendum
from contract.domain.breach import (
    CureBreach,
    CureReported,
    LapseCure,
    NoticeBreach,
    ReportCure,
    WaiveBreach,
    WaiverProposed,
)
from contract.domain.disclosure import (
    DeliverDisclosure,
    OpenSigningWindow,
    PaymentTaken,
    RulesApplied,
    SigningWindowOpened,
    TakePayment,
)
from contract.domain.rules import Rules
from contract.domain.shipped import SHIPPED
from contract.domain.signature import (
    ContractExecuted,
    ContractWithdrawn,
    PartySigned,
    SignContract,
    WithdrawContract,
)
from contract.domain.standing import Contract, Draft, Payment, Status
from contract.domain.succession import CallOffSuccession, SeekSuccessor, SuccessionCalledOff, SuccessorSought
from contract.domain.term import (
    BringIntoForce,
    ExpireContract,
    KeepAreas,
    OpenRenewal,
    RenewalOpened,
    RenewalSigned,
    SignRenewal,
    TermExtended,
)
from contract.domain.termination import (
    AgreeToTermination,
    TerminateContract,
    TerminationAgreed,
    TerminationProposed,
)
from contract.domain.terms import terms_of, told_flat
from contract.domain.transfer import (
    CompleteTransfer,
    ConsentToTransfer,
    ProposeTransfer,
    TransferConsented,
    TransferProposed,
)

ContractEvent = (
    ContractDrafted
    | disclosure.DisclosureEvent
    | signature.SignatureEvent
    | term.TermEvent
    | breach.BreachEvent
    | termination.TerminationEvent
    | addendum.AddendumEvent
    | transfer.TransferEvent
    | succession.SuccessionEvent
)


class DraftContract(Command):
    contract_id: UUID
    partner_id: UUID
    terms: ContractTerms
    rules: Rules


ContractCommand = (
    DraftContract
    | disclosure.DisclosureCommand
    | signature.SignatureCommand
    | term.TermCommand
    | breach.BreachCommand
    | termination.TerminationCommand
    | addendum.AddendumCommand
    | transfer.TransferCommand
    | succession.SuccessionCommand
)


# -- decide


def draft_contract(contract: Contract, command: DraftContract) -> list[ContractEvent]:
    wanted = Draft(command.contract_id, command.partner_id, command.terms, command.rules)
    if contract.draft is not None:
        if replace(contract.draft, rules=command.rules) == wanted:
            return []
        raise Rejected("contract.already_drafted", contract_id=command.contract_id)
    return [
        ContractDrafted(contract_id=command.contract_id, partner_id=command.partner_id, **told_flat(command.terms)),
        RulesApplied(contract_id=command.contract_id, rules=command.rules),
    ]


def decide(command: ContractCommand, contract: Contract, now: datetime) -> list[ContractEvent]:
    if isinstance(command, DraftContract):
        return draft_contract(contract, command)
    draft = contract.draft
    if draft is None:
        raise Unknown("contract.contract_unknown")
    today = draft.rules.day(now)
    match command:
        case DeliverDisclosure(rules=rules):
            return [*disclosure.deliver(contract, draft, rules, now)]
        case OpenSigningWindow():
            return [*disclosure.open_window(contract, draft, today)]
        case TakePayment():
            return [*disclosure.take_payment(contract, draft, command, today)]
        case SignContract():
            return [*signature.sign(contract, draft, command, now)]
        case WithdrawContract(reason=reason):
            return [*signature.withdraw(contract, draft, reason)]
        case BringIntoForce():
            return [*term.bring_into_force(contract, draft, today)]
        case OpenRenewal():
            return [*term.open_renewal(contract, draft, today)]
        case SignRenewal(party=party):
            return [*term.sign_renewal(contract, draft, party, today)]
        case ExpireContract():
            return [*term.expire(contract, draft, today)]
        case KeepAreas():
            return [*term.keep_areas(contract)]
        case NoticeBreach():
            return [*breach.notice(contract, draft, command, now)]
        case ReportCure():
            return [*breach.report_cure(contract, draft, command)]
        case CureBreach():
            return [*breach.cure(contract, draft, command, today)]
        case WaiveBreach():
            return [*breach.waive(contract, draft, command)]
        case LapseCure(breach_id=breach_id):
            return [*breach.lapse(contract, draft, breach_id, today)]
        case TerminateContract(reason=reason, by=by, breach_id=breach_id):
            return [*termination.terminate(contract, draft, Proposal(reason, by, breach_id), today)]
        case AgreeToTermination(reason=reason):
            return [*termination.agree(contract, draft, reason)]
        case ProposeAddendum():
            return [*addendum.propose(contract, draft, command, today)]
        case SignAddendum(number=number):
            return [*addendum.sign(contract, draft, number, today)]
        case ProposeTransfer():
            return [*transfer.propose(contract, draft, command, today)]
        case ConsentToTransfer(side=side):
            return [*transfer.consent(contract, draft, side, now)]
        case CompleteTransfer():
            return [*transfer.complete(contract, draft, today)]
        case SeekSuccessor():
            return [*succession.seek(contract, draft, command)]
        case CallOffSuccession(reason=reason):
            return [*succession.call_off(contract, draft, reason)]
        case _:
            assert_never(command)


# -- evolve


def evolve(contract: Contract, event: ContractEvent) -> Contract:
    if isinstance(event, ContractDrafted):
        rules = SHIPPED.get(event.jurisdiction, SHIPPED["NONE"])
        return Contract(Draft(event.contract_id, event.partner_id, terms_of(event), rules))
    draft = contract.draft
    assert draft is not None  # noqa: S101 - drafting comes first
    match event:
        case RulesApplied(rules=rules):
            return replace(contract, draft=replace(draft, rules=rules))
        case DisclosureDelivered(delivered_on=day, signing_allowed_from=opens):
            status = Status.DISCLOSED if contract.status is Status.DRAFTED else contract.status
            return replace(contract, status=status, delivered_on=day, signing_opens=opens)
        case SigningWindowOpened():
            return replace(contract, status=Status.IN_WINDOW)
        case PaymentTaken(reference=reference, purpose=purpose, amount=amount):
            return replace(contract, payments={**contract.payments, reference: Payment(purpose, amount)})
        case PartySigned(party=party, effective_from=day):
            return replace(contract, signed_by=contract.signed_by | {party}, effective_from=day)
        case PartnerSigned():
            return replace(contract, status=Status.SIGNED)
        case ContractExecuted() | TermExtended() | CureReported():
            return contract
        case ContractWithdrawn(reason=reason):
            return replace(contract, status=Status.WITHDRAWN, ended_because=reason)
        case ContractInForce():
            return replace(contract, status=Status.IN_FORCE)
        case RenewalOpened():
            # The document of then says nothing of the terms of today.
            return replace(contract, status=Status.RENEWAL_ELIGIBLE, delivered_on=None, signing_opens=None)
        case RenewalSigned():
            return replace(contract, renewal=term.signing(contract.renewal, event))
        case ContractRenewed(renewal=renewals, term_ends_on=until):
            terms = draft.terms.model_copy(update={"term_ends_on": until})
            renewed = replace(contract, draft=replace(draft, terms=terms), renewals=renewals, renewal=None)
            return replace(renewed, status=Status.IN_FORCE)
        case ContractExpired():
            return replace(contract, status=Status.EXPIRED)
        case BreachNoticed() | BreachCured() | CureLapsed() | WaiverProposed():
            return replace(contract, breaches=breach.evolve(contract.breaches, event))
        case TerminationProposed(reason=reason, by=by, breach_id=breach_id):
            return replace(contract, termination=Proposal(reason, by, breach_id))
        case TerminationAgreed(reason=reason):
            return replace(contract, agreed_to_end=reason)
        case ContractTerminated(reason=reason, breach_id=breach_id):
            ended = replace(contract, status=Status.TERMINATED, ended_because=reason)
            return replace(ended, ended_by_breach=breach_id)
        case AddendumProposed() | AddendumSigned():
            return replace(contract, addenda=addendum.evolve(contract.addenda, event))
        case TransferProposed() | TransferConsented():
            return replace(contract, transfer=transfer.evolve(contract.transfer, event))
        case ContractTransferred(partner_id=partner_id):
            return replace(contract, draft=replace(draft, partner_id=partner_id), transfer=None, succession=None)
        case SuccessorSought() | SuccessionCalledOff():
            return replace(contract, succession=succession.evolve(event))
        case _:
            assert_never(event)


contracts = Decider(
    "contract",
    decide,
    evolve,
    initial=Contract,
    events=ContractEvent,
    owner=lambda contract: None if contract.draft is None else contract.draft.partner_id,
)

"""What changes a contract in force: renewals, addenda, transfers; and payments, which may come too early."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from contract.domain.addendum import AddendumProposed, AddendumSigned, ProposeAddendum, SignAddendum
from contract.domain.contract import contracts
from contract.domain.disclosure import DeliverDisclosure, PaymentTaken, TakePayment
from contract.domain.shipped import SHIPPED
from contract.domain.standing import Party
from contract.domain.succession import (
    CallOffSuccession,
    SeekSuccessor,
    SuccessionCalledOff,
    SuccessorSought,
)
from contract.domain.term import (
    ExpireContract,
    OpenRenewal,
    RenewalOpened,
    RenewalSigned,
    SignRenewal,
    TermExtended,
    renewed_until,
)
from contract.domain.terms import MoneySaid, TermsSaid
from contract.domain.transfer import (
    CompleteTransfer,
    ConsentToTransfer,
    ProposeTransfer,
    TransferConsented,
    TransferProposed,
)
from engine import Rejected, Unknown
from engine.testing import scenario
from events.contract import (
    BreachNoticed,
    ContractDrafted,
    ContractInForce,
    ContractRenewed,
    ContractTransferred,
    DisclosureDelivered,
    Money,
    PartnerSigned,
)

RENEWAL = {"times": 1, "months": 60, "window_days": 180}
LAST_DAY, OPENS = date(2030, 2, 28), date(2029, 9, 2)
RENEWED = date(2035, 2, 28)
OTHER = UUID(int=9)


def at(*parts: int) -> datetime:
    return datetime(*parts, 12, tzinfo=UTC)  # type: ignore[misc]


class Story:
    """A contract in force since 1 March 2025, to the end of February 2030."""

    def __init__(self, contract: UUID, partner: UUID, told: dict[str, Any]) -> None:
        self.ids = {"contract_id": contract, "partner_id": partner}
        self.contract, self.rules = contract, SHIPPED[told["jurisdiction"]]
        self.drafted = ContractDrafted(**self.ids, **told)
        signed = PartnerSigned(**self.ids, areas=told["areas"], effective_from=date(2025, 3, 1))
        self.in_force = [self.drafted, signed, ContractInForce(**self.ids)]
        self.opened = RenewalOpened(contract_id=contract)
        self.breached = BreachNoticed(
            **self.ids,
            breach_id=UUID(int=77),
            ground="non_payment",
            reasons=("unpaid",),
            evidence=(),
            noticed_on=date(2029, 12, 1),
            cure_until=date(2029, 12, 31),
            lapses_at=self.rules.end_of(date(2029, 12, 31)),
            termination_allowed_from=date(2030, 1, 1),
            law="the contract",
        )

    def renewing(self, party: Party, on: date = date(2029, 12, 1)) -> RenewalSigned:
        return RenewalSigned(contract_id=self.contract, party=party, signed_on=on, term_ends_on=RENEWED)


@pytest.fixture
def tell(contract: UUID, partner: UUID, terms: Callable[..., dict[str, Any]]) -> Callable[..., Story]:
    def make(jurisdiction: str = "CN", **more: Any) -> Story:
        changes = {"jurisdiction": jurisdiction, "term_ends_on": LAST_DAY, "renewal": RENEWAL, **more}
        return Story(contract, partner, terms(**changes))

    return make


@pytest.fixture
def story(tell: Callable[..., Story]) -> Story:
    return tell()


# -- renewal


def test_a_contract_may_be_renewed_within_its_window(story: Story) -> None:
    early = Rejected("contract.renewal_not_open", allowed_from=OPENS)
    scenario(contracts, given=story.in_force, when=OpenRenewal(), at=at(2029, 9, 1), then=early)
    scenario(contracts, given=story.in_force, when=OpenRenewal(), at=at(2029, 9, 2), then=story.opened)
    scenario(contracts, given=[*story.in_force, story.opened], when=OpenRenewal(), at=at(2029, 9, 2), then=[])
    sign = SignRenewal(party=Party.PARTNER)
    scenario(contracts, given=story.in_force, when=sign, at=at(2029, 9, 1), then=early)


def test_both_sign_the_renewal_and_the_term_is_longer(story: Story) -> None:
    given = [*story.in_force, story.opened]
    first = story.renewing(Party.PARTNER)
    scenario(contracts, given=given, when=SignRenewal(party=Party.PARTNER), at=at(2029, 12, 1), then=first)
    given = [*given, first]
    scenario(contracts, given=given, when=SignRenewal(party=Party.PARTNER), at=at(2029, 12, 2), then=[])
    renewed = [
        story.renewing(Party.PRINCIPAL),
        ContractRenewed(**story.ids, renewal=1, term_ends_on=RENEWED),
        TermExtended(contract_id=story.contract, expires_at=story.rules.end_of(RENEWED), renewable_at=None),
    ]
    scenario(contracts, given=given, when=SignRenewal(party=Party.PRINCIPAL), at=at(2029, 12, 1), then=renewed)
    given = [*given, *renewed]
    running = Rejected("contract.term_not_over", term_ends_on=RENEWED)
    scenario(contracts, given=given, when=ExpireContract(), at=at(2030, 3, 1), then=running)
    again = Rejected("contract.no_renewal_left", renewals=1)
    scenario(contracts, given=given, when=SignRenewal(party=Party.PARTNER), at=at(2034, 12, 1), then=again)


def test_a_contract_that_may_be_renewed_twice_gets_a_second_window(tell: Callable[..., Story]) -> None:
    story = tell(renewal={**RENEWAL, "times": 2})
    given = [*story.in_force, story.opened, story.renewing(Party.PARTNER)]
    state = contracts.fold(given)
    events = contracts.decide(SignRenewal(party=Party.PRINCIPAL), state, at(2029, 12, 1))
    assert events[-1] == TermExtended(
        contract_id=story.contract,
        expires_at=story.rules.end_of(RENEWED),
        renewable_at=story.rules.start_of(date(2034, 9, 2)),
    )


def test_nobody_renews_while_a_breach_is_open(story: Story) -> None:
    refused = Rejected("contract.breach_open", breach_id=UUID(int=77), ground="non_payment")
    given = [*story.in_force, story.opened, story.breached]
    scenario(contracts, given=given, when=SignRenewal(party=Party.PARTNER), at=at(2029, 12, 5), then=refused)


def test_where_the_law_has_no_exemption_renewal_needs_the_document_anew(
    tell: Callable[..., Story],
) -> None:
    story, law = tell("ES"), "Real Decreto 201/2010, art. 3"
    given, sign = [*story.in_force, story.opened], SignRenewal(party=Party.PARTNER)
    missing = Rejected("contract.not_disclosed", law=law)
    scenario(contracts, given=given, when=sign, at=at(2029, 12, 1), then=missing)
    delivered = DisclosureDelivered(
        **story.ids,
        delivered_on=date(2029, 12, 1),
        signing_allowed_from=date(2029, 12, 22),
        law=law,
        opens_at=story.rules.start_of(date(2029, 12, 22)),
        rules_version=0,
    )
    deliver = DeliverDisclosure(rules=story.rules)
    scenario(contracts, given=given, when=deliver, at=at(2029, 12, 1), then=delivered)
    early = Rejected("contract.disclosure_period_running", allowed_from=date(2029, 12, 22), law=law)
    scenario(contracts, given=[*given, delivered], when=sign, at=at(2029, 12, 21), then=early)
    then = story.renewing(Party.PARTNER, date(2029, 12, 22))
    scenario(contracts, given=[*given, delivered], when=sign, at=at(2029, 12, 22), then=then)


def test_a_month_that_is_too_short_ends_the_term_with_its_last_day(tell: Callable[..., Story]) -> None:
    state = contracts.fold(tell(term_ends_on=date(2028, 2, 29)).in_force)
    assert state.draft is not None
    assert renewed_until(state.draft) == date(2033, 2, 28)


# -- payments


def paying(amount: str = "25000") -> TakePayment:
    return TakePayment(reference="B-1", purpose="initial_fee", amount=MoneySaid(amount=Decimal(amount), currency="EUR"))


def test_nobody_pays_before_the_window_where_the_law_bars_it(tell: Callable[..., Story]) -> None:
    story, law = tell("ES"), "Real Decreto 201/2010, art. 3"
    missing = Rejected("contract.not_disclosed", law=law)
    scenario(contracts, given=[story.drafted], when=paying(), at=at(2025, 1, 2), then=missing)
    delivered = DisclosureDelivered(
        **story.ids, delivered_on=date(2025, 1, 1), signing_allowed_from=date(2025, 1, 22), law=law
    )
    early = Rejected("contract.payment_too_early", allowed_from=date(2025, 1, 22), law=law)
    scenario(contracts, given=[story.drafted, delivered], when=paying(), at=at(2025, 1, 21), then=early)
    taken = PaymentTaken(
        contract_id=story.contract,
        reference="B-1",
        purpose="initial_fee",
        amount=Money(amount=Decimal(25000), currency="EUR"),
        paid_on=date(2025, 1, 22),
    )
    scenario(contracts, given=[story.drafted, delivered], when=paying(), at=at(2025, 1, 22), then=taken)
    given = [story.drafted, delivered, taken]
    scenario(contracts, given=given, when=paying(), at=at(2025, 1, 23), then=[])
    other = Rejected("contract.payment_reference_used", reference="B-1", amount=Decimal(25000))
    scenario(contracts, given=given, when=paying("1"), at=at(2025, 1, 23), then=other)


# -- addenda


def test_an_addendum_holds_from_its_day_once_the_partner_has_signed_it(
    story: Story, said: Callable[..., TermsSaid]
) -> None:
    royalties = [
        {"percent": "5.5", "effective_to": "2026-12-31"},
        {"percent": "4.5", "effective_from": "2027-01-01"},
    ]
    terms = said(jurisdiction="CN", term_ends_on=LAST_DAY, renewal=RENEWAL, royalties=royalties)
    propose = ProposeAddendum(text="Lower royalties.", effective_from=date(2026, 7, 1), terms=terms)
    proposed = AddendumProposed(
        contract_id=story.contract,
        number=1,
        text="Lower royalties.",
        effective_from=date(2026, 7, 1),
        terms=terms.agreed(),
    )
    scenario(contracts, given=story.in_force, when=propose, at=at(2026, 6, 1), then=proposed)
    given = [*story.in_force, proposed]
    scenario(contracts, given=given, when=propose, at=at(2026, 6, 2), then=[])
    signed = AddendumSigned(
        contract_id=story.contract,
        number=1,
        signed_on=date(2026, 6, 9),
        partner_id=story.drafted.partner_id,
        effective_from=date(2026, 7, 1),
        terms=terms.agreed(),
    )
    scenario(contracts, given=given, when=SignAddendum(number=1), at=at(2026, 6, 9), then=signed)
    scenario(contracts, given=[*given, signed], when=SignAddendum(number=1), at=at(2026, 6, 9), then=[])
    unsigned, state = contracts.fold(given), contracts.fold([*given, signed])
    before = story.drafted.terms
    assert before is not None
    assert unsigned.terms_on(date(2026, 7, 1)) == state.terms_on(date(2026, 6, 30)) == before
    assert state.terms_on(date(2026, 7, 1)) == terms.agreed()


def test_an_addendum_is_not_signed_after_its_day_and_does_not_change_what_other_rules_judge(
    story: Story, said: Callable[..., TermsSaid]
) -> None:
    late = Rejected("contract.effective_before_signing", effective_from=date(2026, 7, 1), signed_on=date(2026, 7, 2))
    text = ProposeAddendum(text="New logo.", effective_from=date(2026, 7, 1))
    scenario(contracts, given=story.in_force, when=text, at=at(2026, 7, 2), then=late)
    proposed = AddendumProposed(
        contract_id=story.contract, number=1, text="New logo.", effective_from=date(2026, 7, 1), terms=None
    )
    given = [*story.in_force, proposed]
    scenario(contracts, given=given, when=SignAddendum(number=1), at=at(2026, 7, 2), then=late)
    none = Unknown("contract.addendum_unknown", number=2)
    scenario(contracts, given=given, when=SignAddendum(number=2), at=at(2026, 7, 1), then=none)
    wider = said(jurisdiction="CN", term_ends_on=LAST_DAY, renewal=RENEWAL, grants=[{"area": "CN"}])
    area = ProposeAddendum(text="More.", effective_from=date(2026, 7, 1), terms=wider)
    refused = Rejected("contract.not_by_addendum", terms=["grants[0].area"])
    scenario(contracts, given=story.in_force, when=area, at=at(2026, 6, 1), then=refused)


# -- transfer


def test_a_contract_is_transferred_on_its_day_once_both_partners_consent(story: Story) -> None:
    day = date(2026, 7, 1)
    propose = ProposeTransfer(to_partner_id=OTHER, effective_on=day)
    proposed = TransferProposed(contract_id=story.contract, to_partner_id=OTHER, effective_on=day)
    scenario(contracts, given=story.in_force, when=propose, at=at(2026, 6, 1), then=proposed)
    given: list[Any] = [*story.in_force, proposed]
    scenario(contracts, given=given, when=propose, at=at(2026, 6, 1), then=[])
    first = TransferConsented(contract_id=story.contract, side="transferor", transfers_at=None)
    scenario(contracts, given=given, when=ConsentToTransfer(side="transferor"), at=at(2026, 6, 2), then=first)
    alone = Rejected("contract.consent_missing", awaits=["transferee"])
    scenario(contracts, given=[*given, first], when=CompleteTransfer(), at=at(2026, 7, 1), then=alone)
    second = TransferConsented(contract_id=story.contract, side="transferee", transfers_at=story.rules.start_of(day))
    given = [*given, first]
    scenario(contracts, given=given, when=ConsentToTransfer(side="transferee"), at=at(2026, 6, 3), then=second)
    given = [*given, second]
    scenario(contracts, given=given, when=ConsentToTransfer(side="transferee"), at=at(2026, 6, 3), then=[])
    early = Rejected("contract.transfer_not_due", allowed_from=day)
    scenario(contracts, given=given, when=CompleteTransfer(), at=at(2026, 6, 29), then=early)
    transferred = ContractTransferred(
        contract_id=story.contract,
        partner_id=OTHER,
        from_partner_id=story.ids["partner_id"],
        effective_on=day,
    )
    scenario(contracts, given=given, when=CompleteTransfer(), at=at(2026, 7, 1), then=transferred)
    assert contracts.owner is not None
    assert contracts.owner(contracts.fold([*given, transferred])) == OTHER


def test_nobody_gets_a_contract_with_an_open_breach_or_what_is_theirs_already(story: Story) -> None:
    day = date(2030, 1, 1)
    propose = ProposeTransfer(to_partner_id=OTHER, effective_on=day)
    refused = Rejected("contract.breach_open", breach_id=UUID(int=77), ground="non_payment")
    given = [*story.in_force, story.breached]
    scenario(contracts, given=given, when=propose, at=at(2029, 12, 2), then=refused)
    partner = story.ids["partner_id"]
    own = ProposeTransfer(to_partner_id=partner, effective_on=day)
    theirs = Rejected("contract.already_theirs", partner_id=partner)
    scenario(contracts, given=story.in_force, when=own, at=at(2029, 12, 2), then=theirs)
    nothing = Rejected("contract.no_transfer_proposed")
    consent = ConsentToTransfer(side="transferor")
    scenario(contracts, given=story.in_force, when=consent, at=at(2029, 12, 2), then=nothing)


# -- succession

ADJUSTMENT, LOW = UUID(int=50), UUID(int=51)
SEEK = SeekSuccessor(adjustment_id=ADJUSTMENT, reasons=("Retires.",), evidence=(LOW,))


def sought(story: Story) -> SuccessorSought:
    return SuccessorSought(**story.ids, adjustment_id=ADJUSTMENT, reasons=("Retires.",), evidence=(LOW,))


def test_a_successor_is_sought_once_for_a_contract_in_force(story: Story) -> None:
    scenario(contracts, given=story.in_force, when=SEEK, at=at(2026, 6, 1), then=sought(story))
    scenario(contracts, given=[*story.in_force, sought(story)], when=SEEK, at=at(2026, 6, 2), then=[])
    drafted = Rejected("contract.not_in_force", standing="drafted")
    scenario(contracts, given=[story.drafted], when=SEEK, at=at(2026, 6, 1), then=drafted)


def test_a_transfer_is_how_a_successor_comes_and_the_search_is_over_with_it(story: Story) -> None:
    given = [*story.in_force, sought(story)]
    propose = ProposeTransfer(to_partner_id=OTHER, effective_on=date(2026, 7, 1))
    proposed = TransferProposed(contract_id=story.contract, to_partner_id=OTHER, effective_on=date(2026, 7, 1))
    scenario(contracts, given=given, when=propose, at=at(2026, 6, 1), then=proposed)
    transferred = ContractTransferred(
        contract_id=story.contract,
        partner_id=OTHER,
        from_partner_id=story.ids["partner_id"],
        effective_on=date(2026, 7, 1),
    )
    assert contracts.fold([*given, proposed, transferred]).succession is None


def test_who_is_to_be_replaced_renews_nothing_until_the_search_is_called_off(story: Story) -> None:
    given = [*story.in_force, story.opened, sought(story)]
    sign = SignRenewal(party=Party.PARTNER)
    refusal = Rejected("contract.successor_sought", reasons=["Retires."])
    scenario(contracts, given=given, when=sign, at=at(2029, 12, 1), then=refusal)
    off = SuccessionCalledOff(contract_id=story.contract, reason="Stays on.")
    scenario(contracts, given=given, when=CallOffSuccession(reason="Stays on."), at=at(2029, 12, 1), then=off)
    scenario(contracts, given=[*given, off], when=sign, at=at(2029, 12, 1), then=story.renewing(Party.PARTNER))
    none = Rejected("contract.no_successor_sought")
    scenario(contracts, given=[*given, off], when=CallOffSuccession(reason="No."), at=at(2029, 12, 1), then=none)

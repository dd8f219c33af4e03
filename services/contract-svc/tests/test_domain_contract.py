from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from contract.domain.contract import DraftContract, contracts
from contract.domain.disclosure import DeliverDisclosure, OpenSigningWindow, RulesApplied, SigningWindowOpened
from contract.domain.shipped import SHIPPED
from contract.domain.signature import (
    ContractExecuted,
    ContractWithdrawn,
    PartySigned,
    SignContract,
    WithdrawContract,
)
from contract.domain.standing import Party
from contract.domain.term import BringIntoForce, ExpireContract
from contract.domain.termination import (
    AgreeToTermination,
    TerminateContract,
    TerminationAgreed,
    TerminationProposed,
)
from engine import Command, Rejected, Unknown
from engine.testing import scenario
from events.contract import (
    ContractDrafted,
    ContractExpired,
    ContractInForce,
    ContractTerminated,
    DisclosureDelivered,
    PartnerSigned,
)

Alaska = Callable[..., datetime]
LAW = "16 CFR 436.2(a)"
DELIVERED, OPENS = date(2000, 1, 13), date(2000, 1, 28)
LAST_DAY = date(2001, 12, 31)


class Story:
    """The events of a contract's life as far as a test needs them."""

    def __init__(self, contract: UUID, partner: UUID, terms: dict[str, Any]) -> None:
        self.ids = {"contract_id": contract, "partner_id": partner}
        self.contract, self.terms = contract, terms
        self.drafted = ContractDrafted(**self.ids, **terms)
        self.rules = SHIPPED[terms["jurisdiction"]]
        self.ruled = RulesApplied(contract_id=contract, rules=self.rules)
        self.disclosed = DisclosureDelivered(
            **self.ids,
            delivered_on=DELIVERED,
            signing_allowed_from=OPENS,
            law=LAW,
            opens_at=datetime(2000, 1, 28, 9, tzinfo=UTC),
            rules_version=0,
        )
        self.disclose = DeliverDisclosure(rules=self.rules)
        self.agreed = TerminationAgreed(contract_id=contract, reason="retires")
        self.in_force = ContractInForce(**self.ids)
        self.expired = ContractExpired(**self.ids)
        self.terminated = ContractTerminated(**self.ids, reason="unpaid royalties")

    def signed(self, party: Party, on: date, effective_from: date | None = None) -> PartySigned:
        return PartySigned(contract_id=self.contract, party=party, signed_on=on, effective_from=effective_from)

    def executed(
        self, signed_on: date, effective_from: date, in_force_at: datetime, expires_at: datetime | None = None
    ) -> list[Any]:
        """What the principal's signature, the last one, leads to."""
        return [
            self.signed(Party.PRINCIPAL, signed_on, effective_from),
            PartnerSigned(**self.ids, areas=self.terms["areas"], effective_from=effective_from),
            ContractExecuted(contract_id=self.contract, in_force_at=in_force_at, expires_at=expires_at),
        ]

    def until_signed(self, effective_from: date = date(2000, 2, 1)) -> list[Any]:
        first = self.signed(Party.PARTNER, date(2000, 1, 28))
        at = datetime(2000, 2, 1, 9, tzinfo=UTC)
        return [self.drafted, self.disclosed, first, *self.executed(date(2000, 1, 29), effective_from, at)]


@pytest.fixture
def story(contract: UUID, partner: UUID, terms: Callable[..., dict[str, Any]]) -> Story:
    return Story(contract, partner, terms())


@pytest.fixture
def dated(contract: UUID, partner: UUID, terms: Callable[..., dict[str, Any]]) -> Story:
    """A contract whose term ends."""
    return Story(contract, partner, terms(term_ends_on=LAST_DAY))


@pytest.fixture
def undisclosed(contract: UUID, partner: UUID, terms: Callable[..., dict[str, Any]]) -> Story:
    """Where no law asks for disclosure."""
    return Story(contract, partner, terms(jurisdiction="NONE"))


# -- drafting


def drafting(story: Story) -> DraftContract:
    return DraftContract(**story.ids, terms=story.terms["terms"], rules=story.rules)


def test_a_contract_is_drafted_from_agreed_terms_and_keeps_the_rules_of_that_day(story: Story, alaska: Alaska) -> None:
    scenario(contracts, when=drafting(story), at=alaska(2000, 1, 12), then=[story.drafted, story.ruled])


def test_drafting_it_again_changes_nothing_and_with_other_terms_is_refused(
    story: Story, dated: Story, alaska: Alaska
) -> None:
    again, other = drafting(story), drafting(dated)
    refused = Rejected("contract.already_drafted", contract_id=story.contract)
    scenario(contracts, given=[story.drafted], when=again, at=alaska(2000, 1, 12), then=[])
    scenario(contracts, given=[story.drafted], when=other, at=alaska(2000, 1, 12), then=refused)


@pytest.mark.parametrize(
    "command",
    [
        DeliverDisclosure(rules=SHIPPED["US-AK"]),
        SignContract(party=Party.PARTNER),
        BringIntoForce(),
        ExpireContract(),
        TerminateContract(reason="none", by=("ana",)),
    ],
)
def test_a_contract_that_was_never_drafted_is_unknown(command: Command, alaska: Alaska) -> None:
    scenario(contracts, when=command, at=alaska(2000, 1, 12), then=Unknown("contract.contract_unknown"))


# -- disclosing


def test_delivering_the_disclosure_starts_the_clock_of_the_law(story: Story, alaska: Alaska) -> None:
    scenario(contracts, given=[story.drafted], when=story.disclose, at=alaska(2000, 1, 13, 9), then=story.disclosed)


def test_the_day_of_delivery_is_the_one_on_the_clocks_of_the_jurisdiction(story: Story, alaska: Alaska) -> None:
    late = alaska(2000, 1, 13, 23, 30)
    assert late.date() == date(2000, 1, 14)
    scenario(contracts, given=[story.drafted], when=story.disclose, at=late, then=story.disclosed)


def test_delivering_it_again_on_the_same_day_changes_nothing(story: Story, alaska: Alaska) -> None:
    given = [story.drafted, story.disclosed]
    scenario(contracts, given=given, when=story.disclose, at=alaska(2000, 1, 13, 18), then=[])


def test_delivering_it_again_on_another_day_is_refused_so_that_the_clock_stands(story: Story, alaska: Alaska) -> None:
    refused = Rejected("contract.already_disclosed", delivered_on=DELIVERED)
    given = [story.drafted, story.disclosed]
    scenario(contracts, given=given, when=story.disclose, at=alaska(2000, 1, 14, 9), then=refused)


def test_where_no_law_asks_for_it_a_disclosure_opens_signing_on_the_same_day(undisclosed: Story) -> None:
    delivered = DisclosureDelivered(
        **undisclosed.ids,
        delivered_on=DELIVERED,
        signing_allowed_from=DELIVERED,
        law="no franchise disclosure law",
        opens_at=datetime(2000, 1, 13, 9, tzinfo=UTC),
        rules_version=0,
    )
    at = datetime(2000, 1, 13, 9, tzinfo=UTC)
    scenario(contracts, given=[undisclosed.drafted], when=undisclosed.disclose, at=at, then=delivered)


def test_what_was_signed_without_disclosure_cannot_be_disclosed_afterwards(undisclosed: Story) -> None:
    at = datetime(2000, 1, 13, 9, tzinfo=UTC)
    first = undisclosed.signed(Party.PARTNER, DELIVERED)
    given = [undisclosed.drafted, first, *undisclosed.executed(DELIVERED, DELIVERED, at)]
    refused = Rejected("contract.not_to_be_disclosed", standing="signed")
    scenario(contracts, given=given, when=undisclosed.disclose, at=at, then=refused)


# -- signing


def test_signing_before_disclosure_is_refused(story: Story, alaska: Alaska) -> None:
    sign = SignContract(party=Party.PARTNER)
    refused = Rejected("contract.not_disclosed", law=LAW)
    scenario(contracts, given=[story.drafted], when=sign, at=alaska(2000, 1, 20), then=refused)


@pytest.mark.parametrize("party", Party)
def test_signing_inside_the_disclosure_period_is_refused_with_the_date_it_opens(
    story: Story, alaska: Alaska, party: Party
) -> None:
    scenario(
        contracts,
        given=[story.drafted, story.disclosed],
        when=SignContract(party=party),
        at=alaska(2000, 1, 27, 23, 59),
        then=Rejected("contract.disclosure_period_running", allowed_from=OPENS, law=LAW),
    )


def test_signing_is_possible_from_the_first_minute_of_the_day_it_opens(story: Story, alaska: Alaska) -> None:
    scenario(
        contracts,
        given=[story.drafted, story.disclosed],
        when=SignContract(party=Party.PARTNER),
        at=alaska(2000, 1, 28, 0, 0),
        then=story.signed(Party.PARTNER, OPENS),
    )


def test_one_signature_does_not_sign_the_contract_and_may_say_when_it_takes_effect(
    story: Story, alaska: Alaska
) -> None:
    scenario(
        contracts,
        given=[story.drafted, story.disclosed],
        when=SignContract(party=Party.PARTNER, effective_from=date(2000, 2, 1)),
        at=alaska(2000, 1, 28, 9),
        then=story.signed(Party.PARTNER, OPENS, date(2000, 2, 1)),
    )


def test_the_last_signature_signs_the_contract_from_the_agreed_day_on(story: Story, alaska: Alaska) -> None:
    scenario(
        contracts,
        given=[story.drafted, story.disclosed, story.signed(Party.PARTNER, OPENS, date(2000, 2, 1))],
        when=SignContract(party=Party.PRINCIPAL),
        at=alaska(2000, 1, 29, 9),
        then=story.executed(date(2000, 1, 29), date(2000, 2, 1), alaska(2000, 2, 1)),
    )


def test_a_contract_without_an_agreed_day_takes_effect_with_the_last_signature_and_not_before_it(
    story: Story, alaska: Alaska
) -> None:
    now = alaska(2000, 1, 29, 9, 30)
    scenario(
        contracts,
        given=[story.drafted, story.disclosed, story.signed(Party.PARTNER, OPENS)],
        when=SignContract(party=Party.PRINCIPAL),
        at=now,
        then=story.executed(date(2000, 1, 29), date(2000, 1, 29), now),
    )


def test_an_agreed_day_that_passed_before_all_had_signed_is_not_kept(story: Story, alaska: Alaska) -> None:
    given = [story.drafted, story.disclosed, story.signed(Party.PARTNER, OPENS, date(2000, 2, 1))]
    now = alaska(2000, 2, 3, 9)
    then = story.executed(date(2000, 2, 3), date(2000, 2, 3), now)
    scenario(contracts, given=given, when=SignContract(party=Party.PRINCIPAL), at=now, then=then)
    later = SignContract(party=Party.PRINCIPAL, effective_from=date(2000, 3, 1))
    then = story.executed(date(2000, 2, 3), date(2000, 3, 1), alaska(2000, 3, 1))
    scenario(contracts, given=given, when=later, at=now, then=then)


def test_the_clock_of_a_term_runs_to_the_end_of_its_last_day(dated: Story, alaska: Alaska) -> None:
    scenario(
        contracts,
        given=[dated.drafted, dated.disclosed, dated.signed(Party.PARTNER, OPENS, date(2000, 2, 1))],
        when=SignContract(party=Party.PRINCIPAL),
        at=alaska(2000, 1, 29, 9),
        then=dated.executed(date(2000, 1, 29), date(2000, 2, 1), alaska(2000, 2, 1), alaska(2002, 1, 1)),
    )


def test_where_no_law_asks_for_disclosure_parties_sign_at_once(undisclosed: Story) -> None:
    at = datetime(2000, 1, 13, 9, tzinfo=UTC)
    first = undisclosed.signed(Party.PARTNER, DELIVERED)
    scenario(contracts, given=[undisclosed.drafted], when=SignContract(party=Party.PARTNER), at=at, then=first)
    scenario(
        contracts,
        given=[undisclosed.drafted, first],
        when=SignContract(party=Party.PRINCIPAL),
        at=at,
        then=undisclosed.executed(DELIVERED, DELIVERED, at),
    )


def test_signing_twice_changes_nothing(story: Story, alaska: Alaska) -> None:
    first = [story.drafted, story.disclosed, story.signed(Party.PARTNER, OPENS, date(2000, 2, 1))]
    sign = SignContract(party=Party.PARTNER)
    same_day = SignContract(party=Party.PARTNER, effective_from=date(2000, 2, 1))
    for given in (first, story.until_signed(), [*story.until_signed(), story.in_force]):
        scenario(contracts, given=given, when=sign, at=alaska(2000, 2, 1, 9), then=[])
        scenario(contracts, given=given, when=same_day, at=alaska(2000, 2, 1, 9), then=[])


def test_signing_again_with_another_day_is_refused(story: Story, alaska: Alaska) -> None:
    scenario(
        contracts,
        given=[story.drafted, story.disclosed, story.signed(Party.PARTNER, OPENS, date(2000, 2, 1))],
        when=SignContract(party=Party.PARTNER, effective_from=date(2000, 2, 2)),
        at=alaska(2000, 1, 28, 9),
        then=Rejected("contract.already_signed", party="partner", effective_from=date(2000, 2, 1)),
    )


def test_parties_who_name_different_days_have_not_agreed(story: Story, alaska: Alaska) -> None:
    scenario(
        contracts,
        given=[story.drafted, story.disclosed, story.signed(Party.PARTNER, OPENS, date(2000, 2, 1))],
        when=SignContract(party=Party.PRINCIPAL, effective_from=date(2000, 2, 2)),
        at=alaska(2000, 1, 29, 9),
        then=Rejected("contract.effective_from_differs", effective_from=date(2000, 2, 2), agreed=date(2000, 2, 1)),
    )


def test_a_contract_cannot_take_effect_before_it_is_signed(story: Story, alaska: Alaska) -> None:
    scenario(
        contracts,
        given=[story.drafted, story.disclosed],
        when=SignContract(party=Party.PARTNER, effective_from=date(2000, 1, 27)),
        at=alaska(2000, 1, 28, 9),
        then=Rejected(
            "contract.effective_before_signing", effective_from=date(2000, 1, 27), signed_on=date(2000, 1, 28)
        ),
    )


def test_a_contract_can_be_neither_signed_nor_take_effect_after_its_term(dated: Story, alaska: Alaska) -> None:
    given = [dated.drafted, dated.disclosed]
    late = SignContract(party=Party.PARTNER, effective_from=date(2002, 1, 1))
    refused = Rejected("contract.term_over", term_ends_on=LAST_DAY)
    scenario(contracts, given=given, when=late, at=alaska(2000, 1, 28), then=refused)
    scenario(contracts, given=given, when=SignContract(party=Party.PARTNER), at=alaska(2002, 1, 1), then=refused)


# -- in force, and out of it


def test_a_signed_contract_is_in_force_from_its_day_on(story: Story, alaska: Alaska) -> None:
    given = story.until_signed()
    scenario(contracts, given=given, when=BringIntoForce(), at=alaska(2000, 2, 1), then=story.in_force)


def test_a_contract_is_not_in_force_before_its_day(story: Story, alaska: Alaska) -> None:
    scenario(
        contracts,
        given=story.until_signed(),
        when=BringIntoForce(),
        at=alaska(2000, 1, 31, 23, 59),
        then=Rejected("contract.not_yet_effective", effective_from=date(2000, 2, 1)),
    )


def test_a_contract_that_not_all_have_signed_does_not_come_into_force(story: Story, alaska: Alaska) -> None:
    drafted, disclosed = [story.drafted], [story.drafted, story.disclosed]
    half = [*disclosed, story.signed(Party.PARTNER, OPENS, date(2000, 2, 1))]
    for given, status in ((drafted, "drafted"), (disclosed, "disclosed"), (half, "disclosed")):
        refused = Rejected("contract.not_signed", standing=status)
        scenario(contracts, given=given, when=BringIntoForce(), at=alaska(2000, 2, 1), then=refused)


def test_a_contract_that_has_ended_does_not_come_into_force_again(story: Story, alaska: Alaska) -> None:
    in_force = [*story.until_signed(), story.in_force]
    for ending, status in ((story.expired, "expired"), (story.terminated, "terminated")):
        refused = Rejected("contract.ended", standing=status)
        scenario(contracts, given=[*in_force, ending], when=BringIntoForce(), at=alaska(2001, 1, 1), then=refused)


def test_coming_into_force_twice_changes_nothing(story: Story, alaska: Alaska) -> None:
    given = [*story.until_signed(), story.in_force]
    scenario(contracts, given=given, when=BringIntoForce(), at=alaska(2000, 2, 1), then=[])


def test_a_contract_expires_after_the_last_day_of_its_term(dated: Story, alaska: Alaska) -> None:
    given = [*dated.until_signed(), dated.in_force]
    refused = Rejected("contract.term_not_over", term_ends_on=LAST_DAY)
    scenario(contracts, given=given, when=ExpireContract(), at=alaska(2001, 12, 31, 23, 59), then=refused)
    scenario(contracts, given=given, when=ExpireContract(), at=alaska(2002, 1, 1), then=dated.expired)


def test_a_contract_without_end_does_not_expire(story: Story, alaska: Alaska) -> None:
    given = [*story.until_signed(), story.in_force]
    refused = Rejected("contract.term_not_over", term_ends_on=None)
    scenario(contracts, given=given, when=ExpireContract(), at=alaska(2050, 1, 1), then=refused)


def test_expiring_twice_changes_nothing(dated: Story, alaska: Alaska) -> None:
    given = [*dated.until_signed(), dated.in_force, dated.expired]
    scenario(contracts, given=given, when=ExpireContract(), at=alaska(2002, 1, 1), then=[])


def proposed(story: Story, *by: str, reason: str = "unpaid royalties") -> TerminationProposed:
    return TerminationProposed(contract_id=story.terminated.contract_id, reason=reason, by=by or ("ben",))


def test_a_contract_in_force_is_terminated_with_a_reason_by_two_persons(story: Story, alaska: Alaska) -> None:
    given = [*story.until_signed(), story.in_force, story.agreed]
    terminate = TerminateContract(reason="unpaid royalties", by=("ana",))
    scenario(contracts, given=given, when=terminate, at=alaska(2000, 6, 1), then=proposed(story, "ana"))
    scenario(contracts, given=[*given, proposed(story)], when=terminate, at=alaska(2000, 6, 1), then=story.terminated)


@pytest.mark.parametrize(
    ("first", "second"), [(("ana",), ("ana",)), (("ana",), ("cid", "ana")), (("ana", "ben"), ("ben",))]
)
def test_one_person_does_not_terminate_it_alone_also_not_in_anothers_name(
    story: Story, alaska: Alaska, first: tuple[str, ...], second: tuple[str, ...]
) -> None:
    given = [*story.until_signed(), story.in_force, story.agreed, proposed(story, *first)]
    again = TerminateContract(reason="unpaid royalties", by=second)
    refused = Rejected("contract.second_person_needed", proposed_by=list(first))
    scenario(contracts, given=given, when=again, at=alaska(2000, 6, 1), then=refused)


def test_who_wants_to_terminate_it_for_another_reason_proposes_that(story: Story, alaska: Alaska) -> None:
    given = [*story.until_signed(), story.in_force, story.agreed, proposed(story, "ana")]
    other = TerminateContract(reason="moved away", by=("ben",))
    then = proposed(story, "ben", reason="moved away")
    scenario(contracts, given=given, when=other, at=alaska(2000, 6, 1), then=then)
    first = TerminateContract(reason="unpaid royalties", by=("cid",))
    scenario(contracts, given=[*given, then], when=first, at=alaska(2000, 6, 1), then=proposed(story, "cid"))


def test_terminating_again_for_the_same_reason_changes_nothing_and_for_another_is_refused(
    story: Story, alaska: Alaska
) -> None:
    given = [*story.until_signed(), story.in_force, story.terminated]
    again = TerminateContract(reason="unpaid royalties", by=("ana",))
    other = TerminateContract(reason="moved away", by=("ana",))
    refused = Rejected("contract.not_in_force", standing="terminated")
    scenario(contracts, given=given, when=again, at=alaska(2000, 6, 2), then=[])
    scenario(contracts, given=given, when=other, at=alaska(2000, 6, 2), then=refused)


@pytest.mark.parametrize("command", [TerminateContract(reason="unpaid royalties", by=("ana",)), ExpireContract()])
def test_only_a_contract_in_force_can_end(dated: Story, alaska: Alaska, command: Command) -> None:
    signed = dated.until_signed()
    other = dated.terminated if isinstance(command, ExpireContract) else dated.expired
    for given, status in (
        (signed[:1], "drafted"),
        (signed[:2], "disclosed"),
        (signed[:3], "disclosed"),
        (signed, "signed"),
        ([*signed, dated.in_force, other], "terminated" if other is dated.terminated else "expired"),
    ):
        refused = Rejected("contract.not_in_force", standing=status)
        scenario(contracts, given=given, when=command, at=alaska(2001, 6, 1), then=refused)


def test_a_contract_cannot_be_terminated_on_a_day_on_which_it_did_not_hold(dated: Story, alaska: Alaska) -> None:
    given = [*dated.until_signed(), dated.in_force, dated.agreed, proposed(dated)]
    terminate = TerminateContract(reason="unpaid royalties", by=("ana",))
    early = Rejected("contract.not_yet_effective", effective_from=date(2000, 2, 1))
    late = Rejected("contract.term_over", term_ends_on=LAST_DAY)
    scenario(contracts, given=given, when=terminate, at=alaska(2000, 1, 31), then=early)
    scenario(contracts, given=given, when=terminate, at=alaska(2002, 1, 1), then=late)
    scenario(contracts, given=given, when=terminate, at=alaska(2001, 12, 31, 23), then=dated.terminated)


def test_without_a_breach_a_contract_ends_only_if_the_partner_agrees(story: Story, alaska: Alaska) -> None:
    given = [*story.until_signed(), story.in_force]
    terminate = TerminateContract(reason="unpaid royalties", by=("ana",))
    scenario(contracts, given=given, when=terminate, at=alaska(2000, 6, 1), then=Rejected("contract.cause_needed"))
    agree = AgreeToTermination(reason="retires")
    scenario(contracts, given=given, when=agree, at=alaska(2000, 6, 1), then=story.agreed)
    scenario(contracts, given=[*given, story.agreed], when=agree, at=alaska(2000, 6, 1), then=[])


# -- the window, and withdrawal


def test_the_window_for_signing_opens_when_the_laws_period_is_over(story: Story, alaska: Alaska) -> None:
    given = [story.drafted, story.disclosed]
    opened = SigningWindowOpened(contract_id=story.contract)
    refused = Rejected("contract.disclosure_period_running", allowed_from=OPENS)
    scenario(contracts, given=given, when=OpenSigningWindow(), at=alaska(2000, 1, 27, 23, 59), then=refused)
    scenario(contracts, given=given, when=OpenSigningWindow(), at=alaska(2000, 1, 28), then=opened)
    for later in ([*given, opened], story.until_signed()):
        scenario(contracts, given=later, when=OpenSigningWindow(), at=alaska(2000, 2, 1), then=[])
    sign = SignContract(party=Party.PARTNER)
    signed = story.signed(Party.PARTNER, OPENS)
    scenario(contracts, given=[*given, opened], when=sign, at=alaska(2000, 1, 28, 9), then=signed)


def test_what_not_all_have_signed_is_withdrawn_and_then_nobody_signs(story: Story, alaska: Alaska) -> None:
    half = [story.drafted, story.disclosed, story.signed(Party.PARTNER, OPENS)]
    withdraw = WithdrawContract(reason="no site")
    withdrawn = ContractWithdrawn(**story.ids, reason="no site")
    at = alaska(2000, 1, 29, 9)
    scenario(contracts, given=half, when=withdraw, at=at, then=withdrawn)
    scenario(contracts, given=[*half, withdrawn], when=withdraw, at=at, then=[])
    sign = SignContract(party=Party.PRINCIPAL)
    refused = Rejected("contract.withdrawn", reason="no site")
    scenario(contracts, given=[*half, withdrawn], when=sign, at=at, then=refused)
    signed = Rejected("contract.not_to_be_withdrawn", standing="signed")
    scenario(contracts, given=story.until_signed(), when=withdraw, at=at, then=signed)


def test_a_contract_from_before_it_kept_whole_terms_is_read_as_it_was(story: Story, alaska: Alaska) -> None:
    old = story.drafted.model_copy(update={"terms": None})
    scenario(contracts, given=[old], when=story.disclose, at=alaska(2000, 1, 13, 9), then=story.disclosed)
    state = contracts.fold([old])
    assert state.draft is not None
    assert (state.draft.terms.areas, state.draft.terms.royalties[0].percent) == (("US-AK-99501",), Decimal("5.5"))


def test_its_state_survives_a_snapshot(dated: Story) -> None:
    state = contracts.fold([*dated.until_signed(), dated.in_force, dated.terminated])
    adapter = contracts.state_adapter
    assert adapter.validate_json(adapter.dump_json(state)) == state

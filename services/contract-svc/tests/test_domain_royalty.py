from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from contract.domain.money import ExchangeRate
from contract.domain.royalty import CorrectRoyalty, RecountRoyalty, StateRoyalty, royalty_statements
from contract.domain.royalty_dispute import DisputeRoyalty, SettleRoyaltyDispute
from contract.domain.royalty_figures import Basis, DaySales, figures
from contract.domain.royalty_payment import CallOverdue, TakeRoyaltyPayment
from contract.domain.royalty_sale import RoyaltySaleTaken, TakeSale, royalty_sales
from contract.domain.royalty_schedule import RoyaltySchedule
from contract.domain.royalty_statement import (
    RoyaltyBalanced,
    RoyaltyBasisTaken,
    RoyaltyDisputeSettled,
    RoyaltyPaymentTaken,
    RoyaltyRateMissed,
    RoyaltyStatement,
    statement_id,
)
from contract.domain.royalty_tax import RoyaltyTaxesSet, SetTaxes, Taxes, TaxRate, royalty_taxes
from contract.domain.royalty_terms import (
    AgreeRoyaltyTerms,
    FollowContract,
    PassRoyaltyTerms,
    RoyaltyTermsAgreed,
    TakenUp,
    royalty_terms,
)
from contract.domain.shipped import SHIPPED
from contract.states import show_statement
from engine import Rejected, Unknown
from engine.testing import scenario
from events import Event
from events.contract import ContractTerms
from events.royalty import (
    RoyaltyChange,
    RoyaltyCorrected,
    RoyaltyDisputed,
    RoyaltyOverdue,
    RoyaltyPaidLate,
    RoyaltyStated,
)
from events.states import RoyaltyStatementState

CONTRACT, PARTNER, OTHER, PAYMENT, EVENT = (UUID(int=n) for n in range(1, 6))
ID = statement_id(CONTRACT, "2026-04")
MAY = datetime(2026, 5, 2, 12, tzinfo=UTC)
FIVE = RoyaltySchedule(percent=Decimal(5), effective_from=date(2020, 1, 1))
BASIS = Basis(
    contract_id=CONTRACT,
    partner_id=PARTNER,
    jurisdiction="ES",
    period="2026-04",
    in_force_from=date(2020, 1, 1),
    in_force_until=None,
    sole=True,
    currency="EUR",
    schedules=(FIVE,),
    due_days=15,
    late_interest_percent=Decimal(8),
    terms_version=3,
    taxes=(),
    tax_version=None,
    rates=(),
)
USD = ExchangeRate(currency="USD", rate=Decimal("0.9"), on=date(2026, 4, 30))
WHOSE: dict[str, Any] = {"statement_id": ID, "contract_id": CONTRACT, "partner_id": PARTNER, "period": "2026-04"}


def sold(amount: Any, currency: str = "EUR", day: int = 10) -> DaySales:
    return DaySales(date(2026, 4, day), currency, Decimal(amount))


def told(basis: Basis, *sales: DaySales) -> dict[str, Any]:
    found = figures(basis, sales)
    return {
        **WHOSE,
        "currency": "EUR",
        "sales": found.sales,
        "lines": found.lines,
        "total": found.total,
        "due_on": date(2026, 5, 15),
        "terms_version": basis.terms_version,
        "tax_version": basis.tax_version,
    }


def balanced(paid: Any, outstanding: Any, late: int = 0, interest: Any = 0, others: int = 0) -> RoyaltyBalanced:
    return RoyaltyBalanced(
        paid=Decimal(paid),
        outstanding=Decimal(outstanding),
        days_late=late,
        interest=Decimal(interest),
        in_other_currencies=others,
    )


def stated(*sales: DaySales, basis: Basis = BASIS) -> list[Event]:
    found = told(basis, *sales)
    return [RoyaltyStated(**found), by(basis), balanced(0, found["total"])]


OVERDUE_AT = datetime(2026, 5, 15, 22, tzinfo=UTC)
"""In Madrid the day when it is due is over."""


def by(basis: Basis) -> RoyaltyBasisTaken:
    return RoyaltyBasisTaken(basis=basis, overdue_at=OVERDUE_AT)


def paid(amount: Any, day: date, restatement: int = 0, currency: str = "EUR") -> TakeRoyaltyPayment:
    return TakeRoyaltyPayment(
        payment_id=PAYMENT,
        partner_id=PARTNER,
        amount=Decimal(amount),
        currency=currency,
        paid_on=day,
        restatement=restatement,
    )


def taken(command: TakeRoyaltyPayment) -> RoyaltyPaymentTaken:
    return RoyaltyPaymentTaken(**command.model_dump(exclude={"occurred_at"}))


def state(*sales: DaySales, **changes: Any) -> StateRoyalty:
    return StateRoyalty(**{"basis": BASIS, "rules": SHIPPED[BASIS.jurisdiction], "sales": sales, **changes})


def correct(*sales: DaySales, basis: Basis) -> CorrectRoyalty:
    return CorrectRoyalty(basis=basis, rules=SHIPPED[basis.jurisdiction], sales=sales, reason="the rate is known now")


def refused(given: list[Event], when: Any, refusal: Rejected, at: datetime = MAY) -> None:
    scenario(royalty_statements, given=given, when=when, at=at, then=refusal)


# -- stated


def test_a_statement_is_made_when_its_period_is_over_where_the_contract_is() -> None:
    scenario(royalty_statements, when=state(sold(1000)), at=MAY, then=stated(sold(1000)))
    madrid_in_may = datetime(2026, 4, 30, 22, tzinfo=UTC)
    scenario(royalty_statements, when=state(sold(1000)), at=madrid_in_may, then=stated(sold(1000)))
    early = Rejected("contract.period_not_over", period="2026-04", allowed_from=date(2026, 5, 1))
    refused([], state(sold(1000)), early, at=datetime(2026, 4, 30, 21, 59, tzinfo=UTC))


def test_a_period_without_sales_is_stated_too() -> None:
    scenario(royalty_statements, when=state(), at=MAY, then=stated())


def test_the_same_again_is_a_repeat_and_another_is_told_to_be_a_correction() -> None:
    given = stated(sold(1000))
    scenario(royalty_statements, given=given, when=state(sold(1000)), at=MAY, then=[])
    hint = "what changed since is a correction: restated sales lead to one by themselves"
    refused(given, state(sold(2000)), Rejected("contract.royalty_stated", period="2026-04", hint=hint))


def test_without_a_rate_for_every_currency_nothing_is_stated() -> None:
    refusal = Rejected("contract.exchange_rate_missing", currencies=["USD"], currency="EUR")
    refused([], state(sold(1000), sold(5, "USD")), refusal)


def test_a_contract_that_was_not_in_force_in_the_period_has_no_statement_of_it() -> None:
    ended = BASIS.model_copy(update={"in_force_until": date(2026, 3, 31)})
    refusal = Rejected(
        "contract.not_in_force_in_period",
        period="2026-04",
        in_force_from=date(2020, 1, 1),
        in_force_until=date(2026, 3, 31),
    )
    refused([], state(basis=ended), refusal)


def test_sales_that_could_be_of_several_contracts_are_attributed_first() -> None:
    refusal = Rejected(
        "contract.sales_of_no_contract",
        sales=2,
        contracts=[str(OTHER)],
        hint="the partner has several contracts in this period: correct the sales to name theirs",
    )
    refused([], state(sold(1), unattributed=2, others=(OTHER,)), refusal)


def test_sales_on_a_day_without_a_schedule_are_not_passed_over() -> None:
    later = FIVE.model_copy(update={"effective_from": date(2026, 4, 11)})
    basis = BASIS.model_copy(update={"schedules": (later,)})
    refused([], state(sold(1000), basis=basis), Rejected("contract.sales_without_schedule", day=date(2026, 4, 10)))


# -- corrected


def test_restated_sales_correct_the_statement_and_the_correction_names_what_changed() -> None:
    corrected = RoyaltyCorrected(
        **told(BASIS, sold(1200)),
        previous_total=Decimal("50.00"),
        delta=Decimal("10.00"),
        changes=(
            RoyaltyChange(
                kind="royalty", first_day=date(2026, 4, 1), previous=Decimal("50.00"), amount=Decimal("60.00")
            ),
        ),
        correction=1,
        because=(EVENT,),
    )
    given, recount = stated(sold(1000)), RecountRoyalty(sales=(sold(1200),), because=EVENT)
    scenario(royalty_statements, given=given, when=recount, at=MAY, then=[corrected, balanced(0, "60.00")])
    given = [*given, corrected, balanced(0, "60.00")]
    scenario(royalty_statements, given=given, when=recount, at=MAY, then=[])
    again = RecountRoyalty(sales=(sold(1000),), because=OTHER)
    outcome: Any = royalty_statements.decide(again, royalty_statements.fold(given), MAY)
    assert (outcome[0].correction, outcome[0].delta) == (2, Decimal("-10.00"))


def test_sales_of_a_period_that_is_not_stated_yet_correct_nothing() -> None:
    recount = RecountRoyalty(sales=(sold(1200),), because=EVENT)
    scenario(royalty_statements, when=recount, at=MAY, then=[])


def test_late_sales_in_a_currency_without_a_rate_are_told_once_and_wait_for_a_correction_with_one() -> None:
    given = stated(sold(1000))
    sales = (sold(1000), sold(100, "USD"))
    missed = RoyaltyRateMissed(currencies=("USD",), because=EVENT)
    recount = RecountRoyalty(sales=sales, because=EVENT)
    scenario(royalty_statements, given=given, when=recount, at=MAY, then=missed)
    scenario(royalty_statements, given=[*given, missed], when=recount, at=MAY, then=[])
    with_rate = BASIS.model_copy(update={"rates": (USD,)})
    outcome: Any = royalty_statements.decide(
        correct(*sales, basis=with_rate), royalty_statements.fold([*given, missed]), MAY
    )
    corrected, basis, balance = outcome
    assert (corrected.total, corrected.delta, corrected.reason) == (54.5, 4.5, "the rate is known now")
    assert basis == by(with_rate)
    assert balance == balanced(0, "54.50")
    after = royalty_statements.fold([*given, missed, *outcome])
    assert after.missing == ()


def test_a_correction_is_by_the_terms_of_now_a_recount_by_those_of_the_statement() -> None:
    given = stated(sold(1000))
    ten = BASIS.model_copy(
        update={"schedules": (FIVE.model_copy(update={"percent": Decimal(10)}),), "terms_version": 4}
    )
    outcome: Any = royalty_statements.decide(correct(sold(1000), basis=ten), royalty_statements.fold(given), MAY)
    assert (outcome[0].total, outcome[0].terms_version) == (100, 4)
    recounted: Any = royalty_statements.decide(
        RecountRoyalty(sales=(sold(2000),), because=EVENT), royalty_statements.fold(given), MAY
    )
    assert (recounted[0].total, recounted[0].terms_version) == (100, 3)


def test_a_correction_that_changes_nothing_is_a_repeat_and_of_nothing_unknown() -> None:
    scenario(
        royalty_statements,
        given=stated(sold(1000)),
        when=correct(sold(1000), basis=BASIS),
        at=MAY,
        then=[],
    )
    refused([], correct(basis=BASIS), Unknown("contract.royalty_statement_unknown", period="2026-04"))


# -- paid


def test_a_payment_in_time_is_taken_and_again_a_repeat() -> None:
    given, pays = stated(sold(1000)), paid(50, date(2026, 5, 15))
    then = [taken(pays), balanced(50, 0)]
    scenario(royalty_statements, given=given, when=pays, at=MAY, then=then)
    scenario(royalty_statements, given=[*given, *then], when=pays, at=MAY, then=[])


def test_a_payment_after_the_day_is_told_with_how_late_it_was_and_what_that_costs() -> None:
    pays = paid(50, date(2026, 7, 27))
    late = RoyaltyPaidLate(
        **WHOSE,
        currency="EUR",
        due_on=date(2026, 5, 15),
        days_late=73,
        paid=Decimal(50),
        outstanding=Decimal(0),
        interest=Decimal("0.80"),
    )
    then = [taken(pays), balanced(50, 0, 73, "0.80"), late]
    scenario(royalty_statements, given=stated(sold(1000)), when=pays, at=MAY, then=then)


def test_a_payment_that_is_restated_counts_as_it_was_restated() -> None:
    first, restated = paid(50, date(2026, 7, 27)), paid(50, date(2026, 5, 10), restatement=1)
    given = [*stated(sold(1000)), taken(first), balanced(50, 0, 73, "0.80")]
    scenario(royalty_statements, given=given, when=restated, at=MAY, then=[taken(restated), balanced(50, 0)])
    given = [*given, taken(restated), balanced(50, 0)]
    scenario(royalty_statements, given=given, when=first, at=MAY, then=[])


def test_a_payment_may_come_before_the_statement() -> None:
    pays = paid(20, date(2026, 4, 20))
    scenario(royalty_statements, when=pays, at=MAY, then=taken(pays))
    then = [*stated(sold(1000))[:2], balanced(20, "30.00")]
    scenario(royalty_statements, given=[taken(pays)], when=state(sold(1000)), at=MAY, then=then)


def test_a_payment_of_another_partner_is_refused_and_one_in_another_currency_only_counted() -> None:
    others = paid(50, date(2026, 5, 1)).model_copy(update={"partner_id": OTHER})
    refusal = Rejected("contract.payments_of_another", partner_id=PARTNER)
    refused(stated(sold(1000)), others, refusal)
    refused([taken(others)], state(sold(1)), Rejected("contract.payments_of_another", partner_id=OTHER))
    dollars = paid(50, date(2026, 5, 1), currency="USD")
    then = [taken(dollars), balanced(0, "50.00", others=1)]
    scenario(royalty_statements, given=stated(sold(1000)), when=dollars, at=MAY, then=then)


# -- disputed

DISPUTED = RoyaltyDisputed(**WHOSE, reason="sales of 4 April were returns")


def test_a_dispute_marks_the_statement_until_it_is_settled() -> None:
    given, contests = stated(sold(1000)), DisputeRoyalty(reason=DISPUTED.reason)
    scenario(royalty_statements, given=given, when=contests, at=MAY, then=DISPUTED)
    scenario(royalty_statements, given=[*given, DISPUTED], when=contests, at=MAY, then=[])
    other = DisputeRoyalty(reason="another")
    refused([*given, DISPUTED], other, Rejected("contract.royalty_disputed", reason=DISPUTED.reason))
    decides = SettleRoyaltyDispute(outcome="rejected", reason="the till says otherwise")
    settled = RoyaltyDisputeSettled(outcome="rejected", reason="the till says otherwise")
    scenario(royalty_statements, given=[*given, DISPUTED], when=decides, at=MAY, then=settled)
    scenario(royalty_statements, given=[*given, DISPUTED, settled], when=decides, at=MAY, then=[])
    withdraws = SettleRoyaltyDispute(outcome="withdrawn", reason="never mind")
    refused([*given, DISPUTED, settled], withdraws, Rejected("contract.royalty_not_disputed"))
    scenario(
        royalty_statements,
        given=[*given, DISPUTED, settled],
        when=other,
        at=MAY,
        then=RoyaltyDisputed(**WHOSE, reason="another"),
    )


@pytest.mark.parametrize(
    "command", [DisputeRoyalty(reason="x"), SettleRoyaltyDispute(outcome="upheld", reason="x")], ids=["no", "none"]
)
def test_what_is_not_stated_cannot_be_disputed(command: Any) -> None:
    refused([], command, Unknown("contract.royalty_statement_unknown"))


def test_a_statement_belongs_to_its_partner_and_what_was_only_paid_to_the_payer() -> None:
    assert royalty_statements.owner is not None
    owner = royalty_statements.owner
    assert owner(RoyaltyStatement()) is None
    assert owner(royalty_statements.fold([taken(paid(1, date(2026, 5, 1)))])) == PARTNER
    assert owner(royalty_statements.fold(stated())) == PARTNER


def test_a_statement_is_shown_with_what_is_paid_of_it_once_there_is_one() -> None:
    given = [*stated(sold(1000)), DISPUTED, taken(paid(20, date(2026, 5, 20)))]
    assert show_statement(ID, royalty_statements.fold(given)) == RoyaltyStatementState(
        **WHOSE,
        currency="EUR",
        total=Decimal("50.00"),
        due_on=date(2026, 5, 15),
        paid=Decimal(20),
        outstanding=Decimal("30.00"),
        days_late=5,
        corrections=0,
        disputed=True,
    )
    assert show_statement(ID, RoyaltyStatement(payer=PARTNER)) is None


# -- not paid


def overdue(outstanding: Any) -> RoyaltyOverdue:
    return RoyaltyOverdue(**WHOSE, currency="EUR", due_on=date(2026, 5, 15), outstanding=Decimal(outstanding))


def test_what_is_not_paid_by_the_end_of_its_day_is_overdue_and_that_is_told_once() -> None:
    given = stated(sold(1000))
    early = Rejected("contract.royalty_not_due", due_on=date(2026, 5, 15))
    refused(given, CallOverdue(), early, at=OVERDUE_AT - timedelta(seconds=1))
    scenario(royalty_statements, given=given, when=CallOverdue(), at=OVERDUE_AT, then=overdue("50.00"))
    told = [*given, overdue("50.00")]
    scenario(royalty_statements, given=told, when=CallOverdue(), at=OVERDUE_AT, then=[])
    refused([], CallOverdue(), Unknown("contract.royalty_statement_unknown"), at=OVERDUE_AT)


@pytest.mark.parametrize(("amount", "left"), [(50, "0.00"), (20, "30.00")], ids=["all", "a-part"])
def test_what_is_paid_in_time_is_not_overdue_and_a_part_leaves_the_rest(amount: int, left: str) -> None:
    pays = paid(amount, date(2026, 5, 10))
    given = [*stated(sold(1000)), taken(pays), balanced(amount, left)]
    then = [overdue(left)] if Decimal(left) else []
    scenario(royalty_statements, given=given, when=CallOverdue(), at=OVERDUE_AT, then=then)


def test_a_correction_after_its_day_is_overdue_at_once_and_paid_it_is_not_any_more() -> None:
    june = datetime(2026, 6, 2, tzinfo=UTC)
    pays = paid(50, date(2026, 5, 10))
    given = [*stated(sold(1000)), taken(pays), balanced(50, "0.00")]
    recount = RecountRoyalty(sales=(sold(2000),), because=EVENT)
    corrected = royalty_statements.decide(recount, royalty_statements.fold(given), june)
    assert corrected[1:] == [balanced(50, "50.00"), overdue("50.00")]
    now = royalty_statements.fold([*given, *corrected])
    assert now.overdue
    rest = paid(100, date(2026, 6, 3), restatement=1)
    assert not royalty_statements.fold(royalty_statements.decide(rest, now, june), now).overdue


# -- terms, taxes, sales

TERMS: dict[str, Any] = {
    "contract_id": CONTRACT,
    "partner_id": PARTNER,
    "currency": "EUR",
    "schedules": (FIVE,),
    "due_days": 15,
    "late_interest_percent": Decimal(8),
}


def elsewhere(**changes: Any) -> AgreeRoyaltyTerms:
    return AgreeRoyaltyTerms(**{**TERMS, "by_contract": False, **changes})


def follow(day: date, partner: UUID = PARTNER, **terms: Any) -> FollowContract:
    said = {"jurisdiction": "ES", "grants": [{"area": "ES"}], "royalties": [{"percent": "6"}], **terms}
    held = ContractTerms.model_validate(said)
    return FollowContract(contract_id=CONTRACT, partner_id=partner, terms=held, effective_from=day)


STARTS, ADDENDUM = date(2026, 2, 1), date(2026, 7, 1)
EUROS: dict[str, Any] = {"royalty_currency": "EUR", "royalty_due_days": 15, "royalty_interest_percent": "8"}


def line(percent: int, since: date, until: date | None = None, **more: Any) -> RoyaltySchedule:
    return RoyaltySchedule(percent=Decimal(percent), effective_from=since, effective_to=until, **more)


def up(since: date, *lines: RoyaltySchedule, due: int | None = 15, interest: Any = 8) -> TakenUp:
    return TakenUp(
        effective_from=since,
        schedules=lines,
        due_days=due,
        late_interest_percent=None if interest is None else Decimal(interest),
    )


AT_FIRST = up(STARTS, line(6, STARTS))


def followed(**changes: Any) -> RoyaltyTermsAgreed:
    said = {"version": 1, "source": "contract", "schedules": (line(6, STARTS),), "taken_up": (AT_FIRST,)}
    return RoyaltyTermsAgreed(**{**TERMS, **said, **changes})


def test_what_was_agreed_on_is_charged_from_the_contracts_first_day() -> None:
    scenario(royalty_terms, when=follow(STARTS, **EUROS), at=MAY, then=followed())
    scenario(royalty_terms, given=[followed()], when=follow(STARTS, **EUROS), at=MAY, then=[])
    lines = [
        {"percent": "9", "effective_to": "2026-01-31"},
        {"percent": "6", "effective_from": "2026-02-01", "effective_to": "2026-12-31"},
        {"percent": "5", "effective_from": "2027-01-01", "maximum": {"amount": "900", "currency": "EUR"}},
    ]
    schedules = (line(6, STARTS, date(2026, 12, 31)), line(5, date(2027, 1, 1), maximum=Decimal(900)))
    when = follow(STARTS, royalties=lines)
    taken_up = (up(STARTS, *schedules, due=None, interest=None),)
    then = followed(schedules=schedules, due_days=None, late_interest_percent=None, taken_up=taken_up)
    scenario(royalty_terms, when=when, at=MAY, then=then)


def test_an_addendum_changes_them_from_its_day_and_periods_before_it_are_due_as_before() -> None:
    lower = follow(ADDENDUM, royalties=[{"percent": "4"}], royalty_due_days=30)
    second = followed(
        version=2,
        schedules=(line(6, STARTS, date(2026, 6, 30)), line(4, ADDENDUM)),
        due_days=30,
        late_interest_percent=None,
        taken_up=(AT_FIRST, up(ADDENDUM, line(4, ADDENDUM), due=30, interest=None)),
    )
    scenario(royalty_terms, given=[followed()], when=lower, at=MAY, then=second)
    assert [second.on(day).due_days for day in (date(2026, 6, 30), date(2026, 7, 31))] == [15, 30]
    scenario(royalty_terms, given=[second], when=lower, at=MAY, then=[])


def test_addenda_hold_from_their_days_in_whichever_order_they_are_signed() -> None:
    october = date(2026, 10, 1)
    four = follow(ADDENDUM, royalties=[{"percent": "4"}], **EUROS)
    three = follow(october, royalties=[{"percent": "3"}], **EUROS)
    for order in ([four, three], [three, four]):
        state = royalty_terms.fold([followed()])
        for command in order:
            state = royalty_terms.fold(royalty_terms.decide(command, state, MAY), state)
        assert state.agreed is not None
        assert state.agreed.schedules == (
            line(6, STARTS, date(2026, 6, 30)),
            line(4, ADDENDUM, date(2026, 9, 30)),
            line(3, october),
        )


def test_an_addendum_that_names_a_currency_takes_over_what_was_agreed_elsewhere_from_its_day() -> None:
    first = RoyaltyTermsAgreed(**TERMS, version=1)
    taken_over = followed(
        version=2,
        schedules=(FIVE.model_copy(update={"effective_to": date(2026, 6, 30)}), line(6, ADDENDUM)),
        taken_up=(up(date(2020, 1, 1), FIVE), up(ADDENDUM, line(6, ADDENDUM))),
    )
    scenario(royalty_terms, given=[first], when=follow(ADDENDUM, **EUROS), at=MAY, then=taken_over)


def test_terms_without_a_currency_charge_nothing_and_what_was_agreed_elsewhere_stays() -> None:
    scenario(royalty_terms, when=follow(STARTS), at=MAY, then=[])
    first = RoyaltyTermsAgreed(**TERMS, version=1)
    scenario(royalty_terms, given=[first], when=follow(ADDENDUM), at=MAY, then=[])
    dollars = follow(ADDENDUM, royalty_currency="USD")
    differs = Rejected("contract.royalty_currency_differs", currency="USD", agreed="EUR")
    scenario(royalty_terms, given=[first], when=dollars, at=MAY, then=differs)


def test_what_the_contract_says_is_not_said_otherwise_by_hand() -> None:
    refusal = Rejected("contract.royalties_by_contract", hint="an addendum changes what the contract's terms say")
    scenario(royalty_terms, when=elsewhere(by_contract=True), at=MAY, then=refusal)
    scenario(royalty_terms, given=[followed()], when=elsewhere(), at=MAY, then=refusal)


def test_the_terms_go_with_the_contract_to_another_partner() -> None:
    passes = PassRoyaltyTerms(partner_id=OTHER)
    scenario(royalty_terms, given=[followed()], when=passes, at=MAY, then=followed(version=2, partner_id=OTHER))
    scenario(royalty_terms, when=passes, at=MAY, then=[])


def test_royalty_terms_are_agreed_and_revised_and_the_same_again_is_a_repeat() -> None:
    first = RoyaltyTermsAgreed(**TERMS, version=1)
    scenario(royalty_terms, when=elsewhere(), at=MAY, then=first)
    scenario(royalty_terms, given=[first], when=elsewhere(), at=MAY, then=[])
    changed = {**TERMS, "due_days": 30}
    second = RoyaltyTermsAgreed(**changed, version=2)
    scenario(royalty_terms, given=[first], when=elsewhere(due_days=30), at=MAY, then=second)


def test_terms_of_no_contract_or_of_days_with_two_schedules_are_refused() -> None:
    nobody = elsewhere(partner_id=None)
    scenario(royalty_terms, when=nobody, at=MAY, then=Unknown("contract.contract_unknown", contract_id=CONTRACT))
    twice = elsewhere(schedules=(FIVE, FIVE))
    refusal = Rejected("contract.schedules_overlap", effective_from=date(2020, 1, 1))
    scenario(royalty_terms, when=twice, at=MAY, then=refusal)


def rate(since: date, until: date | None = None, percent: int = 21, name: str = "IVA") -> TaxRate:
    return TaxRate(
        name=name,
        kind="tax",
        percent=Decimal(percent),
        law="Ley 37/1992, art. 90",
        effective_from=since,
        effective_to=until,
    )


def test_taxes_are_set_whole_and_those_of_a_day_are_taken() -> None:
    rates = (rate(date(2010, 7, 1), date(2012, 8, 31), 18), rate(date(2012, 9, 1)))
    first = RoyaltyTaxesSet(jurisdiction="ES", version=1, rates=rates)
    scenario(royalty_taxes, when=SetTaxes(jurisdiction="ES", rates=rates), at=MAY, then=first)
    scenario(royalty_taxes, given=[first], when=SetTaxes(jurisdiction="ES", rates=rates), at=MAY, then=[])
    none = RoyaltyTaxesSet(jurisdiction="ES", version=2, rates=())
    scenario(royalty_taxes, given=[first], when=SetTaxes(jurisdiction="ES", rates=()), at=MAY, then=none)
    known = Taxes(1, rates)
    assert [[tax.percent for tax in known.on(day)] for day in (date(2012, 8, 31), date(2012, 9, 1))] == [[18], [21]]
    assert known.on(date(2010, 6, 30)) == ()


def test_of_one_tax_no_two_rates_hold_on_one_day() -> None:
    both = (rate(date(2010, 7, 1)), rate(date(2012, 9, 1)))
    refusal = Rejected("contract.tax_overlaps", tax="IVA", effective_from=date(2012, 9, 1))
    scenario(royalty_taxes, when=SetTaxes(jurisdiction="ES", rates=both), at=MAY, then=refusal)
    reversed_ = (rate(date(2012, 9, 1), date(2012, 8, 1)),)
    refusal = Rejected("contract.tax_reversed", tax="IVA", effective_from=date(2012, 9, 1))
    scenario(royalty_taxes, when=SetTaxes(jurisdiction="ES", rates=reversed_), at=MAY, then=refusal)
    two = (rate(date(2010, 7, 1)), rate(date(2012, 9, 1), name="IGIC"))
    assert royalty_taxes.decide(SetTaxes(jurisdiction="ES", rates=two), Taxes(), MAY)


def test_a_sale_is_taken_once_a_report_and_a_restated_one_knows_its_day_before() -> None:
    said: dict[str, Any] = {
        "sale_id": OTHER,
        "partner_id": PARTNER,
        "contract_id": None,
        "amount": Decimal(10),
        "currency": "EUR",
        "sold_on": date(2026, 4, 30),
        "restatement": 0,
        "reported_by": EVENT,
    }
    first = RoyaltySaleTaken(**said, previously_on=None)
    scenario(royalty_sales, when=TakeSale(**said), at=MAY, then=first)
    scenario(royalty_sales, given=[first], when=TakeSale(**said), at=MAY, then=[])
    moved = {**said, "sold_on": date(2026, 5, 1), "restatement": 1}
    second = RoyaltySaleTaken(**moved, previously_on=date(2026, 4, 30))
    scenario(royalty_sales, given=[first], when=TakeSale(**moved), at=MAY, then=second)
    scenario(royalty_sales, given=[first, second], when=TakeSale(**said), at=MAY, then=[])

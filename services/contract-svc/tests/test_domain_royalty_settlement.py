from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from uuid import UUID

from contract.domain.royalty_settlement import Paid, Settlement, settle
from hypothesis import given
from hypothesis import strategies as st

DUE = date(2026, 5, 15)


def paid(amount: str, days_late: int, n: int = 1, currency: str = "EUR") -> Paid:
    return Paid(UUID(int=n), Decimal(amount), currency, DUE + timedelta(days=days_late), 0)


def settled(*payments: Paid, owed: str = "1000", rate: str | None = "8", due: date | None = DUE) -> Settlement:
    return settle(Decimal(owed), "EUR", due, None if rate is None else Decimal(rate), payments)


def test_what_is_paid_by_the_day_costs_nothing() -> None:
    assert settled(paid("400", -20, 1), paid("600", 0, 2)) == Settlement(Decimal(1000), Decimal(0), 0, Decimal(0), 0)


def test_each_part_costs_for_the_days_that_it_is_late() -> None:
    # 600 for 10 days and 400 for 73 days, at 8 % a year: 1.315... + 6.40
    found = settled(paid("600", 10, 1), paid("400", 73, 2))
    assert (found.days_late, found.interest, found.outstanding) == (73, Decimal("7.72"), Decimal(0))


def test_only_what_is_still_owed_can_be_late() -> None:
    found = settled(paid("1000", -1, 1), paid("500", 30, 2))
    assert (found.days_late, found.interest, found.outstanding) == (0, Decimal(0), Decimal(-500))


def test_terms_that_say_nothing_of_late_payment_make_it_late_and_cost_nothing() -> None:
    assert settled(paid("1000", 5), rate=None) == Settlement(Decimal(1000), Decimal(0), 5, None, 0)
    assert settled(paid("1000", 5), due=None).days_late == 0


def test_what_was_paid_back_is_owed_again() -> None:
    found = settled(paid("1000", 0, 1), paid("-200", 3, 2), paid("200", 10, 3))
    assert (found.outstanding, found.days_late, found.interest) == (Decimal(0), 10, Decimal("0.44"))


def test_a_payment_in_another_currency_is_counted_and_not_taken_in() -> None:
    found = settled(paid("1000", 0, currency="USD"))
    assert (found.paid, found.outstanding, found.in_other_currencies) == (Decimal(0), Decimal(1000), 1)


PAYMENTS = st.lists(st.tuples(st.decimals(1, 900, places=2), st.integers(-30, 400)), max_size=8)


@given(PAYMENTS, st.randoms(use_true_random=False))
def test_paid_and_outstanding_add_up_and_the_order_of_the_reports_does_not_matter(
    made: list[tuple[Decimal, int]], random: object
) -> None:
    payments = [paid(str(amount), late, n) for n, (amount, late) in enumerate(made)]
    found = settled(*payments)
    assert found.paid + found.outstanding == 1000
    assert settled(*reversed(payments)) == found


@given(PAYMENTS)
def test_interest_is_what_a_day_by_day_account_comes_to(made: list[tuple[Decimal, int]]) -> None:
    payments = sorted((late, n, amount) for n, (amount, late) in enumerate(made))
    owed, cost = Fraction(1000), Fraction(0)
    for late, _, amount in payments:
        part = min(Fraction(amount), owed)
        for _ in range(max(late, 0)):
            cost += part * 8 / 100 / 365
        owed -= part
    expected = Fraction(round(cost * 100), 100)
    found = settled(*(paid(str(amount), late, n) for late, n, amount in payments))
    assert Fraction(found.interest or 0) == expected

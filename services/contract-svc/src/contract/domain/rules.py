"""A jurisdiction's rules as values: how long disclosure must have been there before anybody signs or pays, and how long
a partner has notice of a breach, and time to cure it. A contract keeps the version that it is judged by."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from functools import cache
from itertools import islice
from typing import Annotated
from zoneinfo import available_timezones

from engine import Rejected
from events.contract import ContractTerms
from events.days import day_in, end_of, start_of
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from contract.domain.calendar import COUNTRIES, ONE_DAY, Counting, days_after
from contract.domain.terms import Code, Days

NO_LAW = "no franchise disclosure law"
THE_CONTRACT = "the contract"
GENERAL = "noncompliance"
"""The ground whose rule is taken for grounds without one of their own."""

Citation = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=300)]


# Asked of the disk once, and not for each stored event that is read.
_zones = cache(available_timezones)


def _zone(name: str) -> str:
    if name not in _zones():
        raise ValueError("is no time zone of the IANA database")
    return name


def _country(code: str) -> str:
    if code not in COUNTRIES:
        raise ValueError("is no country whose public holidays are known")
    return code


class _Rule(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class DisclosureRule(_Rule):
    """`days` that must lie between delivery and signing, counted by the `country`'s calendar if they are business days.
    `bars_payment`: nobody may take money before then either. `exempts_same_terms_renewal`: no new document is needed to
    renew on the same terms."""

    days: Annotated[int, Field(ge=1, le=365)]
    citation: Citation
    counting: Counting = "calendar_days"
    country: Annotated[str, AfterValidator(_country), Field(examples=["MX"])] | None = None
    bars_payment: bool = True
    exempts_same_terms_renewal: bool = False


class GroundRule(_Rule):
    """For breaches on this ground: `notice_days` before a termination takes effect, `cure_days` for the partner to mend
    it (0: none), at most `longest_cure_days` where the law has a limit, or neither where it is `immediate`."""

    ground: Code
    citation: Citation
    notice_days: Days = 0
    cure_days: Days = 0
    longest_cure_days: Days | None = None
    immediate: bool = False


class RulesContent(_Rule):
    """Legal days are those on the clocks of `time_zone`. Without `disclosure` nothing has to be disclosed. Grounds that
    have no rule of their own go by that of `noncompliance`, and by the contract where there is none."""

    time_zone: Annotated[str, AfterValidator(_zone), Field(examples=["Europe/Madrid"])]
    disclosure: DisclosureRule | None = None
    grounds: Annotated[tuple[GroundRule, ...], Field(max_length=50)] = ()


class Rules(RulesContent):
    """A version of a jurisdiction's rules; 0 are those that come with this software."""

    code: str
    version: int

    @property
    def citation(self) -> str:
        return self.disclosure.citation if self.disclosure else NO_LAW

    def day(self, now: datetime) -> date:
        """The legal day."""
        return day_in(self.time_zone, now)

    def start_of(self, day: date) -> datetime:
        return start_of(day, self.time_zone)

    def end_of(self, day: date) -> datetime:
        """The first instant after it."""
        return end_of(day, self.time_zone)

    def signing_opens(self, delivered_on: date) -> date:
        """The first day on which somebody may sign.

        The period is whole days between the two: neither the day of delivery nor the day of signing counts. So the
        Federal Trade Commission reads its own rule ("at least 14 calendar-days before"): the days begin on the day
        after delivery, and signing can take place on the fifteenth day after it, which leaves a full 14 days. Spanish
        law leaves out the first day, too (Código Civil, art. 5.1). For China and Mexico it is the reading that cannot
        be too short.
        """
        rule = self.disclosure
        if rule is None:
            return delivered_on
        days = days_after(delivered_on, rule.counting, rule.country)
        return next(islice(days, rule.days - 1, None)) + ONE_DAY

    def ground(self, ground: str) -> GroundRule | None:
        """The rule for breaches on this ground; None where only the contract has one."""
        by_code = {rule.ground: rule for rule in self.grounds}
        return by_code.get(ground) or by_code.get(GENERAL)


class Clocks(_Rule):
    """Of a breach: the last day to cure it (None: there is nothing to wait for), the first on which the contract may be
    terminated, and the law that says so. Each day given is a whole one after the day of the notice."""

    cure_until: date | None
    termination_allowed_from: date
    law: str


def breach_clocks(rules: Rules, terms: ContractTerms, ground: str, noticed_on: date, given: int | None) -> Clocks:
    """`given` are the days for curing that the notice grants, at least those due without it.

    What the law has for breaches in general is a minimum, and the contract's days hold where they are more; a law that
    names the ground knows its own clock. Raises Rejected where less is given than is due, or more than the law allows.
    """
    rule = rules.ground(ground) or GroundRule(ground=GENERAL, citation=THE_CONTRACT)
    if rule.immediate:
        return Clocks(cure_until=None, termination_allowed_from=noticed_on, law=rule.citation)
    notice, cure = rule.notice_days, rule.cure_days
    if rule.ground == GENERAL:
        notice, cure = max(notice, terms.notice_days), max(cure, terms.cure_days)
    if given is not None and given < cure:
        raise Rejected("contract.cure_too_short", cure_days=given, at_least=cure, law=rule.citation)
    if given is not None and rule.longest_cure_days is not None and given > rule.longest_cure_days:
        raise Rejected("contract.cure_too_long", cure_days=given, at_most=rule.longest_cure_days, law=rule.citation)
    cure_until = noticed_on + timedelta(days=cure if given is None else given)
    last = max(cure_until, noticed_on + timedelta(days=notice))
    return Clocks(cure_until=cure_until, termination_allowed_from=last + ONE_DAY, law=rule.citation)

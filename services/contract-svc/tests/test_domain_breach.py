"""Breach and cure: two clocks, by the law of the ground; and what ends with them."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from contract.domain.breach import (
    CureBreach,
    CureReported,
    LapseCure,
    NoticeBreach,
    ReportCure,
    WaiveBreach,
    WaiverProposed,
)
from contract.domain.contract import contracts
from contract.domain.disclosure import RulesApplied
from contract.domain.rules import GroundRule, Rules, breach_clocks
from contract.domain.shipped import SHIPPED
from contract.domain.termination import TerminateContract, TerminationProposed
from engine import Command, Rejected, Unknown
from engine.testing import scenario
from events.contract import (
    BreachCured,
    BreachNoticed,
    ContractDrafted,
    ContractInForce,
    ContractTerminated,
    ContractTerms,
    CureLapsed,
    PartnerSigned,
)
from hypothesis import given as over
from hypothesis import strategies as st

BREACH = UUID(int=77)
REASONS = ("The kitchen was closed by the county.", "Royalties of May are not paid.")
TERMS = ContractTerms.model_validate(
    {"jurisdiction": "NONE", "grants": [{"area": "US"}], "royalties": [{"percent": "5"}]}
)


def at(*parts: int) -> datetime:
    """By noon in London, which is the same day in all of the United States."""
    return datetime(*parts, 20, tzinfo=UTC)  # type: ignore[misc]


class Story:
    """A contract in force since 1 February 2026, and a breach noticed on 1 June."""

    def __init__(self, contract: UUID, partner: UUID, told: dict[str, Any]) -> None:
        self.ids = {"contract_id": contract, "partner_id": partner}
        self.contract, self.rules = contract, SHIPPED[told["jurisdiction"]]
        signed = PartnerSigned(**self.ids, areas=told["areas"], effective_from=date(2026, 2, 1))
        self.in_force = [ContractDrafted(**self.ids, **told), signed, ContractInForce(**self.ids)]
        self.cured = BreachCured(**self.ids, breach_id=BREACH, resolution="cured", reason="seen on site")
        self.waived = BreachCured(**self.ids, breach_id=BREACH, resolution="waived", reason="too small")
        self.lapsed = CureLapsed(**self.ids, breach_id=BREACH)

    def notice(self, ground: str, **more: Any) -> NoticeBreach:
        return NoticeBreach(breach_id=BREACH, ground=ground, reasons=REASONS, rules=self.rules, **more)

    def noticed(self, ground: str, cure: date | None, terminate: date, law: str) -> BreachNoticed:
        return BreachNoticed(
            **self.ids,
            breach_id=BREACH,
            ground=ground,
            reasons=REASONS,
            evidence=(),
            noticed_on=date(2026, 6, 1),
            cure_until=cure,
            lapses_at=None if cure is None else self.rules.end_of(cure),
            termination_allowed_from=terminate,
            law=law,
        )

    def terminated(self) -> ContractTerminated:
        return ContractTerminated(**self.ids, reason="not cured", breach_id=BREACH)


@pytest.fixture
def tell(contract: UUID, partner: UUID, terms: Callable[..., dict[str, Any]]) -> Callable[..., Story]:
    return lambda jurisdiction, **more: Story(contract, partner, terms(jurisdiction=jurisdiction, **more))


@pytest.fixture
def wisconsin(tell: Callable[..., Story]) -> Story:
    return tell("US-WI")


@pytest.fixture
def general(wisconsin: Story) -> BreachNoticed:
    """60 days to cure, 90 of notice."""
    return wisconsin.noticed("noncompliance", date(2026, 7, 31), date(2026, 8, 31), "Wis. Stat. 135.04")


# -- notice


@pytest.mark.parametrize(
    ("jurisdiction", "ground", "cure", "terminate", "law"),
    [
        ("US-WI", "noncompliance", date(2026, 7, 31), date(2026, 8, 31), "Wis. Stat. 135.04"),
        ("US-WI", "uniforms", date(2026, 7, 31), date(2026, 8, 31), "Wis. Stat. 135.04"),
        ("US-WI", "non_payment", date(2026, 6, 11), date(2026, 6, 12), "Wis. Stat. 135.04"),
        ("US-WI", "insolvency", None, date(2026, 6, 1), "Wis. Stat. 135.04"),
        ("US-CA", "noncompliance", date(2026, 7, 31), date(2026, 8, 1), "Cal. Bus. & Prof. Code 20020"),
        ("US-CA", "non_payment", date(2026, 6, 6), date(2026, 6, 7), "Cal. Bus. & Prof. Code 20021(j)"),
        ("US-CA", "felony", None, date(2026, 6, 1), "Cal. Bus. & Prof. Code 20021(i)"),
        ("ES", "non_payment", date(2026, 7, 1), date(2026, 7, 2), "the contract"),
    ],
)
def test_notice_and_cure_run_by_the_law_of_the_ground_and_every_reason_is_named(
    tell: Callable[..., Story], jurisdiction: str, ground: str, cure: date | None, terminate: date, law: str
) -> None:
    story = tell(jurisdiction)
    noticed = story.noticed(ground, cure, terminate, law)
    scenario(contracts, given=story.in_force, when=story.notice(ground), at=at(2026, 6, 1), then=noticed)


def test_a_contract_may_give_more_than_the_law_has_in_general_and_not_less(tell: Callable[..., Story]) -> None:
    law = "Wis. Stat. 135.04"
    generous = tell("US-WI", cure_days=75, notice_days=120)
    then = generous.noticed("noncompliance", date(2026, 8, 15), date(2026, 9, 30), law)
    scenario(contracts, given=generous.in_force, when=generous.notice("noncompliance"), at=at(2026, 6, 1), then=then)
    strict = tell("US-WI", cure_days=0, notice_days=0)
    then = strict.noticed("noncompliance", date(2026, 7, 31), date(2026, 8, 31), law)
    scenario(contracts, given=strict.in_force, when=strict.notice("noncompliance"), at=at(2026, 6, 1), then=then)


def test_a_notice_may_give_more_time_than_is_due_within_what_the_law_allows(tell: Callable[..., Story]) -> None:
    story, law = tell("US-CA"), "Cal. Bus. & Prof. Code 20020"
    then = story.noticed("noncompliance", date(2026, 8, 15), date(2026, 8, 16), law)
    longer = story.notice("noncompliance", cure_days=75)
    scenario(contracts, given=story.in_force, when=longer, at=at(2026, 6, 1), then=then)
    short = Rejected("contract.cure_too_short", cure_days=59, at_least=60, law=law)
    long = Rejected("contract.cure_too_long", cure_days=76, at_most=75, law=law)
    for days, refused in ((59, short), (76, long)):
        notice = story.notice("noncompliance", cure_days=days)
        scenario(contracts, given=story.in_force, when=notice, at=at(2026, 6, 1), then=refused)


def test_a_notice_goes_by_the_rules_of_its_day(wisconsin: Story) -> None:
    rule = GroundRule(ground="noncompliance", notice_days=120, cure_days=90, citation="Wis. Stat. 135.04 (2026)")
    wisconsin.rules = Rules(code="US-WI", version=1, time_zone="America/Chicago", grounds=(rule,))
    ruled = RulesApplied(contract_id=wisconsin.contract, rules=wisconsin.rules)
    then = wisconsin.noticed("noncompliance", date(2026, 8, 30), date(2026, 9, 30), "Wis. Stat. 135.04 (2026)")
    notice = wisconsin.notice("noncompliance")
    scenario(contracts, given=wisconsin.in_force, when=notice, at=at(2026, 6, 1), then=[ruled, then])


def test_the_same_notice_again_changes_nothing_and_another_by_its_id_is_refused(
    wisconsin: Story, general: BreachNoticed
) -> None:
    given = [*wisconsin.in_force, general]
    again, other = wisconsin.notice("noncompliance"), wisconsin.notice("non_payment")
    refused = Rejected("contract.already_noticed", breach_id=BREACH, ground="noncompliance")
    scenario(contracts, given=given, when=again, at=at(2026, 6, 9), then=[])
    scenario(contracts, given=given, when=other, at=at(2026, 6, 9), then=refused)


def test_only_a_contract_in_force_is_breached(wisconsin: Story) -> None:
    refused = Rejected("contract.not_in_force", standing="drafted")
    notice = wisconsin.notice("noncompliance")
    scenario(contracts, given=wisconsin.in_force[:1], when=notice, at=at(2026, 6, 1), then=refused)


GROUNDS = st.builds(
    lambda ground, notice, cure, immediate: GroundRule(
        ground=ground, notice_days=notice, cure_days=cure, immediate=immediate, citation="law"
    ),
    st.sampled_from(["noncompliance", "non_payment", "felony"]),
    st.integers(0, 200),
    st.integers(0, 200),
    st.booleans(),
)


@over(
    st.lists(GROUNDS, max_size=3, unique_by=lambda rule: rule.ground),
    st.sampled_from(["noncompliance", "non_payment", "felony", "other"]),
    st.integers(0, 200),
    st.integers(0, 200),
    st.dates(date(2000, 1, 1), date(2050, 1, 1)),
)
def test_no_contract_ends_before_its_cure_and_its_notice_have_run_unless_the_ground_is_immediate(
    grounds: list[GroundRule], ground: str, notice: int, cure: int, day: date
) -> None:
    rules = Rules(code="US", version=1, time_zone="UTC", grounds=tuple(grounds))
    agreed = TERMS.model_copy(update={"notice_days": notice, "cure_days": cure})
    clocks = breach_clocks(rules, agreed, ground, day, None)
    by_code = {rule.ground: rule for rule in grounds}
    rule = by_code.get(ground) or by_code.get("noncompliance")
    if rule is not None and rule.immediate:
        assert (clocks.cure_until, clocks.termination_allowed_from) == (None, day)
        return
    assert clocks.cure_until is not None
    assert clocks.termination_allowed_from > clocks.cure_until >= day
    whole_days = (clocks.termination_allowed_from - day).days - 1
    assert whole_days >= (notice if rule is None else rule.notice_days)
    assert (clocks.cure_until - day) >= timedelta(days=cure if rule is None else rule.cure_days)


# -- cured, waived, lapsed


def test_the_partner_says_what_was_done_and_the_principal_finds_it_cured(
    wisconsin: Story, general: BreachNoticed
) -> None:
    given = [*wisconsin.in_force, general]
    report = ReportCure(breach_id=BREACH, account="New kitchen.")
    reported = CureReported(contract_id=wisconsin.contract, breach_id=BREACH, account="New kitchen.")
    scenario(contracts, given=given, when=report, at=at(2026, 7, 1), then=reported)
    cure = CureBreach(breach_id=BREACH, reason="seen on site")
    scenario(contracts, given=[*given, reported], when=cure, at=at(2026, 7, 31), then=wisconsin.cured)
    scenario(contracts, given=[*given, wisconsin.cured], when=cure, at=at(2026, 7, 31), then=[])


def test_it_is_cured_up_to_the_last_day_and_not_after_it(wisconsin: Story, general: BreachNoticed) -> None:
    given = [*wisconsin.in_force, general]
    cure = CureBreach(breach_id=BREACH, reason="seen on site")
    late = Rejected("contract.cure_lapsed", breach_id=BREACH, cure_until=date(2026, 7, 31), law="Wis. Stat. 135.04")
    scenario(contracts, given=given, when=cure, at=at(2026, 8, 1), then=late)
    scenario(contracts, given=[*given, wisconsin.lapsed], when=cure, at=at(2026, 7, 31), then=late)


def test_what_needs_no_cure_cannot_be_cured(wisconsin: Story) -> None:
    insolvent = wisconsin.noticed("insolvency", None, date(2026, 6, 1), "Wis. Stat. 135.04")
    refused = Rejected("contract.not_curable", breach_id=BREACH, ground="insolvency", law="Wis. Stat. 135.04")
    cure = CureBreach(breach_id=BREACH, reason="seen on site")
    scenario(contracts, given=[*wisconsin.in_force, insolvent], when=cure, at=at(2026, 6, 2), then=refused)


def test_the_cure_lapses_after_its_last_day_and_only_once(wisconsin: Story, general: BreachNoticed) -> None:
    given, lapse = [*wisconsin.in_force, general], LapseCure(breach_id=BREACH)
    early = Rejected("contract.cure_running", breach_id=BREACH, cure_until=date(2026, 7, 31), law="Wis. Stat. 135.04")
    scenario(contracts, given=given, when=lapse, at=at(2026, 7, 31), then=early)
    scenario(contracts, given=given, when=lapse, at=at(2026, 8, 1), then=wisconsin.lapsed)
    for end in (wisconsin.lapsed, wisconsin.cured, wisconsin.waived, wisconsin.terminated()):
        scenario(contracts, given=[*given, end], when=lapse, at=at(2026, 8, 1), then=[])


def test_a_waiver_takes_two_persons_and_is_possible_after_the_lapse(wisconsin: Story, general: BreachNoticed) -> None:
    given = [*wisconsin.in_force, general, wisconsin.lapsed]
    ana, ben = (WaiveBreach(breach_id=BREACH, reason="too small", by=(who,)) for who in ("ana", "ben"))
    proposed = WaiverProposed(contract_id=wisconsin.contract, breach_id=BREACH, reason="too small", by=("ana",))
    alone = Rejected("contract.second_person_needed", proposed_by=["ana"])
    scenario(contracts, given=given, when=ana, at=at(2026, 8, 2), then=proposed)
    scenario(contracts, given=[*given, proposed], when=ana, at=at(2026, 8, 2), then=alone)
    scenario(contracts, given=[*given, proposed], when=ben, at=at(2026, 8, 2), then=wisconsin.waived)
    scenario(contracts, given=[*given, wisconsin.waived], when=ben, at=at(2026, 8, 2), then=[])


# -- termination


def terminate(who: str = "ana") -> TerminateContract:
    return TerminateContract(reason="not cured", breach_id=BREACH, by=(who,))


def proposed(story: Story) -> TerminationProposed:
    return TerminationProposed(contract_id=story.contract, reason="not cured", by=("ben",), breach_id=BREACH)


def test_termination_is_refused_while_the_cure_runs_and_then_while_the_notice_runs(
    wisconsin: Story, general: BreachNoticed
) -> None:
    told = {"breach_id": BREACH, "allowed_from": date(2026, 8, 31), "law": "Wis. Stat. 135.04"}
    given = [*wisconsin.in_force, general]
    curing = Rejected("contract.cure_running", cure_until=date(2026, 7, 31), **told)
    scenario(contracts, given=given, when=terminate(), at=at(2026, 7, 31), then=curing)
    lapsed = [*given, wisconsin.lapsed, proposed(wisconsin)]
    noticing = Rejected("contract.notice_running", **told)
    scenario(contracts, given=lapsed, when=terminate(), at=at(2026, 8, 30), then=noticing)
    scenario(contracts, given=lapsed, when=terminate(), at=at(2026, 8, 31), then=wisconsin.terminated())


def test_on_an_immediate_ground_it_is_terminated_at_once_and_by_two_persons(wisconsin: Story) -> None:
    insolvent = wisconsin.noticed("insolvency", None, date(2026, 6, 1), "Wis. Stat. 135.04")
    given = [*wisconsin.in_force, insolvent]
    then = proposed(wisconsin).model_copy(update={"by": ("ana",)})
    scenario(contracts, given=given, when=terminate(), at=at(2026, 6, 1), then=then)
    both = [*given, proposed(wisconsin)]
    scenario(contracts, given=both, when=terminate(), at=at(2026, 6, 1), then=wisconsin.terminated())


def test_a_breach_that_is_over_ends_no_contract(wisconsin: Story, general: BreachNoticed) -> None:
    for end, resolution in ((wisconsin.cured, "cured"), (wisconsin.waived, "waived")):
        refused = Rejected("contract.breach_over", breach_id=BREACH, resolution=resolution)
        given = [*wisconsin.in_force, general, end]
        scenario(contracts, given=given, when=terminate(), at=at(2026, 9, 1), then=refused)


@pytest.mark.parametrize(
    "command",
    [
        terminate(),
        CureBreach(breach_id=BREACH, reason="seen"),
        ReportCure(breach_id=BREACH, account="done"),
        WaiveBreach(breach_id=BREACH, reason="small", by=("ana",)),
        LapseCure(breach_id=BREACH),
    ],
    ids=lambda command: type(command).__name__,
)
def test_a_breach_that_was_never_noticed_is_unknown(wisconsin: Story, command: Command) -> None:
    unknown = Unknown("contract.breach_unknown", breach_id=BREACH)
    scenario(contracts, given=wisconsin.in_force, when=command, at=at(2026, 6, 1), then=unknown)

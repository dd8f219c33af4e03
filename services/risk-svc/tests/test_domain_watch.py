"""What events of other services lead to under rules that are judged on them."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

from engine.testing import scenario
from events.risk import RestrictionImposed, RestrictionLifted, RiskCauseAdded, RiskFlagged, RiskResolved
from hypothesis import given
from hypothesis import strategies as st
from risk.domain.flag import AcknowledgeFlag, DismissFlag, flag_id
from risk.domain.restriction import ImposeRestriction, LiftRestriction
from risk.domain.risk_profile import risk_profiles
from risk.domain.rule import RuleTerms
from risk.domain.signal import Concentration, Signal, SignalCleared, SignalNoted
from risk.domain.watch import (
    CallForReview,
    ClearSignal,
    JudgeAgain,
    JudgementFailed,
    JudgementRecovered,
    NoteSignal,
    ReviewDue,
    ReviewPlanned,
    RiskPassed,
    RuleInUse,
)

PARTNER = UUID("11111111-1111-4111-8111-111111111111")
DAY = timedelta(days=1)
START = datetime(2025, 1, 1, 9, tzinfo=UTC)


def event(n: int) -> UUID:
    return uuid5(PARTNER, str(n))


def rule(when: str = "value >= 2.0", value: str = "complaints", **changes: Any) -> RuleTerms:
    return RuleTerms.model_validate(
        {
            "code": "load",
            "version": 1,
            "judged_on": "events",
            "figure": "complaints",
            "value": value,
            "when": when,
            "severity": "medium",
            "window_days": 30,
            **changes,
        }
    )


class Told:
    """Says one thing after another, and keeps what came of each."""

    def __init__(self, *terms: RuleTerms, concentration: Concentration | None = None) -> None:
        self.rules = tuple(RuleInUse(each) for each in terms)
        self.more: dict[str, Any] = {"partner_id": PARTNER, "concentration": concentration}
        self.state = risk_profiles.initial()
        self.events: list[Any] = []
        self.n = 0

    def do(self, command: Any, day: float = 0) -> list[Any]:
        scenario(
            risk_profiles,
            given=self.events,
            when=command,
            at=START + day * DAY,
            then=(found := risk_profiles.decide(command, self.state, START + day * DAY)),
        )
        self.events += found
        self.state = risk_profiles.fold(found, self.state)
        return [each for each in found if not isinstance(each, SignalNoted | SignalCleared)]

    def signal(self, day: float, kind: Any = "complaint", subject: int | None = None, **more: Any) -> list[Any]:
        self.n += 1
        about = event(1000 + (self.n if subject is None else subject))
        signal = Signal(kind, about, START + day * DAY, (event(self.n),), **more)
        return self.do(NoteSignal(signal=signal, rules=self.rules, **self.more), day)

    def clear(self, day: float, subject: int) -> list[Any]:
        self.n += 1
        command = ClearSignal(subject=event(1000 + subject), because=event(self.n), rules=self.rules, **self.more)
        return self.do(command, day)

    def again(self, day: float) -> list[Any]:
        self.n += 1
        return self.do(JudgeAgain(because=event(self.n), rules=self.rules, **self.more), day)


def kinds(events: list[Any]) -> list[str]:
    return [type(each).__name__ for each in events]


def test_the_second_complaint_within_the_window_raises_a_flag_with_both_as_evidence() -> None:
    told = Told(rule())
    assert told.signal(0) == []
    assert told.signal(10) == [
        RiskFlagged(
            flag_id=flag_id(PARTNER, "load", event(2)),
            partner_id=PARTNER,
            rule="load",
            rule_version=1,
            severity="medium",
            period=None,
            explanation="complaints 2 on 2025-01-11 (value >= 2.0)",
            evidence=(event(1), event(2)),
            causes=(event(1001), event(1002)),
        ),
        ReviewPlanned(partner_id=PARTNER, rule="load", at=START + 30 * DAY),
    ]


def test_a_complaint_that_has_left_the_window_does_not_count() -> None:
    told = Told(rule())
    told.signal(0)
    assert told.signal(30) == []
    assert kinds(told.signal(59)) == ["RiskFlagged", "ReviewPlanned"]


def test_one_flag_is_open_however_many_follow() -> None:
    told = Told(rule())
    for day in range(5):
        told.signal(day)
    assert kinds(told.events).count("RiskFlagged") == 1


def test_another_cause_joins_the_open_flag_and_is_told_of() -> None:
    told = Told(rule())
    told.signal(0)
    told.signal(10)
    (added, _) = told.signal(20)
    assert added == RiskCauseAdded(
        flag_id=flag_id(PARTNER, "load", event(2)),
        partner_id=PARTNER,
        rule="load",
        rule_version=1,
        added=(event(1003),),
        causes=(event(1001), event(1002), event(1003)),
        explanation="complaints 3 on 2025-01-21 (value >= 2.0)",
        evidence=(event(1), event(2), event(3)),
    )
    assert kinds(told.again(21)) == ["ReviewPlanned"], "once"


def test_who_acknowledged_the_flag_has_to_look_again_when_a_cause_is_added() -> None:
    told = Told(rule("value >= 1.0"))
    told.signal(0)
    (id,) = told.state.flags
    told.do(AcknowledgeFlag(flag_id=id), 1)
    told.signal(2)
    assert not told.state.flags[id].acknowledged
    assert kinds(told.do(AcknowledgeFlag(flag_id=id), 3)) == ["FlagAcknowledged"]


def test_a_cause_that_is_gone_is_not_told_with_the_next_and_leaves_the_flag_to_the_others() -> None:
    told = Told(rule("value > 0.0", "breaches", figure="breaches"))
    told.signal(0, "breach", subject=1)
    told.signal(1, "breach", subject=2)
    assert told.clear(2, subject=1) == []
    (added,) = told.signal(3, "breach", subject=3)
    assert (added.added, added.causes) == ((event(1003),), (event(1002), event(1003)))


def test_what_is_told_of_the_same_cause_again_adds_none() -> None:
    told = Told(rule("value >= 1.0", "days_late", figure="days late"))
    told.signal(0, "late_payment", subject=1, days=4)
    assert kinds(told.signal(1, "late_payment", subject=1, days=12)) == ["ReviewPlanned"]


def test_a_flag_from_before_causes_were_told_knows_its_own_by_their_events() -> None:
    told = Told(rule())
    told.signal(0)
    told.signal(10)
    told.events = [e.model_copy(update={"causes": ()}) if isinstance(e, RiskFlagged) else e for e in told.events]
    told.state = risk_profiles.fold(told.events)
    assert kinds(told.again(11)) == ["ReviewPlanned"]
    assert kinds(told.signal(12)) == ["RiskCauseAdded", "ReviewPlanned"]


def test_the_flag_is_resolved_when_a_signal_leaves_the_window_at_the_planned_moment() -> None:
    told = Told(rule())
    told.signal(0)
    told.signal(10)
    assert told.do(CallForReview(partner_id=PARTNER, rule="load"), 30) == [ReviewDue(partner_id=PARTNER, rule="load")]
    (resolved,) = told.again(30)
    assert isinstance(resolved, RiskResolved)
    assert (resolved.resolution, resolved.explanation) == ("resolved", "complaints 1 on 2025-01-31 (not value >= 2.0)")


def test_a_review_that_finds_the_risk_still_there_plans_a_later_one_and_so_ends_by_itself() -> None:
    told = Told(rule())
    for day in (0, 5, 20):
        told.signal(day)
    assert told.again(30) == [ReviewPlanned(partner_id=PARTNER, rule="load", at=START + 35 * DAY)]
    assert kinds(told.again(35)) == ["RiskResolved"]
    assert told.again(50) == []


def test_what_is_told_of_the_same_thing_again_takes_its_place() -> None:
    told = Told(rule("value >= 10.0", "days_late", figure="days late"))
    assert told.signal(0, "late_payment", subject=1, days=4) == []
    (flagged, _) = told.signal(1, "late_payment", subject=1, days=12)
    assert flagged.evidence == (event(1), event(2))
    assert len(told.state.signals) == 1


def test_a_certificate_that_was_renewed_and_an_action_that_was_verified_clear_what_they_were_about() -> None:
    told = Told(rule("value > 0.0", "expired_certificates + overdue_actions", figure="open matters"))
    assert kinds(told.signal(0, "expired_certificate", subject=1)) == ["RiskFlagged"]
    assert kinds(told.signal(100, "critical_overdue_action", subject=2)) == ["RiskCauseAdded"]
    assert told.clear(200, subject=1) == []
    assert kinds(told.clear(900, subject=2)) == ["RiskResolved"]
    assert told.clear(901, subject=2) == []
    assert told.clear(901, subject=77) == []


def test_a_lapsed_cure_takes_the_place_of_the_breach_and_keeps_both_events() -> None:
    told = Told(rule("value > 0.0", "lapsed_cures", figure="lapsed cures"))
    assert told.signal(0, "breach", subject=1) == []
    (flagged,) = told.signal(60, "lapsed_cure", subject=1)
    assert flagged.evidence == (event(1), event(2))


def test_a_report_missed_under_suspension_is_left_out() -> None:
    told = Told(rule("value >= 1.0", "missed_reports", figure="missed reports", window_days=365))
    told.do(ImposeRestriction(partner_id=PARTNER, kind="suspension", reason="Fire."), 0)
    restriction = next(iter(told.state.restrictions))
    told.do(LiftRestriction(restriction_id=restriction, reason="Rebuilt."), 40)
    assert told.signal(35, "missed_report", period="2025-01") == []
    assert told.signal(70, "missed_report", period="2025-02") == []
    assert kinds(told.signal(95, "missed_report", period="2025-03")) == ["RiskFlagged", "ReviewPlanned"]


def test_rules_know_whether_a_partner_is_suspended() -> None:
    told = Told(rule("value >= 1.0 && !suspended"))
    told.do(ImposeRestriction(partner_id=PARTNER, kind="suspension", reason="Fire."), 0)
    assert told.signal(1) == []


def test_a_rule_on_concentration_has_no_evidence_and_is_judged_by_the_sales_of_now() -> None:
    told = Told(rule("value > 0.3", "sales_share", figure="share"), concentration=Concentration(0.4, 2600.0))
    (flagged,) = told.again(0)
    assert (flagged.explanation, flagged.evidence) == ("share 0.4 on 2025-01-01 (value > 0.3)", ())


# -- what people decided


def flagged_and_dismissed(*terms: RuleTerms) -> Told:
    told = Told(*terms)
    told.signal(0)
    told.signal(10)
    flag = next(iter(told.state.flags))
    told.do(DismissFlag(flag_id=flag, reason="One and the same customer."), 11)
    return told


def test_what_a_person_dismissed_raises_no_flag_again_and_a_new_complaint_does() -> None:
    told = flagged_and_dismissed(rule())
    assert kinds(told.again(12)) == ["ReviewPlanned"]
    assert "RiskFlagged" in kinds(told.signal(13))


def test_a_risk_that_passed_after_its_dismissal_and_comes_again_is_flagged_again() -> None:
    told = Told(rule("value > 0.3", "sales_share", figure="share"), concentration=Concentration(0.4, 2600.0))
    told.again(0)
    told.do(DismissFlag(flag_id=next(iter(told.state.flags)), reason="The first month."), 1)
    assert told.again(2) == []
    told.more["concentration"] = Concentration(0.2, 1500.0)
    assert told.again(3) == [RiskPassed(partner_id=PARTNER, rule="load")]
    assert told.again(3) == []
    told.more["concentration"] = Concentration(0.5, 3000.0)
    assert kinds(told.again(4)) == ["RiskFlagged"]


def test_an_acknowledged_flag_stays_open() -> None:
    told = Told(rule())
    told.signal(0)
    told.signal(1)
    told.do(AcknowledgeFlag(flag_id=next(iter(told.state.flags))), 2)
    assert kinds(told.events).count("FlagAcknowledged") == 1
    assert told.state.open_flag("load") is not None


# -- suspension


def test_a_rule_on_events_may_suspend_at_once_and_lifts_with_the_risk() -> None:
    told = Told(rule("value > 0.0", "lapsed_cures", figure="lapsed cures", suspend_after=1))
    found = told.signal(0, "lapsed_cure", subject=1)
    assert kinds(found) == ["RiskFlagged", "RestrictionImposed"]
    assert isinstance(found[1], RestrictionImposed)
    assert (found[1].kind, found[1].evidence, found[1].imposed_at) == ("suspension", (event(1),), START)
    assert kinds(told.signal(1, "lapsed_cure", subject=2)) == ["RiskCauseAdded"]
    assert told.clear(2, subject=1) == []
    lifted = told.clear(3, subject=2)
    assert kinds(lifted) == ["RiskResolved", "RestrictionLifted"]
    assert isinstance(lifted[1], RestrictionLifted)


def test_what_lifts_may_ask_for_more_than_the_absence_of_the_risk() -> None:
    told = Told(rule("value >= 2.0", suspend_after=1, lifts_when="value < 1.0"))
    told.signal(0)
    assert "RestrictionImposed" in kinds(told.signal(1))
    assert kinds(told.again(30)) == ["RiskResolved"]
    assert kinds(told.again(31)) == ["RestrictionLifted"]


def test_a_suspension_that_a_person_lifted_comes_again_only_with_a_new_signal() -> None:
    told = Told(rule("value > 0.0", "lapsed_cures", figure="lapsed cures", suspend_after=1))
    told.signal(0, "lapsed_cure", subject=1)
    told.do(LiftRestriction(restriction_id=next(iter(told.state.restrictions)), reason="Settled."), 1)
    assert told.again(2) == []
    assert kinds(told.signal(3, "lapsed_cure", subject=2)) == ["RiskCauseAdded", "RestrictionImposed"]


def test_a_retired_rule_closes_what_it_opened_and_opens_nothing() -> None:
    told = Told(rule("value > 0.0", "lapsed_cures", figure="lapsed cures", suspend_after=1))
    told.signal(0, "lapsed_cure", subject=1)
    told.rules = (RuleInUse(told.rules[0].terms, retired=True),)
    assert kinds(told.clear(1, subject=1)) == ["RiskResolved", "RestrictionLifted"]
    assert told.signal(2, "lapsed_cure", subject=2) == []


# -- what cannot be judged


def test_a_rule_that_cannot_be_judged_is_told_of_once_and_leaves_its_flag_open() -> None:
    told = Told(rule("value > 0.3 || complaints > 1", "sales_share", figure="share"))
    told.more["concentration"] = Concentration(0.4, 2600.0)
    assert kinds(told.again(0)) == ["RiskFlagged"]
    told.more["concentration"] = None
    (failed,) = told.again(1)
    assert isinstance(failed, JudgementFailed)
    assert (failed.rule, failed.rule_version, failed.because) == ("load", 1, event(2))
    assert "sales_share" in failed.error
    assert told.again(2) == []
    assert told.state.open_flag("load") is not None
    told.more["concentration"] = Concentration(0.2, 1500.0)
    assert kinds(told.again(3)) == ["JudgementRecovered", "RiskResolved"]
    assert isinstance(told.events[-2], JudgementRecovered)


def test_one_rule_that_fails_does_not_keep_the_others_from_judging() -> None:
    broken = rule("value > 0.3", "sales_share", figure="share", code="broken")
    told = Told(broken, rule())
    told.signal(0)
    assert kinds(told.signal(1)) == ["RiskFlagged", "ReviewPlanned"]
    assert told.state.failing == ("broken",)


# -- always


@given(
    st.lists(st.tuples(st.integers(0, 90), st.sampled_from(["complaint", "breach"])), max_size=25), st.integers(1, 4)
)
def test_after_every_signal_and_review_the_flag_is_open_exactly_while_the_count_says_so(
    signals: list[tuple[int, str]], limit: int
) -> None:
    told = Told(rule(f"value >= {limit}.0"))
    days = sorted(signals)
    for n, (day, kind) in enumerate(days):
        told.signal(day, kind)
        count = sum(of == "complaint" and day - 30 < at <= day for at, of in days[: n + 1])
        assert (told.state.open_flag("load") is not None) == (count >= limit)
    assert sum(flag.status == "open" for flag in told.state.flags.values()) <= 1


@given(st.lists(st.integers(0, 200), min_size=1, max_size=15))
def test_planned_reviews_come_to_an_end_by_themselves(days: list[int]) -> None:
    told = Told(rule("value >= 1.0"))
    for day in sorted(days):
        told.signal(day)
    reviews = 0
    while planned := [each.at for each in told.events if isinstance(each, ReviewPlanned)]:
        found = told.again((planned[-1] - START) / DAY)
        reviews += 1
        assert reviews <= len(days)
        if not any(isinstance(each, ReviewPlanned) for each in found):
            break
    assert told.state.open_flag("load") is None

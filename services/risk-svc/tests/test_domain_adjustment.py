"""How a partner is adjusted: proposed with evidence, contested, decided by persons."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

import pytest
from engine import Rejected, Unknown
from engine.testing import scenario
from events.risk import AdjustmentDecided, ProbationStarted, RestrictionImposed, RiskFlagged
from risk.domain.adjustment import (
    ADJUSTMENTS,
    AdjustmentAnswered,
    AdjustmentSeconded,
    AdjustmentTurnedDown,
    DecideAdjustment,
    EndProbation,
    ProbationEnded,
    TurnDownAdjustment,
)
from risk.domain.proposal import (
    AdjustmentContested,
    AdjustmentProposed,
    AdjustmentWithdrawn,
    ContestAdjustment,
    ProposeAdjustment,
    WithdrawAdjustment,
)
from risk.domain.restriction import LiftRestriction
from risk.domain.risk_profile import risk_profiles

PARTNER = UUID("11111111-1111-4111-8111-111111111111")
ID, OTHER, FLAG, EVENT, SECOND_EVENT = (UUID(int=n) for n in range(1, 6))
NOW = datetime(2025, 3, 3, 9, tzinfo=UTC)
DAY = timedelta(days=1)
UNTIL = NOW + 14 * DAY
ANA, EVA = ("ana",), ("eva",)


def propose(kind: Any = "suspend", **changes: Any) -> ProposeAdjustment:
    said = {"kind": kind, "reasons": ("Three low years.",), "evidence": (EVENT,), **changes}
    if kind == "probation":
        said.setdefault("probation_days", 90)
    return ProposeAdjustment(**{"adjustment_id": ID, "partner_id": PARTNER, "by": ANA, **said})


def proposed(kind: Any = "suspend", **changes: Any) -> AdjustmentProposed:
    return AdjustmentProposed(
        **{
            "adjustment_id": ID,
            "partner_id": PARTNER,
            "kind": kind,
            "reasons": ("Three low years.",),
            "evidence": (EVENT,),
            "flags": (),
            "proposed_by": ANA,
            "contest_until": UNTIL,
            "probation_days": 90 if kind == "probation" else None,
            **changes,
        }
    )


def flagged() -> RiskFlagged:
    return RiskFlagged(
        flag_id=FLAG,
        partner_id=PARTNER,
        rule="low_score",
        rule_version=1,
        severity="high",
        period=None,
        explanation="low",
        evidence=(EVENT, SECOND_EVENT),
    )


def decided(kind: Any = "suspend", by: tuple[str, ...] = EVA, *, contested: bool = False) -> AdjustmentDecided:
    return AdjustmentDecided(
        adjustment_id=ID,
        partner_id=PARTNER,
        kind=kind,
        reasons=("Three low years.",),
        evidence=(EVENT,),
        decided_by=by,
        contested=contested,
    )


CONTESTED = AdjustmentContested(adjustment_id=ID, partner_id=PARTNER, statement="The kitchen burnt.")


# -- proposed


def test_a_proposal_has_its_evidence_and_that_of_the_flags_it_names() -> None:
    command = propose(evidence=(), flags=(FLAG,))
    then = proposed(evidence=(EVENT, SECOND_EVENT), flags=(FLAG,))
    scenario(risk_profiles, given=[flagged()], when=command, at=NOW, then=then)
    scenario(risk_profiles, given=[flagged(), then], when=command, at=NOW, then=[])


def test_a_proposal_without_evidence_is_none() -> None:
    refusal = Rejected("risk.evidence_missing", kind="suspend")
    scenario(risk_profiles, when=propose(evidence=()), at=NOW, then=refusal)
    refusal = Unknown("risk.flag_unknown", flag_id=FLAG)
    scenario(risk_profiles, when=propose(flags=(FLAG,)), at=NOW, then=refusal)


def test_one_of_a_kind_is_proposed_at_a_time() -> None:
    refusal = Rejected("risk.already_proposed", adjustment_id=ID, kind="suspend")
    scenario(risk_profiles, given=[proposed()], when=propose(adjustment_id=OTHER), at=NOW, then=refusal)
    other = propose("replace", adjustment_id=OTHER)
    then = proposed("replace", adjustment_id=OTHER)
    scenario(risk_profiles, given=[proposed()], when=other, at=NOW, then=then)


def test_a_probation_says_how_long_and_nothing_else_does() -> None:
    refusal = Rejected("risk.probation_has_days", kind="suspend")
    scenario(risk_profiles, when=propose(probation_days=30), at=NOW, then=refusal)
    refusal = Rejected("risk.probation_has_days", kind="probation")
    scenario(risk_profiles, when=propose("probation", probation_days=None), at=NOW, then=refusal)


# -- contested


def test_the_partner_contests_once_and_in_time() -> None:
    command = ContestAdjustment(adjustment_id=ID, statement="The kitchen burnt.")
    scenario(risk_profiles, given=[proposed()], when=command, at=UNTIL - DAY, then=CONTESTED)
    scenario(risk_profiles, given=[proposed(), CONTESTED], when=command, at=UNTIL - DAY, then=[])
    again = ContestAdjustment(adjustment_id=ID, statement="And flooded.")
    refusal = Rejected("risk.already_contested", adjustment_id=ID)
    scenario(risk_profiles, given=[proposed(), CONTESTED], when=again, at=UNTIL - DAY, then=refusal)
    late = Rejected("risk.contest_over", adjustment_id=ID, contest_until=UNTIL)
    scenario(risk_profiles, given=[proposed()], when=command, at=UNTIL, then=late)


# -- decided


def decide(by: tuple[str, ...] = EVA, answer: str | None = None) -> DecideAdjustment:
    return DecideAdjustment(adjustment_id=ID, by=by, answer=answer)


def test_nobody_decides_while_the_partner_may_still_contest() -> None:
    refusal = Rejected("risk.contest_period_running", adjustment_id=ID, decision_from=UNTIL)
    scenario(risk_profiles, given=[proposed()], when=decide(), at=UNTIL - DAY, then=refusal)


def test_a_contest_is_answered_with_the_decision() -> None:
    refusal = Rejected("risk.contest_unanswered", adjustment_id=ID, statement="The kitchen burnt.")
    scenario(risk_profiles, given=[proposed("replace"), CONTESTED], when=decide(), at=NOW + DAY, then=refusal)
    answered = AdjustmentAnswered(adjustment_id=ID, partner_id=PARTNER, answer="In 2019.")
    then = [answered, decided("replace", contested=True)]
    when = decide(answer="In 2019.")
    scenario(risk_profiles, given=[proposed("replace"), CONTESTED], when=when, at=NOW + DAY, then=then)


def test_a_decided_suspension_is_imposed_and_lifted_like_any_other() -> None:
    imposed = RestrictionImposed(
        restriction_id=uuid5(ADJUSTMENTS, f"{ID}/suspension"),
        partner_id=PARTNER,
        kind="suspension",
        reason="Three low years.",
        evidence=(EVENT,),
        by="person",
        imposed_at=UNTIL,
        adjustment_id=ID,
    )
    scenario(risk_profiles, given=[proposed()], when=decide(), at=UNTIL, then=[decided(), imposed])
    given: list[Any] = [proposed(), decided(), imposed]
    scenario(risk_profiles, given=given, when=decide(ANA), at=UNTIL, then=[])
    state = risk_profiles.fold(given)
    assert state.suspended
    lift = LiftRestriction(restriction_id=imposed.restriction_id, reason="New owner.")
    assert not risk_profiles.fold(risk_profiles.decide(lift, state, UNTIL), state).suspended


def test_a_decided_probation_starts_and_ends_by_itself() -> None:
    ends_at = UNTIL + 90 * DAY
    started = ProbationStarted(adjustment_id=ID, partner_id=PARTNER, reasons=("Three low years.",), ends_at=ends_at)
    scenario(
        risk_profiles, given=[proposed("probation")], when=decide(), at=UNTIL, then=[decided("probation"), started]
    )
    given: list[Any] = [proposed("probation"), decided("probation"), started]
    assert risk_profiles.fold(given).probation == ID
    ended = ProbationEnded(adjustment_id=ID, partner_id=PARTNER)
    scenario(risk_profiles, given=given, when=EndProbation(adjustment_id=ID), at=ends_at, then=ended)
    scenario(risk_profiles, given=[*given, ended], when=EndProbation(adjustment_id=ID), at=ends_at, then=[])


def test_a_termination_takes_two_persons() -> None:
    seconded = AdjustmentSeconded(adjustment_id=ID, partner_id=PARTNER, by=ANA, answer=None)
    scenario(risk_profiles, given=[proposed("terminate")], when=decide(ANA), at=UNTIL, then=seconded)
    given = [proposed("terminate"), seconded]
    refusal = Rejected("risk.second_person_needed", adjustment_id=ID, decided_by=["ana"])
    scenario(risk_profiles, given=given, when=decide(ANA), at=UNTIL, then=refusal)
    scenario(risk_profiles, given=given, when=decide(("eva", "ana")), at=UNTIL, then=refusal)
    then = decided("terminate", ("ana", "eva"))
    scenario(risk_profiles, given=given, when=decide(EVA), at=UNTIL, then=then)


# -- or not


def test_a_proposal_is_turned_down_or_withdrawn_with_a_reason() -> None:
    down = AdjustmentTurnedDown(adjustment_id=ID, partner_id=PARTNER, reason="Too hard.", by=EVA)
    turn_down = TurnDownAdjustment(adjustment_id=ID, reason="Too hard.", by=EVA)
    scenario(risk_profiles, given=[proposed()], when=turn_down, at=NOW, then=down)
    scenario(risk_profiles, given=[proposed(), down], when=turn_down, at=NOW, then=[])
    back = AdjustmentWithdrawn(adjustment_id=ID, partner_id=PARTNER, reason="A mistake.")
    withdraw = WithdrawAdjustment(adjustment_id=ID, reason="A mistake.")
    scenario(risk_profiles, given=[proposed()], when=withdraw, at=NOW, then=back)
    scenario(risk_profiles, given=[proposed(), back], when=withdraw, at=NOW, then=[])


OVER: dict[str, list[Any]] = {
    "decided": [decided("replace")],
    "turned_down": [AdjustmentTurnedDown(adjustment_id=ID, partner_id=PARTNER, reason="Too hard.", by=EVA)],
    "withdrawn": [AdjustmentWithdrawn(adjustment_id=ID, partner_id=PARTNER, reason="A mistake.")],
}


@pytest.mark.parametrize("outcome", sorted(OVER))
def test_what_is_over_is_over(outcome: str) -> None:
    refusal = Rejected("risk.adjustment_over", adjustment_id=ID, outcome=outcome)
    commands: list[Any] = [
        ContestAdjustment(adjustment_id=ID, statement="No."),
        TurnDownAdjustment(adjustment_id=ID, reason="No.", by=EVA),
        WithdrawAdjustment(adjustment_id=ID, reason="No."),
    ]
    if outcome != "decided":
        commands.append(decide())
    for command in commands:
        scenario(risk_profiles, given=[proposed("replace"), *OVER[outcome]], when=command, at=UNTIL, then=refusal)


@pytest.mark.parametrize(
    "command",
    [
        decide(),
        ContestAdjustment(adjustment_id=ID, statement="No."),
        WithdrawAdjustment(adjustment_id=ID, reason="No."),
    ],
    ids=["decide", "contest", "withdraw"],
)
def test_what_was_never_proposed_is_unknown(command: Any) -> None:
    refusal = Unknown("risk.adjustment_unknown", adjustment_id=ID)
    scenario(risk_profiles, given=[flagged()], when=command, at=NOW, then=refusal)


def test_an_adjustment_that_was_decided_before_there_were_proposals_is_read() -> None:
    assert risk_profiles.fold([decided("terminate", ())]).adjustments == {}

from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from engine import Command, Rejected, Unknown
from engine.testing import scenario
from events.partner import (
    ApplicationApproved,
    ApplicationDeclined,
    ApplicationScored,
    DimensionScore,
    ExternalRef,
    GateResult,
    PartnerApplied,
)
from partner.domain.application import Apply, applications
from partner.domain.approval import (
    ApplicationWithdrawn,
    ApproveApplication,
    DeclineApplication,
    GateOverrideProposed,
    OverrideGates,
    RegistrationRequested,
    WithdrawApplication,
)
from partner.domain.assessment import (
    ApplicationScreened,
    BusinessPlanProjected,
    InterviewHeld,
    ProjectBusinessPlan,
    RecordInterview,
    ScoreApplication,
    ScreenApplication,
)
from partner.domain.candidate import Status
from partner.domain.duplicate import DecideDuplicate, DuplicateDecided, HoldAsPossibleDuplicate, PossibleDuplicateHeld
from partner.domain.economics import BusinessCase, project
from partner.domain.investment import InvestmentTerms
from partner.domain.registration import Registration
from partner.domain.standard import Dimension, Gate, StandardTerms
from pydantic import ValidationError

STANDARD = StandardTerms(
    code="franchise",
    version=3,
    title="Franchisees",
    dimensions=(Dimension(code="location", weight=Decimal(100)),),
    gates=(Gate(code="own_funds", kind="capital"),),
)
CASE = BusinessCase(
    format="kiosk",
    currency="EUR",
    set_up=Decimal(100),
    working_capital=Decimal(10),
    own_funds=Decimal(50),
    annual_sales=(Decimal(200),),
    cost_of_goods_percent=Decimal(30),
)
TERMS = InvestmentTerms(
    format="kiosk",
    area="US",
    version=2,
    currency="EUR",
    lowest_investment=Decimal(100),
    highest_investment=Decimal(200),
    own_funds=Decimal(40),
    working_capital=Decimal(5),
)


def scored_by(standard: StandardTerms, score: str | None = "80", **gates: bool) -> ScoreApplication:
    scores = {} if score is None else {"location": Decimal(score)}
    return ScoreApplication(
        standard=standard, scores=scores, gates=gates or {"own_funds": True}, figures={}, confidence={}, evidence={}
    )


OTHER = UUID("33333333-3333-4333-8333-333333333333")
REASON = "Two stations of one road."


class Story:
    """The events of an application as far as a test needs them, and the commands that lead to them."""

    def __init__(self, id: UUID, partner: UUID, registration: Registration) -> None:
        self.id, self.registration = id, registration
        self.applied = PartnerApplied(
            application_id=id,
            legal_name="TESORO - SEWARD HWY",
            kind="franchisee",
            area="US-AK",
            outlet_name="Seward Highway",
            external_refs=(ExternalRef(system="erp", key="V-1042"),),
        )
        self.scored = self._scored(())
        self.gate_failed = self._scored(("own_funds",))
        self.approved: list[Any] = [
            ApplicationApproved(application_id=id, partner_id=partner),
            RegistrationRequested(registration=registration),
        ]
        self.held = PossibleDuplicateHeld(application_id=id, looks_like=OTHER, looks_like_name="TESORO -SEWARD HWY")
        self.distinct = self.decided(distinct=True)
        self.declined = ApplicationDeclined(application_id=id, reason=REASON)
        self.withdrawn = ApplicationWithdrawn(application_id=id, reason=None)
        self.until_scored: list[Any] = [self.applied, self.scored]
        self.until_approved = [*self.until_scored, *self.approved]
        self.until_held = [*self.until_approved, self.held]

    def _scored(self, failed: tuple[str, ...]) -> ApplicationScored:
        return ApplicationScored(
            application_id=self.id,
            standard="franchise",
            standard_version=3,
            total=Decimal("80.00"),
            failed_gates=failed,
            scores=(DimensionScore(dimension="location", score=Decimal(80), weight=Decimal(100)),),
            gates=(GateResult(gate="own_funds", passed=not failed),),
        )

    def decided(self, *, distinct: bool) -> DuplicateDecided:
        return DuplicateDecided(registration=self.registration, looks_like=OTHER, distinct=distinct, reason=REASON)

    def apply(self, **changes: Any) -> Apply:
        content = self.applied.model_dump(exclude={"application_id"})
        return Apply(application_id=self.id, **{**content, **changes})

    def score(self, score: str = "80", *, passed: bool = True) -> ScoreApplication:
        return scored_by(STANDARD, score, own_funds=passed)


@pytest.fixture
def story(application: UUID, partner: UUID, registration: Callable[..., Registration]) -> Story:
    return Story(application, partner, registration())


# -- applying


def test_somebody_applies(story: Story, now: datetime) -> None:
    scenario(applications, when=story.apply(), at=now, then=story.applied)


def test_the_same_application_again_changes_nothing_and_another_under_its_id_is_refused(
    story: Story, now: datetime
) -> None:
    scenario(applications, given=[story.applied], when=story.apply(), at=now, then=[])
    scenario(applications, given=story.until_held, when=story.apply(), at=now, then=[])
    refused = Rejected("partner.already_applied", application_id=story.id)
    scenario(applications, given=[story.applied], when=story.apply(area="US-WA"), at=now, then=refused)


@pytest.mark.parametrize(
    "wrong",
    [
        {"legal_name": " "},
        {"legal_name": " - . - "},
        {"legal_name": "x" * 201},
        {"kind": "landlord"},
        {"area": ""},
        {"external_refs": [{"system": "erp"}]},
        {"external_refs": [{"system": "erp", "key": "1", "colour": "red"}]},
        {"tier": "gold"},
    ],
)
def test_an_application_that_makes_no_sense_is_no_command(story: Story, wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        story.apply(**wrong)


@pytest.mark.parametrize(
    "command",
    [
        scored_by(STANDARD),
        ApproveApplication(),
        OverrideGates(reason=REASON, by=("ana",)),
        DeclineApplication(reason=REASON),
        WithdrawApplication(),
        HoldAsPossibleDuplicate(looks_like=OTHER, looks_like_name="TESORO"),
        DecideDuplicate(distinct=True, reason=REASON),
        ScreenApplication(standard=STANDARD, gates={"own_funds": True}, figures={}),
        RecordInterview(held_on=date(2000, 1, 4), outcome="recommended", summary="Knows the trade."),
        ProjectBusinessPlan(case=CASE, terms=TERMS),
    ],
)
def test_an_application_that_nobody_made_is_unknown(command: Command, now: datetime) -> None:
    scenario(applications, when=command, at=now, then=Unknown("partner.application_unknown"))


# -- scoring


def test_a_scored_application_keeps_the_version_of_the_standard(story: Story, now: datetime) -> None:
    scenario(applications, given=[story.applied], when=story.score(), at=now, then=story.scored)


def test_failed_gates_are_kept_beside_the_total(story: Story, now: datetime) -> None:
    scenario(applications, given=[story.applied], when=story.score(passed=False), at=now, then=story.gate_failed)


def test_an_application_may_be_scored_anew_until_it_is_decided(story: Story, now: datetime) -> None:
    scenario(applications, given=[story.applied, story.gate_failed], when=story.score(), at=now, then=story.scored)


def test_the_same_scores_again_change_nothing(story: Story, now: datetime) -> None:
    for given in (story.until_scored, story.until_approved, [*story.until_scored, story.declined]):
        scenario(applications, given=given, when=story.score(), at=now, then=[])


def test_a_decided_application_is_not_scored_anew(story: Story, now: datetime) -> None:
    for given, status in (
        (story.until_approved, "approved"),
        (story.until_held, "held"),
        ([*story.until_scored, story.declined], "declined"),
        ([*story.until_scored, story.withdrawn], "withdrawn"),
    ):
        refused = Rejected("partner.application_closed", standing=status)
        scenario(applications, given=given, when=story.score("81"), at=now, then=refused)


def test_scores_that_do_not_fit_the_standard_are_refused(story: Story, now: datetime) -> None:
    command = scored_by(STANDARD, None, own_funds=True)
    refused = Rejected(
        "partner.scores_do_not_fit_standard",
        standard="franchise",
        standard_version=3,
        missing=["location"],
        unknown=[],
    )
    scenario(applications, given=[story.applied], when=command, at=now, then=refused)


@pytest.mark.parametrize("score", ["-0.1", "100.1"])
def test_a_score_runs_from_0_to_100(story: Story, score: str) -> None:
    with pytest.raises(ValidationError):
        story.score(score)


# -- deciding


def test_a_scored_application_is_approved_and_to_be_registered(story: Story, now: datetime) -> None:
    scenario(applications, given=story.until_scored, when=ApproveApplication(), at=now, then=story.approved)


def test_an_application_that_was_not_scored_is_not_approved(story: Story, now: datetime) -> None:
    refused = Rejected("partner.application_not_scored")
    scenario(applications, given=[story.applied], when=ApproveApplication(), at=now, then=refused)
    override = OverrideGates(reason="A friend of the house.", by=("ana",))
    scenario(applications, given=[story.applied], when=override, at=now, then=refused)


def test_a_failed_gate_refuses_approval(story: Story, now: datetime) -> None:
    refused = Rejected("partner.gates_failed", gates=["own_funds"])
    given = [story.applied, story.gate_failed]
    scenario(applications, given=given, when=ApproveApplication(), at=now, then=refused)


VOUCHED = "Its bank vouches for it."


def proposed(story: Story, *by: str, reason: str = VOUCHED) -> GateOverrideProposed:
    return GateOverrideProposed(application_id=story.id, reason=reason, by=by)


def test_a_failed_gate_is_overridden_by_two_persons_with_a_reason_that_is_kept(
    story: Story, now: datetime, partner: UUID
) -> None:
    given = [story.applied, story.gate_failed]
    override = OverrideGates(reason=VOUCHED, by=("ana",))
    scenario(applications, given=given, when=override, at=now, then=proposed(story, "ana"))
    approved = ApplicationApproved(application_id=story.id, partner_id=partner, override_reason=VOUCHED)
    then = [approved, RegistrationRequested(registration=story.registration)]
    scenario(applications, given=[*given, proposed(story, "ben")], when=override, at=now, then=then)


@pytest.mark.parametrize(("first", "second"), [(("ana",), ("ana",)), (("ana",), ("cid", "ana"))])
def test_one_person_does_not_override_a_gate_alone_also_not_in_anothers_name(
    story: Story, now: datetime, first: tuple[str, ...], second: tuple[str, ...]
) -> None:
    given = [story.applied, story.gate_failed, proposed(story, *first)]
    refused = Rejected("partner.second_person_needed", proposed_by=list(first))
    scenario(applications, given=given, when=OverrideGates(reason=VOUCHED, by=second), at=now, then=refused)


def test_who_would_override_for_another_reason_proposes_that(story: Story, now: datetime) -> None:
    given = [story.applied, story.gate_failed, proposed(story, "ana")]
    other = OverrideGates(reason="A friend of the house.", by=("ben",))
    scenario(applications, given=given, when=other, at=now, then=proposed(story, "ben", reason=other.reason))


def test_with_other_scores_the_first_person_is_to_be_asked_again(story: Story, now: datetime) -> None:
    given = [story.applied, story.gate_failed, proposed(story, "ana"), story.gate_failed]
    second = OverrideGates(reason=VOUCHED, by=("ben",))
    scenario(applications, given=given, when=second, at=now, then=proposed(story, "ben"))


def test_a_proposed_override_lets_nobody_pass_without_one(story: Story, now: datetime) -> None:
    given = [story.applied, story.gate_failed, proposed(story, "ana")]
    refused = Rejected("partner.gates_failed", gates=["own_funds"])
    scenario(applications, given=given, when=ApproveApplication(), at=now, then=refused)


def test_where_no_gate_failed_there_is_nothing_to_override(story: Story, now: datetime) -> None:
    override = OverrideGates(reason=VOUCHED, by=("ana",))
    refused = Rejected("partner.no_gate_to_override")
    scenario(applications, given=story.until_scored, when=override, at=now, then=refused)


def test_approving_again_changes_nothing(story: Story, now: datetime) -> None:
    for given in (story.until_approved, story.until_held, [*story.until_held, story.distinct]):
        scenario(applications, given=given, when=ApproveApplication(), at=now, then=[])


@pytest.mark.parametrize("scored", [True, False])
def test_an_application_is_declined_with_a_reason(story: Story, now: datetime, scored: bool) -> None:
    given = story.until_scored if scored else [story.applied]
    scenario(applications, given=given, when=DeclineApplication(reason=REASON), at=now, then=story.declined)


@pytest.mark.parametrize("scored", [True, False])
def test_an_applicant_withdraws(story: Story, now: datetime, scored: bool) -> None:
    given = story.until_scored if scored else [story.applied]
    scenario(applications, given=given, when=WithdrawApplication(), at=now, then=story.withdrawn)


def test_closing_it_the_same_way_again_changes_nothing(story: Story, now: datetime) -> None:
    declined, withdrawn = [*story.until_scored, story.declined], [*story.until_scored, story.withdrawn]
    scenario(applications, given=declined, when=DeclineApplication(reason=REASON), at=now, then=[])
    scenario(applications, given=withdrawn, when=WithdrawApplication(), at=now, then=[])


@pytest.mark.parametrize(
    ("closed_by", "status"), [("declined", "declined"), ("withdrawn", "withdrawn"), ("approved", "approved")]
)
def test_a_closed_application_is_not_decided_otherwise(
    story: Story, now: datetime, closed_by: str, status: str
) -> None:
    endings: dict[str, list[Any]] = {
        "declined": [story.declined],
        "withdrawn": [story.withdrawn],
        "approved": story.approved,
    }
    commands: list[Command] = [DeclineApplication(reason="Another one."), WithdrawApplication(reason="Another one.")]
    if status != "approved":
        commands.append(ApproveApplication())
    for command in commands:
        refused = Rejected("partner.application_closed", standing=status)
        scenario(applications, given=[*story.until_scored, *endings[closed_by]], when=command, at=now, then=refused)


# -- screening, interviews and the business plan


def screen(*, passed: bool = True) -> ScreenApplication:
    return ScreenApplication(standard=STANDARD, gates={"own_funds": passed}, figures={})


def screened(story: Story, *, passed: bool = True) -> ApplicationScreened:
    return ApplicationScreened(
        application_id=story.id,
        standard="franchise",
        standard_version=3,
        gates=(GateResult(gate="own_funds", passed=passed),),
        failed_gates=() if passed else ("own_funds",),
    )


def test_an_applicant_is_screened_by_the_gates_before_anything_is_scored(story: Story, now: datetime) -> None:
    scenario(applications, given=[story.applied], when=screen(passed=False), at=now, then=screened(story, passed=False))
    given: list[Any] = [story.applied, screened(story)]
    scenario(applications, given=given, when=screen(), at=now, then=[])
    scenario(applications, given=given, when=screen(passed=False), at=now, then=screened(story, passed=False))
    assert applications.fold(given).status is Status.SCREENED
    refused = Rejected("partner.already_scored", standard="franchise")
    scenario(applications, given=story.until_scored, when=screen(), at=now, then=refused)
    closed = Rejected("partner.application_closed", standing="declined")
    scenario(applications, given=[story.applied, story.declined], when=screen(), at=now, then=closed)


def test_what_was_screened_need_not_be_answered_again(story: Story, now: datetime) -> None:
    command = ScoreApplication(
        standard=STANDARD, scores={"location": Decimal(80)}, gates={}, figures={}, confidence={}, evidence={}
    )
    scenario(applications, given=[story.applied, screened(story)], when=command, at=now, then=story.scored)
    given: list[Any] = [story.applied, screened(story, passed=False)]
    scenario(applications, given=given, when=command, at=now, then=story.gate_failed)
    other = command.model_copy(update={"standard": STANDARD.model_copy(update={"code": "retail"})})
    with pytest.raises(Rejected, match="scores_do_not_fit_standard"):
        applications.decide(other, applications.fold(given), now)


def test_a_screened_figure_is_judged_by_the_minimum_of_the_version_that_scores(story: Story, now: datetime) -> None:
    def asking(minimum: int) -> StandardTerms:
        gate = Gate(code="own_funds", kind="capital", minimum=Decimal(minimum))
        return STANDARD.model_copy(update={"gates": (gate,)})

    screening = ScreenApplication(standard=asking(40), gates={}, figures={"own_funds": Decimal(50)})
    events = applications.decide(screening, applications.fold([story.applied]), now)
    state = applications.fold([story.applied, *events])
    assert state.screening is not None
    assert state.screening.gates[0].passed
    command = ScoreApplication(
        standard=asking(60), scores={"location": Decimal(80)}, gates={}, figures={}, confidence={}, evidence={}
    )
    (scored,) = applications.decide(command, state, now)
    assert isinstance(scored, ApplicationScored)
    assert scored.failed_gates == ("own_funds",)


def talked(outcome: Any = "recommended", day: int = 4) -> RecordInterview:
    return RecordInterview(held_on=date(2000, 1, day), outcome=outcome, summary="Knows the trade.")


def held(story: Story) -> InterviewHeld:
    return InterviewHeld(
        application_id=story.id, held_on=date(2000, 1, 4), outcome="recommended", summary="Knows the trade."
    )


def test_an_interview_comes_after_the_scores_and_before_the_decision(story: Story, now: datetime) -> None:
    scenario(applications, given=story.until_scored, when=talked(), at=now, then=held(story))
    interviewed: list[Any] = [*story.until_scored, held(story)]
    scenario(applications, given=interviewed, when=talked(), at=now, then=[])
    assert applications.fold(interviewed).status is Status.INTERVIEWED
    assert applications.fold([*interviewed, story.gate_failed]).status is Status.INTERVIEWED
    scenario(applications, given=interviewed, when=ApproveApplication(), at=now, then=story.approved)
    early = Rejected("partner.application_not_scored")
    scenario(applications, given=[story.applied], when=talked(), at=now, then=early)
    tomorrow = Rejected("partner.interview_not_yet_held", held_on=date(2000, 1, 6))
    scenario(applications, given=story.until_scored, when=talked(day=6), at=now, then=tomorrow)
    late = Rejected("partner.application_closed", standing="approved")
    scenario(applications, given=story.until_approved, when=talked(), at=now, then=late)


def test_where_the_standard_asks_for_an_interview_nobody_is_approved_without(story: Story, now: datetime) -> None:
    scored = story.scored.model_copy(update={"interview_required": True})
    refused = Rejected("partner.interview_needed", standard="franchise", standard_version=3)
    scenario(applications, given=[story.applied, scored], when=ApproveApplication(), at=now, then=refused)
    given = [story.applied, scored, held(story)]
    scenario(applications, given=given, when=ApproveApplication(), at=now, then=story.approved)


def test_only_who_has_a_role_of_the_standard_overrides_its_gates(story: Story, now: datetime) -> None:
    scored = story.gate_failed.model_copy(update={"override_roles": ("franchise-director",)})
    given = [story.applied, scored]
    refused = Rejected("partner.override_needs_role", roles=["franchise-director"])
    for roles in ((), ("channel-manager",)):
        plain = OverrideGates(reason=VOUCHED, by=("ana",), roles=roles)
        scenario(applications, given=given, when=plain, at=now, then=refused)
    director = OverrideGates(reason=VOUCHED, by=("ana",), roles=("channel-manager", "franchise-director"))
    then = GateOverrideProposed(application_id=story.id, reason=VOUCHED, by=("ana",), roles=director.roles)
    scenario(applications, given=given, when=director, at=now, then=then)


def planned(story: Story, terms: InvestmentTerms = TERMS) -> BusinessPlanProjected:
    return BusinessPlanProjected(application_id=story.id, case=CASE, terms=terms, projection=project(CASE, terms))


def test_a_business_plan_keeps_the_version_that_it_was_judged_by(story: Story, now: datetime) -> None:
    command = ProjectBusinessPlan(case=CASE, terms=TERMS)
    scenario(applications, given=[story.applied], when=command, at=now, then=planned(story))
    scenario(applications, given=[story.applied, planned(story)], when=command, at=now, then=[])
    newer = TERMS.model_copy(update={"version": 3, "own_funds": Decimal(60)})
    anew = ProjectBusinessPlan(case=CASE, terms=newer)
    scenario(applications, given=[story.applied, planned(story)], when=anew, at=now, then=planned(story, newer))
    late = Rejected("partner.application_closed", standing="approved")
    scenario(applications, given=story.until_approved, when=command, at=now, then=late)


def test_a_plan_that_falls_short_refuses_approval_as_a_failed_gate_does(
    story: Story, now: datetime, partner: UUID
) -> None:
    short = planned(story, TERMS.model_copy(update={"own_funds": Decimal(60)}))
    given = [*story.until_scored, short]
    refused = Rejected("partner.gates_failed", gates=["investment.own_funds"])
    scenario(applications, given=given, when=ApproveApplication(), at=now, then=refused)
    override = OverrideGates(reason=VOUCHED, by=("ana",))
    approved = ApplicationApproved(application_id=story.id, partner_id=partner, override_reason=VOUCHED)
    then = [approved, RegistrationRequested(registration=story.registration)]
    scenario(applications, given=[*given, proposed(story, "ben")], when=override, at=now, then=then)
    # A new plan has the first person asked again.
    again = [*given, proposed(story, "ben"), short]
    scenario(applications, given=again, when=override, at=now, then=proposed(story, "ana"))


# -- possible duplicates


def test_an_approved_application_is_held_where_its_name_looks_like_a_partners(story: Story, now: datetime) -> None:
    hold = HoldAsPossibleDuplicate(looks_like=OTHER, looks_like_name="TESORO -SEWARD HWY")
    scenario(applications, given=story.until_approved, when=hold, at=now, then=story.held)


def test_holding_it_again_changes_nothing_even_when_it_is_decided(story: Story, now: datetime) -> None:
    hold = HoldAsPossibleDuplicate(looks_like=OTHER, looks_like_name="TESORO -SEWARD HWY")
    for given in (story.until_held, [*story.until_held, story.distinct]):
        scenario(applications, given=given, when=hold, at=now, then=[])


def test_only_an_approved_application_is_held_and_once(story: Story, now: datetime) -> None:
    hold = HoldAsPossibleDuplicate(looks_like=UUID(int=7), looks_like_name="TESORO")
    for given, status in (
        ([story.applied], "applied"),
        (story.until_scored, "scored"),
        ([*story.until_scored, story.declined], "declined"),
        (story.until_held, "held"),
        ([*story.until_held, story.distinct], "approved"),
    ):
        refused = Rejected("partner.not_to_be_held", standing=status)
        scenario(applications, given=given, when=hold, at=now, then=refused)


def test_one_that_is_distinct_is_approved_again_and_one_that_is_not_is_declined(story: Story, now: datetime) -> None:
    distinct, same = DecideDuplicate(distinct=True, reason=REASON), DecideDuplicate(distinct=False, reason=REASON)
    scenario(applications, given=story.until_held, when=distinct, at=now, then=story.distinct)
    then: list[Any] = [story.decided(distinct=False), story.declined]
    scenario(applications, given=story.until_held, when=same, at=now, then=then)
    assert applications.fold([*story.until_held, story.distinct]).status is Status.APPROVED
    assert applications.fold([*story.until_held, *then]).status is Status.DECLINED


def test_deciding_the_same_again_changes_nothing_and_otherwise_is_refused(story: Story, now: datetime) -> None:
    for distinct, decided in (
        (True, [*story.until_held, story.distinct]),
        (False, [*story.until_held, story.decided(distinct=False), story.declined]),
    ):
        again = DecideDuplicate(distinct=distinct, reason=REASON)
        otherwise = DecideDuplicate(distinct=not distinct, reason=REASON)
        refused = Rejected("partner.duplicate_already_decided", distinct=distinct, reason=REASON)
        scenario(applications, given=decided, when=again, at=now, then=[])
        scenario(applications, given=decided, when=otherwise, at=now, then=refused)


def test_there_is_nothing_to_decide_where_nothing_is_held(story: Story, now: datetime) -> None:
    command = DecideDuplicate(distinct=True, reason=REASON)
    refused = Rejected("partner.no_possible_duplicate", standing="approved")
    scenario(applications, given=story.until_approved, when=command, at=now, then=refused)


def test_a_held_application_is_declined_by_the_decision_about_the_duplicate_only(story: Story, now: datetime) -> None:
    refused = Rejected("partner.duplicate_decision_needed", looks_like=OTHER)
    given = story.until_held
    scenario(applications, given=given, when=DeclineApplication(reason=REASON), at=now, then=refused)


def test_an_applicant_who_is_held_may_withdraw_and_then_there_is_nothing_to_decide(story: Story, now: datetime) -> None:
    scenario(applications, given=story.until_held, when=WithdrawApplication(), at=now, then=story.withdrawn)
    refused = Rejected("partner.application_closed", standing="withdrawn")
    decide = DecideDuplicate(distinct=True, reason=REASON)
    scenario(applications, given=[*story.until_held, story.withdrawn], when=decide, at=now, then=refused)


def test_its_state_survives_a_snapshot(story: Story) -> None:
    state = applications.fold([*story.until_held, story.distinct])
    adapter = applications.state_adapter
    assert adapter.validate_json(adapter.dump_json(state)) == state

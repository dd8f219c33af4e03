from collections.abc import Callable
from datetime import UTC, date, datetime
from itertools import permutations
from typing import Any
from uuid import UUID

import pytest
from engine import Command, Rejected, Unknown
from engine.testing import scenario
from events.partner import (
    OutletOpened,
    PartnerActivated,
    PartnerLapsed,
    PartnerRegistered,
    PartnerReinstated,
    PartnerSuspended,
    PartnerTerminated,
    SuspensionCause,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from partner.domain.checklist import OPENING_CHECKLIST
from partner.domain.contracts import LapseProspect
from partner.domain.launch import (
    BringContractIntoForce,
    ContractEffective,
    ContractEnded,
    ContractSigned,
    EndContract,
    PassTraining,
    RequireTraining,
    TakeOnContract,
    TrainingPassed,
    TrainingRequired,
)
from partner.domain.outlet import OpenOutlet
from partner.domain.partner import RegisterPartner, partners
from partner.domain.readiness import ChecklistDrawnUp, ChecklistItemCompleted, ChecklistItemDated, CompleteChecklistItem
from partner.domain.registration import Registration, outlet_id, partner_id
from partner.domain.standing import Partner, Status
from partner.domain.suspension import LiftSuspension, Suspend, SuspensionCauseAdded, SuspensionCauseLifted
from pydantic import ValidationError

CONTRACT, SECOND_CONTRACT = UUID(int=101), UUID(int=102)
HYGIENE, SAFETY = UUID(int=201), UUID(int=202)
EVIDENCE = (UUID(int=301), UUID(int=302))
CAUSE = SuspensionCause(cause_id=UUID(int=401), reason="Two evaluations below 85 in a row.", evidence=EVIDENCE)
OTHER_CAUSE = SuspensionCause(cause_id=UUID(int=402), reason="By hand.")
IN_FORCE_ON, OPENED_ON = date(2000, 2, 1), date(2000, 2, 15)
NOW = datetime(2000, 2, 15, 21, tzinfo=UTC)


class Story:
    """The events of a partner's life as far as a test needs them."""

    def __init__(self, id: UUID, registration: Registration) -> None:
        self.id, self.outlet = id, outlet_id(id)
        self.registration = registration
        of, here = {"partner_id": id}, {"partner_id": id, "outlet_id": outlet_id(id)}
        self.registered: list[Any] = [
            PartnerRegistered(
                **of,
                application_id=registration.application_id,
                legal_name=registration.legal_name,
                kind=registration.kind,
                area=registration.area,
                outlet_id=outlet_id(id),
                outlet_name=registration.outlet_name,
                external_refs=registration.external_refs,
            ),
            ChecklistDrawnUp(**here, items=OPENING_CHECKLIST),
        ]
        self.signed = ContractSigned(**of, contract_id=CONTRACT, effective_from=IN_FORCE_ON)
        self.effective = ContractEffective(**of, contract_id=CONTRACT)
        self.required = TrainingRequired(**of, enrolment_id=HYGIENE, course="hygiene")
        self.passed = TrainingPassed(**of, enrolment_id=HYGIENE, course="hygiene")
        self.premises = ChecklistItemCompleted(**here, item="premises_approved")
        self.stock = ChecklistItemCompleted(**here, item="opening_stock_delivered")
        self.dated = ChecklistItemDated(**here, item="opening_stock_delivered", due_on=date(2000, 2, 20))
        self.opened = OutletOpened(**here, name="Seward Highway", area="US-AK", opened_on=OPENED_ON)
        self.activated = PartnerActivated(**of)
        self.suspended = PartnerSuspended(**of, cause=CAUSE)
        self.other_added = SuspensionCauseAdded(**of, cause=OTHER_CAUSE)
        self.reinstated = PartnerReinstated(**of, lifted_cause_id=CAUSE.cause_id)
        self.second_signed = ContractSigned(**of, contract_id=SECOND_CONTRACT, effective_from=IN_FORCE_ON)
        self.ended = ContractEnded(**of, contract_id=CONTRACT, reason="unpaid royalties")
        self.terminated = PartnerTerminated(**of, contract_id=CONTRACT, reason="unpaid royalties")
        self.lapsed = PartnerLapsed(**of, reason="no financing")
        self.onboarding = [*self.registered, self.signed]
        self.launch: dict[str, Any] = {
            "contract": self.effective,
            "training": self.passed,
            "premises": self.premises,
            "stock": self.stock,
            "opening": self.opened,
        }
        self.ready = [*self.onboarding, self.required, *self.launch.values()]
        self.active = [*self.ready, self.activated]
        self.over = [*self.active, self.ended, self.terminated]

    def all_but(self, *lacking: str) -> list[Any]:
        """Everything that the launch takes, and not this."""
        there = [event for name, event in self.launch.items() if name not in lacking]
        return [*self.onboarding, self.required, *there]


@pytest.fixture
def story(partner: UUID, registration: Callable[..., Registration]) -> Story:
    return Story(partner, registration())


COMMANDS: dict[str, Command] = {
    "contract": BringContractIntoForce(contract_id=CONTRACT),
    "training": PassTraining(enrolment_id=HYGIENE, course="hygiene"),
    "premises": CompleteChecklistItem(item="premises_approved"),
    "stock": CompleteChecklistItem(item="opening_stock_delivered"),
    "opening": OpenOutlet(),
}
SIGN = TakeOnContract(contract_id=CONTRACT, effective_from=IN_FORCE_ON)
REQUIRE = RequireTraining(enrolment_id=HYGIENE, course="hygiene")
END = EndContract(contract_id=CONTRACT, reason="unpaid royalties")
LIFT, LIFT_OTHER = LiftSuspension(cause_id=CAUSE.cause_id), LiftSuspension(cause_id=OTHER_CAUSE.cause_id)


# -- registered


def test_a_registered_partner_is_prospective_and_has_an_outlet_with_a_checklist(story: Story) -> None:
    scenario(partners, when=RegisterPartner(registration=story.registration), at=NOW, then=story.registered)
    state = partners.fold(story.registered)
    assert state.status is Status.PROSPECTIVE
    assert [item.code for item in state.first_outlet.items] == [item.code for item in OPENING_CHECKLIST]
    assert {item.severity for item in state.first_outlet.items} == {"critical", "mandatory", "optional"}


def test_registering_it_again_changes_nothing_and_as_somebody_else_is_refused(
    story: Story, registration: Callable[..., Registration]
) -> None:
    same, other = RegisterPartner(registration=story.registration), registration(legal_name="Somebody else")
    scenario(partners, given=story.active, when=same, at=NOW, then=[])
    refused = Rejected("partner.already_registered", partner_id=story.id)
    scenario(partners, given=story.registered, when=RegisterPartner(registration=other), at=NOW, then=refused)


@pytest.mark.parametrize(
    "command",
    [*COMMANDS.values(), SIGN, REQUIRE, END, Suspend(cause=CAUSE), LIFT, LapseProspect(reason="no financing")],
)
def test_a_partner_who_was_never_registered_is_unknown(command: Command) -> None:
    scenario(partners, when=command, at=NOW, then=Unknown("partner.partner_unknown"))


# -- contracts


def test_the_first_signed_contract_starts_the_onboarding(story: Story) -> None:
    scenario(partners, given=story.registered, when=SIGN, at=NOW, then=story.signed)
    assert partners.fold(story.onboarding).status is Status.ONBOARDING


def test_a_further_contract_is_one_more(story: Story) -> None:
    further = TakeOnContract(contract_id=SECOND_CONTRACT, effective_from=IN_FORCE_ON)
    scenario(partners, given=story.active, when=further, at=NOW, then=story.second_signed)
    assert partners.fold([*story.active, story.second_signed]).status is Status.ACTIVE


def test_hearing_of_a_contract_again_changes_nothing(story: Story) -> None:
    scenario(partners, given=story.onboarding, when=SIGN, at=NOW, then=[])
    scenario(partners, given=story.active, when=COMMANDS["contract"], at=NOW, then=[])
    scenario(partners, given=story.over, when=SIGN, at=NOW, then=[])
    scenario(partners, given=story.over, when=END, at=NOW, then=[])


def test_a_contract_comes_into_force_without_more_to_it(story: Story) -> None:
    scenario(partners, given=story.onboarding, when=COMMANDS["contract"], at=NOW, then=story.effective)


@pytest.mark.parametrize("command", [COMMANDS["contract"], END])
def test_a_contract_that_the_partner_does_not_have_is_unknown(story: Story, command: Command) -> None:
    unknown = Unknown("partner.contract_unknown", contract_id=CONTRACT)
    scenario(partners, given=story.registered, when=command, at=NOW, then=unknown)


def test_an_ended_contract_does_not_come_into_force_again(story: Story) -> None:
    refused = Rejected("partner.contract_ended", contract_id=CONTRACT)
    scenario(partners, given=story.over, when=COMMANDS["contract"], at=NOW, then=refused)


def test_a_partner_ends_with_its_last_contract(story: Story) -> None:
    scenario(partners, given=story.active, when=END, at=NOW, then=[story.ended, story.terminated])
    assert partners.fold(story.over).status is Status.TERMINATED


def test_a_partner_who_has_another_contract_goes_on(story: Story) -> None:
    given_two = [*story.active, story.second_signed]
    scenario(partners, given=given_two, when=END, at=NOW, then=story.ended)
    assert partners.fold([*given_two, story.ended]).status is Status.ACTIVE
    last = EndContract(contract_id=SECOND_CONTRACT, reason="moved away")
    scenario(
        partners,
        given=[*given_two, story.ended],
        when=last,
        at=NOW,
        then=[
            ContractEnded(partner_id=story.id, contract_id=SECOND_CONTRACT, reason="moved away"),
            PartnerTerminated(partner_id=story.id, contract_id=SECOND_CONTRACT, reason="moved away"),
        ],
    )


def test_a_suspended_partner_ends_with_its_last_contract_too(story: Story) -> None:
    suspended = [*story.active, story.suspended]
    scenario(partners, given=suspended, when=END, at=NOW, then=[story.ended, story.terminated])
    assert partners.fold([*suspended, story.ended, story.terminated]).status is Status.TERMINATED


def test_a_partner_who_is_still_onboarding_ends_with_its_last_contract(story: Story) -> None:
    scenario(partners, given=story.onboarding, when=END, at=NOW, then=[story.ended, story.terminated])


def test_a_prospect_lapses_with_its_negotiation(story: Story) -> None:
    lapse = LapseProspect(reason="no financing")
    scenario(partners, given=story.registered, when=lapse, at=NOW, then=story.lapsed)
    scenario(partners, given=[*story.registered, story.lapsed], when=lapse, at=NOW, then=[])
    assert partners.fold([*story.registered, story.lapsed]).status is Status.LAPSED


@pytest.mark.parametrize("stage", ["onboarding", "active", "terminated"])
def test_only_a_prospect_lapses(story: Story, stage: str) -> None:
    given = {"onboarding": story.onboarding, "active": story.active, "terminated": story.over}[stage]
    refused = Rejected("partner.not_prospective", standing=stage)
    scenario(partners, given=given, when=LapseProspect(reason="no financing"), at=NOW, then=refused)


@pytest.mark.parametrize(
    "command",
    [
        TakeOnContract(contract_id=SECOND_CONTRACT, effective_from=IN_FORCE_ON),
        RequireTraining(enrolment_id=SAFETY, course="safety"),
        PassTraining(enrolment_id=SAFETY, course="safety"),
        CompleteChecklistItem(item="opening_event_held"),
        Suspend(cause=CAUSE),
        LIFT_OTHER,
    ],
)
def test_nothing_more_happens_to_a_partner_who_is_out(story: Story, command: Command) -> None:
    scenario(partners, given=story.over, when=command, at=NOW, then=Rejected("partner.out", standing="terminated"))
    lapsed = [*story.registered, story.lapsed]
    scenario(partners, given=lapsed, when=command, at=NOW, then=Rejected("partner.out", standing="lapsed"))


def test_a_lapsed_partner_does_not_open_an_outlet(story: Story) -> None:
    refused = Rejected("partner.out", standing="lapsed")
    scenario(partners, given=[*story.registered, story.lapsed], when=OpenOutlet(), at=NOW, then=refused)


# -- training


def test_training_is_required_and_passed(story: Story) -> None:
    scenario(partners, given=story.onboarding, when=REQUIRE, at=NOW, then=story.required)
    given = [*story.onboarding, story.required]
    scenario(partners, given=given, when=COMMANDS["training"], at=NOW, then=story.passed)


def test_training_that_is_heard_of_before_the_signature_counts_just_the_same(story: Story) -> None:
    scenario(partners, given=story.registered, when=REQUIRE, at=NOW, then=story.required)
    scenario(partners, given=story.registered, when=COMMANDS["training"], at=NOW, then=story.passed)
    early = [*story.registered, story.required, story.passed, story.signed, story.premises, story.stock, story.opened]
    scenario(partners, given=early, when=COMMANDS["contract"], at=NOW, then=[story.effective, story.activated])


def test_hearing_of_training_again_changes_nothing_nor_does_a_renewal(story: Story) -> None:
    given = [*story.onboarding, story.required, story.passed]
    scenario(partners, given=given, when=REQUIRE, at=NOW, then=[])
    scenario(partners, given=given, when=COMMANDS["training"], at=NOW, then=[])
    scenario(partners, given=story.over, when=COMMANDS["training"], at=NOW, then=[])


# -- checklist and opening


def test_an_item_of_the_checklist_is_completed_once(story: Story) -> None:
    complete = CompleteChecklistItem(item="premises_approved")
    scenario(partners, given=story.registered, when=complete, at=NOW, then=story.premises)
    scenario(partners, given=[*story.registered, story.premises], when=complete, at=NOW, then=[])


def test_an_item_that_is_not_on_the_checklist_is_unknown(story: Story) -> None:
    unknown = Unknown(
        "partner.checklist_item_unknown", item="swimming_pool", items=[item.code for item in OPENING_CHECKLIST]
    )
    complete = CompleteChecklistItem(item="swimming_pool")
    scenario(partners, given=story.registered, when=complete, at=NOW, then=unknown)


def test_an_outlet_opens_on_the_day_of_its_own_clocks(story: Story) -> None:
    given = [*story.onboarding, story.premises, story.stock]
    early = datetime(2000, 2, 16, 3, tzinfo=UTC)
    scenario(partners, given=given, when=OpenOutlet(), at=NOW, then=story.opened)
    scenario(partners, given=given, when=OpenOutlet(time_zone="America/Anchorage"), at=early, then=story.opened)
    next_day = story.opened.model_copy(update={"opened_on": date(2000, 2, 16)})
    scenario(partners, given=given, when=OpenOutlet(), at=early, then=next_day)


def test_an_outlet_opens_once(story: Story) -> None:
    scenario(partners, given=story.active, when=OpenOutlet(), at=NOW, then=[])
    scenario(partners, given=story.over, when=OpenOutlet(), at=NOW, then=[])


def test_an_outlet_does_not_open_before_its_partner_has_signed(story: Story) -> None:
    given = [*story.registered, story.premises, story.stock]
    scenario(partners, given=given, when=OpenOutlet(), at=NOW, then=Rejected("partner.not_signed"))


def test_an_outlet_does_not_open_while_a_critical_item_is_open(story: Story) -> None:
    refused = Rejected("partner.critical_items_open", items=["premises_approved"])
    scenario(partners, given=[*story.onboarding, story.stock], when=OpenOutlet(), at=NOW, then=refused)


def test_an_outlet_may_open_while_a_mandatory_item_has_a_day_to_come(story: Story) -> None:
    given = [*story.onboarding, story.premises]
    refused = Rejected("partner.mandatory_items_open", items=["opening_stock_delivered"])
    scenario(partners, given=given, when=OpenOutlet(), at=NOW, then=refused)
    scenario(partners, given=[*given, story.dated], when=OpenOutlet(), at=NOW, then=story.opened)
    late = NOW.replace(month=3)
    scenario(partners, given=[*given, story.dated], when=OpenOutlet(), at=late, then=refused)


def test_an_outlet_does_not_open_while_its_partner_is_suspended(story: Story) -> None:
    given = [*story.onboarding, story.premises, story.suspended, story.other_added]
    refused = Rejected("partner.suspended", reasons=[CAUSE.reason, OTHER_CAUSE.reason])
    scenario(partners, given=given, when=OpenOutlet(), at=NOW, then=refused)


def test_a_time_zone_that_is_none_is_no_command() -> None:
    with pytest.raises(ValidationError):
        OpenOutlet(time_zone="Alaska/Anchorage")


# -- activation


@pytest.mark.parametrize("last", COMMANDS)
def test_a_partner_is_activated_by_whatever_was_missing_last(story: Story, last: str) -> None:
    before = story.all_but("opening", last) if last == "premises" else story.all_but(last)
    if last == "premises":  # without it the outlet could not have opened
        scenario(partners, given=before, when=COMMANDS[last], at=NOW, then=story.launch[last])
        return
    scenario(partners, given=before, when=COMMANDS[last], at=NOW, then=[story.launch[last], story.activated])
    assert partners.fold([*before, story.launch[last], story.activated]).status is Status.ACTIVE


@pytest.mark.parametrize(("lacking", "last"), list(permutations(COMMANDS, 2)))
def test_a_partner_is_not_activated_while_something_else_is_missing(story: Story, lacking: str, last: str) -> None:
    if last == "opening" and lacking == "premises":
        return
    given = [*story.all_but(lacking, last), story.dated]
    scenario(partners, given=given, when=COMMANDS[last], at=NOW, then=story.launch[last])


def test_a_partner_without_any_completed_training_is_not_activated(story: Story) -> None:
    given = [event for event in story.all_but("training", "opening") if event is not story.required]
    scenario(partners, given=given, when=OpenOutlet(), at=NOW, then=story.opened)


def test_each_required_training_has_to_be_completed(story: Story) -> None:
    safety = TrainingRequired(partner_id=story.id, enrolment_id=SAFETY, course="safety")
    given = [*story.all_but("training"), safety]
    scenario(partners, given=given, when=COMMANDS["training"], at=NOW, then=story.passed)
    passed = TrainingPassed(partner_id=story.id, enrolment_id=SAFETY, course="safety")
    last = PassTraining(enrolment_id=SAFETY, course="safety")
    scenario(partners, given=[*given, story.passed], when=last, at=NOW, then=[passed, story.activated])


def test_an_optional_item_does_not_hold_a_partner_back(story: Story) -> None:
    state = partners.fold(story.active)
    assert state.first_outlet.open_items("optional") == ["opening_event_held"]


def test_an_active_partner_is_not_activated_again(story: Story) -> None:
    event_held = ChecklistItemCompleted(partner_id=story.id, outlet_id=story.outlet, item="opening_event_held")
    complete = CompleteChecklistItem(item="opening_event_held")
    scenario(partners, given=story.active, when=complete, at=NOW, then=event_held)


def test_what_is_missing_for_the_launch_is_told_in_words(story: Story) -> None:
    assert partners.fold([*story.onboarding, story.required]).missing_for_launch() == [
        "a contract in force",
        "a completed training",
        "the training hygiene",
        "an open outlet",
        "the checklist item premises_approved",
        "the checklist item opening_stock_delivered",
    ]
    assert partners.fold(story.ready).missing_for_launch() == []


# -- suspension


@pytest.mark.parametrize("stage", ["registered", "onboarding", "active"])
def test_a_partner_is_suspended_by_the_first_cause_and_remembers_where_it_stood(story: Story, stage: str) -> None:
    before: list[Any] = getattr(story, stage)
    scenario(partners, given=before, when=Suspend(cause=CAUSE), at=NOW, then=story.suspended)
    suspended = partners.fold([*before, story.suspended])
    assert suspended.status is Status.SUSPENDED
    scenario(partners, given=[*before, story.suspended], when=LIFT, at=NOW, then=story.reinstated)
    assert partners.fold([*before, story.suspended, story.reinstated]).status is partners.fold(before).status


def test_a_further_cause_is_kept_and_not_announced_again(story: Story) -> None:
    given = [*story.active, story.suspended]
    scenario(partners, given=given, when=Suspend(cause=OTHER_CAUSE), at=NOW, then=story.other_added)


def test_a_partner_is_reinstated_when_the_last_cause_is_lifted_and_not_before(story: Story) -> None:
    both = [*story.active, story.suspended, story.other_added]
    first_lifted = SuspensionCauseLifted(partner_id=story.id, lifted_cause_id=CAUSE.cause_id)
    scenario(partners, given=both, when=LIFT, at=NOW, then=first_lifted)
    assert partners.fold([*both, first_lifted]).status is Status.SUSPENDED
    reinstated = PartnerReinstated(partner_id=story.id, lifted_cause_id=OTHER_CAUSE.cause_id)
    scenario(partners, given=[*both, first_lifted], when=LIFT_OTHER, at=NOW, then=reinstated)
    assert partners.fold([*both, first_lifted, reinstated]).status is Status.ACTIVE


def test_the_same_cause_again_changes_nothing_nor_does_lifting_it_again(story: Story) -> None:
    suspended = [*story.active, story.suspended, story.other_added]
    scenario(partners, given=suspended, when=Suspend(cause=CAUSE), at=NOW, then=[])
    lifted = [*story.active, story.suspended, story.reinstated]
    scenario(partners, given=lifted, when=LIFT, at=NOW, then=[])


def test_a_cause_that_was_lifted_does_not_come_back(story: Story) -> None:
    given = [*story.active, story.suspended, story.reinstated]
    refused = Rejected("partner.suspension_lifted_already", cause_id=CAUSE.cause_id)
    scenario(partners, given=given, when=Suspend(cause=CAUSE), at=NOW, then=refused)


def test_a_cause_that_is_not_there_cannot_be_lifted(story: Story) -> None:
    unknown = Unknown("partner.suspension_cause_unknown", cause_id=OTHER_CAUSE.cause_id)
    for before in (story.active, [*story.active, story.suspended]):
        scenario(partners, given=before, when=LIFT_OTHER, at=NOW, then=unknown)


def test_a_partner_may_be_suspended_again_for_another_cause(story: Story) -> None:
    given = [*story.active, story.suspended, story.reinstated]
    again = PartnerSuspended(partner_id=story.id, cause=OTHER_CAUSE)
    scenario(partners, given=given, when=Suspend(cause=OTHER_CAUSE), at=NOW, then=again)


@pytest.mark.parametrize("last", ["contract", "training", "stock"])
def test_a_suspended_partner_is_not_activated_however_ready_it_is(story: Story, last: str) -> None:
    given = [*story.all_but(last), story.suspended]
    scenario(partners, given=given, when=COMMANDS[last], at=NOW, then=story.launch[last])


def test_a_partner_who_became_ready_while_suspended_is_activated_when_the_cause_is_lifted(story: Story) -> None:
    given = [*story.all_but("stock"), story.suspended, story.stock]
    scenario(partners, given=given, when=LIFT, at=NOW, then=[story.reinstated, story.activated])
    both = [*given, story.other_added]
    first_lifted = SuspensionCauseLifted(partner_id=story.id, lifted_cause_id=CAUSE.cause_id)
    scenario(partners, given=both, when=LIFT, at=NOW, then=first_lifted)


def test_a_suspended_prospect_who_signs_is_onboarding_when_it_is_reinstated(story: Story) -> None:
    given = [*story.registered, story.suspended]
    scenario(partners, given=given, when=SIGN, at=NOW, then=story.signed)
    assert partners.fold([*given, story.signed]).status is Status.SUSPENDED
    assert partners.fold([*given, story.signed, story.reinstated]).status is Status.ONBOARDING


STEPS: list[Any] = [
    SIGN,
    TakeOnContract(contract_id=SECOND_CONTRACT, effective_from=IN_FORCE_ON),
    REQUIRE,
    *COMMANDS.values(),
    END,
    EndContract(contract_id=SECOND_CONTRACT, reason="moved away"),
    Suspend(cause=CAUSE),
    Suspend(cause=OTHER_CAUSE),
    LIFT,
    LIFT_OTHER,
    LapseProspect(reason="no financing"),
]


@settings(max_examples=300)
@given(st.lists(st.sampled_from(STEPS), max_size=25))
def test_in_whatever_order_things_are_heard_a_partner_never_trades_without_all_it_takes(steps: list[Any]) -> None:
    application = UUID(int=1)
    id = partner_id(application)
    story = Story(id, Registration(application, id, "TESORO", "franchisee", "US-AK", "Seward Highway"))
    state: Partner = partners.fold(story.registered)
    announced: list[Any] = []
    activations = 0
    for step in steps:
        try:
            events = partners.decide(step, state, NOW)
        except Rejected:
            continue
        if any(isinstance(event, PartnerActivated) for event in events):
            after = partners.fold(events, state)
            assert not after.missing_for_launch()
            assert not after.causes
            activations += 1
        state = partners.fold(events, state)
        announced += [event for event in events if isinstance(event, PartnerSuspended | PartnerReinstated)]
        assert partners.decide(step, state, NOW) == []
    assert activations <= 1
    in_turn: list[Any] = [PartnerSuspended, PartnerReinstated]
    assert [type(event) for event in announced] == [in_turn[n % 2] for n in range(len(announced))]
    over = bool(state.contracts) and not state.alive()
    assert over == (state.stage is Status.TERMINATED)


def test_its_state_survives_a_snapshot(story: Story) -> None:
    state = partners.fold([*story.active, story.suspended, story.other_added, story.second_signed])
    adapter = partners.state_adapter
    assert adapter.validate_json(adapter.dump_json(state)) == state

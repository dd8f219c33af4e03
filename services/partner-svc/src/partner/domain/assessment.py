"""What is found out about an applicant before anybody decides: screening, scores, interviews and a business plan."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import date
from decimal import Decimal
from typing import Annotated, TypeAlias
from uuid import UUID

from engine import Command, Rejected
from events import Event
from events.partner import ApplicationScored, GateResult
from pydantic import Field

from partner.domain.candidate import (
    Application,
    Interview,
    Outcome,
    Plan,
    Screening,
    Status,
    refuse_closed,
)
from partner.domain.economics import BusinessCase, Projection, project
from partner.domain.investment import InvestmentTerms
from partner.domain.registration import Registration
from partner.domain.scoring import NOTHING, Answers, Measured, Scores, answers_in, judged, measure
from partner.domain.standard import Confidence, StandardTerms
from partner.domain.words import Reason, Score, Text

Figure = Annotated[Decimal, Field(ge=0, max_digits=24, decimal_places=6)]

# -- events that stay in the house


class ApplicationScreened(Event, type="cauce.partner.ApplicationScreened.v1"):
    """Somebody looked whether the applicant comes through the standard's gates, before anything is scored."""

    application_id: UUID
    standard: str
    standard_version: int
    gates: tuple[GateResult, ...]
    failed_gates: tuple[str, ...]


class InterviewHeld(Event, type="cauce.partner.InterviewHeld.v1"):
    """The applicant was talked to."""

    application_id: UUID
    held_on: date
    outcome: Outcome
    summary: str


class BusinessPlanProjected(Event, type="cauce.partner.BusinessPlanProjected.v1"):
    """What the applicant plans, and what it comes to by a version of the investment standard, which is kept with it."""

    application_id: UUID
    case: BusinessCase
    terms: InvestmentTerms
    projection: Projection


AssessmentEvent: TypeAlias = ApplicationScreened | ApplicationScored | InterviewHeld | BusinessPlanProjected


# -- commands


class ScreenApplication(Command):
    """Of each gate of the standard as it is now whether it is passed, or the figure that is judged."""

    standard: StandardTerms
    gates: dict[str, bool]
    figures: Annotated[dict[str, Figure], Field(default_factory=dict)]


class ScoreApplication(Command):
    """Scores from 0 to 100 by dimension, and of each gate whether it is passed, or the figure that is judged, under the
    standard as it is now. Gates that were screened need not be answered again."""

    standard: StandardTerms
    scores: dict[str, Score]
    gates: dict[str, bool]
    figures: Annotated[dict[str, Figure], Field(default_factory=dict)]
    confidence: Annotated[dict[str, Confidence], Field(default_factory=dict)]
    evidence: Annotated[dict[str, tuple[Text, ...]], Field(default_factory=dict)]


class RecordInterview(Command):
    """`summary` is about the application; what somebody said of their own life does not belong in it."""

    held_on: date
    outcome: Outcome
    summary: Reason


class ProjectBusinessPlan(Command):
    case: BusinessCase
    terms: InvestmentTerms


AssessmentCommand: TypeAlias = ScreenApplication | ScoreApplication | RecordInterview | ProjectBusinessPlan


# -- decide


def screen(application: Application, who: Registration, command: ScreenApplication) -> list[AssessmentEvent]:
    gates = judged(command.standard, Answers(command.gates, command.figures))
    wanted = Screening(command.standard.code, command.standard.version, gates)
    if application.screening == wanted:
        return []
    refuse_closed(application)
    if application.measured is not None:
        raise Rejected("partner.already_scored", standard=application.measured.standard)
    failed = tuple(each.gate for each in gates if not each.passed)
    return [ApplicationScreened(application_id=who.application_id, failed_gates=failed, **vars(wanted))]


def score(application: Application, who: Registration, command: ScoreApplication) -> list[AssessmentEvent]:
    measured = measure(
        command.standard,
        Scores(command.scores, command.confidence, command.evidence),
        Answers(command.gates, command.figures),
        screened(application, command.standard),
    )
    if application.measured == measured:
        return []
    refuse_closed(application)
    return [ApplicationScored(application_id=who.application_id, **vars(measured))]


def screened(application: Application, standard: StandardTerms) -> Answers:
    """What was answered then to the gates that the standard still has; a figure is judged anew."""
    screening = application.screening
    if screening is None or screening.standard != standard.code:
        return NOTHING
    asked = {gate.code for gate in standard.gates}
    return answers_in(tuple(each for each in screening.gates if each.gate in asked))


def interview(
    application: Application, who: Registration, command: RecordInterview, today: date
) -> list[AssessmentEvent]:
    held = Interview(command.held_on, command.outcome, command.summary)
    if held in application.interviews:
        return []
    refuse_closed(application)
    if application.measured is None:
        raise Rejected("partner.application_not_scored")
    if command.held_on > today:
        raise Rejected("partner.interview_not_yet_held", held_on=command.held_on)
    return [InterviewHeld(application_id=who.application_id, **vars(held))]


def project_plan(application: Application, who: Registration, command: ProjectBusinessPlan) -> list[AssessmentEvent]:
    plan = Plan(command.case, command.terms, project(command.case, command.terms))
    if application.plan == plan:
        return []
    refuse_closed(application)
    return [BusinessPlanProjected(application_id=who.application_id, **vars(plan))]


# -- evolve


def evolve(application: Application, event: AssessmentEvent) -> Application:
    """What is found out anew leaves a proposed override behind: the first person has to be asked again."""
    match event:
        case ApplicationScreened():
            screening = Screening(event.standard, event.standard_version, event.gates)
            return replace(application, status=Status.SCREENED, screening=screening)
        case ApplicationScored():
            measured = Measured(**{each.name: getattr(event, each.name) for each in fields(Measured)})
            status = Status.INTERVIEWED if application.interviews else Status.SCORED
            return replace(application, status=status, measured=measured, override=None)
        case InterviewHeld():
            held = Interview(event.held_on, event.outcome, event.summary)
            return replace(application, status=Status.INTERVIEWED, interviews=(*application.interviews, held))
        case BusinessPlanProjected():
            return replace(application, plan=Plan(event.case, event.terms, event.projection), override=None)

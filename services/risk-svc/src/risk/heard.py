"""What risk-svc hears of a partner from other services, in its own words: an evaluation, a signal, that something was
made good, or how it went in the end. Policies and the view that previews and back-tests read are made of the same."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID, uuid5

from engine import Fact
from events.contract import BreachCured, BreachNoticed, ContractTerminated, CureLapsed
from events.operational import ConsumerFeedbackReported, PaymentReported
from events.performance import EvaluationRestated, KPIReportMissed, PartnerEvaluated
from events.royalty import RoyaltyPaidLate
from events.training import CertificateExpired, CorrectiveActionOverdue, CorrectiveActionVerified, TrainingCompleted

from risk.domain.evaluation import Evaluation
from risk.domain.signal import Signal

OutcomeKind = Literal["terminated", "breach_noticed", "cure_lapsed"]


@dataclass(frozen=True)
class Cleared:
    """What this subject's signal was about was made good."""

    subject: UUID


@dataclass(frozen=True)
class Heard:
    """One thing that the event `id` told of a partner. `outcome` is how a back-test may call it; something may be a
    signal and an outcome at once. `because` are the events that it rests on, where it says so."""

    id: UUID
    partner_id: UUID
    at: datetime
    what: Evaluation | Signal | Cleared | None
    outcome: OutcomeKind | None = None
    because: tuple[UUID, ...] = ()

    @property
    def subject(self) -> UUID | None:
        """What a signal, or its clearing, is about."""
        return None if isinstance(self.what, Evaluation | None) else self.what.subject


def heard_of(fact: Fact[Any]) -> Heard | None:
    """None for what says nothing of a partner's risk."""
    match fact.event:
        case PartnerEvaluated() | EvaluationRestated():
            what: Evaluation | Signal | Cleared | None = _evaluation(fact)
        case KPIReportMissed() | ConsumerFeedbackReported() | PaymentReported():
            what = _of_performance(fact)
        case CertificateExpired() | TrainingCompleted() | CorrectiveActionOverdue() | CorrectiveActionVerified():
            what = _of_training(fact)
        case BreachNoticed() | BreachCured() | CureLapsed() | ContractTerminated() | RoyaltyPaidLate():
            what = _of_contract(fact)
        case _:
            return None
    outcome = outcome_of(fact)
    if what is None and outcome is None:
        return None
    because = fact.event.evidence if isinstance(fact.event, BreachNoticed) else ()
    return Heard(fact.event_id, fact.event.partner_id, fact.occurred_at, what, outcome, because)


def outcome_of(fact: Fact[Any]) -> OutcomeKind | None:
    match fact.event:
        case ContractTerminated():
            return "terminated"
        case BreachNoticed():
            return "breach_noticed"
        case CureLapsed():
            return "cure_lapsed"
        case _:
            return None


def _evaluation(fact: Fact[Any]) -> Evaluation:
    event = fact.event
    return Evaluation(
        id=fact.event_id,
        period=event.period,
        metrics={score.metric: score.value for score in event.scores},
        total=event.total,
        band=event.band,
        percentile=event.percentile,
    )


def _signal(fact: Fact[Any], kind: Any, subject: UUID, **more: Any) -> Signal:
    return Signal(kind, subject, fact.occurred_at, (fact.event_id,), **more)


def _of_performance(fact: Fact[Any]) -> Signal | Cleared | None:
    match fact.event:
        case KPIReportMissed(partner_id=partner_id, metric=metric, period=period):
            return _signal(fact, "missed_report", uuid5(partner_id, f"{metric}/{period}"), period=period)
        case ConsumerFeedbackReported(consumer_feedback_id=id, instrument="complaint"):
            return _signal(fact, "complaint", id)
        case ConsumerFeedbackReported(consumer_feedback_id=id, restatement=again) if again:
            return Cleared(id)  # corrected to something else than a complaint
        case PaymentReported(payment_id=id, purpose=purpose, due_on=due, paid_on=paid, restatement=again):
            # Of royalties contract-svc tells by statement, which has their day.
            if purpose != "royalty" and due is not None and paid > due:
                return _signal(fact, "late_payment", id, days=(paid - due).days)
            return Cleared(id) if again else None
        case _:
            return None


def _of_training(fact: Fact[Any]) -> Signal | Cleared | None:
    match fact.event:
        case CertificateExpired(enrolment_id=id):
            return _signal(fact, "expired_certificate", id)
        case CorrectiveActionOverdue(action_id=id, critical=critical):
            return _signal(fact, "critical_overdue_action" if critical else "overdue_action", id)
        case TrainingCompleted(enrolment_id=id):
            return Cleared(id)
        case CorrectiveActionVerified(action_id=id, late=True):
            return Cleared(id)
        case _:
            return None


def _of_contract(fact: Fact[Any]) -> Signal | Cleared | None:
    match fact.event:
        case BreachNoticed(breach_id=id):
            return _signal(fact, "breach", id)
        case CureLapsed(breach_id=id):
            return _signal(fact, "lapsed_cure", id)
        case BreachCured(breach_id=id):
            return Cleared(id)
        case ContractTerminated(breach_id=breach_id):
            return None if breach_id is None else Cleared(breach_id)
        case RoyaltyPaidLate(statement_id=id, days_late=days):
            return _signal(fact, "late_payment", id, days=days)
        case _:
            return None

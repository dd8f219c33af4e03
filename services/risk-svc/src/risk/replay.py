"""A rule over what was heard, as if it had been in force: by the same decisions as live, on a profile that nobody
keeps. Previews and back-tests are made of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID, uuid5

from events.risk import RestrictionImposed, RiskFlagged, RiskResolved

from risk.domain.assessment import AssessEvaluation
from risk.domain.evaluation import Evaluation
from risk.domain.profile import RiskProfile
from risk.domain.risk_profile import risk_profiles
from risk.domain.rule import RuleTerms
from risk.domain.signal import Concentration, Signal
from risk.domain.watch import ClearSignal, JudgeAgain, JudgementFailed, NoteSignal, ReviewPlanned, RuleInUse
from risk.heard import Heard


@dataclass(frozen=True)
class Alarm:
    """A flag that the rule would have raised. `until` None: it would be open."""

    partner_id: UUID
    at: datetime
    explanation: str
    evidence: tuple[UUID, ...]
    until: datetime | None = None


@dataclass
class Replay:
    """A rule over one partner's past. What it would have raised, how often it would have suspended, and how often it
    could not be judged. Sales are of now, as no past of them is kept."""

    terms: RuleTerms
    partner_id: UUID
    concentration: Concentration | None = None
    alarms: dict[UUID, Alarm] = field(default_factory=dict)
    suspensions: int = 0
    failures: int = 0
    error: str | None = None
    _state: RiskProfile = field(default_factory=risk_profiles.initial)
    _review: datetime | None = None

    def run(self, heard: Iterable[Heard], until: datetime) -> Replay:
        """`heard` in the order of business time."""
        for each in heard:
            self._reviews(each.at)
            self._do(self._command(each), each.at)
        self._reviews(until)
        if self.terms.judged_on == "events":
            self._do(self._again(until), until)
        return self

    def _command(self, heard: Heard) -> Any:
        watched = {
            "partner_id": self.partner_id,
            "rules": (RuleInUse(self.terms),),
            "concentration": self.concentration,
        }
        on_events = self.terms.judged_on == "events"
        match heard.what:
            case Evaluation() as evaluation if not on_events and evaluation.is_for(self.terms):
                return AssessEvaluation(partner_id=self.partner_id, rule=self.terms, evaluation=evaluation)
            case Signal() as signal if on_events:
                return NoteSignal(signal=signal, **watched)
            case Evaluation() | Signal() | None:
                return None
            case cleared:
                return ClearSignal(subject=cleared.subject, because=heard.id, **watched) if on_events else None

    def _again(self, at: datetime) -> JudgeAgain:
        return JudgeAgain(
            partner_id=self.partner_id,
            rules=(RuleInUse(self.terms),),
            concentration=self.concentration,
            because=uuid5(self.partner_id, at.isoformat()),
        )

    def _reviews(self, until: datetime) -> None:
        """What leaves the window before then; each review plans a later one, or none."""
        while self._review is not None and self._review <= until:
            at, self._review = self._review, None
            self._do(self._again(at), at)

    def _do(self, command: Any, at: datetime) -> None:
        if command is None:
            return
        for event in risk_profiles.decide(command, self._state, at):
            self._state = risk_profiles.evolve(self._state, event)
            match event:
                case RiskFlagged(flag_id=id, explanation=explanation, evidence=evidence):
                    self.alarms[id] = Alarm(self.partner_id, at, explanation, evidence)
                case RiskResolved(flag_id=id):
                    self.alarms[id] = replace(self.alarms[id], until=at)
                case RestrictionImposed():
                    self.suspensions += 1
                case ReviewPlanned(at=moment):
                    self._review = moment
                case JudgementFailed(error=error):
                    self.failures += 1
                    self.error = self.error or error

    @property
    def suspended(self) -> bool:
        """It would be so at the end."""
        return self._state.suspended

    @property
    def open(self) -> tuple[Alarm, ...]:
        return tuple(alarm for alarm in self.alarms.values() if alarm.until is None)

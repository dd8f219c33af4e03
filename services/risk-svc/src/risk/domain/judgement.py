"""What a partner's evaluations under one rule amount to. Everything is derived from their history, ordered by period.

- A flag is due while the latest evaluations are low: from the first low one after the last that was not.
- A suspension is due from the moment `suspend_after` low ones came in a row until one of which `lifts_when` is true. In
  a row counts evaluations: a year without one does not break the run.
- Each evaluation is judged by the rule's version that was in force when its period came in. A restatement corrects the
  figure and not the rule: it is judged by the version that its period was judged by. The period after it is judged
  again, as a rule may speak of the evaluation before.
- A restatement, or a period that comes late, takes its place in the history and what follows is derived anew: a flag or
  suspension ends when the run that it rests on is one no more, another begins where later evaluations call for it, and
  what later evaluations had made good by then stays closed.
- A person's decision covers the figures that there were: low ones up to a dismissal raise no flag again, and a run is
  counted anew from after a lifting. A period that is restated to another figure is judged anew.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from uuid import UUID

from risk.domain import evaluation as evaluations
from risk.domain.evaluation import Evaluation, Verdict
from risk.domain.rule import RuleTerms
from risk.domain.words import listed, plain

MONTHS = {"Q1": (3, 3), "Q2": (6, 3), "Q3": (9, 3), "Q4": (12, 3)}


@dataclass(frozen=True)
class Figure:
    """What the rule's value came to, and the event that told what it rests on."""

    evaluation_id: UUID
    value: Decimal


@dataclass(frozen=True)
class Judged:
    """A period's evaluation under a rule, with the figures that restatements replaced, oldest first.

    `dismissed` and `forgiven`: a person decided about this figure, in dismissing a flag or in lifting a suspension.
    """

    evaluation: Evaluation
    verdict: Verdict
    terms: RuleTerms
    replaced: tuple[Figure, ...] = ()
    dismissed: bool = False
    forgiven: bool = False

    @property
    def period(self) -> str:
        return self.evaluation.period

    @property
    def evaluation_id(self) -> UUID:
        return self.evaluation.id

    @property
    def value(self) -> Decimal:
        return self.verdict.value

    @property
    def low(self) -> bool:
        return self.verdict.low

    @property
    def lifts(self) -> bool:
        return self.verdict.lifts

    @property
    def told_by(self) -> tuple[UUID, ...]:
        """The events that told the figures of this period, the present one last."""
        return (*(figure.evaluation_id for figure in self.replaced), self.evaluation_id)


History = tuple[Judged, ...]


def place(period: str) -> tuple[int, int, int]:
    """Orders periods by their end, and a shorter one before the longer one that ends with it."""
    year, _, part = period.partition("-")
    if not part:
        return int(year), 12, 12
    month, months = MONTHS[part] if part in MONTHS else (int(part), 1)
    return int(year), month, months


@dataclass(frozen=True)
class Assessment:
    """What an evaluation that came in is judged to be, by these terms; and how the one after it is judged now."""

    terms: RuleTerms
    verdict: Verdict
    next: Verdict | None


def assess(history: History, evaluation: Evaluation, terms: RuleTerms) -> Assessment:
    """In its place in the history, by the terms that its period was judged by before, if it was. Raises Broken."""
    earlier = [each for each in history if place(each.period) < place(evaluation.period)]
    later = [each for each in history if place(each.period) > place(evaluation.period)]
    known = next((each for each in history if each.period == evaluation.period), None)
    terms = known.terms if known else terms
    verdict = evaluations.judged(terms, evaluation, earlier[-1].evaluation if earlier else None, len(earlier) + 1)
    after = later[0] if later else None
    again = None if after is None else evaluations.judged(after.terms, after.evaluation, evaluation, len(earlier) + 2)
    return Assessment(terms, verdict, None if after is None or again == after.verdict else again)


def take_in(history: History, evaluation: Evaluation, assessment: Assessment) -> tuple[History, Judged]:
    """The history with the evaluation in its place. It replaces an earlier one of the period."""
    terms, verdict = assessment.terms, assessment.verdict
    if not history or place(history[-1].period) < place(evaluation.period):  # as periods mostly come
        now = Judged(evaluation, verdict, terms)
        return (*history, now), now
    before = next((each for each in history if each.period == evaluation.period), None)
    if before is None:
        now = Judged(evaluation, verdict, terms)
    else:
        now = replace(
            judged_anew(before, verdict),
            evaluation=evaluation,
            replaced=(*before.replaced, Figure(before.evaluation_id, before.value)),
        )
    others = [each for each in history if each.period != evaluation.period]
    if assessment.next is not None:
        n = next(n for n, each in enumerate(others) if place(each.period) > place(evaluation.period))
        others[n] = judged_anew(others[n], assessment.next)
    return tuple(sorted((*others, now), key=lambda each: place(each.period))), now


def judged_anew(before: Judged, verdict: Verdict) -> Judged:
    """What a person decided covers the figure that there was."""
    same = verdict.value == before.value
    return replace(before, verdict=verdict, dismissed=before.dismissed and same, forgiven=before.forgiven and same)


def dismiss_low_run(history: History) -> History:
    low = low_run(history)
    return (*history[: len(history) - len(low)], *(replace(judged, dismissed=True) for judged in low))


def forgive(history: History) -> History:
    return tuple(replace(judged, forgiven=True) for judged in history)


def low_run(history: History) -> History:
    """The low evaluations since the last that was not low."""
    start = len(history)
    while start and history[start - 1].low:
        start -= 1
    return history[start:]


def suspending_run(history: History) -> History:
    """The run that suspends the partner as of the latest evaluation; empty where none does."""
    run: History = ()
    cause: History = ()
    for each in history:
        run = (*run, each) if each.low and not each.forgiven else ()
        needed = each.terms.suspend_after
        if each.lifts or each.forgiven:
            cause = ()
        elif not cause and needed is not None and len(run) >= needed:
            cause = run[-needed:]
    return cause


def resting_on(history: History, evidence: Collection[UUID]) -> History:
    """The evaluations that these events told, also where they were restated since."""
    return tuple(judged for judged in history if any(id in evidence for id in judged.told_by))


def flag_stands(history: History, evidence: Collection[UUID]) -> bool:
    """The flag's evaluations are still low, and so are all after them."""
    run = low_run(history)
    return all(judged in run for judged in resting_on(history, evidence))


def suspension_stands(history: History, evidence: Collection[UUID]) -> bool:
    """The run that caused it is still one, and nothing after it lifts."""
    run = resting_on(history, evidence)
    first, last = history.index(run[0]), history.index(run[-1])
    return all(judged.low for judged in history[first : last + 1]) and not any(j.lifts for j in history[last + 1 :])


# -- in words


def low_in_words(run: Sequence[Judged]) -> str:
    """For the evaluations of a run, oldest first: `inspection_score 82.5 in 2006 after 84 in 2005 (value < 85.0)`."""
    latest, *earlier = reversed(run)
    one_rule = len({judged.terms.when for judged in run}) == 1
    figures = [
        _figure(judged) if one_rule else f"{_figure(judged)} ({judged.terms.when})" for judged in (latest, *earlier)
    ]
    sentence = f"{latest.terms.figure} {figures[0]}"
    if earlier:
        sentence += f" after {listed(figures[1:])}"
    return f"{sentence} ({latest.terms.when})" if one_rule else sentence


def recovered_in_words(judged: Judged) -> str:
    return f"{judged.terms.figure} {_figure(judged)} (not {judged.terms.when})"


def lifted_in_words(judged: Judged) -> str:
    return f"{judged.terms.figure} {_figure(judged)} ({judged.terms.lifts_when})"


def broken_in_words(judged: Judged) -> str:
    return f"{judged.terms.figure} {_figure(judged)} ends the run of evaluations that the suspension rested on"


def _figure(judged: Judged) -> str:
    return f"{plain(judged.value)} in {judged.period}"

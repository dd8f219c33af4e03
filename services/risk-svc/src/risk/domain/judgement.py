"""What a partner's evaluations under one rule amount to. Everything is derived from their history, ordered by period.

- A flag is due while the latest evaluations are low: from the first low one after the last that was not.
- A suspension is due from the moment `suspend_after` low ones came in a row until one at or above `lift_at`. In a row
  counts evaluations: a year without one does not break the run.
- Each evaluation is judged by the rule's version that was in force when its period came in. A restatement corrects the
  figure and not the rule: it is judged by the version that its period was judged by.
- A restatement, or a period that comes late, takes its place in the history and what follows is derived anew: a flag or
  suspension ends when the run that it rests on is one no more, another begins where later evaluations call for it, and
  what later evaluations had made good by then stays closed.
- A person's decision covers the figures that there were: low ones up to a dismissal raise no flag again, and a run is
  counted anew from after a lifting. A period that is restated to another figure is judged anew.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from decimal import Context, Decimal
from uuid import UUID

from risk.domain.rule import RuleTerms

MONTHS = {"Q1": (3, 3), "Q2": (6, 3), "Q3": (9, 3), "Q4": (12, 3)}


@dataclass(frozen=True)
class Figure:
    """A value of the metric, and the event that told it."""

    evaluation_id: UUID
    value: Decimal


@dataclass(frozen=True)
class Judged:
    """A period's evaluation under a rule, with the figures that restatements replaced, oldest first.

    `dismissed` and `forgiven`: a person decided about this figure, in dismissing a flag or in lifting a suspension.
    """

    period: str
    value: Decimal
    evaluation_id: UUID
    terms: RuleTerms
    replaced: tuple[Figure, ...] = ()
    dismissed: bool = False
    forgiven: bool = False

    @property
    def low(self) -> bool:
        return self.value < self.terms.flag_below

    @property
    def lifts(self) -> bool:
        return self.terms.lift_at is not None and self.value >= self.terms.lift_at

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


def take_in(history: History, period: str, figure: Figure, terms: RuleTerms) -> tuple[History, Judged]:
    """The history with the figure in its place, and its judgement there. It replaces an earlier figure of the period
    and is then judged by that one's terms."""
    if not history or place(history[-1].period) < place(period):  # as periods mostly come
        now = Judged(period, figure.value, figure.evaluation_id, terms)
        return (*history, now), now
    before = next((judged for judged in history if judged.period == period), None)
    if before is None:
        now = Judged(period, figure.value, figure.evaluation_id, terms)
    else:
        same = figure.value == before.value
        now = replace(
            before,
            value=figure.value,
            evaluation_id=figure.evaluation_id,
            replaced=(*before.replaced, Figure(before.evaluation_id, before.value)),
            dismissed=before.dismissed and same,
            forgiven=before.forgiven and same,
        )
    others = (judged for judged in history if judged.period != period)
    return tuple(sorted((*others, now), key=lambda judged: place(judged.period))), now


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
    for judged in history:
        run = (*run, judged) if judged.low and not judged.forgiven else ()
        needed = judged.terms.suspend_after
        if judged.lifts or judged.forgiven:
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
    """For the evaluations of a run, oldest first: `inspection_score 82.5 in 2006 after 84 in 2005, both below 85`."""
    latest, *earlier = reversed(run)
    limits = {judged.terms.flag_below for judged in run}
    figures = [
        _figure(judged) if len(limits) == 1 else f"{_figure(judged)} (below {_plain(judged.terms.flag_below)})"
        for judged in (latest, *earlier)
    ]
    sentence = f"{latest.terms.metric} {figures[0]}"
    if earlier:
        sentence += f" after {_listed(figures[1:])}"
    if len(limits) == 1:
        sentence += f", {('', 'both ', 'all ')[min(len(run), 3) - 1]}below {_plain(latest.terms.flag_below)}"
    return sentence


def recovered_in_words(judged: Judged) -> str:
    return f"{judged.terms.metric} {_figure(judged)}, at or above {_plain(judged.terms.flag_below)}"


def lifted_in_words(judged: Judged) -> str:
    assert judged.terms.lift_at is not None  # noqa: S101 - it lifts
    return f"{judged.terms.metric} {_figure(judged)}, at or above {_plain(judged.terms.lift_at)}"


def broken_in_words(judged: Judged) -> str:
    return f"{judged.terms.metric} {_figure(judged)} ends the run of low evaluations that the suspension rested on"


def _figure(judged: Judged) -> str:
    return f"{_rounded(judged.value, judged.terms)} in {judged.period}"


def _rounded(value: Decimal, terms: RuleTerms) -> str:
    """To two places more than the thresholds have, unless that would put the figure on the other side of one."""
    limits = [limit for limit in (terms.flag_below, terms.lift_at) if limit is not None]
    places = 2 + max(len(_plain(limit).partition(".")[2]) for limit in limits)
    short = value.quantize(Decimal(1).scaleb(-places), context=Context(prec=max(1, value.adjusted() + 2 + places)))
    faithful = all((short < limit) == (value < limit) for limit in limits)
    return _plain(short if faithful else value)


def _plain(value: Decimal) -> str:
    """Without trailing zeros, an exponent or a negative zero."""
    text = f"{value:f}" if value else "0"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"

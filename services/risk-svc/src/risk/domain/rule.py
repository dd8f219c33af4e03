"""A rule: which figure of a partner is a risk, and what follows when it stays one. It is drafted, looked at, published;
each version stays, and what was judged by one goes on by it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated, Any, assert_never
from uuid import UUID, uuid5

from engine import Command, Decider, Rejected, Unknown
from engine.drafts import DiscardDraft, Publish, Retire, content_of, next_version, publishable
from events import Event
from events.risk import Severity
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from risk.domain import expression
from risk.domain.expression import Source
from risk.domain.variables import JudgedOn
from risk.domain.words import Code

RULES = UUID("f8f3d7a4-6a0e-4ab0-9f5e-9c1d2b3a4e61")
"""The namespace of rule ids."""


def rule_id(code: str) -> UUID:
    return uuid5(RULES, code)


Figure = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=64, pattern=r"^[^\x00-\x1f]+$")
]


class RuleContent(BaseModel):
    """`value` is a number in CEL, called `figure` in what people read; where `when` is true of it there is a risk, and
    a flag is raised. Both may speak of what `GET /rule-variables` has for what the rule is `judged_on`.

    On evaluations: of those that have all of `metrics`. `suspend_after` such ones in a row suspend the partner (null:
    never), and one of which `lifts_when` is true, and `when` is not, lifts that. On events: of those of the last
    `window_days` days; `suspend_after` may be 1, and without `lifts_when` the suspension ends with the risk.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    judged_on: JudgedOn
    figure: Figure
    value: Source
    when: Source
    severity: Severity
    metrics: Annotated[tuple[Code, ...], Field(max_length=20)] = ()
    window_days: Annotated[int, Field(ge=1, le=3660)] = 365
    suspend_after: Annotated[int, Field(ge=1, le=100)] | None = None
    lifts_when: Source | None = None

    @property
    def sources(self) -> tuple[str, ...]:
        return (self.value, self.when, *([self.lifts_when] if self.lifts_when else []))

    @property
    def speaks_of(self) -> frozenset[str]:
        """The names in all of its expressions."""
        return frozenset().union(*map(expression.words_of, self.sources))


class RuleTerms(RuleContent):
    """A version of a rule, from 1, as partners are judged by it."""

    code: str
    version: int


def of_thresholds(stored: dict[str, Any]) -> dict[str, Any]:
    """What rules were when they had thresholds of one metric and no expressions."""
    lift_at = stored.get("lift_at")
    return {
        "code": stored["code"],
        "version": stored["version"],
        "judged_on": "evaluations",
        "figure": stored["metric"],
        "metrics": [stored["metric"]],
        "value": f'metrics["{stored["metric"]}"]',
        "when": f"value < {_double(stored['flag_below'])}",
        "severity": stored["severity"],
        "suspend_after": stored.get("suspend_after"),
        "lifts_when": None if lift_at is None else f"value >= {_double(lift_at)}",
    }


def _double(text: Any) -> str:
    return f"{text}" if "." in str(text) else f"{text}.0"


# -- events


class RuleDrafted(Event, type="cauce.risk.RuleDrafted.v1"):
    """A rule that somebody means to publish; nobody is judged by it yet."""

    code: str
    content: RuleContent


class RulePublished(
    Event,
    type="cauce.risk.RulePublished.v1",
    upcasts={"cauce.risk.RuleDefined.v1": lambda stored: {"code": stored["code"], "rule": of_thresholds(stored)}},
):
    """From now on partners are judged by this version."""

    code: str
    rule: RuleTerms


class RuleDraftDiscarded(Event, type="cauce.risk.RuleDraftDiscarded.v1"):
    """The draft is not to be published."""

    code: str


class RuleRetired(Event, type="cauce.risk.RuleRetired.v1"):
    """The rule raises and imposes nothing more. What it opened before, later facts still close."""

    code: str


RuleEvent = RuleDrafted | RulePublished | RuleDraftDiscarded | RuleRetired


# -- commands


class DraftRule(Command):
    code: Code
    content: RuleContent


RuleCommand = DraftRule | Publish | DiscardDraft | Retire


# -- state


@dataclass(frozen=True)
class Rule:
    """`terms` is None until the rule is published, `code` until somebody drafts."""

    code: str | None = None
    draft: RuleContent | None = None
    terms: RuleTerms | None = None
    retired: bool = False


# -- decide and evolve


def draft(rule: Rule, command: DraftRule) -> list[RuleEvent]:
    content = command.content
    if rule.retired:
        raise Rejected("risk.rule_retired", rule=command.code)
    check(content)
    if rule.terms is not None and (rule.terms.judged_on, rule.terms.figure) != (content.judged_on, content.figure):
        # A partner's history under the rule is one of figures that compare.
        raise Rejected("risk.figure_is_fixed", figure=rule.terms.figure, judged_on=rule.terms.judged_on)
    return [] if rule.draft == content else [RuleDrafted(code=command.code, content=content)]


def check(content: RuleContent) -> None:
    """Raises Rejected for what could never be judged by."""
    expression.check(content.judged_on, "value", content.value)
    expression.check(content.judged_on, "when", content.when)
    if content.lifts_when is not None:
        expression.check(content.judged_on, "lifts_when", content.lifts_when)
    if content.judged_on == "events":
        if content.metrics:
            raise Rejected("risk.metrics_need_evaluations", metrics=list(content.metrics))
        if content.suspend_after not in (None, 1):
            raise Rejected("risk.events_are_not_in_a_row", suspend_after=content.suspend_after)
    elif content.suspend_after is not None and content.lifts_when is None:
        raise Rejected("risk.lifts_when_missing", suspend_after=content.suspend_after)
    elif "metrics" in content.speaks_of and not content.metrics:
        raise Rejected("risk.metrics_missing", figure=content.figure)


def publish(rule: Rule, code: str) -> list[RuleEvent]:
    if rule.retired:
        raise Rejected("risk.rule_retired", rule=code)
    version = None if rule.terms is None else {"rule_version": rule.terms.version}
    content = publishable(rule.draft, content_of(rule.terms, RuleContent), "risk", {"rule": code}, version)
    return [RulePublished(code=code, rule=next_version(RuleTerms, content, rule.terms, code=code))]


def decide(command: RuleCommand, rule: Rule, now: datetime) -> list[RuleEvent]:
    if isinstance(command, DraftRule):
        return draft(rule, command)
    code = rule.code
    if code is None:
        raise Unknown("risk.rule_unknown")
    match command:
        case Publish():
            return publish(rule, code)
        case DiscardDraft():
            return [] if rule.draft is None else [RuleDraftDiscarded(code=code)]
        case Retire():
            return [] if rule.retired else [RuleRetired(code=code)]
        case _:
            assert_never(command)


def evolve(rule: Rule, event: RuleEvent) -> Rule:
    match event:
        case RuleDrafted(code=code, content=content):
            return replace(rule, code=code, draft=content)
        case RulePublished(code=code, rule=terms):
            return replace(rule, code=code, terms=terms, draft=None)
        case RuleDraftDiscarded():
            return replace(rule, draft=None)
        case RuleRetired():
            return replace(rule, draft=None, retired=True)
        case _:
            assert_never(event)


rules = Decider("rule", decide, evolve, initial=Rule, events=RuleEvent)

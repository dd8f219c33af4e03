"""A rule: which figure of an evaluation is a risk, and what follows when it stays one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Annotated, assert_never
from uuid import UUID, uuid5

from engine import Command, Decider, Rejected, Unknown
from events import Event
from events.risk import Severity
from pydantic import Field, StringConstraints

RULES = UUID("f8f3d7a4-6a0e-4ab0-9f5e-9c1d2b3a4e61")
"""The namespace of rule ids."""


def rule_id(code: str) -> UUID:
    return uuid5(RULES, code)


Code = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]
Threshold = Annotated[Decimal, Field(max_digits=24, decimal_places=9)]


# -- events


class RuleDefined(Event, type="cauce.risk.RuleDefined.v1"):
    """A version of the rule, from 1; evaluations to come are judged by it. See `RuleContent` for the fields."""

    code: str
    version: int
    metric: str
    flag_below: Decimal
    severity: Severity
    suspend_after: int | None
    lift_at: Decimal | None


class RuleRetired(Event, type="cauce.risk.RuleRetired.v1"):
    """The rule raises and imposes nothing more. What it opened before, later evaluations still close."""

    code: str


RuleEvent = RuleDefined | RuleRetired


# -- commands


class RuleContent(Command):
    """A value of `metric` below `flag_below` raises a flag. `suspend_after` such evaluations in a row suspend the
    partner (null: never), and one at or above `lift_at` lifts that. Thresholds are in the metric's unit."""

    metric: Code
    flag_below: Threshold
    severity: Severity
    suspend_after: Annotated[int, Field(ge=1, le=100)] | None = None
    lift_at: Threshold | None = None


class DefineRule(RuleContent):
    code: Code


class RetireRule(Command):
    pass


RuleCommand = DefineRule | RetireRule


# -- state


@dataclass(frozen=True)
class RuleTerms:
    """A version of a rule, as evaluations are judged by it."""

    code: str
    version: int
    metric: str
    flag_below: Decimal
    severity: Severity
    suspend_after: int | None
    lift_at: Decimal | None


@dataclass(frozen=True)
class Rule:
    """`terms` is None until the rule is defined."""

    terms: RuleTerms | None = None
    retired: bool = False


# -- decide and evolve


def define(rule: Rule, command: DefineRule) -> list[RuleEvent]:
    if rule.retired:
        raise Rejected("risk.rule_retired", rule=command.code)
    if command.suspend_after is not None and command.lift_at is None:
        raise Rejected("risk.lift_at_missing", suspend_after=command.suspend_after)
    if command.lift_at is not None and command.lift_at < command.flag_below:
        # Otherwise one evaluation could both count towards a suspension and lift it.
        raise Rejected("risk.lift_at_below_flag_below", lift_at=command.lift_at, flag_below=command.flag_below)
    if rule.terms is not None and rule.terms.metric != command.metric:
        # A partner's history under the rule is one of figures that compare.
        raise Rejected("risk.metric_is_fixed", metric=rule.terms.metric)
    terms = RuleTerms(
        code=command.code,
        version=1 if rule.terms is None else rule.terms.version + 1,
        metric=command.metric,
        flag_below=command.flag_below,
        severity=command.severity,
        suspend_after=command.suspend_after,
        lift_at=command.lift_at,
    )
    if rule.terms is not None and rule.terms == replace(terms, version=rule.terms.version):
        return []
    return [RuleDefined(**vars(terms))]


def retire(rule: Rule) -> list[RuleEvent]:
    if rule.terms is None:
        raise Unknown("risk.rule_unknown")
    return [] if rule.retired else [RuleRetired(code=rule.terms.code)]


def decide(command: RuleCommand, rule: Rule, now: datetime) -> list[RuleEvent]:
    match command:
        case DefineRule():
            return define(rule, command)
        case RetireRule():
            return retire(rule)
        case _:
            assert_never(command)


def evolve(rule: Rule, event: RuleEvent) -> Rule:
    match event:
        case RuleDefined():
            return Rule(RuleTerms(**event.model_dump()))
        case RuleRetired():
            return replace(rule, retired=True)
        case _:
            assert_never(event)


rules = Decider("rule", decide, evolve, initial=Rule, events=RuleEvent)

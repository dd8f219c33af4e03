"""The variables that a rule may speak of: name, type, unit and meaning. They are the documentation (`GET
/rule-variables`) and the declaration that expressions are checked against, at once.

A rule is judged either on evaluations, each for its period, or on events, as of the moment of the newest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

JudgedOn = Literal["evaluations", "events"]
Kind = Literal["bool", "int", "double", "string", "map"]
"""CEL's types; a map is from codes to doubles."""
SignalKind = Literal[
    "missed_report",
    "expired_certificate",
    "overdue_action",
    "critical_overdue_action",
    "breach",
    "lapsed_cure",
    "complaint",
    "late_payment",
]


@dataclass(frozen=True)
class Variable:
    """`of`: the signals that it counts, which are the evidence of a flag whose rule speaks of it. `windowed`: those of
    the rule's window count, and otherwise those that are not made good yet."""

    name: str
    kind: Kind
    unit: str
    meaning: str
    of: tuple[SignalKind, ...] = ()
    windowed: bool = False


EVALUATIONS = (
    Variable("metrics", "map", "the metric's", "The evaluation's figures by metric: those that the rule lists."),
    Variable("total", "double", "points, 0 to 100", "The evaluation's weighted score."),
    Variable("previous_total", "double", "points, 0 to 100", "The total of the partner's evaluation before, if any."),
    Variable("total_change", "double", "points", "total less previous_total: a score drop is below zero."),
    Variable(
        "evaluations", "int", "evaluations", "How many of the partner's there are under this rule, this included."
    ),
    Variable("band", "string", "", "The band of the scorecard that the total is in."),
    Variable("percentile", "double", "percent", "Of the cohort at or below it; absent where the cohort is too small."),
)

EVENTS = (
    Variable(
        "missed_reports",
        "int",
        "reports",
        "Reports that were due and did not come; those missed under suspension are left out.",
        ("missed_report",),
        windowed=True,
    ),
    Variable(
        "complaints",
        "int",
        "complaints",
        "Consumers' complaints about the partner.",
        ("complaint",),
        windowed=True,
    ),
    Variable(
        "late_payments",
        "int",
        "payments",
        "What was paid after its day: royalties by statement, other payments one by one.",
        ("late_payment",),
        windowed=True,
    ),
    Variable(
        "days_late",
        "int",
        "days",
        "By how many the latest of these payments was late; 0 without.",
        ("late_payment",),
        windowed=True,
    ),
    Variable(
        "expired_certificates",
        "int",
        "certificates",
        "Certificates that have expired and were not renewed since.",
        ("expired_certificate",),
    ),
    Variable(
        "overdue_actions",
        "int",
        "actions",
        "Corrective actions that are overdue and not verified since, critical ones included.",
        ("overdue_action", "critical_overdue_action"),
    ),
    Variable(
        "critical_overdue_actions",
        "int",
        "actions",
        "Those of them that follow from a critical item.",
        ("critical_overdue_action",),
    ),
    Variable("breaches", "int", "breaches", "Breaches of contract noticed and not cured.", ("breach", "lapsed_cure")),
    Variable("lapsed_cures", "int", "breaches", "Those of them whose time for curing is over.", ("lapsed_cure",)),
    Variable(
        "sales_share",
        "double",
        "part, 0 to 1",
        "The partner's part of all partners' sales of the window, in the currency in which it sells most; "
        "absent where nothing was sold.",
    ),
    Variable(
        "sales_hhi",
        "double",
        "points, 0 to 10,000",
        "The Herfindahl-Hirschman index of these sales over partners; absent where nothing was sold.",
    ),
    Variable("suspended", "bool", "", "The partner is under suspension."),
    Variable("on_probation", "bool", "", "The partner is on probation."),
)

FIGURE = Variable("value", "double", "the rule's", "What the rule's own `value` comes to: for `when` and `lifts_when`.")

VARIABLES: Mapping[JudgedOn, tuple[Variable, ...]] = {"evaluations": EVALUATIONS, "events": EVENTS}

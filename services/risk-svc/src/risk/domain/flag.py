"""Flags: raised where a rule finds a risk, open until it is no more, or until a person dismisses them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal
from uuid import UUID, uuid5

from engine import Command, Rejected, Unknown
from events import Event
from events.risk import RiskFlagged, RiskResolved, Severity

from risk.domain import judgement
from risk.domain.judgement import History, Judged
from risk.domain.words import Reason

FLAGS = UUID("d1a7c0e2-54b6-4d5f-8c39-0b7f5b1e9a72")
"""The namespace of flag ids."""


def flag_id(partner_id: UUID, rule: str, raised_by: UUID) -> UUID:
    """`raised_by` is the event that raised it."""
    return uuid5(FLAGS, f"{partner_id}/{rule}/{raised_by}")


class FlagAcknowledged(Event, type="cauce.risk.FlagAcknowledged.v1"):
    """A person has seen the flag; it stays open."""

    partner_id: UUID
    flag_id: UUID


class Acknowledgement(Command):
    pass


class AcknowledgeFlag(Acknowledgement):
    flag_id: UUID


class Dismissal(Command):
    reason: Reason


class DismissFlag(Dismissal):
    flag_id: UUID


@dataclass(frozen=True)
class Flag:
    """`closed_because` is the person's reason or the rule's."""

    id: UUID
    rule: str
    evidence: tuple[UUID, ...]
    status: Literal["open", "resolved", "dismissed"] = "open"
    acknowledged: bool = False
    closed_because: str = ""
    severity: Severity = "high"


def flagging(
    partner_id: UUID, history: History, just_in: Judged, flag: Flag | None, *, closing_only: bool
) -> list[RiskFlagged | RiskResolved]:
    """What an evaluation that just came in means for the rule's flag: one is open at most.

    Where the evaluations that it rested on are low no more but later ones are, it is resolved and another raised.
    """
    if flag is not None and judgement.flag_stands(history, flag.evidence):
        return []
    events: list[RiskFlagged | RiskResolved] = []
    if flag is not None:
        events.append(resolved(partner_id, flag, judgement.recovered_in_words(just_in), (just_in.evaluation_id,)))
    low = tuple(judged for judged in judgement.low_run(history) if not judged.dismissed)
    if low and not closing_only:
        terms = low[-1].terms
        events.append(
            RiskFlagged(
                flag_id=flag_id(partner_id, terms.code, just_in.evaluation_id),
                partner_id=partner_id,
                rule=terms.code,
                rule_version=terms.version,
                severity=terms.severity,
                period=low[-1].period,
                explanation=judgement.low_in_words(low),
                evidence=tuple(judged.evaluation_id for judged in low),
            )
        )
    return events


def resolved(partner_id: UUID, flag: Flag, explanation: str, evidence: tuple[UUID, ...]) -> RiskResolved:
    return RiskResolved(
        flag_id=flag.id,
        partner_id=partner_id,
        rule=flag.rule,
        resolution="resolved",
        explanation=explanation,
        evidence=evidence,
    )


def acknowledge(partner_id: UUID, flags: Mapping[UUID, Flag], command: AcknowledgeFlag) -> list[FlagAcknowledged]:
    flag = _known(flags, command.flag_id)
    if flag.status != "open":
        raise Rejected("risk.flag_not_open", flag_id=flag.id, flag_status=flag.status)
    return [] if flag.acknowledged else [FlagAcknowledged(partner_id=partner_id, flag_id=flag.id)]


def dismiss(partner_id: UUID, flags: Mapping[UUID, Flag], command: DismissFlag) -> list[RiskResolved]:
    """Closes the flag. Its evaluations still count towards a suspension; that is lifted for itself."""
    flag = _known(flags, command.flag_id)
    if flag.status == "dismissed" and flag.closed_because == command.reason:
        return []
    if flag.status != "open":
        raise Rejected("risk.flag_not_open", flag_id=flag.id, flag_status=flag.status)
    return [
        RiskResolved(
            flag_id=flag.id,
            partner_id=partner_id,
            rule=flag.rule,
            resolution="dismissed",
            explanation=command.reason,
        )
    ]


def _known(flags: Mapping[UUID, Flag], id: UUID) -> Flag:
    if id not in flags:
        raise Unknown("risk.flag_unknown", flag_id=id)
    return flags[id]

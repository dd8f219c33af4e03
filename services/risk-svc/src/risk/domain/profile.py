"""What is known of a partner's risk: its evaluations under each rule, the signals that rules count, the flags these
raise, the restrictions it is under, and how it is to be adjusted."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID

from risk.domain.flag import Flag
from risk.domain.judgement import History
from risk.domain.proposal import Adjustment
from risk.domain.restriction import Restriction
from risk.domain.signal import Signal, Span


@dataclass(frozen=True)
class RiskProfile:
    """`histories` by rule. `partner_id` is None until something is known of the partner.

    Of rules that are judged on events, by rule: `dismissed` and `forgiven` are the events that a person had before
    their eyes in dismissing a flag and in lifting a suspension. `failing` are the rules that could not be judged the
    last time. `probation` is the adjustment by which the partner is on probation.
    """

    partner_id: UUID | None = None
    histories: dict[str, History] = field(default_factory=dict)
    flags: dict[UUID, Flag] = field(default_factory=dict)
    restrictions: dict[UUID, Restriction] = field(default_factory=dict)
    signals: dict[UUID, Signal] = field(default_factory=dict)
    dismissed: dict[str, tuple[UUID, ...]] = field(default_factory=dict)
    forgiven: dict[str, tuple[UUID, ...]] = field(default_factory=dict)
    failing: tuple[str, ...] = ()
    adjustments: dict[UUID, Adjustment] = field(default_factory=dict)
    probation: UUID | None = None

    def history(self, rule: str) -> History:
        return self.histories.get(rule, ())

    def open_flag(self, rule: str) -> Flag | None:
        return next((flag for flag in self.flags.values() if flag.rule == rule and flag.status == "open"), None)

    def suspension(self, rule: str) -> Restriction | None:
        """The one that the rule imposed and that holds."""
        return next((r for r in self.restrictions.values() if r.rule == rule and r.lifted_by is None), None)

    @property
    def suspended(self) -> bool:
        return any(each.kind == "suspension" and each.lifted_by is None for each in self.restrictions.values())

    @property
    def suspensions(self) -> tuple[Span, ...]:
        """When the partner was, or is, under suspension."""
        return tuple(
            Span(each.imposed_at, each.lifted_at)
            for each in self.restrictions.values()
            if each.kind == "suspension" and each.imposed_at is not None
        )

    @property
    def seen(self) -> tuple[UUID, ...]:
        """The events that told the signals there are."""
        return tuple(id for each in self.signals.values() for id in each.events)

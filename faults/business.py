"""What must have come of what, in the channel's own terms, worked out from causes and not by the policies' code."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from faults.evidence import Evidence, data_of, name_of

Channel = Mapping[str, Evidence]
Condition = Callable[[dict[str, Any], datetime], bool]


def always(data: dict[str, Any], now: datetime) -> bool:
    return True


def is_suspension(data: dict[str, Any], now: datetime) -> bool:
    return bool(data["kind"] == "suspension")


def for_launch(data: dict[str, Any], now: datetime) -> bool:
    return bool(data["required_for_launch"])


def has_run_out(data: dict[str, Any], now: datetime) -> bool:
    return data["expires_at"] is not None and datetime.fromisoformat(data["expires_at"]) <= now


def begins_by_now(data: dict[str, Any], now: datetime) -> bool:
    return datetime.fromisoformat(data["in_force_at"]) <= now


@dataclass(frozen=True)
class Consequence:
    """Each `cause` of one service leads to exactly one of the `effects` in another (or the same)."""

    source: str
    cause: str
    service: str
    effects: tuple[str, ...]
    when: Condition = always

    def __str__(self) -> str:
        return f"{self.cause} -> {' or '.join(self.effects)}"


CONSEQUENCES = (
    Consequence("partner", "RegistrationRequested", "partner", ("NameClaimed", "NameContested")),
    Consequence("partner", "NameClaimed", "partner", ("PartnerRegistered",)),
    Consequence("partner", "NameContested", "partner", ("PossibleDuplicateHeld",)),
    Consequence("partner", "PartnerRegistered", "contract", ("NegotiationOpened",)),
    Consequence("contract", "NegotiationAccepted", "contract", ("ContractDrafted",)),
    Consequence("contract", "PartnerSigned", "partner", ("ContractSigned",)),
    Consequence("contract", "PartnerSigned", "training", ("TrainingAssigned",)),
    Consequence("contract", "ContractExecuted", "contract", ("ContractInForce",), begins_by_now),
    Consequence("contract", "ContractInForce", "partner", ("ContractEffective",)),
    Consequence("training", "TrainingAssigned", "partner", ("TrainingRequired",), for_launch),
    Consequence("training", "TrainingCompleted", "partner", ("TrainingPassed",), for_launch),
    Consequence("training", "CertificateIssued", "training", ("CertificateExpired",), has_run_out),
    Consequence("performance", "PeriodClosed", "performance", ("EvaluationRoundOpened",)),
    Consequence("performance", "EvaluationRoundOpened", "performance", ("PeriodEvaluated",)),
    Consequence("performance", "PartnerEvaluated", "risk", ("EvaluationAssessed",)),
    Consequence("performance", "EvaluationRestated", "risk", ("EvaluationAssessed",)),
    Consequence("risk", "RestrictionImposed", "partner", ("PartnerSuspended", "SuspensionCauseAdded"), is_suspension),
    Consequence("risk", "RestrictionLifted", "partner", ("PartnerReinstated", "SuspensionCauseLifted"), is_suspension),
)


def consequences(channel: Channel, now: datetime, rules: Sequence[Consequence] = CONSEQUENCES) -> Iterator[str]:
    """Each cause has its effect exactly once."""
    for each in rules:
        by_cause = channel[each.service].by_cause
        for cause in channel[each.source].called(each.cause):
            if not each.when(data_of(cause), now):
                continue
            found = [name_of(event) for event in by_cause.get(cause.id, ()) if name_of(event) in each.effects]
            if len(found) != 1:
                led_to = ", ".join(found) or "nothing"
                yield f"{each.cause} in {cause.stream}, position {cause.position}, led to {led_to} in {each.service}"


def evaluations(channel: Channel) -> Iterator[str]:
    """Each partner with reports in a closed period is evaluated once on those that had come by then, and stands in the
    end as all of its reports say."""
    performance = channel["performance"]
    closed = {data_of(event)["period"]: event.position for event in performance.called("PeriodClosed")}
    first: dict[tuple[str, str], list[Decimal]] = defaultdict(list)
    every: dict[tuple[str, str], list[Decimal]] = defaultdict(list)
    for event in performance.called("KPIReported"):
        report = data_of(event)
        of = (report["partner_id"], report["period"])
        if report["period"] in closed:
            every[of].append(Decimal(report["value"]))
            if event.position < closed[report["period"]]:
                first[of].append(Decimal(report["value"]))
    told: dict[tuple[str, str], list[Decimal]] = defaultdict(list)
    last: dict[tuple[str, str], Decimal] = {}
    for event in performance.called("PartnerEvaluated", "EvaluationRestated"):
        evaluation = data_of(event)
        of = (evaluation["partner_id"], evaluation["period"])
        last[of] = Decimal(evaluation["total"])
        if name_of(event) == "PartnerEvaluated":
            told[of].append(last[of])
    for of in every.keys() | last.keys():
        if of in first and not _same(told.get(of, []), first[of]):
            yield f"partner {of[0]} was evaluated for {of[1]} with {told.get(of)} on the reports {first[of]}"
        if of not in first and told.get(of):
            yield f"partner {of[0]} was evaluated for {of[1]} without a report"
        if not _same([last[of]] if of in last else [], every.get(of, [])):
            yield f"partner {of[0]} stands at {last.get(of)} for {of[1]} with the reports {every.get(of)}"


def _same(totals: list[Decimal], reports: list[Decimal]) -> bool:
    return (
        len(totals) == 1
        and bool(reports)
        and abs(totals[0] - sum(reports, Decimal()) / len(reports)) < Decimal("0.00001")
    )


def partners_trade(channel: Channel) -> Iterator[str]:
    """Whoever has all that it takes to trade was activated once, and nobody else was."""
    has: dict[str, set[str]] = defaultdict(set)
    times: dict[str, int] = defaultdict(int)
    needed = {"PartnerRegistered", "ContractEffective", "TrainingPassed", "OutletOpened", "stock"}
    for event in channel["partner"].events:
        name, id = name_of(event), event.stream[-36:]
        if name in needed:
            has[id].add(name)
        elif name == "ChecklistItemCompleted" and data_of(event)["item"] == "opening_stock_delivered":
            has[id].add("stock")
        elif name == "PartnerActivated":
            times[id] += 1
    for id in has.keys() | times.keys():
        if times[id] != int(has[id] == needed):
            yield f"partner {id} was activated {times[id]} times and has {sorted(has[id])}"

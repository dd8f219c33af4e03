"""Where a partner stands: what the registry knows of it, of its outlets, contracts and trainings, and of its tiers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any
from uuid import UUID

from engine import Rejected, Unknown
from events.partner import SuspensionCause

from partner.domain.checklist import Outlet
from partner.domain.launch import ContractStatus, Training
from partner.domain.master_data import MasterData
from partner.domain.registration import Registration
from partner.domain.tier import Membership


class Status(StrEnum):
    PROSPECTIVE = "prospective"
    ONBOARDING = "onboarding"
    ACTIVE = "active"
    SUSPENDED = "suspended"
    LAPSED = "lapsed"
    TERMINATED = "terminated"


@dataclass(frozen=True)
class Holder:
    """Who the partner is: a company, or a person whose name is sealed under `id`."""

    id: UUID
    legal_name: str
    sole_trader: bool = False


@dataclass(frozen=True)
class Handover:
    """That the partner's business is to be another's: who that is, and their owners, sealed. `by` has to be seconded by
    somebody else."""

    to: Holder
    owners: Mapping[UUID, Mapping[str, str | None]]
    reason: str
    by: tuple[str, ...]


@dataclass(frozen=True)
class Partner:
    """`stage` is where the partner stands apart from suspension, and where a reinstated one goes on. Contracts and
    causes are kept by id, trainings by enrolment; `lifted` are ids of causes that were taken away. `registration` is as
    it was; `holder` is whose the business is now, `handover` whose it is to be."""

    registration: Registration | None = None
    holder: Holder | None = None
    stage: Status = Status.PROSPECTIVE
    outlets: dict[UUID, Outlet] = field(default_factory=dict)
    contracts: dict[UUID, ContractStatus] = field(default_factory=dict)
    trainings: dict[UUID, Training] = field(default_factory=dict)
    causes: dict[UUID, SuspensionCause] = field(default_factory=dict)
    lifted: frozenset[UUID] = frozenset()
    data: MasterData = field(default_factory=MasterData)
    memberships: dict[str, Membership] = field(default_factory=dict)
    handover: Handover | None = None

    @property
    def out(self) -> bool:
        return self.stage in (Status.LAPSED, Status.TERMINATED)

    @property
    def launching(self) -> bool:
        return self.stage in (Status.PROSPECTIVE, Status.ONBOARDING)

    @property
    def status(self) -> Status:
        return Status.SUSPENDED if self.causes and not self.out else self.stage

    def alive(self) -> list[UUID]:
        """The contracts that have not ended."""
        return [id for id, status in self.contracts.items() if status is not ContractStatus.ENDED]

    @property
    def first_outlet(self) -> Outlet:
        """The one that the partner applied with. Raises `partner.partner_unknown`."""
        for outlet in self.outlets.values():
            return outlet
        raise Unknown("partner.partner_unknown")

    def outlet(self, outlet_id: UUID | None) -> Outlet:
        """The one of this id, or the first. Raises `partner.outlet_unknown`."""
        if outlet_id is None:
            return self.first_outlet
        if outlet_id not in self.outlets:
            raise Unknown("partner.outlet_unknown", outlet_id=outlet_id)
        return self.outlets[outlet_id]

    @property
    def launch_outlet(self) -> Outlet:
        """The one that it can trade from soonest."""
        trading = [each for each in self.outlets.values() if each.trades]
        return min(trading, key=lambda each: len(each.lacking()), default=self.first_outlet)

    def missing_for_launch(self) -> list[str]:
        """What a partner still needs before it trades, in words; empty: nothing."""
        missing = []
        if ContractStatus.IN_FORCE not in self.contracts.values():
            missing.append("a contract in force")
        if not any(training.completed for training in self.trainings.values()):
            missing.append("a completed training")
        missing += [f"the training {each.course}" for each in self.trainings.values() if not each.completed]
        if not self.outlets:
            return [*missing, "an open outlet"]
        outlet = self.launch_outlet
        if not outlet.trades:
            missing.append("an open outlet")
        return missing + [f"the checklist item {code}" for code in outlet.lacking()]


def with_outlet(partner: Partner, outlet_id: UUID, **changes: Any) -> Partner:
    return replace(partner, outlets={**partner.outlets, outlet_id: replace(partner.outlets[outlet_id], **changes)})


def refuse_out(partner: Partner) -> None:
    if partner.out:
        raise Rejected("partner.out", standing=partner.status.value)


def refuse_suspended(partner: Partner) -> None:
    if partner.causes:
        raise Rejected("partner.suspended", reasons=[cause.reason for cause in partner.causes.values()])


def refuse_unsigned(partner: Partner) -> None:
    if partner.stage is Status.PROSPECTIVE:
        raise Rejected("partner.not_signed")

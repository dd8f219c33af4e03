"""A jurisdiction's rules as a channel manager keeps them: drafted, looked at, published. Each version stays; what was
judged by one goes on by it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import assert_never
from uuid import UUID, uuid5

from engine import Command, Decider, Rejected, Unknown
from events import Event

from contract.domain.rules import Rules, RulesContent
from contract.domain.shipped import SHIPPED
from contract.domain.terms import JurisdictionCode

JURISDICTIONS = UUID("b7d5e0a2-6b0f-4c39-8f0e-52a1d7c3e914")
"""The namespace of jurisdiction ids."""


def jurisdiction_id(code: JurisdictionCode) -> UUID:
    return uuid5(JURISDICTIONS, code)


# -- events


class RulesDrafted(Event, type="cauce.contract.RulesDrafted.v1"):
    """Rules that somebody means to publish; nothing is judged by them yet."""

    code: str
    content: RulesContent


class RulesPublished(Event, type="cauce.contract.RulesPublished.v1"):
    """What is drafted, disclosed or noticed from now on is judged by this version."""

    code: str
    rules: Rules


class DraftDiscarded(Event, type="cauce.contract.DraftDiscarded.v1"):
    """The drafted rules are not to be published."""

    code: str


JurisdictionEvent = RulesDrafted | RulesPublished | DraftDiscarded


# -- commands


class DraftRules(Command):
    code: JurisdictionCode
    content: RulesContent


class PublishRules(Command):
    pass


class DiscardDraft(Command):
    pass


JurisdictionCommand = DraftRules | PublishRules | DiscardDraft


# -- state


@dataclass(frozen=True)
class Jurisdiction:
    """`published` None: it goes by what was shipped, if anything was. `code` is None until somebody drafts."""

    code: str | None = None
    draft: RulesContent | None = None
    published: Rules | None = None

    @property
    def rules(self) -> Rules | None:
        """What is judged by now."""
        return self.published or SHIPPED.get(self.code or "")


# -- decide and evolve


def draft(jurisdiction: Jurisdiction, command: DraftRules) -> list[JurisdictionEvent]:
    return [] if jurisdiction.draft == command.content else [RulesDrafted(code=command.code, content=command.content)]


def publish(jurisdiction: Jurisdiction, code: str) -> list[JurisdictionEvent]:
    if jurisdiction.draft is None:
        raise Rejected("contract.nothing_drafted", jurisdiction=code)
    now = jurisdiction.rules
    rules = Rules(code=code, version=1 if now is None else now.version + 1, **vars(jurisdiction.draft))
    if now is not None and rules == now.model_copy(update={"version": rules.version}):
        raise Rejected("contract.draft_changes_nothing", jurisdiction=code, rules_version=now.version)
    return [RulesPublished(code=code, rules=rules)]


def decide(command: JurisdictionCommand, jurisdiction: Jurisdiction, now: datetime) -> list[JurisdictionEvent]:
    if isinstance(command, DraftRules):
        return draft(jurisdiction, command)
    code = jurisdiction.code
    if code is None:
        raise Unknown("contract.jurisdiction_unknown")
    match command:
        case PublishRules():
            return publish(jurisdiction, code)
        case DiscardDraft():
            return [] if jurisdiction.draft is None else [DraftDiscarded(code=code)]
        case _:
            assert_never(command)


def evolve(jurisdiction: Jurisdiction, event: JurisdictionEvent) -> Jurisdiction:
    match event:
        case RulesDrafted(code=code, content=content):
            return replace(jurisdiction, code=code, draft=content)
        case RulesPublished(rules=rules):
            return replace(jurisdiction, draft=None, published=rules)
        case DraftDiscarded():
            return replace(jurisdiction, draft=None)
        case _:
            assert_never(event)


jurisdictions = Decider("jurisdiction", decide, evolve, initial=Jurisdiction, events=JurisdictionEvent)

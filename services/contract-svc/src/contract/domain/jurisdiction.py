"""A jurisdiction's rules as a channel manager keeps them: drafted, looked at, published. Each version stays; what was
judged by one goes on by it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import assert_never
from uuid import UUID, uuid5

from engine import Command, Decider, Unknown
from engine.drafts import DiscardDraft, Publish, content_of, next_version, publishable
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


JurisdictionCommand = DraftRules | Publish | DiscardDraft


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
    now = jurisdiction.rules
    version = None if now is None else {"rules_version": now.version}
    content = publishable(
        jurisdiction.draft, content_of(now, RulesContent), "contract", {"jurisdiction": code}, version
    )
    return [RulesPublished(code=code, rules=next_version(Rules, content, now, code=code))]


def decide(command: JurisdictionCommand, jurisdiction: Jurisdiction, now: datetime) -> list[JurisdictionEvent]:
    if isinstance(command, DraftRules):
        return draft(jurisdiction, command)
    code = jurisdiction.code
    if code is None:
        raise Unknown("contract.jurisdiction_unknown")
    match command:
        case Publish():
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

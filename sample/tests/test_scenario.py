"""The scenario on the real stack, cut off on its way, gone on with, and run again."""

from __future__ import annotations

import asyncio
import io
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from devstack.issuer import Issuer
from rich.console import Console

from sample.scenario.__main__ import play
from sample.scenario.setting import CODE, LABEL, SEED, figures
from sample.services import Trouble
from sample.settle import settled
from sample.story import Story
from sample.verify import differences

if TYPE_CHECKING:
    from sample.tests.conftest import Running


@dataclass
class Told(Story):
    console: Console = field(default_factory=lambda: Console(file=io.StringIO()))
    told: list[str] = field(default_factory=list)
    cut_at: str = "-"
    cut: asyncio.Event = field(default_factory=asyncio.Event)

    def say(self, sentence: str, *, style: str | None = None) -> None:
        self.told.append(sentence)
        if self.cut_at in sentence:
            self.cut.set()


async def test_the_story_is_played_once_whatever_cut_it_off(running: Running, issuer: Issuer) -> None:
    services = running.services

    def mint(role: str, subject: str, partner_id: Any = None) -> str:
        return issuer.mint(subject, roles=[role], partner_id=partner_id)

    story = Told()
    try:
        await play(services, story, mint)
    finally:
        print("\n".join(story.told))

"""A pair of services in this process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from devstack.fixtures import Databases

from faults.tests.pair import Pair


@pytest.fixture
async def pair(databases: Databases, kafka: str, topic_prefix: str) -> AsyncIterator[Pair]:
    made = Pair(databases, kafka, topic_prefix)
    yield made
    await asyncio.gather(*(engine.stop() for engine in made.engines))

"""A failpoint that is armed takes the first process that comes by, and no other."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from faults.failpoints import Failpoints, Trap


@pytest.fixture
def killed(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Signals that would have been sent."""
    sent: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "kill", lambda pid, number: sent.append((pid, number)))
    return sent


async def test_nothing_happens_at_a_point_that_is_not_armed(tmp_path: Path, killed: list[tuple[int, int]]) -> None:
    Trap(tmp_path, "partner", "relay_sent").arm("kill")
    await Failpoints(tmp_path, "partner")("relay_read")
    await Failpoints(tmp_path, "risk")("relay_sent")
    assert not killed


async def test_the_first_to_come_by_is_taken_and_the_next_is_not(tmp_path: Path, killed: list[tuple[int, int]]) -> None:
    trap = Trap(tmp_path, "partner", "relay_sent")
    trap.arm("stop")
    assert trap.caught() is None
    for _ in range(2):
        await Failpoints(tmp_path, "partner")("relay_sent")
    assert killed == [(os.getpid(), signal.SIGSTOP)]
    assert trap.caught() == os.getpid()
    trap.forget(os.getpid())
    assert trap.caught() is None
    await Failpoints(tmp_path, "partner")("relay_sent")
    assert len(killed) == 1


def test_a_trap_that_has_caught_somebody_is_not_withdrawn(tmp_path: Path) -> None:
    trap = Trap(tmp_path, "partner", "relay_sent")
    trap.arm("kill")
    assert trap.withdraw()
    assert not trap.withdraw()

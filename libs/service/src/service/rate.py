"""How many requests a caller may make: a bucket of `burst` requests each, refilled with `per_second`.

Each process counts for itself, as each protects itself; what all of them together may take is an ingress's affair.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from service.problems import ProblemError

KNOWN = 10_000
"""Callers that are remembered before those with a full bucket are forgotten."""


class Rate:
    def __init__(self, per_second: float, burst: int, now: Callable[[], float] = time.monotonic) -> None:
        self._each = 1 / per_second
        self._burst = burst / per_second
        self._now = now
        self._full: dict[str, float] = {}  # when each caller's bucket is full again

    def take(self, caller: str) -> None:
        """Raises ProblemError (429) for one request too many."""
        now = self._now()
        full = max(self._full.get(caller, now), now) + self._each
        wait = full - now - self._burst
        if wait > 1e-9:  # less is rounding
            seconds = max(1, math.ceil(wait))
            detail = f"That is more than {1 / self._each:g} requests a second; try again in {seconds} s."
            raise ProblemError(429, "rate_exceeded", detail, headers={"Retry-After": str(seconds)})
        self._full[caller] = full
        if len(self._full) > KNOWN:
            self._full = {each: until for each, until in self._full.items() if until > now}

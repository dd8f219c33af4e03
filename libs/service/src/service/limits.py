"""How long a request's body may be, where that differs from the service's own limit."""

from __future__ import annotations

from fastapi import params


class BodyLimit:
    def __init__(self, size: int) -> None:
        self.size = size

    async def __call__(self) -> None:
        """The limit is kept while the body is read, before dependencies are asked."""


def body_limit(size: int) -> params.Depends:
    """For `dependencies=[scope(...), body_limit(64 * 2**20)]`: the most bytes that this route takes."""
    return params.Depends(BodyLimit(size))

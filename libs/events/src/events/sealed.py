"""Sealed text: personal data as it leaves a service. Only the service that sealed it can open it, and nobody once the
person was erased. Two texts of one person and one field are equal if what they hide is."""

from __future__ import annotations

from typing import Annotated

from pydantic import StringConstraints

SEALED = "sealed.1."
Sealed = Annotated[str, StringConstraints(pattern=r"^sealed\.1\.[0-9a-f-]{36}\.[A-Za-z0-9_-]+$")]
"""`sealed.1.<subject>.<base64url>`"""


def is_sealed(text: str) -> bool:
    return text.startswith(SEALED)

"""A service that keeps personal data has to have keys to seal it with."""

from __future__ import annotations

import base64

import pytest
from service import InvalidSettings, Settings, create_app
from service.sealing import vault

SOME = {"postgres_url": "postgresql://nobody@127.0.0.1:1/nothing", "kafka_bootstrap": "127.0.0.1:1", "jwks": "nowhere"}
KEY = base64.b64encode(bytes(32)).decode()


async def test_it_does_not_start_without_keys_and_says_what_they_are() -> None:
    app = create_app("lending", Settings(**SOME), routes=[], deciders=[], sealing=True)
    with pytest.raises(InvalidSettings, match=r"^CAUCE_SEALING_KEYS is not set; it is the keys"):
        async with app.router.lifespan_context(app):
            pass


@pytest.mark.parametrize("keys", ["2026", "2026=%%%", f"2026={KEY[:20]}", f"2026={KEY},2026={KEY}"])
def test_keys_that_cannot_be_used_are_named_and_not_repeated(keys: str) -> None:
    with pytest.raises(InvalidSettings, match=r"^CAUCE_SEALING_KEYS is not usable: ") as raised:
        vault(Settings(**SOME, sealing_keys=keys))
    assert KEY[:20] not in str(raised.value)
    assert KEY[:20] not in repr(Settings(**SOME, sealing_keys=keys))


def test_keys_are_read_newest_first() -> None:
    vault(Settings(**SOME, sealing_keys=f"2026={KEY},2024={KEY}"))

from __future__ import annotations

import pytest
from service.roles import VERBS, InvalidRoles, granted, parsed, roles, standard

TABLE = parsed(
    """
    [clerk]
    scopes = ["*:read", "lending:write"]

    [guest]
    scopes = ["lending:read", "lending:write"]
    of_a_partner = true
    """,
    "table",
)


def test_a_role_means_scopes_of_this_service_and_of_every_service():
    assert granted(TABLE, ["clerk"], "lending", of_a_partner=False) == {"lending:read", "lending:write"}
    assert granted(TABLE, ["clerk"], "saving", of_a_partner=False) == {"saving:read"}


def test_several_roles_add_up_and_one_that_is_unheard_of_grants_nothing():
    assert granted(TABLE, ["guest", "clerk", "king"], "saving", of_a_partner=True) == {"saving:read"}
    assert granted(TABLE, ["king"], "lending", of_a_partner=True) == frozenset()


def test_a_role_of_a_partners_people_grants_nothing_to_anybody_else():
    assert granted(TABLE, ["guest"], "lending", of_a_partner=False) == frozenset()
    assert granted(TABLE, ["guest"], "lending", of_a_partner=True) == {"lending:read", "lending:write"}


def test_in_the_standard_table_only_backfill_may_record_the_past_and_only_ops_may_touch_parked_streams():
    holders = {verb: {n for n, r in standard().items() if f"x:{verb}" in r.scopes_in("x")} for verb in VERBS}
    assert (holders["backfill"], holders["ops"]) == ({"backfill"}, {"ops"})
    assert holders["decide"] == {"channel-manager", "backfill"}
    assert standard()["partner"].of_a_partner
    assert standard()["auditor"].scopes == ("*:read",)


def test_a_table_of_ones_own_takes_the_place_of_the_standard_one(tmp_path):
    path = tmp_path / "roles.toml"
    path.write_text('[boss]\nscopes = ["*:decide"]\nwhat = "decides"')
    assert set(roles(path)) == {"boss"}
    assert roles(None) == standard()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[boss", "is not TOML"),
        ("[boss]", "boss.scopes: Field required"),
        ("[boss]\nscopes = []", "boss.scopes: Tuple should have at least 1 item"),
        ('[boss]\nscopes = ["lending:rule"]', "boss.scopes.0"),
        ('[boss]\nscopes = ["*"]', "boss.scopes.0"),
        ('[boss]\nscopes = ["*:read"]\nof_a_parner = true', "boss.of_a_parner"),
    ],
)
def test_a_table_that_is_wrong_is_refused_with_the_place(tmp_path, text, said):
    path = tmp_path / "roles.toml"
    path.write_text(text)
    with pytest.raises(InvalidRoles, match=r"roles\.toml") as refusal:
        roles(path)
    assert said in str(refusal.value)


def test_a_table_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(InvalidRoles, match="cannot be read"):
        roles(tmp_path / "absent.toml")

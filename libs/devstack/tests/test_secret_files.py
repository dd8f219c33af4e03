"""The secrets of containers: made once, for each service its own, and never made anew."""

import json
from pathlib import Path

import pytest
from devstack.issuer import Issuer
from devstack.secret_files import make
from devstack.services import SERVICES
from engine.sealing import MasterKeys
from joserfc import jwt
from joserfc.jwk import KeySet


def contents(folder: Path) -> dict[str, str]:
    return {str(file.relative_to(folder)): file.read_text() for file in folder.rglob("*") if file.is_file()}


def test_every_service_has_a_password_and_sealing_keys_of_its_own(tmp_path: Path) -> None:
    make(tmp_path, "postgres", issuer=True)
    made = contents(tmp_path)
    for kind in ("CAUCE_POSTGRES_URL", "CAUCE_SEALING_KEYS"):
        assert len({made[f"{service.name}/{kind}"] for service in SERVICES}) == len(SERVICES)
    for service in SERVICES:
        MasterKeys.parse(made[f"{service.name}/CAUCE_SEALING_KEYS"])
        assert made[f"{service.name}/CAUCE_POSTGRES_URL"].endswith(f"@postgres/{service.name}")
    assert f":{made['postgres/POSTGRES_PASSWORD']}@postgres/postgres" in made["admin/CAUCE_POSTGRES_ADMIN_URL"]


def test_a_second_start_and_an_operators_own_files_change_nothing(tmp_path: Path) -> None:
    (tmp_path / "partner").mkdir()
    (tmp_path / "partner" / "CAUCE_SEALING_KEYS").write_text("mine")
    make(tmp_path, "postgres", issuer=True)
    before = contents(tmp_path)
    assert before["partner/CAUCE_SEALING_KEYS"] == "mine"
    make(tmp_path, "postgres", issuer=True)
    assert contents(tmp_path) == before


def test_services_verify_what_the_issuer_signs_and_do_not_see_its_key(tmp_path: Path) -> None:
    make(tmp_path, "postgres", issuer=True)
    token = Issuer(tmp_path / "issuer").mint("ana", roles=["auditor"])
    for service in SERVICES:
        keys = KeySet.import_key_set(json.loads((tmp_path / service.name / "issuer.jwks.json").read_text()))
        assert jwt.decode(token, keys, algorithms=["ES256"]).claims["sub"] == "ana"
        assert '"d"' not in (tmp_path / service.name / "issuer.jwks.json").read_text()


def test_where_another_issuer_is_trusted_none_is_made(tmp_path: Path) -> None:
    make(tmp_path, "postgres", issuer=False)
    assert not [file for file in contents(tmp_path) if "issuer" in file]


@pytest.mark.parametrize("name", ["postgres/POSTGRES_PASSWORD", "partner/CAUCE_POSTGRES_URL"])
def test_a_secret_that_was_cut_off_while_it_was_written_is_written_anew(tmp_path: Path, name: str) -> None:
    (tmp_path / name).parent.mkdir(parents=True)
    (tmp_path / f"{name}.part").write_text("hal")
    make(tmp_path, "postgres", issuer=False)
    assert len((tmp_path / name).read_text()) > 20
    assert not (tmp_path / f"{name}.part").exists()

"""The stack's parts, without starting any."""

import errno
import json
import stat
import time
from pathlib import Path
from uuid import uuid4

import pytest
from devstack import containers, issuer, jars, keeper, postgres
from devstack.child import Child
from devstack.health import Health
from devstack.issuer import Issuer, mint, scopes_of
from devstack.keeper import Servers
from devstack.ports import free, is_free
from devstack.services import SERVICES
from devstack.stack import Stack
from devstack.supervisor import trim_logs
from devstack.trouble import Trouble, full_disk, last_lines
from devstack.unit import LONGEST_PAUSE, TRIES, pause_before
from devstack.wait import until_true
from joserfc import jwt
from joserfc.jwk import KeySet

# -- tokens


def claims_of(token: str, made_by: Issuer) -> dict[str, object]:
    keys = KeySet.import_key_set(json.loads(made_by.jwks.read_text()))
    return dict(jwt.decode(token, keys, algorithms=[issuer.ALGORITHM]).claims)


def test_a_token_says_who_may_do_what_and_until_when(issuer: Issuer) -> None:
    partner = uuid4()
    token = issuer.mint("ana", ["partner:write", "partner:read"], ttl=60, partner_id=partner)
    claims = claims_of(token, issuer)
    assert (claims["iss"], claims["aud"], claims["sub"]) == ("cauce-dev", "cauce", "ana")
    assert claims["scope"] == "partner:read partner:write"
    assert claims["partner_id"] == str(partner)
    assert claims["exp"] == pytest.approx(time.time() + 60, abs=5)


def test_a_key_is_made_once_and_only_its_owner_can_read_it(tmp_path: Path) -> None:
    first, again = Issuer(tmp_path), Issuer(tmp_path)
    first.publish()
    assert claims_of(again.mint("ana", []), first)["sub"] == "ana"
    assert stat.S_IMODE(first.key_file.stat().st_mode) == 0o600


def test_an_auditor_may_only_read() -> None:
    assert {scope.split(":")[1] for scope in scopes_of("auditor")} == {"read"}


def test_roles_and_the_program_that_calls_are_claims_of_their_own(issuer: Issuer) -> None:
    claims = claims_of(issuer.mint("ana", roles=["trainer", "auditor"], client="erp"), issuer)
    assert (claims["roles"], claims["client_id"], claims["scope"]) == (["auditor", "trainer"], "erp", "")
    assert "partner_id" not in claims


def test_a_token_for_a_partners_people_has_to_say_of_which_partner(
    monkeypatch: pytest.MonkeyPatch, issuer: Issuer
) -> None:
    monkeypatch.setattr("devstack.issuer.place.kept", lambda: issuer.folder)
    with pytest.raises(Trouble, match=r"say whose, with --partner"):
        mint("partner", "ana")
    partner = uuid4()
    claims = claims_of(mint("partner", "ana", partner_id=partner), issuer)
    assert (claims["roles"], claims["partner_id"]) == (["partner"], str(partner))


def test_a_role_that_does_not_exist_is_one_sentence_with_those_that_do() -> None:
    with pytest.raises(Trouble, match=r"there is no role boss; the roles are channel-manager, .*auditor, .*partner"):
        scopes_of("boss")


# -- what a service is told


def test_services_have_the_ports_that_people_know() -> None:
    assert {service.name: service.port for service in SERVICES} == {
        "partner": 8102,
        "contract": 8103,
        "training": 8104,
        "performance": 8105,
        "risk": 8108,
    }


def test_each_service_is_told_its_own_database_and_password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAUCE_TOPIC_PREFIX", "left-over.")
    monkeypatch.setenv("PGHOST", "elsewhere")
    stack = Stack(kept=tmp_path / "kept", run=tmp_path / "run")
    postgres.write_secret(stack.postgres.secret, "root's")
    told = {service.name: stack.environment(service) for service in SERVICES}
    for name, env in told.items():
        password = stack.passwords()[name]
        assert env["CAUCE_POSTGRES_URL"] == f"postgresql://{name}:{password}@127.0.0.1:55432/{name}"
        assert env["CAUCE_KAFKA_BOOTSTRAP"] == "127.0.0.1:59092"
        assert {"CAUCE_TOPIC_PREFIX", "PGHOST"}.isdisjoint(env)
    assert len({env["CAUCE_POSTGRES_URL"] for env in told.values()}) == len(SERVICES)
    assert stat.S_IMODE(stack.passwords_file.stat().st_mode) == 0o600


def test_passwords_are_kept_and_a_new_services_is_added(tmp_path: Path) -> None:
    before = Stack(kept=tmp_path, run=tmp_path, services=SERVICES[:1]).passwords()
    after = Stack(kept=tmp_path, run=tmp_path).passwords()
    assert set(after) == {service.name for service in SERVICES}
    assert after[SERVICES[0].name] == before[SERVICES[0].name]


# -- trouble


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        OSError(errno.EDQUOT, "Disk quota exceeded"),
        RuntimeError('could not extend file "base/5/16384": No space left on device'),
    ],
)
def test_a_full_disk_is_recognised_wherever_it_is_said(error: Exception) -> None:
    outer = ValueError("a step failed")
    outer.__cause__ = error
    assert full_disk(error)
    assert full_disk(outer)
    assert not full_disk(OSError(errno.EACCES, "Permission denied"))


def test_a_full_disk_in_a_dead_childs_log_is_recognised(tmp_path: Path) -> None:
    log = tmp_path / "kafka.log"
    log.write_text("java.io.IOException: No space left on device\n")
    assert full_disk(Trouble("kafka exited with 1", log))


def test_the_end_of_a_log_is_shown_and_a_log_that_is_not_there_is_nothing(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("".join(f"line {n}\n" for n in range(10_000)))
    assert last_lines(log, 2) == "    line 9998\n    line 9999"
    assert last_lines(tmp_path / "none") == ""


def test_pauses_grow_up_to_a_limit() -> None:
    pauses = [pause_before(attempt) for attempt in range(1, TRIES + 10)]
    assert pauses[0] < 1
    assert pauses == sorted(pauses)
    assert max(pauses) == LONGEST_PAUSE


def test_a_log_that_has_grown_large_is_started_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("devstack.supervisor.LOG_LIMIT", 10)
    (tmp_path / "a.log").write_text("much more than ten bytes")
    (tmp_path / "b.log").write_text("few")
    trim_logs(tmp_path)
    assert {file.name for file in tmp_path.iterdir()} == {"a.log.1", "b.log"}


def test_a_child_that_ignores_its_signal_is_killed(tmp_path: Path) -> None:
    child = Child(
        "stubborn", ["/bin/sh", "-c", "trap '' TERM; echo deaf; while true; do sleep 1; done"], tmp_path / "log"
    )
    child.start()
    until_true(lambda: "deaf" in (tmp_path / "log").read_text(), "the child", 60)
    child.stop(grace=0.2)
    assert child.ending() == "was ended by SIGKILL"


def test_health_is_one_line_and_not_every_event_of_lag_is_news() -> None:
    behind, more = Health("risk", "ready", lag=7), Health("risk", "ready", lag=9)
    assert str(behind) == "risk is ready, 7 events behind"
    assert behind.kind == more.kind
    assert behind.kind != Health("risk", "ready", lag=0).kind
    assert str(Health("risk", "restarting", why="was ended by SIGKILL")) == "risk is restarting (was ended by SIGKILL)"


# -- servers elsewhere


def test_servers_that_are_there_already_are_used_and_none_is_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CAUCE_POSTGRES_URL", "postgresql://postgres@db:5432/postgres")
    monkeypatch.setenv("CAUCE_KAFKA_BOOTSTRAP", "broker:9092")
    servers = keeper.servers(tmp_path / "run", pytest_pid=1)
    assert servers == Servers("postgresql://postgres@db:5432/postgres", "broker:9092")
    assert not (tmp_path / "run").exists()


def test_containers_get_the_embedded_servers_settings() -> None:
    command = containers.postgres_command()
    assert "-c fsync=on" in command
    assert "-c synchronous_commit=on" in command
    assert "listen_addresses" not in command
    env = containers.kafka_environment(9999)
    assert env["KAFKA_AUTO_CREATE_TOPICS_ENABLE"] == "false"
    assert env["KAFKA_ADVERTISED_LISTENERS"] == "PLAINTEXT://127.0.0.1:9999"


def test_another_database_of_the_same_server() -> None:
    server = "postgresql://postgres:s%2Fecret@127.0.0.1:5432/postgres"
    assert postgres.with_database(server, "risk") == "postgresql://postgres:s%2Fecret@127.0.0.1:5432/risk"
    assert postgres.with_database(server, "risk", "risk", "a/b") == "postgresql://risk:a%2Fb@127.0.0.1:5432/risk"


def test_ports_in_a_row_are_free_and_not_of_outgoing_connections() -> None:
    first, second, third = free(3)
    assert (second, third) == (first + 1, first + 2)
    assert all(map(is_free, (first, second, third)))
    assert third < 32_768


# -- the broker's jars


def test_a_jar_that_is_not_the_pinned_one_is_refused(tmp_path: Path) -> None:
    for jar in jars.folder().glob("*.jar"):
        (tmp_path / jar.name).symlink_to(jar)
    jars.check(tmp_path)
    (tmp_path / f"kafka-clients-{jars.KAFKA}.jar").unlink()
    (tmp_path / f"kafka-clients-{jars.KAFKA}.jar").write_bytes(b"another")
    (tmp_path / "more.jar").write_bytes(b"")
    with pytest.raises(Trouble, match=rf"differ from the pinned ones: kafka-clients-{jars.KAFKA}.jar, more.jar$"):
        jars.check(tmp_path)

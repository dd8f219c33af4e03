from __future__ import annotations

import pytest
from service import InvalidSettings, Settings, settings

GOOD = {
    "CAUCE_POSTGRES_URL": "postgresql://lending:secret@db/lending",
    "CAUCE_KAFKA_BOOTSTRAP": "kafka:9092",
    "CAUCE_JWKS": "https://issuer.example/jwks",
}


@pytest.fixture
def environment(monkeypatch):
    import os

    for name in [name for name in os.environ if name.startswith("CAUCE_")]:
        monkeypatch.delenv(name)
    for name, value in GOOD.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def test_settings_come_from_the_environment_and_the_rest_has_defaults(environment):
    environment.setenv("CAUCE_PORT", "8102")
    environment.setenv("CAUCE_ROLE", "worker")
    told = Settings()
    assert (told.port, told.role, told.host) == (8102, "worker", "127.0.0.1")
    assert (told.issuer, told.audience, told.topic_prefix) == ("cauce-dev", "cauce", "")
    assert told.body_limit == 1_048_576


@pytest.mark.parametrize("name", GOOD)
@pytest.mark.parametrize("value", [None, ""])
def test_a_missing_variable_is_one_sentence_that_names_it(environment, name, value):
    if value is None:
        environment.delenv(name)
    else:
        environment.setenv(name, value)
    with pytest.raises(InvalidSettings, match=rf"^{name} is not set; it is .+\.$") as raised:
        Settings()
    assert "\n" not in str(raised.value)


def test_a_secret_may_be_a_file_of_the_variables_name(environment, tmp_path):
    environment.delenv("CAUCE_POSTGRES_URL")
    environment.setenv("CAUCE_SECRETS_DIR", str(tmp_path))
    (tmp_path / "CAUCE_POSTGRES_URL").write_text("postgresql://lending:secret@db/lending\n")
    (tmp_path / "CAUCE_KAFKA_BOOTSTRAP").write_text("another:9092\n")
    (tmp_path / "CAUCE_SEALING_KEYS").write_text("2026=AAAA\n")
    (tmp_path / "something-else").write_bytes(b"\xff")
    told = Settings()
    assert (told.postgres_url, told.sealing_keys) == ("postgresql://lending:secret@db/lending", "2026=AAAA")
    assert told.kafka_bootstrap == "kafka:9092", "a variable goes before a file"


def test_without_a_word_secrets_are_looked_for_where_containers_have_them(environment, tmp_path):
    environment.delenv("CAUCE_POSTGRES_URL")
    (tmp_path / "CAUCE_POSTGRES_URL").write_text("postgresql://lending:secret@db/lending")
    environment.setattr(settings, "SECRETS", tmp_path)
    assert Settings().postgres_url == "postgresql://lending:secret@db/lending"
    environment.setattr(settings, "SECRETS", tmp_path / "absent")
    with pytest.raises(InvalidSettings, match=r"^CAUCE_POSTGRES_URL is not set"):
        Settings()


def test_a_folder_of_secrets_that_is_not_there_is_one_sentence(environment, tmp_path):
    environment.setenv("CAUCE_SECRETS_DIR", str(tmp_path / "absent"))
    with pytest.raises(InvalidSettings, match=r"^CAUCE_SECRETS_DIR is not usable: there is no folder .*absent\.$"):
        Settings()


def test_a_secret_that_cannot_be_read_is_one_sentence_without_it(environment, tmp_path):
    environment.setenv("CAUCE_SECRETS_DIR", str(tmp_path))
    (tmp_path / "CAUCE_SEALING_KEYS").write_bytes(b"secret \xff")
    with pytest.raises(InvalidSettings, match=r"^A file in .* is not usable as a setting: .*utf-8.*\.$") as raised:
        Settings()
    assert raised.value.__cause__ is None


def test_an_issuer_that_is_a_url_needs_no_key_set(environment):
    environment.delenv("CAUCE_JWKS")
    environment.setenv("CAUCE_ISSUER", "https://issuer.example/realm")
    assert Settings().jwks is None


def test_a_file_of_roles_that_is_wrong_is_said_at_the_start(environment, tmp_path):
    path = tmp_path / "roles.toml"
    path.write_text('[boss]\nscopes = ["everything"]')
    environment.setenv("CAUCE_ROLES", str(path))
    with pytest.raises(InvalidSettings, match=r"^CAUCE_ROLES is not usable: .*roles\.toml: boss\.scopes\.0: .+\.$"):
        Settings()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CAUCE_PORT", "http"),
        ("CAUCE_ROLE", "boss"),
        ("CAUCE_BODY_LIMIT", "-1"),
        ("CAUCE_LOG_LEVEL", "loud"),
        ("CAUCE_ROOT_PATH", "partner/"),
    ],
)
def test_an_unusable_variable_is_one_sentence_that_names_it(environment, name, value):
    environment.setenv(name, value)
    with pytest.raises(InvalidSettings, match=rf"^{name} is not usable: .+\.$"):
        Settings()


def test_the_database_password_is_in_no_message(environment):
    assert "secret" not in repr(Settings())
    environment.setenv("CAUCE_PORT", "x")
    with pytest.raises(InvalidSettings) as raised:
        Settings()
    assert "secret" not in str(raised.value)
    assert raised.value.__cause__ is None

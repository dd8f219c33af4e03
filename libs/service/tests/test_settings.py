from __future__ import annotations

import pytest
from service import InvalidSettings, Settings

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
    settings = Settings()
    assert (settings.port, settings.role, settings.host) == (8102, "worker", "127.0.0.1")
    assert (settings.issuer, settings.audience, settings.topic_prefix) == ("cauce-dev", "cauce", "")
    assert settings.body_limit == 1_048_576


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
    [("CAUCE_PORT", "http"), ("CAUCE_ROLE", "boss"), ("CAUCE_BODY_LIMIT", "-1"), ("CAUCE_LOG_LEVEL", "loud")],
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

"""The same two servers from container images, where an engine is present (CAUCE_TEST_INFRA=containers)."""

import contextlib
from collections.abc import Iterator

from devstack import jars, kafka, ports, postgres
from devstack.wait import run_apart, until_true

POSTGRES_IMAGE = "postgres:18"
KAFKA_IMAGE = f"apache/kafka:{jars.KAFKA}"
PASSWORD = "test"  # noqa: S105 - of a server that lives for one test run


def postgres_command() -> str:
    """The server's command line: the embedded server's settings, but for where it listens (the engine's affair)."""
    settings = {name: value for name, value in postgres.SETTINGS.items() if name not in NOT_IN_A_CONTAINER}
    return " ".join(
        ["postgres", *(f"-c {name}={value.replace(' ', chr(92) + ' ')}" for name, value in settings.items())]
    )


NOT_IN_A_CONTAINER = ("listen_addresses", "unix_socket_directories", "log_line_prefix")


def kafka_environment(port: int) -> dict[str, str]:
    """The image takes a property as KAFKA_ and the name in capitals, dots as underscores."""
    properties = kafka.SETTINGS | {
        "controller.quorum.voters": "1@127.0.0.1:19093",
        "listeners": f"PLAINTEXT://0.0.0.0:{port},CONTROLLER://127.0.0.1:19093",
        "advertised.listeners": f"PLAINTEXT://{ports.HOST}:{port}",
    }
    return {f"KAFKA_{name.upper().replace('.', '_')}": value for name, value in properties.items()}


@contextlib.contextmanager
def postgres_server() -> Iterator[str]:
    """The superuser's URL."""
    from testcontainers.community.postgres import PostgresContainer

    container = PostgresContainer(POSTGRES_IMAGE, username=postgres.SUPERUSER, password=PASSWORD, dbname="postgres")
    with container.with_command(postgres_command()) as server:
        yield server.get_connection_url(driver=None)


@contextlib.contextmanager
def kafka_server() -> Iterator[str]:
    """The bootstrap address. One port inside and outside, as a broker must name the port that it is reached at."""
    from testcontainers.core.container import DockerContainer

    (port,) = ports.free()
    container = DockerContainer(KAFKA_IMAGE).with_bind_ports(port, port)
    for name, value in kafka_environment(port).items():
        container = container.with_env(name, value)
    with container:
        bootstrap = f"{ports.HOST}:{port}"
        until_true(lambda: run_apart(kafka.serves(bootstrap)), f"Kafka in {KAFKA_IMAGE}", seconds=60)
        yield bootstrap

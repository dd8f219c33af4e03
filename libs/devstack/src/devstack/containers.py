"""The same two servers from container images, where an engine is present (CAUCE_TEST_INFRA=containers).

CAUCE_POSTGRES_IMAGE and CAUCE_KAFKA_IMAGE name others than the official images, as for docker-compose.yml.
"""

import contextlib
import os
from collections.abc import Iterator
from typing import Any

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


def publish(container: Any, inside: int, outside: int) -> None:
    """On this machine only; the library's own way publishes to every network."""
    container.ports = {f"{inside}/tcp": (ports.HOST, outside)}


@contextlib.contextmanager
def postgres_server() -> Iterator[str]:
    """The superuser's URL."""
    from testcontainers.community.postgres import PostgresContainer

    image = os.environ.get("CAUCE_POSTGRES_IMAGE", POSTGRES_IMAGE)
    container = PostgresContainer(image, username=postgres.SUPERUSER, password=PASSWORD, dbname="postgres")
    (port,) = ports.free()
    publish(container, 5432, port)
    with container.with_command(postgres_command()):
        yield f"postgresql://{postgres.SUPERUSER}:{PASSWORD}@{ports.HOST}:{port}/postgres"


@contextlib.contextmanager
def kafka_server() -> Iterator[str]:
    """The bootstrap address. One port inside and outside, as a broker must name the port that it is reached at."""
    from testcontainers.core.container import DockerContainer

    (port,) = ports.free()
    container = DockerContainer(os.environ.get("CAUCE_KAFKA_IMAGE", KAFKA_IMAGE))
    publish(container, port, port)
    for name, value in kafka_environment(port).items():
        container = container.with_env(name, value)
    with container:
        bootstrap = f"{ports.HOST}:{port}"
        until_true(lambda: run_apart(kafka.serves(bootstrap)), f"Kafka in {KAFKA_IMAGE}", seconds=60)
        yield bootstrap

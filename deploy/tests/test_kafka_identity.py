"""Services on a Kafka that lets in by certificate and asks what each may do: what the manifests allow is enough."""

from __future__ import annotations

import asyncio
import datetime
import importlib
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from uuid import uuid4

import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._acl import AclBinding, AclOperation, AclPermissionType
from confluent_kafka.admin._resource import ResourcePatternType, ResourceType
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from devstack import ports
from devstack.fixtures import Databases
from devstack.issuer import Issuer
from devstack.kafka import Kafka
from devstack.services import SERVICES
from engine import Context, Send
from engine.errors import Refused
from engine.kafka import Brokers
from engine.producer import Producer, Record
from engine.runtime import Engine
from partner.domain.application import Apply, applications
from service.topics import look_after_all

from deploy.check.manifests import manifests, of_kind

NAMES = [service.name for service in SERVICES]
USERS = of_kind("KafkaUser", manifests("production"))
PATIENCE = 60.0


@dataclass(frozen=True)
class Authority:
    """Signs for the brokers and for who comes to them."""

    folder: Path
    key: ec.EllipticCurvePrivateKey
    name: x509.Name

    @classmethod
    def made(cls, folder: Path) -> Authority:
        made = cls(folder, ec.generate_private_key(ec.SECP256R1()), _name("authority"))
        (folder / "ca.crt").write_bytes(made._signed(made.key.public_key(), made.name, authority=True))
        return made

    def folder_of(self, who: str) -> Path:
        """What CAUCE_KAFKA_TLS of this user names."""
        folder = self.folder / who
        if not folder.exists():
            folder.mkdir()
            key = ec.generate_private_key(ec.SECP256R1())
            (folder / "user.key").write_bytes(_pem(key))
            (folder / "user.crt").write_bytes(self._signed(key.public_key(), _name(who)))
            (folder / "ca.crt").write_bytes((self.folder / "ca.crt").read_bytes())
        return folder

    def store(self, who: str) -> tuple[Path, Path]:
        """Key and certificate in one file, and the authority, as Kafka wants them."""
        folder = self.folder_of(who)
        both = folder / "keystore.pem"
        both.write_bytes((folder / "user.key").read_bytes() + (folder / "user.crt").read_bytes())
        return both, folder / "ca.crt"

    def _signed(self, key: ec.EllipticCurvePublicKey, name: x509.Name, *, authority: bool = False) -> bytes:
        now = datetime.datetime.now(datetime.UTC)
        local = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ip_address(ports.HOST))])
        signed = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self.name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False)
            .add_extension(local, critical=False)
            .sign(self.key, hashes.SHA256())
        )
        return signed.public_bytes(serialization.Encoding.PEM)


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, common)])


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


class Guarded(Kafka):
    """Also on a port where it asks for a certificate, and for what its owner may do; on the open one is its master."""

    authority: Authority
    guarded: int

    def _write_properties(self) -> None:
        super()._write_properties()
        key, trusted = self.authority.store("broker")
        settings = {
            "listeners": f"PLAINTEXT://{ports.HOST}:{self.port},SSL://{ports.HOST}:{self.guarded},"
            f"CONTROLLER://{ports.HOST}:{self.port + 1}",
            "advertised.listeners": f"PLAINTEXT://{ports.HOST}:{self.port},SSL://{ports.HOST}:{self.guarded}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,SSL:SSL,CONTROLLER:PLAINTEXT",
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(key),
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": str(trusted),
            "ssl.client.auth": "required",
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": "User:ANONYMOUS",
        }
        told = self.properties.read_text().splitlines()
        kept = [line for line in told if line.partition("=")[0] not in settings]
        self.properties.write_text("".join(f"{line}\n" for line in (*kept, *(f"{k}={v}" for k, v in settings.items()))))


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    folder = tmp_path_factory.mktemp("guarded")
    port, _, guarded = ports.free(3)
    kafka = Guarded(folder / "kafka", port)
    kafka.authority, kafka.guarded = Authority.made(folder), guarded
    kafka.start()
    allow(kafka.bootstrap)
    yield kafka
    kafka.stop()


def allow(bootstrap: str) -> None:
    """What the KafkaUsers of the manifests are allowed, as Strimzi's operator would have it."""
    bindings = [
        AclBinding(
            ResourceType[acl["resource"]["type"].upper()],
            acl["resource"]["name"],
            ResourcePatternType["PREFIXED" if acl["resource"].get("patternType") == "prefix" else "LITERAL"],
            f"User:CN={user}",
            "*",
            AclOperation[OPERATIONS.get(operation, operation.upper())],
            AclPermissionType.ALLOW,
        )
        for user, manifest in USERS.items()
        for acl in manifest["spec"]["authorization"]["acls"]
        for operation in acl["operations"]
    ]
    admin = AdminClient({"bootstrap.servers": bootstrap})
    for made in admin.create_acls(bindings).values():
        made.result(30)


OPERATIONS = {"DescribeConfigs": "DESCRIBE_CONFIGS"}


def brokers(broker: Guarded, who: str) -> Brokers:
    return Brokers(f"{ports.HOST}:{broker.guarded}", broker.authority.folder_of(who))


@pytest.fixture
async def engines(
    broker: Guarded, databases: Databases, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Mapping[str, Engine]]:
    """Every service as it is, migrated and at work, each by its own certificate."""
    seen = await look_after_all(brokers(broker, "topics"), prefix="", replication=1, make=True)
    assert {each.name: each.differs for each in seen if each.differs} == {}
    async with AsyncExitStack() as running:
        made = {}
        for name in NAMES:
            for variable, value in (
                ("POSTGRES_URL", databases.create()),
                ("KAFKA_BOOTSTRAP", f"{ports.HOST}:{broker.guarded}"),
                ("KAFKA_TLS", str(broker.authority.folder_of(f"{name}-kafka"))),
                ("JWKS", str(issuer.jwks)),
                ("SEALING_KEYS", issuer.sealing_keys()),
            ):
                monkeypatch.setenv(f"CAUCE_{variable}", value)
            app = importlib.import_module(f"{name}.app").app()
            await app.state.engine.migrate()
            await running.enter_async_context(app.router.lifespan_context(app))
            made[name] = app.state.engine
        yield made


async def test_every_service_joins_publishes_and_hears_with_what_its_manifest_allows(
    engines: Mapping[str, Engine],
) -> None:
    id = uuid4()
    applied = Apply(application_id=id, legal_name="Nord", kind="franchisee", area="NONE", outlet_name="Harbour")
    async with asyncio.timeout(PATIENCE):
        while any(engine.health() for engine in engines.values()):  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0.1)
        receipt = await engines["partner"].handle(Send(applications, id, applied), Context("somebody"))
        assert receipt.position is not None
        assert await engines["partner"].published(receipt.position, PATIENCE)
        for engine in engines.values():
            for subscription in await engine.subscriptions():
                assert await engine.handled(subscription.name, PATIENCE)


async def test_a_service_can_write_no_other_services_topic(broker: Guarded, engines: Mapping[str, Engine]) -> None:
    producer = Producer(brokers(broker, "partner-kafka"))
    record = Record(b"contract-1", b"{}", [], 0)
    try:
        with pytest.raises(Refused, match="authorization failed"):
            await producer.send("contract.events", {0: [record]}, 6)
    finally:
        await producer.stop()

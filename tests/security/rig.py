"""Apache Kafka and MinIO closed by default, with the users and rights that infra/security makes."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import SecretStr

from broker.errors import AuthenticationFailed, AuthorizationFailed
from broker.ready import wait_ready
from broker.settings import KafkaSettings
from broker.topics import Topics, specs_from
from contracts.load import load_registry
from contracts.registry import Registry
from fleetlake.settings import Settings
from fleetlake.stack.kafka_node import Cluster, Node
from fleetlake.stack.kafka_security import MECHANISM, KafkaSecurity
from fleetlake.stack.minio import own_keys, read_keys
from fleetlake.stack.server import free_port, owns_port
from infra.security import apply, certs, passwords
from infra.security.rights import Rights, load_rights
from lake.settings import LakeSettings, S3Settings
from tests.deadlines import eventually
from tests.servers import HEAP_MIB, START_SECONDS, Kafka, Minio

PARTITIONS = 2
"""Of every topic: what is tried here does not depend on how many there are, and starting does."""


class SecureKafka(Kafka):
    """One node that speaks TLS only: an open question gets no answer from it."""

    def __init__(self, folder: Path, certificates: Path) -> None:
        self.security = KafkaSecurity(certificates, free_port())
        node = Node(1, free_port(), free_port(), folder)
        super().__init__(folder, cluster=Cluster([node], HEAP_MIB, self.security), node=node)

    @property
    def nodes_address(self) -> str:
        """Where the administrator's certificate lets in."""
        return f"127.0.0.1:{self.security.nodes_port}"

    def await_ready(self) -> None:
        assert self.server is not None
        self.server.wait_ready(owns_port, 3 * START_SECONDS)


@dataclass
class Secured:
    """The servers, once everything is granted."""

    folder: Path
    bucket: str = "lake"
    prefix: str = "fleet"
    rights: Rights = field(default_factory=load_rights)
    registry: Registry = field(default_factory=lambda: load_registry())
    kafka: SecureKafka = field(init=False)
    minio: Minio = field(init=False)

    def __post_init__(self) -> None:
        self.certificates = self.folder / "certs"
        if not self.certificates.exists():
            assert certs.main(["make", "--folder", str(self.certificates)]) == 0
        self.passwords = passwords.complete(self.folder / "secrets" / "passwords.env", self.rights)
        self.kafka = SecureKafka(self.folder / "kafka", self.certificates)
        self.minio = Minio(self.folder / "minio")

    def kafka_of(self, service: str) -> KafkaSettings:
        """As a service comes: with its certificate and its password."""
        return KafkaSettings(
            bootstrap_servers=self.kafka.address,
            security_protocol="SASL_SSL",
            sasl_mechanism=MECHANISM,
            sasl_username=service,
            sasl_password=SecretStr(self.passwords[passwords.variable(passwords.KAFKA, service)]),
            ssl_ca_location=self.certificates / "ca.crt",
            ssl_certificate_location=self.certificates / f"{service}.crt",
            ssl_key_location=self.certificates / f"{service}.key",
            partitions=dict.fromkeys(self.topics, PARTITIONS),
        )

    @property
    def administrator(self) -> KafkaSettings:
        """By certificate alone, at the nodes' port."""
        name = self.rights.administrator
        return KafkaSettings(
            bootstrap_servers=self.kafka.nodes_address,
            security_protocol="SSL",
            ssl_ca_location=self.certificates / "ca.crt",
            ssl_certificate_location=self.certificates / f"{name}.crt",
            ssl_key_location=self.certificates / f"{name}.key",
            partitions=dict.fromkeys(self.topics, PARTITIONS),
        )

    @property
    def topics(self) -> list[str]:
        """Those that contracts let be set."""
        return [name for each in self.registry.contracts.values() for name in each.topic_settings]

    def lake_of(self, service: str | None) -> LakeSettings:
        """As a service comes; None: as MinIO's root user."""
        if service is None:
            keys = read_keys(own_keys(self.folder / "minio"))
            key, secret = keys.access_key_id, keys.secret_access_key
        else:
            key, secret = service, self.passwords[passwords.variable(passwords.STORE, service)]
        s3 = S3Settings(endpoint_url=self.minio.url, access_key_id=key, secret_access_key=SecretStr(secret))
        return LakeSettings(uri=f"s3://{self.bucket}/{self.prefix}", s3=s3)

    def grant_kafka(self) -> None:
        """As apply.py does."""
        wait_ready(self.administrator, timeout_s=START_SECONDS)
        apply.apply_kafka(self._settings, self.rights, self.passwords)

    def grant_minio(self) -> None:
        """As apply.py does."""
        apply.apply_minio(self._settings, self.rights, self.passwords)

    def make_topics(self) -> None:
        """As `fleetlake topics create` does for init. What was granted counts a moment later."""
        kafka = self.kafka_of("init")
        specs = specs_from(self.registry, kafka)

        def is_let() -> bool:
            try:
                Topics(kafka).create(specs)
            except (AuthenticationFailed, AuthorizationFailed):
                return False
            return True

        eventually(is_let)

    @property
    def _settings(self) -> Settings:
        return Settings(kafka=self.administrator, lake=self.lake_of(None))


@contextmanager
def secured(folder: Path, *, with_kafka: bool = True) -> Iterator[Secured]:
    """Both servers started and granted, topics made; they end with the block."""
    site = Secured(folder)
    with ExitStack() as started:
        started.callback(site.minio.stop)
        site.minio.start()
        site.grant_minio()
        if with_kafka:
            started.callback(site.kafka.stop)
            site.kafka.start()
            site.grant_kafka()
            site.make_topics()
        yield site

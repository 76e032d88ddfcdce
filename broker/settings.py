"""How to reach Kafka. One frozen object, read once at the entry of a process and passed down."""

from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator


class KafkaSettings(BaseModel):
    """Connection, security and topic defaults of one Kafka cluster."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    bootstrap_servers: str = Field("127.0.0.1:9092", description="host:port list of the cluster")
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        "PLAINTEXT", description="PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL"
    )
    sasl_mechanism: str | None = Field(None, description="PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, ...")
    sasl_username: str | None = Field(None, description="user of SASL")
    sasl_password: SecretStr | None = Field(None, description="password of SASL; never logged")
    ssl_ca_location: Path | None = Field(None, description="PEM file of the authority to trust")
    ssl_certificate_location: Path | None = Field(None, description="PEM file of our certificate")
    ssl_key_location: Path | None = Field(None, description="PEM file of our key")
    ssl_key_password: SecretStr | None = Field(None, description="password of that key; never logged")
    client: dict[str, str] = Field(
        default_factory=dict,
        description="any further librdkafka options, as JSON; they win over Fleetlake's defaults: "
        '`{"socket.keepalive.enable": "true"}`',
    )

    group_prefix: str = Field("fleetlake", description="consumer groups are <prefix>.<sink>")
    group_protocol: Literal["classic", "consumer"] = Field(
        "classic",
        description="'consumer' is KIP-848, for Kafka 4.0 and newer: the broker's "
        "group.consumer.session.timeout.ms counts instead of session_timeout_ms; the embedded broker does "
        "not know it",
    )
    membership: Literal["group", "leases"] | None = Field(
        None,
        description="how the processes of a sink share partitions: by Kafka's group protocol, or by file "
        "locks beside the incarnation_file, on one machine; default: locks where an incarnation_file is set, "
        "because the embedded broker's groups cannot be relied on",
    )
    session_timeout_ms: int = Field(
        10_000,
        gt=0,
        description="a killed process gives its partitions up after this; brokers allow 6 s and more",
    )
    max_poll_interval_ms: int = Field(
        300_000, gt=0, description="Kafka's default: a slow store is not a dead sink"
    )

    incarnation_file: Path | None = Field(
        None,
        description="set for a broker without topic ids: holds the id of the broker's present life, "
        "renewed when its log may have gone back",
    )
    fetch_on_demand: bool | None = Field(
        None,
        description="rest at the log's end and fetch long backlogs one by one, for a broker that neither "
        "waits nor limits what it sends; default: where an incarnation_file is set, as for the embedded one",
    )
    replication_factor: int | None = Field(
        None, ge=1, description="of topics that are created; default: the broker's own default"
    )
    partitions: dict[str, int] = Field(
        default_factory=dict,
        description='partitions per topic, as JSON, instead of the contract\'s: `{"telemetry_raw": 12}`',
    )
    retention_ms: dict[str, int] = Field(
        default_factory=dict,
        description="retention per topic in ms, as JSON, instead of the contract's: "
        '`{"telemetry_raw": 1209600000}`',
    )
    ready_timeout_s: float = Field(
        60.0, gt=0, allow_inf_nan=False, description="how long a start waits for the broker and topics"
    )

    @model_validator(mode="after")
    def _leases_have_a_folder(self) -> Self:
        if self.membership == "leases" and self.incarnation_file is None:
            msg = "membership leases needs an incarnation_file, beside which the locks are kept"
            raise ValueError(msg)
        return self

    @property
    def lease_folder(self) -> Path | None:
        """Where members share partitions by file locks; None where Kafka's group protocol does it."""
        if self.incarnation_file is None or self.membership == "group":
            return None
        return self.incarnation_file.parent / "groups"

    @property
    def fetches_on_demand(self) -> bool:
        return self.incarnation_file is not None if self.fetch_on_demand is None else self.fetch_on_demand

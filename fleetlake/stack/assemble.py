"""Which servers a stack starts, and where they will listen. What is configured explicitly is used instead."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from fleetlake.masking import masked_url
from fleetlake.settings import Settings, is_explicit
from fleetlake.stack.beside import API, DAGSTER, GATEWAY
from fleetlake.stack.layout import Layout
from fleetlake.stack.minio import own_keys
from fleetlake.stack.parts import KafkaKind, Parts, StoreKind, Wanted, settle
from fleetlake.stack.ports import DEFAULTS, choose_ports
from fleetlake.stack.server import LOOPBACK
from fleetlake.stack.servers import EmbeddedKafka, EmbeddedMongo, Minio, RealKafka, StackServer
from fleetlake.stack.services import Services, java
from fleetlake.stack.supervisor import Report


@dataclass(frozen=True, slots=True)
class Assembly:
    """The servers in the order of their start (they are stopped the other way round), and the addresses that
    every other process will use."""

    servers: Sequence[StackServer]
    settings: Settings
    kafka: str
    mongo: str
    incarnation_file: str | None
    ports: Mapping[str, int]


def assemble(layout: Layout, wanted: Wanted, report: Report) -> Assembly:
    """Settles what the stack is made of, and takes ports for it. Starts nothing."""
    services = Services(Settings(data_dir=layout.root).services_dir)
    parts = settle(layout, wanted, lambda parts: _require_built(parts, services))
    ports = choose_ports(layout.ports_file, {name: DEFAULTS[name] for name in _listeners(parts)})
    servers: list[StackServer] = []
    incarnation = None
    if not is_explicit("kafka", "bootstrap_servers"):
        if parts.kafka is KafkaKind.REAL:
            servers.append(RealKafka(layout, ports["kafka"], ports["kafka-controller"], services, report))
        else:
            broker = EmbeddedKafka(layout, ports["kafka"], report)
            servers.append(broker)
            incarnation = str(broker.incarnation.file)
    if parts.store is StoreKind.MINIO and not is_explicit("lake", "uri"):
        own_keys(layout.minio)  # from here on the settings name the lake in it
        servers.append(Minio(layout, ports["minio"], services, report))
    if not is_explicit("mongo", "uri"):
        servers.append(EmbeddedMongo(layout, ports["mongo"], report))
    settings = Settings(data_dir=layout.root)
    started = {server.name for server in servers}
    return Assembly(
        servers,
        settings,
        kafka=f"{LOOPBACK}:{ports['kafka']}" if "kafka" in started else settings.kafka.bootstrap_servers,
        mongo=f"mongodb://{LOOPBACK}:{ports['mongo']}/?directConnection=true"
        if "mongo" in started
        else masked_url(settings.mongo.uri),
        incarnation_file=incarnation,
        ports=ports,
    )


def _require_built(parts: Parts, services: Services) -> None:
    """ServiceNotBuilt or JavaMissing where something is not there that the stack would start."""
    if parts.kafka is KafkaKind.REAL and not is_explicit("kafka", "bootstrap_servers"):
        java()
        _ = services.kafka_jars
    if parts.store is StoreKind.MINIO and not is_explicit("lake", "uri"):
        _ = services.minio


def _listeners(parts: Parts) -> Iterable[str]:
    """The names of the ports that these parts need."""
    yield from ("kafka", "mongo", DAGSTER, GATEWAY, API)
    if parts.kafka is KafkaKind.REAL:
        yield "kafka-controller"
    if parts.store is StoreKind.MINIO:
        yield "minio"

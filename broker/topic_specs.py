"""Every topic the platform reads or writes, as it should be: from the contracts, then the settings."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from broker.settings import KafkaSettings
from contracts.model import Contract
from contracts.registry import Registry
from contracts.topics import TopicSettings

BROKER_DEFAULT = -1


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """How one topic should be. With `has_fixed_partitions` keys must stay where they are."""

    name: str
    partitions: int
    replication: int = BROKER_DEFAULT
    config: Mapping[str, str] = field(default_factory=dict)
    source: str = ""
    has_fixed_partitions: bool = False


def redriven_topic(settings: KafkaSettings) -> str:
    """Internal: which dead letters were sent again."""
    return f"{settings.group_prefix}.redriven"


def specs_from(registry: Registry, settings: KafkaSettings) -> list[TopicSpec]:
    """The topics of all contracts, each once; partitions, retention and replication as the settings say."""
    specs: dict[str, TopicSpec] = {}
    for contract in registry.contracts.values():
        for spec in _of_contract(contract, settings):
            specs.setdefault(spec.name, spec)
    redriven = TopicSettings(partitions=1, cleanup="compact")
    specs[redriven_topic(settings)] = _spec(redriven_topic(settings), redriven, settings)
    return list(specs.values())


def _of_contract(contract: Contract, settings: KafkaSettings) -> Iterator[TopicSpec]:
    for name, topic in contract.topic_settings.items():
        yield _spec(name, topic, settings, contract)


def _spec(
    name: str, topic: TopicSettings, settings: KafkaSettings, contract: Contract | None = None
) -> TopicSpec:
    config = {"cleanup.policy": topic.cleanup, **topic.config}
    retention = settings.retention_ms.get(name, topic.retention_ms)
    if retention is not None:
        config["retention.ms"] = str(retention)
    # The readings by vehicle have as many partitions as the maxima, so that one process owns both.
    maximum = contract.maximum if contract is not None else None
    is_rekeyed = maximum is not None and name == maximum.rekey_topic
    counted_as = maximum.topic if maximum is not None and is_rekeyed else name
    return TopicSpec(
        name=name,
        partitions=settings.partitions.get(counted_as, topic.partitions),
        replication=settings.replication_factor or BROKER_DEFAULT,
        config=config,
        source=contract.name if contract else "",
        has_fixed_partitions=is_rekeyed or topic.cleanup == "compact",
    )

"""What rights.yml means for Kafka: the ACLs of every service, with the topics that the contracts name."""

from collections.abc import Iterable, Iterator, Mapping

from broker.access import Grant, Operation, Resource
from broker.settings import KafkaSettings
from broker.topic_specs import redriven_topic
from contracts.registry import Registry
from infra.security.rights import KafkaRights, Rights, TopicKind

CONFIGURING = (
    Operation.CREATE,
    Operation.ALTER,
    Operation.ALTER_CONFIGS,
    Operation.DESCRIBE,
    Operation.DESCRIBE_CONFIGS,
)
TRANSACTING = (Operation.WRITE, Operation.DESCRIBE)

Topics = Mapping[TopicKind, tuple[str, ...]]


def topics_by_kind(registry: Registry, settings: KafkaSettings) -> Topics:
    """The topics of all contracts, by what they are for."""
    contracts = list(registry.contracts.values())
    maxima = [each.maximum for each in contracts if each.maximum is not None]
    kinds: dict[TopicKind, Iterable[str]] = {
        TopicKind.SOURCES: registry.topics(),
        TopicKind.DEAD_LETTERS: [each.dead_letter_topic for each in contracts],
        TopicKind.ANOMALIES: [each.anomaly_topic for each in contracts],
        TopicKind.COUNTERS: [each.metrics_topic for each in contracts if each.metrics_topic is not None],
        TopicKind.MAXIMA: [each.topic for each in maxima],
        TopicKind.BY_VEHICLE: [each.rekey_topic for each in maxima],
        TopicKind.REDRIVEN: [redriven_topic(settings)],
    }
    found = {kind: tuple(dict.fromkeys(names)) for kind, names in kinds.items()}
    everything = dict.fromkeys(name for names in found.values() for name in names)
    return {**found, TopicKind.ALL: tuple(everything)}


def grants(rights: Rights, registry: Registry, settings: KafkaSettings) -> list[Grant]:
    """Every ACL of every service that has an account in Kafka."""
    topics = topics_by_kind(registry, settings)
    found = {
        grant
        for user, service in rights.services.items()
        if service.kafka is not None
        for grant in _of(user, service.kafka, topics, settings.group_prefix)
    }
    return sorted(found)


def users(rights: Rights) -> list[str]:
    """Those with an account in Kafka."""
    return [name for name, service in rights.services.items() if service.kafka is not None]


def _of(user: str, rights: KafkaRights, topics: Topics, prefix: str) -> Iterator[Grant]:
    """READ and WRITE include DESCRIBE, for topics and groups; for transactional ids WRITE alone would do too,
    but Kafka's documentation names both."""
    per_topic = [
        (rights.read, (Operation.READ,)),
        (rights.write, (Operation.WRITE,)),
        (rights.describe, (Operation.DESCRIBE,)),
        (rights.describe_configs, (Operation.DESCRIBE_CONFIGS,)),
        (rights.configure, CONFIGURING),
    ]
    for kinds, operations in per_topic:
        for name in dict.fromkeys(name for kind in kinds for name in topics[kind]):
            for operation in operations:
                yield Grant(user, operation, Resource.TOPIC, name)
    for group in rights.groups:
        yield Grant(user, Operation.READ, Resource.GROUP, f"{prefix}.{group}")
    for group in rights.describe_groups:
        yield Grant(user, Operation.DESCRIBE, Resource.GROUP, f"{prefix}.{group}")
    for owner in rights.transactions:
        for operation in TRANSACTING:
            name = f"{prefix}.{owner}."
            yield Grant(user, operation, Resource.TRANSACTIONAL_ID, name, is_prefix=True)

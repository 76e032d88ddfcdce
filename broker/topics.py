"""Topics as they should be against topics as they are: creating, comparing and changing them.

Nothing relies on a broker that creates topics by itself, and nothing here deletes a topic or a record.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from confluent_kafka import KafkaError
from confluent_kafka.admin._config import (  # its package does not mark exports
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
)
from confluent_kafka.cimpl import NewPartitions, NewTopic

from broker import errors
from broker.admin import Admin
from broker.ready import wait_ready, wait_topics
from broker.settings import KafkaSettings
from broker.topic_specs import TopicSpec, redriven_topic, specs_from

__all__ = [
    "Difference",
    "TopicReport",
    "TopicSpec",
    "Topics",
    "redriven_topic",
    "specs_from",
    "wait_ready",
    "wait_topics",
]

PARTITIONS = "partitions"
CLEANUP = "cleanup.policy"
RETENTION = "retention.ms"


@dataclass(frozen=True, slots=True)
class Difference:
    """One setting of one topic that is not as it should be."""

    topic: str
    setting: str
    wanted: str
    found: str
    can_change: bool

    def __str__(self) -> str:
        return f"{self.topic}: {self.setting} is {self.found}, should be {self.wanted}"


@dataclass(frozen=True, slots=True)
class TopicReport:
    """One topic: how it should be, and what is there. `partitions` is None where the topic is missing."""

    spec: TopicSpec
    partitions: int | None
    differences: tuple[Difference, ...]

    @property
    def state(self) -> str:
        if self.partitions is None:
            return "missing"
        return "differs" if self.differences else "ok"


class Topics:
    """The topics of one cluster."""

    def __init__(self, settings: KafkaSettings, admin: Admin | None = None) -> None:
        self._settings = settings
        self._admin = admin or Admin(settings)

    def report(self, specs: Sequence[TopicSpec]) -> list[TopicReport]:
        """Every spec beside what the cluster has."""
        found, _ = self._admin.describe(spec.name for spec in specs)
        configs = self._configs(found)
        reports = []
        for spec in specs:
            if spec.name not in found:
                reports.append(TopicReport(spec, None, ()))
                continue
            count = len(found[spec.name].partitions)
            differences = (*_partitions_differ(spec, count), *_config_differs(spec, configs[spec.name]))
            reports.append(TopicReport(spec, count, differences))
        return reports

    def compacted(self, topics: Iterable[str]) -> frozenset[str]:
        """Those in which Kafka keeps the newest message of a key only."""
        configs = self._configs(topics)
        return frozenset(name for name, config in configs.items() if "compact" in config.get(CLEANUP, ""))

    def retention_ms(self, topics: Iterable[str]) -> dict[str, int]:
        """How long Kafka keeps a message at least, of those topics that it does not keep for ever."""
        found = {name: config.get(RETENTION) for name, config in self._configs(topics).items()}
        return {name: int(value) for name, value in found.items() if value is not None and int(value) >= 0}

    def create(self, specs: Iterable[TopicSpec]) -> list[str]:
        """Creates what is missing and waits until it can be used; existing topics stay as they are."""
        wanted = {spec.name: spec for spec in specs}
        _, missing = self._admin.describe(wanted)
        if not missing:
            return []
        created = [name for name, is_new in self._create(map(wanted.__getitem__, missing)) if is_new]
        wait_topics(self._settings, missing, admin=self._admin)
        return created

    def _create(self, specs: Iterable[TopicSpec]) -> list[tuple[str, bool]]:
        topics = [
            NewTopic(spec.name, spec.partitions, spec.replication, config=dict(spec.config)) for spec in specs
        ]
        futures = self._admin.client.create_topics(topics, request_timeout=self._admin.timeout_s)
        created = []
        for name, future in futures.items():
            try:
                self._admin.answer(future, f"creating topic {name}", name)
            except errors.ClientFailed as error:
                if error.code != KafkaError(KafkaError.TOPIC_ALREADY_EXISTS).name():
                    raise errors.TopicRefused(name, error.detail) from error
                created.append((name, False))
            else:
                created.append((name, True))
        return created

    def apply(self, differences: Sequence[Difference]) -> list[Difference]:
        """Changes what can be changed; returns what cannot."""
        changeable = [difference for difference in differences if difference.can_change]
        self._add_partitions([each for each in changeable if each.setting == PARTITIONS])
        self._set_config([each for each in changeable if each.setting != PARTITIONS])
        return [difference for difference in differences if not difference.can_change]

    def _add_partitions(self, differences: Sequence[Difference]) -> None:
        if not differences:
            return
        futures = self._admin.client.create_partitions(
            [NewPartitions(each.topic, int(each.wanted)) for each in differences],
            request_timeout=self._admin.timeout_s,
        )
        for topic, future in futures.items():
            self._admin.answer(future, f"adding partitions to {topic}", topic)

    def _set_config(self, differences: Sequence[Difference]) -> None:
        wanted: dict[str, list[ConfigEntry]] = {}
        for each in differences:
            entry = ConfigEntry(each.setting, each.wanted, incremental_operation=AlterConfigOpType.SET)
            wanted.setdefault(each.topic, []).append(entry)
        if not wanted:
            return
        futures = self._admin.client.incremental_alter_configs(
            [_resource(topic, entries) for topic, entries in wanted.items()],
            request_timeout=self._admin.timeout_s,
        )
        for resource, future in futures.items():
            self._admin.answer(future, f"changing the settings of {resource.name}", resource.name)

    def _configs(self, topics: Iterable[str]) -> dict[str, dict[str, str]]:
        resources = [_resource(topic) for topic in topics]
        if not resources:
            return {}
        futures = self._admin.client.describe_configs(resources, request_timeout=self._admin.timeout_s)
        return {
            resource.name: {
                name: str(entry.value)
                for name, entry in self._admin.answer(
                    future, f"reading the settings of {resource.name}", resource.name
                ).items()
            }
            for resource, future in futures.items()
        }


def _partitions_differ(spec: TopicSpec, found: int) -> list[Difference]:
    if found == spec.partitions:
        return []
    can_grow = found < spec.partitions and not spec.has_fixed_partitions
    return [Difference(spec.name, PARTITIONS, str(spec.partitions), str(found), can_grow)]


def _config_differs(spec: TopicSpec, found: Mapping[str, str]) -> list[Difference]:
    return [
        Difference(spec.name, name, wanted, found.get(name, "unknown to the broker"), name in found)
        for name, wanted in spec.config.items()
        if found.get(name) != wanted
    ]


def _resource(topic: str, entries: list[ConfigEntry] | None = None) -> ConfigResource:
    return ConfigResource(ConfigResource.Type.TOPIC, topic, incremental_configs=entries)

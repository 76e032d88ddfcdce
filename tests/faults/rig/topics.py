"""What an operator may do to the topics of a site, by a plain admin client, and what then stands in them."""

import time
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from confluent_kafka import Consumer, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import (  # its package does not mark exports
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
)
from confluent_kafka.cimpl import NewPartitions

from tests.faults.rig.sinks import SINKS
from tests.faults.rig.site import Site, eventually

ANSWER_SECONDS = 60.0
AGAIN_SECONDS = 0.2
MISSING = ("UNKNOWN_TOPIC_OR_PART", "_UNKNOWN_TOPIC")


class Found(NamedTuple):
    """A record as a plain read-committed consumer sees it."""

    partition: int
    offset: int
    value: bytes


class TopicAdmin:
    """The topics of one site."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._admin = AdminClient({"bootstrap.servers": site.kafka.address})

    def lives(self, *topics: str) -> dict[str, str]:
        """The id of each topic."""
        found = self._admin.describe_topics(TopicCollection(list(topics)), request_timeout=ANSWER_SECONDS)
        return {topic: str(future.result().topic_id) for topic, future in found.items()}

    def partitions(self, topic: str) -> list[int]:
        return sorted(self._admin.list_topics(topic, ANSWER_SECONDS).topics[topic].partitions)

    def make_again(self, topic: str) -> None:
        """Deletes it and, as soon as it is gone, makes it as contracts say."""
        self.delete(topic)
        self._site.command("topics", "create")

    def delete(self, topic: str) -> None:
        """Returns when the cluster knows it no longer."""
        self._admin.delete_topics([topic], request_timeout=ANSWER_SECONDS)[topic].result()
        eventually(lambda: not self._exists(topic), ANSWER_SECONDS, f"{topic} is gone")

    def grow(self, topic: str, partitions: int) -> None:
        """More partitions than before."""
        futures = self._admin.create_partitions(
            [NewPartitions(topic, partitions)], request_timeout=ANSWER_SECONDS
        )
        futures[topic].result()

    def configure(self, topic: str, settings: Mapping[str, str]) -> None:
        """Sets what is named; the rest stays."""
        entries = [
            ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
            for name, value in settings.items()
        ]
        resource = ConfigResource(ConfigResource.Type.TOPIC, topic, incremental_configs=entries)
        for future in self._admin.incremental_alter_configs(
            [resource], request_timeout=ANSWER_SECONDS
        ).values():
            future.result()

    def cut_off(self, topic: str, offsets: Mapping[int, int]) -> None:
        """Removes what lies before an offset of a partition, as retention would."""
        places = [TopicPartition(topic, *place) for place in offsets.items()]
        for future in self._admin.delete_records(places, request_timeout=ANSWER_SECONDS).values():
            future.result()

    def spans(self, topic: str) -> dict[int, tuple[int, int]]:
        """The log of each partition: its first offset, and the one behind its last committed record."""
        with self._reading() as reader:
            return {number: _span(reader, topic, number) for number in self.partitions(topic)}

    def behind(self, sink: str, topic: str) -> int:
        """How many offsets of a topic a sink's group has not committed."""
        group = {"bootstrap.servers": self._site.kafka.address, "group.id": f"fleetlake.{sink}"}
        spans = self.spans(topic)
        with Consumer(group) as reader:
            places = reader.committed([TopicPartition(topic, n) for n in spans], timeout=ANSWER_SECONDS)
        return sum(spans[place.partition][1] - max(place.offset, 0) for place in places)

    def read(self, topic: str) -> Iterator[Found]:
        """Every record that a read-committed reader sees, in order within a partition."""
        with self._reading() as reader:
            left = set(self.partitions(topic))
            reader.assign([TopicPartition(topic, number, 0) for number in left])
            while left:
                message = reader.poll(ANSWER_SECONDS)
                assert message is not None, f"{topic} did not answer"
                if message.error() is not None:
                    left.discard(message.partition() or 0)
                else:
                    yield Found(message.partition() or 0, message.offset() or 0, message.value() or b"")

    def _reading(self) -> Consumer:
        return Consumer(
            {
                "bootstrap.servers": self._site.kafka.address,
                "group.id": "fault-topics",
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
                "isolation.level": "read_committed",
                "enable.partition.eof": True,
            }
        )

    def _exists(self, topic: str) -> bool:
        try:
            found = self._admin.list_topics(topic, ANSWER_SECONDS).topics[topic]
        except KafkaException:
            return True
        return found.error is None or found.error.name() not in MISSING


def _span(reader: Consumer, topic: str, partition: int) -> tuple[int, int]:
    """A partition that is new, or whose leader moves, answers in a moment."""
    deadline = time.monotonic() + ANSWER_SECONDS
    while True:
        try:
            return reader.get_watermark_offsets(TopicPartition(topic, partition), ANSWER_SECONDS)
        except KafkaException:
            if time.monotonic() > deadline:
                raise
            time.sleep(AGAIN_SECONDS)


def end_sinks(site: Site) -> None:
    """All of them, in good order; `site.start_sinks` starts others."""
    for sink in SINKS:
        for member in site.sinks.of(sink):
            site.sinks.remove(member)

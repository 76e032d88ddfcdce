"""What Kafka itself says of the sinks' groups and of the log, asked with the plain admin client."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from tests.faults.rig.sinks import SINKS
from tests.faults.rig.site import eventually
from tests.faults.rig.traffic import TOPICS

ASK_SECONDS = 10.0
CAUGHT_UP_SECONDS = 240.0
MOVED_SECONDS = 240.0
"""For many processes that start at once on a busy machine, each of which is a rebalance."""

Place = tuple[str, int]


class Groups:
    """The groups of one site. Questions that nobody answers raise KafkaException."""

    def __init__(self, brokers: str, prefix: str = "fleetlake") -> None:
        self._brokers, self._prefix = brokers, prefix

    def coordinator(self, sink: str) -> int:
        """The id of the node that leads the group."""
        return int(self._described(sink).coordinator.id)

    def members(self, sink: str) -> dict[str, int]:
        """How many partitions each member has."""
        return {
            str(member.member_id): len(member.assignment.topic_partitions)
            for member in self._described(sink).members
        }

    def committed(self, sink: str) -> dict[Place, int]:
        """The group's offsets in the source topics; negative where there is none."""
        with self._asking(f"{self._prefix}.{sink}") as consumer:
            places = consumer.committed(_source_places(consumer), timeout=ASK_SECONDS)
        return {(place.topic, place.partition): place.offset for place in places}

    def log_ends(self) -> dict[Place, int]:
        """Where the source topics end now."""
        with self._asking("fault-groups") as consumer:
            return {
                (place.topic, place.partition): consumer.get_watermark_offsets(place, timeout=ASK_SECONDS)[1]
                for place in _source_places(consumer)
            }

    @contextmanager
    def _asking(self, group: str) -> Iterator[Consumer]:
        """A client of its own for each question: one that has seen its broker die may be silent for long. It
        subscribes to nothing, and is no member."""
        consumer = Consumer(
            {"bootstrap.servers": self._brokers, "group.id": group, "isolation.level": "read_uncommitted",
             "log_level": 0}
        )  # fmt: skip
        try:
            yield consumer
        finally:
            consumer.close()

    def _described(self, sink: str) -> Any:
        group = f"{self._prefix}.{sink}"
        admin = AdminClient({"bootstrap.servers": self._brokers, "log_level": 0})
        answer = admin.describe_consumer_groups([group], request_timeout=ASK_SECONDS)[group]
        return answer.result()


def await_done(groups: Groups, ends: Mapping[Place, int]) -> float:
    """Until every sink has committed what the log held at `ends`; the seconds it took."""

    def is_done() -> bool:
        try:
            return all(_reaches(groups.committed(sink), ends) for sink in SINKS)
        except KafkaException:  # the coordinator is moving
            return False

    return eventually(is_done, CAUGHT_UP_SECONDS, "every sink commits what was in the log")


def await_begun(groups: Groups, sink: str) -> float:
    """Until the sink has committed anything; the seconds it took."""

    def has_begun() -> bool:
        try:
            return any(offset > 0 for offset in groups.committed(sink).values())
        except KafkaException:
            return False

    return eventually(has_begun, CAUGHT_UP_SECONDS, f"{sink} commits something")


def ends_when_answered(groups: Groups) -> dict[Place, int]:
    """The log's ends, as soon as every leader answers."""
    found: dict[Place, int] = {}

    def is_answered() -> bool:
        try:
            found.update(groups.log_ends())
        except KafkaException:
            return False
        return True

    eventually(is_answered, CAUGHT_UP_SECONDS, "every partition has a leader")
    return found


def await_members(groups: Groups, count: int, sinks: Sequence[str] = SINKS) -> float:
    """Until each group has so many members with partitions, and no others; the seconds it took."""

    def is_shared() -> bool:
        try:
            shares = [groups.members(sink).values() for sink in sinks]
        except KafkaException:
            return False
        return all(len(share) == count and all(share) for share in shares)

    return eventually(is_shared, MOVED_SECONDS, f"{count} members of each group have partitions")


def _reaches(committed: Mapping[Place, int], ends: Mapping[Place, int]) -> bool:
    return all(committed.get(place, 0) >= end for place, end in ends.items())


def _source_places(consumer: Consumer) -> list[TopicPartition]:
    topics = consumer.list_topics(timeout=ASK_SECONDS).topics
    return [TopicPartition(topic, number) for topic in TOPICS.values() for number in topics[topic].partitions]

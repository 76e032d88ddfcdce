"""Where logs begin and end, where a time lies in them, and how far other groups have come: many partitions in
one request each, as a read-committed reader sees them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime

from confluent_kafka import ConsumerGroupTopicPartitions, IsolationLevel, KafkaError, KafkaException
from confluent_kafka import TopicPartition as Place
from confluent_kafka.admin._listoffsets import OffsetSpec  # its package does not mark exports

from broker.admin import Admin
from broker.client import MOVED_ON
from broker.errors import GroupActive
from broker.group_reader import committed_by
from broker.places import named
from broker.record import TopicPartition
from broker.settings import KafkaSettings
from broker.settle import settled
from broker.stored_offset import Lives, places_of

EARLIEST: OffsetSpec = OffsetSpec.earliest()  # type: ignore[no-untyped-call]  # a gap in the library's types
LATEST: OffsetSpec = OffsetSpec.latest()  # type: ignore[no-untyped-call]  # a gap in the library's types

HAS_MEMBERS = MOVED_ON | {KafkaError.NON_EMPTY_GROUP}

StartOffset = Callable[[TopicPartition, int, int], int]
"""(partition, log start, log end) -> the offset where a partition that was never read begins."""


class Offsets:
    """Questions about offsets; each call asks the cluster anew."""

    def __init__(self, settings: KafkaSettings, admin: Admin | None = None) -> None:
        self._settings = settings
        self._admin = admin or Admin(settings)

    def starts(self, topics: Sequence[str]) -> dict[TopicPartition, int]:
        """The first offset that each partition still has."""
        return self._ask(self._admin.partitions(topics), EARLIEST, "log starts")

    def ends(self, topics: Sequence[str]) -> dict[TopicPartition, int]:
        """The last stable offset of each partition: where a read-committed reader stops."""
        return self._ask(self._admin.partitions(topics), LATEST, "log ends")

    def at_time(self, partitions: Iterable[TopicPartition], time_ms: int) -> dict[TopicPartition, int]:
        """The first offset at or after a Kafka time; the log's end where there is none."""
        wanted = list(partitions)
        found = self._ask(wanted, OffsetSpec.for_timestamp(time_ms), "offsets of a time")
        later = [partition for partition in wanted if found[partition] < 0]
        return found | self._ask(later, LATEST, "log ends")

    def of_group(self, sink: str) -> dict[TopicPartition, int]:
        """What the group `<prefix>.<sink>` has committed; empty for a group that never did."""
        group = f"{self._settings.group_prefix}.{sink}"
        return committed_by(self._settings, group, self._admin.timeout_s)

    def set_of_group(self, sink: str, offsets: Mapping[TopicPartition, int], lives: Lives) -> None:
        """Moves the group `<prefix>.<sink>`; GroupActive while it has members."""
        group = f"{self._settings.group_prefix}.{sink}"
        wanted = ConsumerGroupTopicPartitions(group, places_of(offsets, lives))
        try:
            settled(lambda: self._alter(wanted), self._admin.timeout_s)
        except KafkaException as error:
            refusal = error.args[0]
            if refusal.code() in HAS_MEMBERS:
                raise GroupActive(group, refusal.str()) from error
            raise self._admin.failure(refusal, f"setting offsets of group {group}", group) from error

    def _alter(self, wanted: ConsumerGroupTopicPartitions) -> None:
        futures = self._admin.client.alter_consumer_group_offsets(
            [wanted], request_timeout=self._admin.timeout_s
        )
        for place in self._admin.result(futures[wanted.group_id]).topic_partitions or []:
            if place.error is not None:
                raise KafkaException(place.error)

    def _ask(
        self, partitions: Sequence[TopicPartition], spec: OffsetSpec, what: str
    ) -> dict[TopicPartition, int]:
        if not partitions:
            return {}
        try:
            return settled(lambda: self._listed(partitions, spec), self._admin.timeout_s)
        except KafkaException as error:
            raise self._admin.failure(error.args[0], f"reading {what}") from error

    def _listed(self, partitions: Iterable[TopicPartition], spec: OffsetSpec) -> dict[TopicPartition, int]:
        futures = self._admin.client.list_offsets(
            {Place(*partition): spec for partition in partitions},
            isolation_level=IsolationLevel.READ_COMMITTED,
            request_timeout=self._admin.timeout_s,
        )
        return {named(place): self._admin.result(future).offset for place, future in futures.items()}


def log_ends(settings: KafkaSettings, topics: Sequence[str]) -> dict[TopicPartition, int]:
    """The log's end of every partition of the topics, as it is now."""
    return Offsets(settings).ends(topics)


def log_starts(settings: KafkaSettings, topics: Sequence[str]) -> dict[TopicPartition, int]:
    """The log's start of every partition of the topics, as it is now."""
    return Offsets(settings).starts(topics)


def group_offsets(settings: KafkaSettings, sink: str) -> dict[TopicPartition, int]:
    """How far the sink's group has come."""
    return Offsets(settings).of_group(sink)


class InvalidStart(ValueError):
    """The start of a source is neither `earliest`, `latest` nor a time with an offset.

    Operator action: correct FLEETLAKE_INGEST__START, e.g. 2026-03-01T00:00:00Z.
    """

    def __init__(self, start: str) -> None:
        self.start = start
        super().__init__(
            f"start {start!r} is neither earliest, latest nor a time such as 2026-03-01T00:00:00Z"
        )


def start_offsets(settings: KafkaSettings, start: str) -> StartOffset:
    """The rule by which partitions that were never read begin. A time without an offset is UTC."""
    if start == "earliest":
        return lambda _partition, low, _high: low
    if start == "latest":
        return lambda _partition, _low, high: high
    time_ms = _milliseconds(start)
    offsets = Offsets(settings)

    def at_time(partition: TopicPartition, low: int, high: int) -> int:
        offset = offsets.at_time([partition], time_ms)[partition]
        return min(max(offset, low), high)

    return at_time


def _milliseconds(start: str) -> int:
    try:
        time = datetime.fromisoformat(start)
    except ValueError as error:
        raise InvalidStart(start) from error
    return int((time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp() * 1000)

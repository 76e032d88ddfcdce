"""A Kafka in memory for tests of the routes sink: transactions and a group, and rebalances where a test
wants.

It is as strict as the real one where the sink's rules count: offsets of an outdated member are refused, and
what is not committed is seen by nobody.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

from broker.consumer import RebalanceListener
from broker.errors import Abortable, BrokerError
from broker.metadata import GroupMetadata
from broker.producer import Headers
from broker.record import Records, TopicPartition
from broker.stored_offset import Lives, StoredOffset
from ingest.outgoing import Outgoing
from ingest.routes_places import OutputReader, Outputs

PARTITIONS_OF_INTERNAL = 1


@dataclass
class FakeKafka:
    """What the broker has: logs of what is committed, and the group's offsets."""

    logs: dict[TopicPartition, list[bytes | None]] = field(default_factory=dict)
    offsets: dict[TopicPartition, int] = field(default_factory=dict)
    lives: dict[TopicPartition, str] = field(default_factory=dict)
    name: str = "us"
    generation: int = 0
    failures: dict[str, list[BrokerError]] = field(default_factory=dict)
    first_failure: BrokerError | None = None
    aborted: int = 0
    _open: list[Outgoing] | None = None
    _open_offsets: dict[TopicPartition, int] = field(default_factory=dict)
    _open_lives: dict[TopicPartition, str] = field(default_factory=dict)

    def append(self, partition: TopicPartition, *values: bytes | None) -> None:
        self.logs.setdefault(partition, []).extend(values)

    def values(self, topic: str) -> list[bytes]:
        """Everything committed in a topic."""
        logs = [log for partition, log in sorted(self.logs.items()) if partition.topic == topic]
        return [value for log in logs for value in log if value is not None]

    @property
    def has_open_transaction(self) -> bool:
        return self._open is not None

    # -- as the producer sees it --------------------------------------------------------------------------

    def begin(self) -> None:
        assert self._open is None
        self._fail("begin")
        self._open, self._open_offsets, self._open_lives = [], {}, {}

    def send(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        headers: Headers | None = None,
        *,
        partition: int | None = None,
    ) -> None:
        assert self._open is not None
        self._open.append(Outgoing("dead_letter", topic, key, value or b"", None, partition or 0))
        self._fail("send")

    def send_offsets(
        self, offsets: Mapping[TopicPartition, int], group: GroupMetadata, timeout_s: float, lives: Lives
    ) -> None:
        if group.handle != self.generation:
            outdated = f"generation {group.handle} is not {self.generation}"
            raise Abortable(self.name, "send_offsets", outdated)
        self._open_offsets |= offsets
        self._open_lives |= {partition: lives[partition.topic] for partition in offsets}
        self._fail("send_offsets")

    def commit(self, timeout_s: float) -> None:
        self._fail("commit")
        assert self._open is not None
        for message in self._open:
            self.append(TopicPartition(message.topic, message.partition or 0), message.value)
        self.offsets |= self._open_offsets
        self.lives |= self._open_lives
        self._open = None

    def abort(self, timeout_s: float) -> None:
        self._fail("abort")
        assert self._open is not None
        self._open = None
        self.aborted += 1

    def _fail(self, step: str) -> None:
        if failures := self.failures.get(step):
            raise failures.pop(0)

    # -- as a restore sees it -----------------------------------------------------------------------------

    def outputs(self) -> Outputs:
        def reader() -> AbstractContextManager[OutputReader]:
            return nullcontext(FakeReader(self))

        return Outputs(reader, reader)


@dataclass
class FakeReader:
    """Reads what is committed."""

    kafka: FakeKafka

    def ends(self, partition: TopicPartition, timeout_s: float) -> tuple[int, int]:
        return 0, len(self.kafka.logs.get(partition, []))

    def read(self, partition: TopicPartition, start: int, end: int | None = None) -> Iterator[Records]:
        yield run_of(partition, start, self.kafka.logs.get(partition, [])[start:end])


@dataclass
class FakeConsumer:
    """One member. `during_poll` runs when a poll has taken its messages and not returned them yet."""

    kafka: FakeKafka
    listener: RebalanceListener | None = None
    at: dict[TopicPartition, int] = field(default_factory=dict)
    before_poll: list[Callable[[], None]] = field(default_factory=list)
    during_poll: list[Callable[[], None]] = field(default_factory=list)

    def poll(self, max_records: int, timeout_s: float) -> list[Records]:
        if self.before_poll:
            self.before_poll.pop(0)()
        taken = []
        for partition, position in list(self.at.items()):
            values = self.kafka.logs.get(partition, [])[position : position + max_records]
            if values:
                taken.append(run_of(partition, position, values))
                self.at[partition] = position + len(values)
                max_records -= len(values)
        if self.during_poll:
            self.during_poll.pop(0)()
        return [run for run in taken if run.topic_partition in self.at]

    def positions(self) -> dict[TopicPartition, int]:
        return dict(self.at)

    def assignment(self) -> list[TopicPartition]:
        return list(self.at)

    def seek(self, partition: TopicPartition, offset: int) -> None:
        self.at[partition] = offset

    def lag(self) -> dict[TopicPartition, int]:
        return {}

    def group_metadata(self) -> GroupMetadata:
        return GroupMetadata(self.kafka.generation)

    def stored(
        self, partitions: Iterable[TopicPartition], timeout_s: float
    ) -> Mapping[TopicPartition, StoredOffset | None]:
        return {partition: self._stored(partition) for partition in partitions}

    def _stored(self, partition: TopicPartition) -> StoredOffset | None:
        offset = self.kafka.offsets.get(partition)
        return None if offset is None else StoredOffset(offset, self.kafka.lives.get(partition, ""))

    def watermarks(self, partition: TopicPartition, timeout_s: float) -> tuple[int, int]:
        return 0, len(self.kafka.logs.get(partition, []))

    def commit(self, offsets: Mapping[TopicPartition, int], lives: Lives) -> None:
        self.kafka.offsets |= offsets
        self.kafka.lives |= {key: lives[key.topic] for key in offsets if key.topic in lives}

    # -- what happens to the member -----------------------------------------------------------------------

    def assign(self, *partitions: TopicPartition) -> None:
        self.kafka.generation += 1
        assert self.listener is not None
        self.at |= self.listener.on_assigned(partitions)

    def revoke(self, *partitions: TopicPartition) -> None:
        """Before the group moves on: still a member, as with Kafka's eager protocol."""
        assert self.listener is not None
        self.listener.on_revoked(partitions)
        self._drop(partitions)
        self.kafka.generation += 1

    def revoke_late(self, *partitions: TopicPartition) -> None:
        """After the group moved on, as with the cooperative protocol."""
        self.kafka.generation += 1
        assert self.listener is not None
        self.listener.on_revoked(partitions)
        self._drop(partitions)

    def lose(self, *partitions: TopicPartition) -> None:
        self.kafka.generation += 1
        assert self.listener is not None
        self.listener.on_lost(partitions)
        self._drop(partitions)

    def _drop(self, partitions: Iterable[TopicPartition]) -> None:
        for partition in partitions:
            del self.at[partition]


def run_of(partition: TopicPartition, start: int, values: list[bytes | None]) -> Records:
    count = len(values)
    return Records(
        topic=partition.topic,
        partition=partition.partition,
        offsets=list(range(start, start + count)),
        times_ms=[1_772_054_900_000] * count,
        keys=[b"k"] * count,
        headers=[None] * count,
        values=list(values),
        next_offset=start + count,
    )

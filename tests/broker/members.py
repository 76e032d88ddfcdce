"""Group members of tests, and the types of this folder's fixtures."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from broker.consumer import GroupConsumer, OffsetReset
from broker.reader import PartitionReader
from broker.record import Records, TopicPartition
from broker.settings import KafkaSettings

DEADLINE_S = 30.0


def await_end(reader: PartitionReader, topic: str, offset: int) -> None:
    """Until the log has grown so far for a read-committed reader."""
    deadline = time.monotonic() + DEADLINE_S
    while reader.ends(TopicPartition(topic, 0))[1] < offset:
        assert time.monotonic() < deadline, reader.ends(TopicPartition(topic, 0))
        time.sleep(0.01)


class MakeTopic(Protocol):
    """Creates a topic of the test's own."""

    def __call__(self, partitions: int = 1, config: Mapping[str, str] = ...) -> str: ...


class Listener:
    """Remembers what happened to partitions; a test may script where they begin and what fails."""

    def __init__(self) -> None:
        self.starts: dict[TopicPartition, int] = {}
        self.assigned: list[TopicPartition] = []
        self.revoked: list[TopicPartition] = []
        self.lost: list[TopicPartition] = []
        self.failures: list[BaseException] = []
        self.before_revoke: Callable[[Sequence[TopicPartition]], None] = lambda _: None

    def on_assigned(self, partitions: Sequence[TopicPartition]) -> Mapping[TopicPartition, int]:
        if self.failures:
            raise self.failures.pop(0)
        self.assigned += partitions
        return {name: self.starts[name] for name in partitions if name in self.starts}

    def on_revoked(self, partitions: Sequence[TopicPartition]) -> None:
        self.before_revoke(partitions)
        self.revoked += partitions

    def on_lost(self, partitions: Sequence[TopicPartition]) -> None:
        self.lost += partitions


class Member:
    """A consumer, its listener, and everything it returned."""

    def __init__(self, consumer: GroupConsumer, listener: Listener) -> None:
        self.consumer = consumer
        self.listener = listener
        self.runs: list[Records] = []

    def poll(self, max_records: int = 1000, timeout_s: float = 0.2) -> list[Records]:
        runs = self.consumer.poll(max_records, timeout_s)
        self.runs += runs
        return runs

    def poll_until(self, condition: Callable[[], bool], timeout_s: float = DEADLINE_S) -> None:
        deadline = time.monotonic() + timeout_s
        while not condition():
            assert time.monotonic() < deadline, f"not in time; got {self.values}"
            self.poll()

    def take(self, count: int) -> list[bytes | None]:
        """Exactly the next `count` records."""
        before = len(self.values)
        deadline = time.monotonic() + DEADLINE_S
        while (missing := count - (len(self.values) - before)) > 0:
            assert time.monotonic() < deadline, f"not in time; got {self.values}"
            self.poll(max_records=missing)
        return self.values[before:]

    def poll_values(self, count: int) -> list[bytes | None]:
        """Polls until `count` records came; all of them."""
        self.poll_until(lambda: len(self.values) >= count)
        return self.values

    @property
    def values(self) -> list[bytes | None]:
        return [value for run in self.runs for value in run.values]


class Join(Protocol):
    """Makes a member of the test's group, already subscribed."""

    def __call__(
        self,
        topics: Sequence[str],
        *,
        settings: KafkaSettings | None = None,
        offset_reset: OffsetReset = "earliest",
        instance_id: str | None = None,
        starts: Mapping[TopicPartition, int] = ...,
    ) -> Member: ...


class Send(Protocol):
    """Writes values to one partition and waits for the acknowledgements."""

    def __call__(self, topic: str, *values: bytes | None, partition: int = 0) -> None: ...


DeleteBefore = Callable[[TopicPartition, int], None]
"""Removes the records of a partition before an offset, as retention would."""


def poll_all_until(members: Sequence[Member], condition: Callable[[], bool]) -> None:
    """Fails after the deadline."""
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, [member.consumer.assignment() for member in members]
        for member in members:
            member.poll(timeout_s=0.05)


def owned(member: Member) -> set[TopicPartition]:
    """What it has now."""
    return set(member.consumer.assignment())

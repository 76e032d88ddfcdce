"""Where the routes sink goes on in a partition, and what it publishes from: both are read from Kafka, never
kept.

1. The group's offset of a partition is asked first: the answer waits for a pending transaction that holds
   one. One of a former life of the topic counts as none. Where there is none, the beginning is recorded
   before anything is read.
2. Only then are the maxima of an internal partition restored, from all that its output partition has. An
   unfinished transaction there is waited for, too: it may be committed and its maxima must count.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from broker.errors import BrokerError, Transient
from broker.offsets import StartOffset
from broker.record import Records, TopicPartition
from broker.stored_offset import NO_LIVES, Lives, StoredOffset
from ingest.errors import OffsetBehindLog, Recoverable
from ingest.maxima import Maxima
from ingest.metrics import SinkMetrics
from ingest.process import Log
from ingest.steps import RoutesStep, Steps

BLOCKED_PAUSE_SECONDS = 0.1
ANSWER_SECONDS = 3.0
"""A broker that does not answer must not keep a process from ending in time; it is asked again."""


class RestoreBlocked(Recoverable):
    """A transaction that does not end holds back what a partition's maxima are restored from.

    Operator action: none if it happens once. If it stays, a process with another slot was killed while it
    wrote and never came back: start as many processes as before, or wait for Kafka's transaction timeout.
    """

    def __init__(self, partition: TopicPartition, stable: int, end: int, seconds: float) -> None:
        self.partition, self.stable, self.end, self.seconds = partition, stable, end, seconds
        super().__init__(
            f"{partition} cannot be read beyond {stable} of {end} after {seconds:g} s: "
            "a transaction of another process is not finished"
        )


class OffsetsBlocked(Recoverable):
    """A transaction that does not end holds back what the group has committed; Kafka answers everything else.

    Operator action: none if it happens once: Kafka ends the transaction of a process that is gone. If it
    stays, Kafka has lost sight of one, as a broker without replicas may that was killed during a commit:
    `kafka-transactions.sh find-hanging --broker-id ID` lists its partitions; `kafka-transactions.sh abort` it
    in each of them, `__consumer_offsets` last. Nobody has seen what is aborted, and routes does it again.
    """

    def __init__(self, group: str, seconds: float) -> None:
        self.group, self.seconds = group, seconds
        super().__init__(
            f"the offsets of {group} are held back by a transaction that has not ended for {seconds:g} s; if "
            "it stays, `kafka-transactions.sh find-hanging` names the partitions to abort it in"
        )


class Group(Protocol):
    """What the places need of the consumer."""

    @property
    def group(self) -> str: ...
    def stored(
        self, partitions: Iterable[TopicPartition], timeout_s: float
    ) -> Mapping[TopicPartition, StoredOffset | None]: ...
    def watermarks(self, partition: TopicPartition, timeout_s: float) -> tuple[int, int]: ...
    def commit(self, offsets: Mapping[TopicPartition, int], lives: Lives) -> None: ...


class OutputReader(Protocol):
    """Reads an output partition."""

    def ends(self, partition: TopicPartition, timeout_s: float) -> tuple[int, int]: ...
    def read(self, partition: TopicPartition, start: int, end: int | None = None) -> Iterator[Records]: ...


@dataclass
class Outputs:
    """Opens readers of the output topics: of what is committed, and of all that was written."""

    committed: Callable[[], AbstractContextManager[OutputReader]]
    written: Callable[[], AbstractContextManager[OutputReader]]


@dataclass
class RoutesPlaces:
    """Takes partitions over; `maxima` by internal topic."""

    group: Group
    outputs: Outputs
    maxima: Mapping[str, Maxima]
    first_offset: StartOffset
    metrics: SinkMetrics
    log: Log
    restore_seconds: float
    end_abandoned: Callable[[], object]
    clock: Callable[[], float] = time.monotonic
    pause: Callable[[float], object] = time.sleep
    done: Steps = lambda step: None
    lives: Callable[[], Lives] = lambda: NO_LIVES
    ask_unstable: Callable[[], object] = lambda: None
    """Asks for the group's offsets whatever transaction is pending; raises where Kafka does not answer."""

    _blocked_since: float | None = None

    def take_over(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        """Where each goes on. What was known about them before is forgotten."""
        wanted = list(partitions)
        lives = self.lives()
        stored = self._stored(wanted)  # 1
        committed = {key: self._committed(key, stored[key], lives.get(key.topic, "")) for key in wanted}
        places = {partition: self._place(partition, committed[partition]) for partition in wanted}
        self._record_beginnings({key: places[key] for key in wanted if committed[key] is None}, lives)
        self.done(RoutesStep.PLACED)
        self._restore([partition for partition in wanted if partition.topic in self.maxima])  # 2
        self.done(RoutesStep.RESTORED)
        return places

    def release(self, partitions: Iterable[TopicPartition]) -> None:
        """Gives partitions up."""
        for partition in partitions:
            if partition.topic in self.maxima:
                self.maxima[partition.topic].release([partition.partition])

    def _stored(self, partitions: Iterable[TopicPartition]) -> Mapping[TopicPartition, StoredOffset | None]:
        """Raises OffsetsBlocked where only these are not answered, for longer than any transaction lasts."""
        try:
            stored = self.group.stored(partitions, ANSWER_SECONDS)
        except Transient:
            self._look_whether_blocked()
            raise
        self._blocked_since = None
        return stored

    def _look_whether_blocked(self) -> None:
        try:
            self.ask_unstable()
        except BrokerError:  # it is away altogether
            self._blocked_since = None
            return
        now = self.clock()
        self._blocked_since = now if self._blocked_since is None else self._blocked_since
        if now - self._blocked_since > self.restore_seconds:
            raise OffsetsBlocked(self.group.group, self.restore_seconds)
        self.end_abandoned()

    def _committed(self, partition: TopicPartition, stored: StoredOffset | None, life: str) -> int | None:
        if stored is None:
            return None
        if not stored.belongs_to(life):
            self.log.warning("former_life_offset", partition=str(partition), committed=stored.offset)
            return None
        return stored.offset

    def _place(self, partition: TopicPartition, committed: int | None) -> int:
        """The committed offset, or the nearest that the log has.

        Before the log's start: retention removed messages unread; they are counted as expired.
        """
        low, high = self.group.watermarks(partition, ANSWER_SECONDS)
        if committed is None:
            return low if partition.topic in self.maxima else self.first_offset(partition, low, high)
        if committed > high:
            raise OffsetBehindLog(partition, self.group.group, committed, high)
        if committed < low:
            self.log.error(
                "expired_unread", partition=str(partition), committed=committed, log_start=low,
                messages=low - committed,
            )  # fmt: skip
            self.metrics.expired(partition.topic, partition.partition, low - committed)
            return low
        return committed

    def _record_beginnings(self, places: Mapping[TopicPartition, int], lives: Lives) -> None:
        """Where a partition begins is decided once, also if nothing is read before a crash."""
        self.group.commit(places, lives)

    def _restore(self, partitions: Iterable[TopicPartition]) -> None:
        wanted = list(partitions)
        if not wanted:
            return
        with self.outputs.committed() as committed, self.outputs.written() as written:
            for partition in wanted:
                maxima = self.maxima[partition.topic]
                output = maxima.output_partition(partition)
                low, end = self._stable_end(output, committed, written)
                vehicles = maxima.restore(partition.partition, committed.read(output, low, end))
                self.log.info("maxima_restored", partition=str(output), vehicles=vehicles)

    def _stable_end(
        self, output: TopicPartition, committed: OutputReader, written: OutputReader
    ) -> tuple[int, int]:
        """The log's start and end, once everything before the end is committed or aborted."""
        _, end = written.ends(output, ANSWER_SECONDS)
        began = self.clock()
        while True:
            low, stable = committed.ends(output, ANSWER_SECONDS)
            if stable >= end:
                return low, end
            if self.clock() - began > self.restore_seconds:
                raise RestoreBlocked(output, stable, end, self.restore_seconds)
            self.end_abandoned()
            self.pause(BLOCKED_PAUSE_SECONDS)

"""Reads a stretch of one partition without a consumer group: for audits, restores and dead letters.

It guarantees that a finished iteration has returned every record of [start, end) that its isolation allows.
"""

import time
from collections.abc import Callable, Generator, Iterator
from types import TracebackType
from typing import Literal, Self

from confluent_kafka import Consumer, KafkaError, KafkaException, Message
from confluent_kafka import TopicPartition as Place

from broker import errors
from broker.client import UNAUTHENTICATED, UNAVAILABLE, client_options, translate
from broker.prefetch import SCAN, Prefetch
from broker.record import Records, TopicPartition
from broker.runs import split_runs
from broker.settings import KafkaSettings
from broker.settle import settled

BATCH_RECORDS = 10_000
POLL_S = 0.5
STALLED_AFTER_S = 30.0
"""Without a record, an end of partition or an answer for this long, the broker counts as gone."""


class PartitionReader:
    """One client for many reads, one after the other."""

    def __init__(
        self,
        settings: KafkaSettings,
        *,
        prefetch: Prefetch = SCAN,
        isolation: Literal["read_committed", "read_uncommitted"] = "read_committed",
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._monotonic = monotonic
        self._failure: errors.BrokerError | None = None
        self._is_closed = False
        ours: dict[str, object] = {
            "group.id": f"{settings.group_prefix}.reader",  # the library wants one; nothing joins or commits
            "auto.offset.reset": "error",
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "enable.partition.eof": True,
            "isolation.level": isolation,
            "allow.auto.create.topics": False,
            **prefetch.options(),
        }
        self._consumer = Consumer({**client_options(settings, ours), "error_cb": self._on_error})

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends the client; a reading under way cannot go on, and ends without a word."""
        self._is_closed = True
        self._consumer.close()

    def ends(self, partition: TopicPartition, timeout_s: float = 10.0) -> tuple[int, int]:
        """Log start and log end; under read_committed the end is the last stable offset."""
        try:
            place = Place(*partition)
            return settled(lambda: self._consumer.get_watermark_offsets(place, timeout_s), timeout_s)
        except KafkaException as error:
            raise translate(
                error.args[0], self._settings, f"reading the log's ends of {partition}"
            ) from error

    def read(
        self, partition: TopicPartition, start: int, end: int | None = None
    ) -> Generator[Records, None, None]:
        """Every record of [start, end); at most up to the log's end as it is now.

        A `start` before the log's start or beyond its end raises `OffsetOutOfRange`.
        """
        low, high = self.ends(partition)
        if not low <= start <= high:
            raise errors.OffsetOutOfRange(*partition, start, low, high)
        stop = high if end is None else min(end, high)
        if start >= stop:
            return
        self._consumer.assign([Place(*partition, start)])
        try:
            yield from self._until(partition, stop)
        finally:
            if not self._is_closed:
                self._consumer.unassign()

    def _until(self, partition: TopicPartition, stop: int) -> Iterator[Records]:
        stalled_at = self._monotonic() + STALLED_AFTER_S
        position = -1
        while position < stop:
            batch = self._take()
            reached = self._end_of_partition(batch, partition)
            messages = [message for message in batch if message.error() is None]
            if messages:
                [run] = split_runs(messages, self._position)
                yield run if run.next_offset <= stop else _cut(run, stop)
            position = max(position, reached, self._position(partition))
            if batch:
                stalled_at = self._monotonic() + STALLED_AFTER_S
            elif self._monotonic() > stalled_at:
                address, doing = self._settings.bootstrap_servers, f"reading {partition} from {position}"
                raise errors.BrokerUnavailable(address, doing, f"no record in {STALLED_AFTER_S:g} s")

    def _take(self) -> list[Message]:
        """What there is, without waiting for a full batch: the end of the partition comes as an event too."""
        first = self._consumer.poll(POLL_S)
        return [] if first is None else [first, *self._consumer.consume(BATCH_RECORDS - 1, 0)]

    def _end_of_partition(self, batch: list[Message], partition: TopicPartition) -> int:
        """The offset of the last end-of-partition event in the batch, -1 without one. Raises other errors."""
        if self._failure is not None:
            raise self._failure
        reached = -1
        for message in batch:
            error = message.error()
            if error is None:
                continue
            if error.code() == KafkaError._PARTITION_EOF:
                reached = message.offset() or 0
            elif error.code() == KafkaError._AUTO_OFFSET_RESET:
                raise errors.OffsetOutOfRange(*partition, message.offset(), *self.ends(partition))
            elif error.code() not in UNAVAILABLE:
                raise translate(error, self._settings, f"reading {partition}", partition.topic)
        return reached

    def _position(self, partition: TopicPartition) -> int:
        return self._consumer.position([Place(*partition)])[0].offset

    def _on_error(self, error: KafkaError) -> None:
        if error.code() in UNAUTHENTICATED or error.fatal():
            self._failure = translate(error, self._settings, "reading")


def _cut(run: Records, stop: int) -> Records:
    """The part of `run` before offset `stop`."""
    count = sum(offset < stop for offset in run.offsets)
    return Records(
        topic=run.topic,
        partition=run.partition,
        offsets=run.offsets[:count],
        times_ms=run.times_ms[:count],
        keys=run.keys[:count],
        headers=run.headers[:count],
        values=run.values[:count],
        next_offset=stop,
    )

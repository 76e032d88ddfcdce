"""Messages of one topic from several partitions, decoded together: a message in a large batch costs least."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, repeat
from typing import TypeVar

import pyarrow as pa

from broker.record import Records

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class TopicRun:
    """Row i of all three is the same message; `records.partition` and `next_offset` mean nothing here."""

    records: Records
    decoded: pa.RecordBatch
    partitions: Sequence[int]

    def __len__(self) -> int:
        return len(self.records)


def by_topic(runs: Sequence[Records]) -> Iterator[tuple[Records, Sequence[int]]]:
    """The runs of each topic as one, with the partition of every message."""
    for topic in dict.fromkeys(records.topic for records in runs):
        own = [records for records in runs if records.topic == topic]
        partitions = list(chain.from_iterable(repeat(each.partition, len(each)) for each in own))
        yield own[0] if len(own) == 1 else _joined(topic, own), partitions


def _joined(topic: str, runs: Sequence[Records]) -> Records:
    def column(of: Callable[[Records], list[T]]) -> list[T]:
        return list(chain.from_iterable(map(of, runs)))

    return Records(
        topic=topic,
        partition=runs[0].partition,
        offsets=column(lambda records: records.offsets),
        times_ms=column(lambda records: records.times_ms),
        keys=column(lambda records: records.keys),
        headers=column(lambda records: records.headers),
        values=column(lambda records: records.values),
        next_offset=runs[-1].next_offset,
    )

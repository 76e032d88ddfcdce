"""Client messages become columns here, at C speed: one `Records` per run of one partition, for all consumers.

The unbound methods of the client's message type are mapped over the batch: no Python code runs per
message.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from operator import itemgetter, ne
from typing import cast

from confluent_kafka import Message

from broker.headers import headers_of
from broker.record import Records, TopicPartition

_milliseconds = itemgetter(1)


def split_runs(messages: Sequence[Message], position: Callable[[TopicPartition], int]) -> list[Records]:
    """`messages`, none of them an error, as runs in their order.

    `position` gives the consumer's place in a partition; the last run of each partition carries it.
    """
    topics = cast("list[str]", list(map(Message.topic, messages)))
    partitions = cast("list[int]", list(map(Message.partition, messages)))
    runs: list[Records] = []
    ends: dict[TopicPartition, int] = {}
    for start, stop in reversed(list(_bounds(topics, partitions))):
        place = TopicPartition(topics[start], partitions[start])
        run = messages[start:stop]
        next_offset = ends[place] if place in ends else position(place)
        runs.append(_run(place, run, next_offset))
        ends[place] = runs[-1].offsets[0]
    runs.reverse()
    return runs


def _bounds(topics: list[str], partitions: list[int]) -> Iterator[tuple[int, int]]:
    """(start, stop) of each run. Most batches hold few runs, so boundaries are searched as bytes."""
    count = len(topics)
    changes = _changes(topics, count) if topics.count(topics[0]) < count else bytes(count)
    other = _changes(partitions, count) if partitions.count(partitions[0]) < count else bytes(count)
    start = 0
    while start < count:
        stop = min(_next_change(changes, start, count), _next_change(other, start, count))
        yield start, stop
        start = stop


def _changes(values: Sequence[object], count: int) -> bytes:
    """A byte per value: 1 where the value differs from the one before it."""
    return b"\0" + bytes(map(ne, values, islice(values, 1, count)))


def _next_change(changes: bytes, start: int, count: int) -> int:
    found = changes.find(1, start + 1)
    return count if found < 0 else found


def _run(place: TopicPartition, messages: Sequence[Message], next_offset: int) -> Records:
    return Records(
        topic=place.topic,
        partition=place.partition,
        offsets=cast("list[int]", list(map(Message.offset, messages))),
        times_ms=list(map(_milliseconds, map(Message.timestamp, messages))),
        keys=list(map(Message.key, messages)),
        headers=headers_of(messages),
        values=list(map(Message.value, messages)),
        next_offset=next_offset,
    )

"""What the rest of Fleetlake sees of a Kafka message: plain columns, never a client object."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain
from typing import Final, NamedTuple

Headers = list[tuple[str, bytes | None]]

ROW_BYTES: Final = 192
"""What Python takes for a message beside its bytes: a key, a value, two numbers, five places in lists."""

HEADER_BYTES: Final = 192
"""What Python takes for a header beside its bytes: a name, a value, a pair, a place in a list."""


class Written(NamedTuple):
    """Where a message lies in its topic."""

    partition: int
    offset: int


class TopicPartition(NamedTuple):
    """One partition of one topic."""

    topic: str
    partition: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}"


@dataclass(frozen=True, slots=True)
class Records:
    """A run of messages of one topic partition, in offset order, as columns of equal length.

    `times_ms` are Kafka timestamps in milliseconds since the epoch, -1 where the broker gave none.
    `next_offset` is the consumer's position behind the run: aborted and control records count, so it
    may lie beyond the last row's offset + 1.
    """

    topic: str
    partition: int
    offsets: list[int]
    times_ms: list[int]
    keys: list[bytes | None]
    headers: list[Headers | None]
    values: list[bytes | None]
    next_offset: int

    @property
    def topic_partition(self) -> TopicPartition:
        return TopicPartition(self.topic, self.partition)

    @property
    def payload_bytes(self) -> int:
        """Bytes of all values."""
        return _bytes(self.values)

    @property
    def beside_bytes(self) -> int:
        """Bytes of all keys and headers; a header's name counts by its characters."""
        pairs = chain.from_iterable(filter(None, self.headers))
        return _bytes(self.keys) + _bytes(chain.from_iterable(pairs))

    @property
    def overhead_bytes(self) -> int:
        """What the messages take in memory beside their bytes, about."""
        headers = sum(map(len, filter(None, self.headers)))
        return ROW_BYTES * len(self) + HEADER_BYTES * headers

    def __len__(self) -> int:
        return len(self.offsets)


def _bytes(values: Iterable[bytes | str | None]) -> int:
    return sum(map(len, filter(None, values)))

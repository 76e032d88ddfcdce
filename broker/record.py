"""What the rest of Fleetlake sees of a Kafka message: plain columns, never a client object."""

from dataclasses import dataclass
from typing import NamedTuple

Headers = list[tuple[str, bytes | None]]


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
    def size_bytes(self) -> int:
        """Bytes of all values; keys and headers are not counted."""
        return sum(map(len, filter(None, self.values)))

    def __len__(self) -> int:
        return len(self.offsets)

"""Where the alerts sink stands in each partition it owns: what was read, what of it was judged, and what the
group has. The group's offsets never lead what was judged."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from broker.record import Records, TopicPartition
from broker.stored_offset import Lives, StoredOffset
from ingest.process import Log
from ingest.topic_lives import TopicLives

Offsets = dict[TopicPartition, int]


class Group(Protocol):
    """What is needed of the consumer."""

    def stored(
        self, partitions: Iterable[TopicPartition]
    ) -> Mapping[TopicPartition, StoredOffset | None]: ...
    def watermarks(self, partition: TopicPartition) -> tuple[int, int]: ...
    def commit(self, offsets: Mapping[TopicPartition, int], lives: Lives) -> None: ...


@dataclass
class AlertPlaces:
    """Next offsets, by how far they have come."""

    group: Group
    lives: TopicLives
    start: Literal["latest", "earliest"]
    log: Log
    read: Offsets = field(default_factory=dict)
    _judged: Offsets = field(default_factory=dict)
    _committed: Offsets = field(default_factory=dict)
    _times_us: dict[TopicPartition, int] = field(default_factory=dict)
    """Kafka's time of the last message read."""

    def take_over(self, partitions: Sequence[TopicPartition]) -> Offsets:
        """Where each begins. A beginning is recorded at once: a kill before the first commit must not move it
        behind what came meanwhile."""
        self.lives.check()
        lives, stored = self.lives.of_offsets(), self.group.stored(partitions)
        begins = {key: self._begin(key, stored[key], lives.get(key.topic, "")) for key in partitions}
        known = {key: found.offset for key, found in stored.items() if found is not None}
        self.group.commit({key: begin for key, begin in begins.items() if known.get(key) != begin}, lives)
        for places in (self.read, self._judged, self._committed):
            places.update(begins)
        return begins

    def release(self, partitions: Iterable[TopicPartition]) -> None:
        """Forgets partitions: nothing of them is committed any more."""
        for key in partitions:
            for places in (self.read, self._judged, self._committed, self._times_us):
                places.pop(key, None)

    def note_read(self, records: Records) -> None:
        """These messages are on their way to be judged."""
        self._times_us[records.topic_partition] = max(records.times_ms) * 1000

    def advance_to(self, positions: Mapping[TopicPartition, int]) -> None:
        """Moves on behind what was read; aborted and control records count."""
        self.read |= {key: offset for key, offset in positions.items() if key in self.read}

    def move_to(self, key: TopicPartition, offset: int) -> None:
        """The log does not have what was wanted: goes on elsewhere."""
        self.read[key] = offset

    def all_judged(self) -> None:
        """Everything that was read is kept."""
        self._judged = dict(self.read)

    def commit(self) -> bool:
        """Has the group follow what was judged; whether there was anything."""
        changed = {key: offset for key, offset in self._judged.items() if self._committed.get(key) != offset}
        if changed:
            self.group.commit(changed, self.lives.of_offsets())
            self._committed |= changed
        return bool(changed)

    def read_until_us(self, lag: Mapping[TopicPartition, int], now_us: int) -> dict[str, int]:
        """Per partition the time before which every message was read: now, where none waits."""
        times: dict[str, int] = {}
        for key, messages in lag.items():
            if messages == 0:
                times[str(key)] = now_us
            elif key in self._times_us:
                times[str(key)] = min(self._times_us[key], now_us)
        return times

    def _begin(self, key: TopicPartition, found: StoredOffset | None, life: str) -> int:
        low, high = self.group.watermarks(key)
        if found is None:
            return low if self.start == "earliest" else high
        if not found.belongs_to(life):
            self.log.warning("former_life_offset", partition=str(key), committed=found.offset)
            return low
        if not low <= found.offset <= high:
            self.log.warning(
                "checkpoint_out_of_range", partition=str(key), wanted=found.offset, low=low, high=high
            )
            return low
        return found.offset

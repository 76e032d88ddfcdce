"""The partitions a history process owns: under which identity, and where the next message of each begins."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from broker.record import Records, TopicPartition
from ingest.errors import (
    CheckpointMissing,
    CheckpointOutsideLog,
    LogWentBack,
    OffsetWentBack,
    TopicRecreated,
)
from ingest.history_commit import Committer
from lake.bronze import BronzePartition


class Identities(Protocol):
    """Asks the broker who its topics are."""

    def read(self, topics: Sequence[str]) -> Mapping[str, str]: ...


class Log(Protocol):
    """Asks the broker how far a partition's log reaches: [log start, log end)."""

    def watermarks(self, partition: TopicPartition) -> tuple[int, int]: ...


@dataclass
class OwnedPartitions:
    """The partitions of one process: checkpoints as the table has them, next offsets as Kafka gave them."""

    committer: Committer
    identities: Identities
    log: Log
    first_offset: Callable[[TopicPartition, int, int], int]
    topic_ids: dict[str, str] = field(default_factory=dict)
    next_offsets: dict[TopicPartition, int] = field(default_factory=dict)
    beginnings: dict[BronzePartition, int] = field(default_factory=dict)
    """Where partitions began that the table knows nothing of yet. Decided once, whatever fails meanwhile."""

    def adopt(self, partitions: Iterable[TopicPartition] = ()) -> dict[TopicPartition, int]:
        """Takes over `partitions` beside those owned; returns where each of all of them goes on.

        Nothing may be buffered. Where a partition goes on is what the table says; only a partition that
        bronze has never seen begins at `first_offset`, which the next commit records. TopicRecreated if a
        topic is no longer the one that this process has read of before.
        """
        wanted = {*self.next_offsets, *partitions}
        self.topic_ids |= self._same_lives({key.topic for key in wanted})
        found = self.committer.adopt(self.key(partition) for partition in wanted)
        self._refuse_lost_checkpoints(partition for partition in wanted if found[self.key(partition)] is None)
        self._refuse_logs_that_went_back(wanted, found)
        self.next_offsets = {
            partition: self._checked(partition, found[self.key(partition)]) for partition in wanted
        }
        return dict(self.next_offsets)

    def release(self, partitions: Iterable[TopicPartition]) -> None:
        """Gives partitions up."""
        for partition in partitions:
            if self.next_offsets.pop(partition, None) is not None:
                self.committer.release([self.key(partition)])
                self.beginnings.pop(self.key(partition), None)

    def landed(self, keys: Iterable[BronzePartition]) -> None:
        """The table has these now."""
        for key in keys:
            self.beginnings.pop(key, None)

    def advance(self, records: Records) -> None:
        """Moves on behind a run of messages; OffsetWentBack if it began too early."""
        partition = records.topic_partition
        expected = self.next_offsets[partition]
        if records.offsets[0] < expected:
            raise OffsetWentBack(partition, expected, records.offsets[0])
        self.next_offsets[partition] = records.next_offset

    def advance_to(self, positions: Mapping[TopicPartition, int]) -> bool:
        """Moves on behind aborted and control records, which give no rows; returns whether anything moved."""
        moved = {
            partition: position
            for partition, position in positions.items()
            if position > self.next_offsets.get(partition, position)
        }
        self.next_offsets |= moved
        return bool(moved)

    def following(self) -> dict[BronzePartition, int]:
        """The checkpoints that a commit of everything read so far records."""
        return {self.key(partition): offset for partition, offset in self.next_offsets.items()}

    def starts(self) -> dict[BronzePartition, int]:
        """The beginnings that a commit records for the audit: what lies before them is no loss."""
        return {key: offset for key, offset in self.beginnings.items() if offset}

    def check_identities(self) -> None:
        """TopicRecreated if a topic is no longer the one whose rows are buffered."""
        self._same_lives({partition.topic for partition in self.next_offsets})

    def key(self, partition: TopicPartition) -> BronzePartition:
        """The partition as bronze names it."""
        return BronzePartition(self.topic_ids[partition.topic], partition.partition)

    def by_topic(self, checkpoints: Mapping[BronzePartition, int]) -> dict[TopicPartition, int]:
        """Checkpoints as Kafka names the partitions; those no longer owned are left out."""
        owned = {self.key(partition): partition for partition in self.next_offsets}
        return {owned[key]: offset for key, offset in checkpoints.items() if key in owned}

    def checkpoints(self) -> dict[TopicPartition, int | None]:
        """What the table has of the partitions owned."""
        return {partition: self.committer.owned.get(self.key(partition)) for partition in self.next_offsets}

    def recorded(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        """What the table has of partitions; those that it knows nothing of are left out."""
        found = {partition: self.committer.owned[self.key(partition)] for partition in partitions}
        return {partition: offset for partition, offset in found.items() if offset is not None}

    def _same_lives(self, topics: Iterable[str]) -> dict[str, str]:
        """The identities of topics, which are those of first contact."""
        now = dict(self.identities.read(sorted(topics)))
        for topic, topic_id in now.items():
            known = self.topic_ids.get(topic, topic_id)
            if topic_id != known:
                raise TopicRecreated(topic, known, topic_id)
        return now

    def _refuse_lost_checkpoints(self, new: Iterable[TopicPartition]) -> None:
        """CheckpointMissing for a partition without a checkpoint that has rows all the same."""
        keys = {self.key(partition): partition for partition in new}
        for key in sorted(self.committer.with_rows(keys)):
            raise CheckpointMissing(keys[key], key.topic_id)

    def _refuse_logs_that_went_back(
        self, wanted: Iterable[TopicPartition], found: Mapping[BronzePartition, int | None]
    ) -> None:
        """LogWentBack for one that did not reach its checkpoint once, however far it reaches now."""
        suspects = self.committer.went_back(found)
        for partition in sorted(each for each in wanted if self.key(each) in suspects):
            low, high = self.log.watermarks(partition)
            raise LogWentBack(partition, found[self.key(partition)] or 0, low, high)

    def _checked(self, partition: TopicPartition, checkpoint: int | None) -> int:
        low, high = self.log.watermarks(partition)
        if checkpoint is None:
            return self._begin(partition, low, high)
        if checkpoint > high:
            self.committer.record_went_back(self.key(partition), checkpoint)
        if not low <= checkpoint <= high:
            raise CheckpointOutsideLog(partition, checkpoint, low, high)
        return checkpoint

    def _begin(self, partition: TopicPartition, low: int, high: int) -> int:
        """Not before the log's start: what retention removed since it began the audit finds missing."""
        key = self.key(partition)
        if key not in self.beginnings:
            self.beginnings[key] = self.first_offset(partition, low, high)
        return max(low, self.beginnings[key])

"""What an operator does to history's checkpoints: the ways out of CheckpointOutsideLog and CheckpointMissing.

Both are one Delta commit without files, on top of a compared version: a running sink that owns the partition
notices it and goes on from there.
"""

from dataclasses import dataclass

from broker.record import TopicPartition
from ingest.errors import OperatorNeeded
from lake.bronze import Bronze, BronzePartition


class NothingToRepair(OperatorNeeded):
    """The checkpoint is in order, or cannot be repaired this way; the message says which."""

    def __init__(self, partition: TopicPartition, problem: str) -> None:
        self.partition, self.problem = partition, problem
        super().__init__(f"{partition}: {problem}")


@dataclass(frozen=True, slots=True)
class Moved:
    """A checkpoint that was moved; `skipped` messages are lost to the history."""

    partition: TopicPartition
    before: int | None
    now: int

    @property
    def skipped(self) -> int:
        return 0 if self.before is None else self.now - self.before


def skip_lost(bronze: Bronze, partition: TopicPartition, topic_id: str, low: int, high: int) -> Moved:
    """Moves a checkpoint that retention has overtaken to the log's start [low, high)."""
    key = BronzePartition(topic_id, partition.partition)
    before = bronze.checkpoints([key])[key]
    if before is None:
        raise NothingToRepair(partition, "it has no checkpoint; history begins at the log's start by itself")
    if before > high:
        problem = (
            f"the log ends at {high}, before the checkpoint {before}: its offsets would be given out "
            "a second time. Restore the broker's data, or recreate the topic"
        )
        raise NothingToRepair(partition, problem)
    if before >= low:
        raise NothingToRepair(partition, f"the checkpoint {before} is inside the log [{low}, {high})")
    bronze.commit([], {key: low}, note={"fleetlake.skipped": f"{partition} {before}-{low - 1}"})
    return Moved(partition, before, low)


def restore_missing(bronze: Bronze, partition: TopicPartition, topic_id: str) -> Moved:
    """Sets a checkpoint that is gone behind the last row bronze has of the partition."""
    key = BronzePartition(topic_id, partition.partition)
    if bronze.checkpoints([key])[key] is not None:
        raise NothingToRepair(partition, "its checkpoint is there")
    last = bronze.last_offset(key)
    if last is None:
        raise NothingToRepair(partition, "bronze has no row of it; history begins by itself")
    bronze.commit([], {key: last + 1}, note={"fleetlake.restored": f"{partition} {last + 1}"})
    return Moved(partition, None, last + 1)

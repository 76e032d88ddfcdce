"""What an operator does to places that sinks cannot go on from: the ways out of CheckpointOutsideLog,
CheckpointMissing and OffsetBehindLog.

What is done to the history is one Delta commit without files, on top of a compared version: a running sink
that owns the partition notices it and goes on from there.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from broker.record import TopicPartition
from broker.stored_offset import NO_LIVES, Lives
from ingest.errors import OperatorNeeded
from lake.bronze import Bronze, BronzePartition

ROUTES = "routes"


class NothingToRepair(OperatorNeeded):
    """The checkpoint is in order, or cannot be repaired this way; the message says which.

    Operator action: what the message says; `fleetlake checkpoint list` shows the checkpoints beside the log.
    """

    def __init__(self, partition: TopicPartition, problem: str) -> None:
        self.partition, self.problem = partition, problem
        super().__init__(f"{partition}: {problem}")


class RoutesOffsets(Protocol):
    """The offsets of the routes group."""

    def of_group(self, sink: str) -> Mapping[TopicPartition, int]: ...
    def set_of_group(self, sink: str, offsets: Mapping[TopicPartition, int], lives: Lives) -> None: ...


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
            f"a second time. On the embedded broker `fleetlake checkpoint renew {partition.topic}` begins "
            "anew; on Kafka restore the broker's data, or delete the topic and run `fleetlake topics create`"
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


def reroute(
    offsets: RoutesOffsets, partition: TopicPartition, low: int, high: int, *, is_at_start: bool
) -> Moved:
    """Sets the routes group, which must not run, to the end of a log [low, high) that went back, or to its
    start."""
    before = offsets.of_group(ROUTES).get(partition)
    if before is None or before <= high:
        problem = f"routes has committed {before}, the log is [{low}, {high}): it goes on by itself"
        raise NothingToRepair(partition, problem)
    now = low if is_at_start else high
    offsets.set_of_group(ROUTES, {partition: now}, NO_LIVES)
    return Moved(partition, before, now)

"""What an operator does to places that sinks cannot go on from: the ways out of CheckpointOutsideLog,
CheckpointMissing and OffsetBehindLog.

What is done to the history is one Delta commit without files, on top of a compared version: a running sink
that owns the partition notices it and goes on from there.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from broker.record import Records, TopicPartition
from broker.stored_offset import NO_LIVES, Lives
from ingest.errors import OperatorNeeded
from ingest.went_back import trust, went_back
from lake.bronze import Bronze, BronzePartition, LandedMessage
from lake.bronze_skips import NOTE, Skip, marks_of

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


class SourceLog(Protocol):
    """Reads a stretch of a partition."""

    def read(self, partition: TopicPartition, start: int, end: int | None = None) -> Iterable[Records]: ...


@dataclass(frozen=True, slots=True)
class Moved:
    """A checkpoint that was moved; `skipped` messages are lost to the history. Where a beginning was recorded
    with it, nothing before `begins_at` is missed from now on."""

    partition: TopicPartition
    before: int | None
    now: int
    begins_at: int | None = None

    @property
    def skipped(self) -> int:
        return 0 if self.before is None else self.now - self.before


def skip_lost(bronze: Bronze, partition: TopicPartition, topic_id: str, low: int, high: int) -> Moved:
    """Moves a checkpoint that retention has overtaken to the log's start [low, high). What is lost by that is
    recorded in the same commit, for the audit."""
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
    skip = Skip(before, low - 1)
    note = {NOTE: f"{partition} {skip.first}-{skip.last}"}
    bronze.commit([], {key: low}, note=note, marks=marks_of(bronze, key, skip))
    return Moved(partition, before, low)


def restore_missing(bronze: Bronze, partition: TopicPartition, topic_id: str) -> Moved:
    """Sets a checkpoint that is gone behind the last row bronze has of the partition, and the beginning that
    may be gone with it to the first: where history was told to begin, nothing is lost before."""
    key = BronzePartition(topic_id, partition.partition)
    if bronze.checkpoints([key])[key] is not None:
        raise NothingToRepair(partition, "its checkpoint is there")
    found = bronze.first_and_last(key)
    if found is None:
        raise NothingToRepair(partition, "bronze has no row of it; history begins by itself")
    first, last = found
    begins_at = first if first > 0 and bronze.starts([key])[key] is None else None
    starts = {} if begins_at is None else {key: begins_at}
    bronze.commit([], {key: last + 1}, starts, {"fleetlake.restored": f"{partition} {last + 1}"})
    return Moved(partition, None, last + 1, begins_at)


def resume(
    bronze: Bronze, partition: TopicPartition, topic_id: str, log: SourceLog, low: int, high: int
) -> Moved:
    """Goes on at the checkpoint of a log [low, high) that did not reach it once, if Kafka still has, or has
    again, the last message that was landed of it."""
    key = BronzePartition(topic_id, partition.partition)
    checkpoint = bronze.checkpoints([key])[key]
    if checkpoint is None or key not in went_back(bronze, {key: checkpoint}):
        raise NothingToRepair(partition, "its log is not known to have gone back: history goes on by itself")
    if checkpoint > high:
        problem = (
            f"the log [{low}, {high}) does not reach the checkpoint {checkpoint}: restore Kafka's data first"
        )
        raise NothingToRepair(partition, problem)
    found = bronze.first_and_last(key)
    if found is not None and not _is_there(bronze.message(key, found[1]), log, partition, found[1], low):
        problem = (
            f"Kafka does not have the message that was landed from offset {found[1]}: this is not the log of "
            "before. Delete the topic and run `fleetlake topics create`"
        )
        raise NothingToRepair(partition, problem)
    trust(bronze, key, checkpoint)
    return Moved(partition, checkpoint, checkpoint)


def _is_there(
    landed: LandedMessage, log: SourceLog, partition: TopicPartition, offset: int, low: int
) -> bool:
    if offset < low:
        return False
    for run in log.read(partition, offset, offset + 1):
        time = None if landed.kafka_time is None else int(landed.kafka_time.timestamp() * 1000)
        here = (run.keys[0], run.values[0], run.times_ms[0] if time is not None else None)
        return (landed.key, landed.payload, time) == here
    return False


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

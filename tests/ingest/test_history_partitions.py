"""Where a partition's history goes on, and what is refused."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import pytest

from broker.record import Records, TopicPartition
from ingest.errors import (
    CheckpointMissing,
    CheckpointOutsideLog,
    LogWentBack,
    OffsetWentBack,
    TopicRecreated,
)
from ingest.history_commit import Committer
from ingest.history_partitions import OwnedPartitions
from ingest.process import logger
from ingest.went_back import trust
from lake.bronze import BronzePartition

P0, P1 = TopicPartition("telemetry", 0), TopicPartition("telemetry", 1)
K0, K1 = BronzePartition("id-1", 0), BronzePartition("id-1", 1)


@dataclass
class FakeWorld:
    """A broker and a table: identities, logs, checkpoints and rows, as the test sets them."""

    topic_id: str = "id-1"
    logs: dict[TopicPartition, tuple[int, int]] = field(default_factory=lambda: {P0: (0, 100), P1: (0, 100)})
    recorded: dict[BronzePartition, int] = field(default_factory=dict)
    landed: set[BronzePartition] = field(default_factory=set)
    marked: dict[str, int] = field(default_factory=dict)

    def read(self, topics: Sequence[str]) -> Mapping[str, str]:
        return dict.fromkeys(topics, self.topic_id)

    def watermarks(self, partition: TopicPartition) -> tuple[int, int]:
        return self.logs[partition]

    def with_rows(self, partitions: Iterable[BronzePartition]) -> set[BronzePartition]:
        return self.landed.intersection(partitions)

    def reload(self) -> int:
        return 0

    def reopen(self) -> None:
        return None

    def checkpoints(self, partitions: Iterable[BronzePartition]) -> dict[BronzePartition, int | None]:
        return {key: self.recorded.get(key) for key in partitions}

    def marks(self, names: Iterable[str]) -> dict[str, int | None]:
        return {name: self.marked.get(name) for name in names}

    def commit(
        self,
        files: object,
        checkpoints: Mapping[BronzePartition, int],
        starts: object = None,
        *,
        marks: Mapping[str, int] | None = None,
    ) -> None:
        self.recorded |= checkpoints
        self.marked |= marks or {}


def owned(world: FakeWorld, start: str = "earliest") -> OwnedPartitions:
    committer = Committer(world, lambda: 0.0, lambda _: True, logger("history"), patience_seconds=0.0)
    return OwnedPartitions(committer, world, world, lambda _, low, high: low if start == "earliest" else high)


def run_of(partition: TopicPartition, offsets: list[int], following: int | None = None) -> Records:
    rows = len(offsets)
    return Records(
        *partition,
        offsets,
        [0] * rows,
        [None] * rows,
        [None] * rows,
        [b"{}"] * rows,
        following or offsets[-1] + 1,
    )


def test_history_goes_on_where_the_table_says() -> None:
    """Kafka's group offsets are not asked."""
    assert owned(FakeWorld(recorded={K0: 42})).adopt([P0, P1]) == {P0: 42, P1: 0}


def test_a_checkpoint_before_the_log_is_a_named_error() -> None:
    """Retention was faster: the operator decides, never `auto.offset.reset`."""
    world = FakeWorld(recorded={K0: 42}, logs={P0: (50, 100)})
    with pytest.raises(CheckpointOutsideLog, match=r"offsets 42 to 49 are gone.*checkpoint skip telemetry 0"):
        owned(world).adopt([P0])


def test_a_checkpoint_behind_the_log_is_a_named_error() -> None:
    """The broker's log went back: reading on would land other messages under known offsets."""
    with pytest.raises(CheckpointOutsideLog) as caught:
        owned(FakeWorld(recorded={K0: 142})).adopt([P0])
    assert (caught.value.wanted, caught.value.low, caught.value.high) == (142, 0, 100)


def test_a_log_that_went_back_is_not_believed_when_it_has_grown_past_the_checkpoint() -> None:
    """A supervisor starts history again after a while; what stands there by then was never landed."""
    world = FakeWorld(recorded={K0: 142})
    with pytest.raises(CheckpointOutsideLog):
        owned(world).adopt([P0])
    world.logs[P0] = (0, 300)
    for _ in range(2):
        with pytest.raises(LogWentBack, match="checkpoint resume telemetry 0"):
            owned(world).adopt([P0, P1])
    trust(world, K0, 142)
    assert owned(world).adopt([P0]) == {P0: 142}


def test_another_topic_of_the_same_name_is_believed() -> None:
    """The one that went back was deleted."""
    world = FakeWorld(recorded={K0: 142})
    with pytest.raises(CheckpointOutsideLog):
        owned(world).adopt([P0])
    world.topic_id = "id-2"
    assert owned(world).adopt([P0]) == {P0: 0}


def test_rows_without_a_checkpoint_are_a_named_error() -> None:
    """Beginning at the log's start would double them."""
    with pytest.raises(CheckpointMissing, match="checkpoint restore telemetry 0"):
        owned(FakeWorld(landed={K0})).adopt([P0])


def test_a_start_other_than_the_beginning_is_recorded() -> None:
    """The audit must not call what was skipped on purpose a loss."""
    partitions = owned(FakeWorld(logs={P0: (30, 100), P1: (0, 100)}))
    assert partitions.adopt([P0, P1]) == {P0: 30, P1: 0}
    assert partitions.starts() == {K0: 30}
    late = owned(FakeWorld(), start="latest")
    assert late.adopt([P0]) == {P0: 100}
    assert late.starts() == {K0: 100}


def test_where_a_partition_begins_is_decided_once() -> None:
    """Whatever comes, or goes, before the first commit landed: nobody would miss it otherwise."""
    world = FakeWorld(logs={P0: (0, 0), P1: (0, 0)})
    late = owned(world, start="latest")
    assert late.adopt([P0]) == {P0: 0}
    world.logs[P0] = (0, 5_000)
    assert late.adopt() == {P0: 0}
    world.logs[P0] = (40, 5_000)  # retention was faster: 0 to 39 are missing, and the audit must see it
    assert late.adopt() == {P0: 40}
    assert late.starts() == {}
    late.landed([K0])
    assert late.beginnings == {}


def test_a_batch_that_begins_too_early_is_refused() -> None:
    """Landing it would double rows."""
    partitions = owned(FakeWorld(recorded={K0: 42}))
    partitions.adopt([P0])
    with pytest.raises(OffsetWentBack):
        partitions.advance(run_of(P0, [41, 42]))


def test_the_checkpoint_counts_control_and_aborted_records() -> None:
    """The next offset is the consumer's position, not the last row + 1."""
    partitions = owned(FakeWorld())
    partitions.adopt([P0])
    partitions.advance(run_of(P0, [0, 1, 2], following=7))
    assert partitions.following() == {K0: 7}
    assert partitions.advance_to({P0: 9})
    assert partitions.following() == {K0: 9}
    assert not partitions.advance_to({P0: 9})


def test_every_owned_partition_is_in_a_checkpoint() -> None:
    """Also those without new rows."""
    partitions = owned(FakeWorld(recorded={K1: 5}))
    partitions.adopt([P0, P1])
    partitions.advance(run_of(P0, [0]))
    assert partitions.following() == {K0: 1, K1: 5}


def test_a_recreated_topic_is_noticed() -> None:
    """Its offsets mean other messages: the process ends before it commits them as the old ones."""
    world = FakeWorld(recorded={K0: 42})
    partitions = owned(world)
    partitions.adopt([P0])
    world.topic_id = "id-2"
    with pytest.raises(TopicRecreated, match="id-2"):
        partitions.check_identities()


def test_a_released_partition_is_forgotten() -> None:
    """Neither read nor recorded any more."""
    partitions = owned(FakeWorld())
    partitions.adopt([P0, P1])
    partitions.release([P1])
    assert partitions.following() == {K0: 0}
    assert partitions.by_topic({K0: 3, K1: 4}) == {P0: 3}

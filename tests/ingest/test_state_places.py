"""Where the state sink begins, and when it may rely on the group's offsets: marks on the embedded MongoDB, a
scripted broker."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from broker.record import TopicPartition
from ingest.process import logger
from ingest.state_places import StatePlaces
from lake.mongo import open_client
from lake.settings import MongoSettings
from lake.state import StateStore
from lake.state_marks import MARKS, StateMarks

HERE = TopicPartition("telemetry_raw", 0)
THERE = TopicPartition("telemetry_raw", 1)


@dataclass
class FakeGroup:
    """A consumer group and its broker: what is committed, what the logs hold, in which life of the topics."""

    offsets: dict[TopicPartition, int | None] = field(default_factory=dict)
    ends: dict[TopicPartition, tuple[int, int]] = field(default_factory=dict)
    life: str = "first"

    def committed(self, partitions: Iterable[TopicPartition]) -> Mapping[TopicPartition, int | None]:
        return {key: self.offsets.get(key) for key in partitions}

    def watermarks(self, partition: TopicPartition) -> tuple[int, int]:
        return self.ends.get(partition, (0, 100))

    def read(self, topics: Sequence[str]) -> Mapping[str, str]:
        return {topic: f"{self.life}.{topic}" for topic in topics}


@pytest.fixture
def marks(mongo_settings: MongoSettings) -> Iterator[StateMarks]:
    """Marks in a database of the test's own."""
    with StateMarks(mongo_settings, "g.state") as opened:
        yield opened


def places_of(group: FakeGroup, marks: StateMarks) -> StatePlaces:
    """A new process of the group."""
    return StatePlaces(group, group, marks, logger("state"))


def commit(places: StatePlaces, group: FakeGroup, marks: StateMarks) -> None:
    """What the sink does once everything read is written."""
    held = places.held()
    places.begin_checkpoint()
    assert marks.barrier(places.collection_id, held)
    offsets = places.in_checkpoint()
    group.offsets |= offsets
    places.set_committed(offsets)


def test_a_first_start_reads_from_the_logs_start(marks: StateMarks) -> None:
    """And goes on at the group's offset from then on."""
    group = FakeGroup(ends={HERE: (7, 100)})
    places = places_of(group, marks)
    assert places.adopt([HERE]) == {HERE: 7}
    places.advance_to({HERE: 50})
    commit(places, group, marks)
    assert places_of(group, marks).adopt([HERE]) == {HERE: 50}


def test_old_group_offsets_are_worth_nothing_beside_a_new_mongodb(marks: StateMarks) -> None:
    """The trap: an empty state that would stay empty because the group has read everything long ago."""
    group = FakeGroup(offsets={HERE: 100, THERE: 30})
    places = places_of(group, marks)
    assert places.adopt([HERE, THERE]) == {HERE: 0, THERE: 0}
    assert places.is_uncommitted


def test_a_crash_before_the_first_commit_starts_over_again(marks: StateMarks) -> None:
    """The mark comes after the group's offset was set back, never before."""
    group = FakeGroup(offsets={HERE: 100})
    places_of(group, marks).adopt([HERE])
    assert places_of(group, marks).adopt([HERE]) == {HERE: 0}


def test_a_crash_between_offset_and_mark_starts_over_again(marks: StateMarks) -> None:
    """Step 1 done, step 2 not."""
    group = FakeGroup(offsets={HERE: 100})
    places = places_of(group, marks)
    places.adopt([HERE])
    places.advance_to({HERE: 40})
    places.begin_checkpoint()
    group.offsets |= places.in_checkpoint()
    assert places_of(group, marks).adopt([HERE]) == {HERE: 0}


def test_marks_are_per_partition(marks: StateMarks) -> None:
    """One process's first commit does not vouch for a partition of another."""
    group = FakeGroup(offsets={HERE: 90, THERE: 90})
    mine, other = places_of(group, marks), places_of(group, marks)
    mine.adopt([HERE])
    commit(mine, group, marks)
    assert other.adopt([THERE]) == {THERE: 0}


def test_a_wiped_state_is_read_anew_by_a_process_that_goes_on(
    marks: StateMarks, mongo_settings: MongoSettings
) -> None:
    """The collection of before is another one; so is everything known of it."""
    group = FakeGroup()
    places = places_of(group, marks)
    places.adopt([HERE])
    places.advance_to({HERE: 50})
    commit(places, group, marks)
    with StateStore(mongo_settings) as store:
        store.drop()
    assert not marks.barrier(places.collection_id, places.held())
    assert places.adopt([HERE]) == {HERE: 0}
    assert places.held().marks == {}


@pytest.mark.parametrize("is_running", [True, False], ids=["a running sink", "a new one"])
def test_a_state_that_went_back_is_read_on_from_where_it_is(
    marks: StateMarks, mongo_settings: MongoSettings, *, is_running: bool
) -> None:
    """MongoDB is back with a copy of before: the group's offset is ahead of what the copy says it holds."""
    group = FakeGroup()
    places = places_of(group, marks)
    places.adopt([HERE, THERE])
    places.advance_to({HERE: 30, THERE: 40})
    commit(places, group, marks)
    copy = copied(mongo_settings)
    places.advance_to({HERE: 60, THERE: 40})
    commit(places, group, marks)
    restore(mongo_settings, copy)
    places.advance_to({HERE: 70, THERE: 40})
    assert not marks.barrier(places.collection_id, places.held())
    places = places if is_running else places_of(group, marks)
    assert places.adopt([HERE, THERE]) == {HERE: 30, THERE: 40}
    assert places.is_uncommitted
    commit(places, group, marks)
    assert group.offsets == {HERE: 30, THERE: 40}


def test_a_group_that_is_behind_its_mark_goes_on_at_its_own_offset(marks: StateMarks) -> None:
    """The mark rises first: after a crash in between the same is read once more."""
    group = FakeGroup()
    places = places_of(group, marks)
    places.adopt([HERE])
    places.advance_to({HERE: 30})
    commit(places, group, marks)
    places.advance_to({HERE: 60})
    assert marks.barrier(places.collection_id, places.held())
    assert places_of(group, marks).adopt([HERE]) == {HERE: 30}


def test_a_copy_that_kafka_no_longer_reaches_goes_on_at_the_logs_start(marks: StateMarks) -> None:
    """The rest is in the history: the log line says how it comes back."""
    group = FakeGroup()
    places = places_of(group, marks)
    places.adopt([HERE])
    places.advance_to({HERE: 30})
    commit(places, group, marks)
    group.offsets[HERE], group.ends[HERE] = 80, (50, 100)
    assert places_of(group, marks).adopt([HERE]) == {HERE: 50}


def test_a_partition_that_joins_does_not_vouch_for_the_others(
    marks: StateMarks, mongo_settings: MongoSettings
) -> None:
    """The collection was replaced before they had a mark: what was written of them is gone all the same."""
    group = FakeGroup()
    places = places_of(group, marks)
    places.adopt([HERE])
    places.advance_to({HERE: 50})
    with StateStore(mongo_settings) as store:
        store.drop()
    places.adopt([THERE])
    assert not marks.barrier(places.collection_id, places.held())
    assert places.adopt([HERE, THERE]) == {HERE: 0, THERE: 0}
    assert marks.barrier(places.collection_id, places.held())


def copied(settings: MongoSettings) -> list[dict[str, Any]]:
    """What is known of the collection, as a copy of MongoDB's folder keeps it."""
    with open_client(settings) as client:
        return list(client[settings.database][MARKS].find())


def restore(settings: MongoSettings, copy: list[dict[str, Any]]) -> None:
    """Back to the copy."""
    with open_client(settings) as client:
        collection = client[settings.database][MARKS]
        collection.delete_many({})
        collection.insert_many(copy)


def test_a_recreated_topic_is_read_from_its_start(marks: StateMarks) -> None:
    """The group's offset belongs to the former topic."""
    group = FakeGroup()
    places = places_of(group, marks)
    places.adopt([HERE])
    places.advance_to({HERE: 50})
    commit(places, group, marks)
    assert places.recreated() == []
    group.life = "second"
    assert places.recreated() == [HERE]
    assert places.adopt([HERE]) == {HERE: 0}
    assert places_of(group, marks).adopt([HERE]) == {HERE: 0}


def test_a_rebuilt_collection_goes_on_where_the_rebuild_ended(marks: StateMarks) -> None:
    """Not at the group's offset, which is about the collection of before; not at the log's start either."""
    group = FakeGroup(offsets={HERE: 90}, ends={HERE: (10, 100)})
    marks.record_rebuilt(marks.collection_id(), {("first.telemetry_raw", 0): 60})
    assert places_of(group, marks).adopt([HERE, THERE]) == {HERE: 60, THERE: 0}
    marks.record_rebuilt(marks.collection_id(), {("first.telemetry_raw", 0): 5})
    assert places_of(group, marks).adopt([HERE]) == {HERE: 10}


@pytest.mark.parametrize("ends", [(60, 100), (0, 40)], ids=["retention", "log went back"])
def test_an_offset_outside_the_log_begins_at_its_start(marks: StateMarks, ends: tuple[int, int]) -> None:
    """The state has no choice but to read what is there; history reports the loss."""
    group = FakeGroup()
    places = places_of(group, marks)
    places.adopt([HERE])
    places.advance_to({HERE: 50})
    commit(places, group, marks)
    group.ends[HERE] = ends
    again = places_of(group, marks)
    assert again.adopt([HERE]) == {HERE: ends[0]}
    assert again.is_uncommitted


def test_a_partition_given_up_during_a_flush_is_not_committed(marks: StateMarks) -> None:
    """Its next owner may be further already; taken back in between, it is another matter."""
    group = FakeGroup()
    places = places_of(group, marks)
    places.adopt([HERE, THERE])
    places.advance_to({HERE: 50, THERE: 60})
    places.begin_checkpoint()
    places.release([HERE])
    places.adopt([HERE])
    assert places.in_checkpoint() == {THERE: 60}
    places.set_committed(places.in_checkpoint())
    assert places.next_offsets == {HERE: 0, THERE: 60}


def test_positions_of_partitions_not_owned_are_ignored(marks: StateMarks) -> None:
    """The client may still know some."""
    places = places_of(FakeGroup(), marks)
    places.adopt([HERE])
    places.advance_to({HERE: 3, THERE: 9})
    assert places.next_offsets == {HERE: 3}
    places.move_to(THERE, 1)
    places.move_to(HERE, 1)
    assert places.next_offsets == {HERE: 1}

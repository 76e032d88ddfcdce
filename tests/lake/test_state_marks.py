"""What a state collection is known to hold, on the embedded MongoDB."""

import uuid
from collections.abc import Iterator, Mapping

import pytest

from lake.errors import StoreUnavailable
from lake.mongo import open_client
from lake.settings import MongoSettings
from lake.state import StateStore
from lake.state_marks import Held, Mark, Reach, StateMarks
from lake.state_model import Entry, VehicleState

MARKS = {Mark("telemetry.raw", "life.telemetry.raw", partition): 5 for partition in range(3)}
FIRST = next(iter(MARKS))


@pytest.fixture
def marks(mongo_settings: MongoSettings) -> Iterator[StateMarks]:
    """The marks of one group in a database of the test's own."""
    with StateMarks(mongo_settings, "fleetlake.state") as opened:
        yield opened


def drop_state(settings: MongoSettings) -> None:
    """What a wiped MongoDB looks like to a sink that goes on."""
    with StateStore(settings) as store:
        store.drop()


def held(marks: StateMarks, known: Mapping[Mark, int], reached: int = 9) -> Held:
    """What a checkpoint asks for."""
    return Held(marks.server_life(), {mark: Reach(offset, reached) for mark, offset in known.items()})


def test_nothing_is_known_of_a_new_collection(marks: StateMarks) -> None:
    """A consumer group's old offsets mean nothing there."""
    assert marks.read(marks.collection_id()) == {}
    assert marks.goes_on_at(marks.collection_id()) == {}


def test_marks_are_kept_once_each(marks: StateMarks) -> None:
    """Processes of one group add theirs beside each other's; what one knows to be there stays there."""
    here = marks.collection_id()
    marks.add(here, MARKS)
    marks.add(here, {FIRST: 3})
    assert marks.collection_id() == here
    assert marks.read(here) == MARKS


def test_groups_do_not_share_marks(marks: StateMarks, mongo_settings: MongoSettings) -> None:
    """What one group has written says nothing of what another has read."""
    here = marks.collection_id()
    marks.add(here, MARKS)
    with StateMarks(mongo_settings, "other.state") as other:
        assert other.read(here) == {}


def test_a_recreated_topic_takes_the_place_of_the_former_one(marks: StateMarks) -> None:
    """Marks do not pile up over the lives of a topic; other topics keep theirs."""
    here, sibling = marks.collection_id(), Mark("other", "life.other", 0)
    marks.add(here, {**MARKS, sibling: 7})
    again = Mark("telemetry.raw", "$next/%.é", 0)
    marks.add(here, {again: 1})
    assert marks.read(here) == {again: 1, sibling: 7}


def test_a_checkpoint_records_how_far_each_partition_is(marks: StateMarks) -> None:
    """Of the partitions it names; others keep their place."""
    here = marks.collection_id()
    marks.add(here, MARKS)
    assert marks.barrier(here, held(marks, {FIRST: 5}, reached=80))
    assert marks.read(here) == {**MARKS, FIRST: 80}
    assert marks.barrier(here, held(marks, {FIRST: 70}, reached=75))
    assert marks.read(here)[FIRST] == 80


def test_a_collection_that_holds_less_than_it_did_is_noticed(marks: StateMarks) -> None:
    """It is back with a copy of before: nothing is recorded of the writes that went into it meanwhile."""
    here = marks.collection_id()
    marks.add(here, MARKS)
    assert not marks.barrier(here, held(marks, {**MARKS, FIRST: 6}))
    assert marks.read(here) == MARKS


def test_a_server_started_anew_is_noticed(marks: StateMarks) -> None:
    """What it had not on disk may be gone, and nothing else would say so."""
    here = marks.collection_id()
    marks.add(here, MARKS)
    assert marks.server_life() == marks.server_life() != ""
    assert not marks.barrier(here, held(marks, MARKS)._replace(server="the one before"))
    assert not marks.barrier(here, held(marks, {})._replace(server="the one before"))


def test_a_wiped_collection_is_noticed(marks: StateMarks, mongo_settings: MongoSettings) -> None:
    """By the next barrier, and by the next start; its marks are not taken over."""
    here = marks.collection_id()
    marks.add(here, MARKS)
    assert marks.barrier(here, held(marks, MARKS))
    drop_state(mongo_settings)
    assert not marks.barrier(here, held(marks, MARKS))
    there = marks.collection_id()
    assert there != here
    assert marks.read(there) == {}
    marks.add(there, {FIRST: 2})
    assert marks.read(there) == {FIRST: 2}


def test_a_wiped_database_is_noticed(marks: StateMarks, mongo_settings: MongoSettings) -> None:
    """Marks and state vanish together."""
    here = marks.collection_id()
    marks.add(here, MARKS)
    with open_client(mongo_settings) as client:
        client.drop_database(mongo_settings.database)
    assert not marks.barrier(here, held(marks, MARKS))
    assert not marks.barrier(here, held(marks, {}))


def test_a_swapped_collection_is_noticed(marks: StateMarks, mongo_settings: MongoSettings) -> None:
    """A rebuild puts another one under the same name; where the log goes on is known of that one only."""
    here = marks.collection_id()
    marks.add(here, MARKS)
    with StateStore(mongo_settings) as store:
        rebuilt = store.at(f"c{uuid.uuid4().hex}")
        rebuilt.write([VehicleState("v", {"speed": Entry(1, 1.0, "t/0", 0)})])
        assert store.replace_with(rebuilt)
    assert not marks.barrier(here, held(marks, MARKS))
    there = marks.collection_id()
    marks.record_rebuilt(there, {("life.telemetry_raw", 0): 17})
    assert marks.goes_on_at(there) == {("life.telemetry_raw", 0): 17}
    assert marks.goes_on_at(here) == {}


def test_a_barrier_before_the_first_mark_only_makes_writes_durable(marks: StateMarks) -> None:
    """There is nothing to compare yet but the collection."""
    here = marks.collection_id()
    assert marks.barrier(here, held(marks, {}))
    assert not marks.barrier("another", held(marks, {}))
    assert not marks.barrier(here, held(marks, MARKS))


def test_an_absent_server_is_transient() -> None:
    """A sink tries again; a stop does not wait for it."""
    away = MongoSettings(uri="mongodb://127.0.0.1:1/?directConnection=true", timeout_s=0.2)
    with StateMarks(away, "g") as marks, pytest.raises(StoreUnavailable):
        marks.collection_id()

"""A rebuild lowers what no sink could, beside live sinks and whatever ends it."""

import threading
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from confluent_kafka import TopicPartition as Place

from broker.admin import Admin
from broker.offsets import Offsets
from broker.record import TopicPartition
from broker.settings import KafkaSettings
from ingest import state_rebuild
from ingest.state_rebuild import StateRebuild
from ingest.state_rebuild_errors import HistoryIncomplete, RebuildTooSlow
from lake.mongo import open_client
from lake.schemas import BRONZE_EVENTS
from lake.settings import LakeSettings, MongoSettings
from lake.state import StateStore
from lake.state_claim import RebuildClaim, RebuildTakenOver
from lake.state_marks import StateMarks
from lake.state_model import Entry, VehicleState
from lake.storage import storage
from lake.tables import exists
from tests.deadlines import eventually
from tests.ingest.state_fleet import (
    BASE_MS,
    Crash,
    Fleet,
    crash_at_call,
    fleet_of,
    running,
)


@pytest.fixture
def fleet(
    kafka_settings: KafkaSettings, mongo_settings: MongoSettings, lake_settings: LakeSettings, topic_name: str
) -> Fleet:
    """A fleet whose topic is empty."""
    return fleet_of(kafka_settings, mongo_settings, lake_settings, topic_name)


def falsify(fleet: Fleet) -> None:
    """What `$max` could never repair: a value from the future, a maximum too high, a vehicle from nowhere."""
    wrong = Entry((BASE_MS + 10**9) * 1000, 999.0, f"{fleet.topic}/0", 10**6)
    with StateStore(fleet.mongo) as store:
        store.write([VehicleState(name, {"speed": wrong}, {"speed": wrong}) for name in ("v1", "ghost")])


def test_a_rebuild_lowers_what_was_too_high(fleet: Fleet) -> None:
    """From the history alone, from Kafka alone, and from some of each."""
    for landed, further in ((60, 0), (0, 60), (60, 60)):
        fleet.send_random(landed)
        fleet.land()
        fleet.send_random(further)
        fleet.catch_up()
        falsify(fleet)
        fleet.rebuild()
        assert fleet.found() == fleet.expected()
        assert leftovers(fleet) == []


def test_a_rebuild_needs_no_sink_before_or_after(fleet: Fleet) -> None:
    """On an empty MongoDB; and a sink that starts then reads on from there, not from the log's start."""
    fleet.send_random(60)
    fleet.land()
    fleet.send_random(30)
    fleet.rebuild()
    assert fleet.found() == fleet.expected()
    with StateMarks(fleet.mongo, "any") as marks:
        begins = marks.goes_on_at(marks.collection_id())
    assert {partition: offset for (_, partition), offset in begins.items()} == fleet.ends
    fleet.send_random(30)
    fleet.catch_up()
    assert fleet.found() == fleet.expected()


def test_a_rebuild_from_less_than_was_landed_is_refused(fleet: Fleet) -> None:
    """The table is gone: computed from it, the state would be gone, too. Once history has landed what Kafka
    still has, it may be done."""
    fleet.send_random(60)
    fleet.land()
    fleet.catch_up()
    before = fleet.found()
    storage(fleet.lake).files(BRONZE_EVENTS.name).delete_dir_contents("", accept_root_dir=True)
    with pytest.raises(HistoryIncomplete, match="Restore bronze"):
        fleet.rebuild()
    assert fleet.found() == before
    assert not exists(storage(fleet.lake), BRONZE_EVENTS.name)
    fleet.land()
    fleet.rebuild()
    assert fleet.found() == fleet.expected()


def test_a_rebuild_of_nothing_gives_nothing(fleet: Fleet) -> None:
    """An empty history, an empty log."""
    falsify(fleet)
    fleet.rebuild()
    assert fleet.found() == {}


def test_a_live_sink_goes_on_through_rebuilds(fleet: Fleet) -> None:
    """Messages keep coming; what the sink wrote into the old collection is in the new one, too."""
    fleet.send_random(100)
    fleet.land()
    sending = threading.Event()

    def send() -> None:
        while not sending.is_set():
            fleet.send_random(20)

    with running(fleet):
        sender = threading.Thread(target=send)
        sender.start()
        try:
            for _ in range(3):
                falsify(fleet)
                fleet.rebuild()
        finally:
            sending.set()
            sender.join()
        eventually(lambda: fleet.committed() == fleet.ends)
        eventually(lambda: fleet.found() == fleet.expected())
    assert leftovers(fleet) == []


REBUILD_STEPS: Mapping[str, tuple[type, str]] = {
    "before the history": (StateRebuild, "_write_history"),
    "while writing": (StateStore, "write"),
    "before the swap": (StateStore, "replace_with"),
    "after the swap": (StateMarks, "record_rebuilt"),
    "before the remainder": (StateRebuild, "_since"),
    "before the leftovers": (RebuildClaim, "drop_leftovers"),
}


@pytest.mark.parametrize("is_sink_running", [False, True], ids=["no sink", "a sink"])
@pytest.mark.parametrize("step", REBUILD_STEPS)
def test_a_rebuild_killed_at_any_step_is_harmless(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch, step: str, is_sink_running: bool
) -> None:
    """The old state stays or sinks complete the new one; run again, it does what it should."""
    fleet.send_random(60)
    fleet.land()
    fleet.send_random(30)
    fleet.catch_up()
    monkeypatch.setattr(RebuildClaim, "close", lambda self: self._client.close())  # drops nothing
    with monkeypatch.context() as patch:
        crash_at_call(patch, *REBUILD_STEPS[step], 0)
        with pytest.raises(Crash):
            fleet.rebuild()
    fleet.send_random(30)
    if is_sink_running:
        with running(fleet):
            eventually(lambda: fleet.committed() == fleet.ends)
            eventually(lambda: fleet.found() == fleet.expected())
    else:
        fleet.catch_up()
        assert fleet.found() == fleet.expected()
    falsify(fleet)
    fleet.rebuild()
    assert fleet.found() == fleet.expected()
    assert leftovers(fleet) == []


def test_of_two_rebuilds_the_later_one_counts(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    """The earlier finds out before its swap, and leaves the state to the other."""
    fleet.send_random(60)
    fleet.land()
    falsify(fleet)
    original = StateRebuild._not_in_bronze

    def overtaken(self: StateRebuild) -> Any:
        with monkeypatch.context() as patch:
            patch.setattr(StateRebuild, "_not_in_bronze", original)
            fleet.rebuild()
        return original(self)

    with monkeypatch.context() as patch:
        patch.setattr(StateRebuild, "_not_in_bronze", overtaken)
        with pytest.raises(RebuildTakenOver):
            fleet.rebuild()
    assert fleet.found() == fleet.expected()
    assert leftovers(fleet) == []


def remove_what_was_read(fleet: Fleet) -> None:
    """Retention has removed everything that is in the log now."""
    ends = Offsets(fleet.kafka).ends([fleet.topic])
    places = [Place(*key, end) for key, end in ends.items()]
    for removed in Admin(fleet.kafka).client.delete_records(places).values():
        removed.result(10)


@pytest.mark.parametrize("times", [1, 2])
def test_a_rebuild_that_retention_overtakes_begins_again(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    """What was landed behind the version that it reads, and removed before it asks Kafka, is in neither."""
    fleet.send_random(60)
    fleet.land()
    falsify(fleet)
    left = iter(range(times))

    def overtaking(self: StateRebuild, version: int) -> int:
        vehicles = write_history(self, version)
        if next(left, None) is not None:
            fleet.send_random(60)
            fleet.land()
            remove_what_was_read(fleet)
        return vehicles

    write_history = StateRebuild._write_history
    monkeypatch.setattr(StateRebuild, "_write_history", overtaking)
    fleet.send_random(5)
    fleet.rebuild()
    assert fleet.found() == fleet.expected()
    assert leftovers(fleet) == []


def test_a_rebuild_that_is_always_overtaken_fails_by_name(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a number of tries, and leaves the state as it was."""
    fleet.send_random(60)
    fleet.land()
    fleet.catch_up()
    before, versions = fleet.found(), []

    def overtaking(self: StateRebuild, version: int) -> int:
        versions.append(version)
        vehicles = write_history(self, version)
        fleet.send_random(60)
        fleet.land()
        remove_what_was_read(fleet)
        return vehicles

    write_history = StateRebuild._write_history
    monkeypatch.setattr(StateRebuild, "_write_history", overtaking)
    with pytest.raises(RebuildTooSlow, match="Raise retention"):
        fleet.rebuild()
    assert len(versions) == state_rebuild.MOST_BEGINNINGS
    assert versions == sorted(set(versions))
    assert fleet.found() == before
    assert leftovers(fleet) == []


def test_what_nobody_has_landed_does_not_hold_a_rebuild_up(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Removed unread, by a history that stands still: reading it again would bring nothing back."""
    fleet.send_random(60)
    fleet.land()
    fleet.catch_up()
    expected = fleet.expected()
    fleet.send_random(60)
    remove_what_was_read(fleet)
    told: list[str] = []
    state_rebuild.rebuild(fleet.kafka, fleet.mongo, fleet.lake, fleet.registry, report=told.append)
    assert fleet.found() == expected
    assert [step for step in told if step.startswith("reading the history")] == told[:1]


def test_a_partition_that_is_added_while_the_log_is_looked_at_is_left_to_the_sinks(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It begins between the questions for starts and ends."""
    fleet.send_random(60)
    fleet.land()
    starts = Offsets.starts

    def before_it_was_added(self: Offsets, topics: Sequence[str]) -> dict[TopicPartition, int]:
        return {key: low for key, low in starts(self, topics).items() if key.partition}

    with monkeypatch.context() as patch:
        patch.setattr(Offsets, "starts", before_it_was_added)
        fleet.rebuild()
    fleet.send_random(30)
    fleet.catch_up()
    assert fleet.found() == fleet.expected()


def leftovers(fleet: Fleet) -> list[str]:
    """Working collections of rebuilds."""
    with open_client(fleet.mongo) as client:
        names = client[fleet.mongo.database].list_collection_names()
    return [name for name in names if "rebuild_" in name]

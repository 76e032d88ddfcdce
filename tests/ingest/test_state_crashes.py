"""The state sink and its rebuild killed with SIGKILL at each step: the state stays a function of the log."""

from threading import Event, Thread

import pytest

from broker.settings import KafkaSettings
from ingest.steps import RebuildStep, StateStep
from lake.errors import StateNotWritten
from lake.mongo import open_client
from lake.state import StateStore
from tests.deadlines import eventually
from tests.ingest.conftest import NewFleet
from tests.ingest.forked import forked
from tests.ingest.telemetry_fleet import Fleet, under_load

CHECKPOINT = (
    StateStep.POLLED,
    StateStep.REDUCED,
    StateStep.WRITTEN,
    StateStep.DURABLE,
    StateStep.OFFSETS_COMMITTED,
    StateStep.MARKED,
)


@pytest.fixture
def fleet(new_fleet: NewFleet, soon_missed: KafkaSettings) -> Fleet:
    """A topic without messages."""
    return new_fleet(kafka=soon_missed, state_flush_ms=20, commit_seconds=0.05)


@pytest.mark.parametrize("step", CHECKPOINT)
def test_a_kill_at_any_step_of_a_checkpoint(fleet: Fleet, step: StateStep) -> None:
    """Of a process's first checkpoint, and of its successor's second."""
    with under_load(fleet):
        for count in (1, 2):
            with forked("state", fleet.site, fleet.folder, step, count) as victim:
                victim.dies_at_its_step()
    fleet.catch_up()
    assert fleet.state_problems() == {}


def test_a_kill_while_partitions_are_taken_over(fleet: Fleet) -> None:
    """From an empty MongoDB, and from one that knows them."""
    for _ in range(2):
        fleet.send(50)
        with forked("state", fleet.site, fleet.folder, StateStep.PLACED) as victim:
            victim.dies_at_its_step()
        fleet.catch_up()
        assert fleet.state_problems() == {}


def test_a_kill_while_partitions_are_given_up(fleet: Fleet) -> None:
    """What it wrote stays; the newcomer reads on from the group's offsets."""
    with under_load(fleet), forked("state", fleet.site, fleet.folder, StateStep.FLUSHED) as victim:
        eventually(lambda: bool(fleet.committed("state")))
        with forked("state", fleet.site, fleet.folder):
            victim.dies_at_its_step()
    fleet.catch_up()
    assert fleet.state_problems() == {}


@pytest.mark.parametrize("step", RebuildStep)
def test_a_rebuild_killed_at_any_step_is_harmless(fleet: Fleet, step: RebuildStep) -> None:
    """A sink goes on meanwhile: it completes what the rebuild began. Run again, nothing is left over."""
    fleet.send(60)
    fleet.land()
    with forked("state", fleet.site, fleet.folder), under_load(fleet, 500):
        eventually(lambda: bool(fleet.committed("state")))
        with forked("rebuild", fleet.site, fleet.folder, step) as victim:
            victim.dies_at_its_step()
    fleet.catch_up()
    assert fleet.state_problems() == {}
    fleet.rebuild()
    assert fleet.state_problems() == {}
    assert leftovers(fleet) == []


def leftovers(fleet: Fleet) -> list[str]:
    """Working collections of rebuilds."""
    with open_client(fleet.site.mongo) as client:
        names = client[fleet.site.mongo.database].list_collection_names()
    return [name for name in names if "rebuild_" in name]


@pytest.mark.embedded_mongo
def test_what_a_swap_left_double_is_united_by_the_sink(fleet: Fleet) -> None:
    """The embedded server may have a vehicle twice when a rebuild is killed at its swap under writes."""
    fleet.send(600, vehicles=200)
    fleet.catch_up()
    with StateStore(fleet.site.mongo) as store:
        swapped_until_doubled(store)
    fleet.send(60)
    fleet.catch_up()
    assert fleet.state_problems() == {}
    with StateStore(fleet.site.mongo) as store:
        assert store.count() == len(fleet.expected_state())


def swapped_until_doubled(store: StateStore, most_swaps: int = 200) -> None:
    """Puts copies in the state's place while it is written, until a vehicle has two documents."""
    states, done = list(store.read_all()), Event()

    def write() -> None:
        with StateStore(store.settings) as own:
            while not done.is_set():
                try:
                    own.write(states)
                except StateNotWritten:  # two upserts of one vehicle met
                    continue

    writer = Thread(target=write)
    writer.start()
    try:
        for _ in range(most_swaps):
            store.at("working").write(states)
            assert store.replace_with(store.at("working"))
            if store.count() > len(states):
                return
    finally:
        done.set()
        writer.join()
    pytest.fail("no swap left a double")

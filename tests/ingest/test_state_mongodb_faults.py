"""MongoDB killed, frozen, and back with the data of before: the state comes right again, by itself wherever
Kafka still has the messages, and history never waits for it."""

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from ingest import state_run
from ingest.process import Stop
from ingest.state_rebuild import rebuild
from ingest.steps import RebuildStep, StateStep, Step, Steps
from lake.errors import StoreUnavailable
from lake.settings import MongoSettings
from lake.state import StateStore
from lake.state_claim import RebuildInterrupted, RebuildTakenOver
from lake.state_model import Entry, VehicleState
from tests.deadlines import eventually
from tests.ingest.conftest import NewFleet
from tests.ingest.forked import Forked, forked
from tests.ingest.sink_process import Site
from tests.ingest.telemetry_fleet import BASE_MS, Fleet, under_load
from tests.servers import Mongo

IMPATIENT_SECONDS = 1.5
"""For a sink that shall give up on a frozen server."""


@pytest.fixture
def mongo(tmp_path: Path) -> Iterator[Mongo]:
    """A server of the test's own. It runs already."""
    server = Mongo(tmp_path / "own-mongo")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def fleet(new_fleet: NewFleet, mongo: Mongo) -> Fleet:
    """A topic without messages."""
    return new_fleet(mongo=MongoSettings(uri=mongo.uri), state_flush_ms=20, commit_seconds=0.05)


def impatient(fleet: Fleet) -> Site:
    """With a MongoDB that is soon believed to be away."""
    mongo = fleet.site.mongo.model_copy(update={"timeout_s": IMPATIENT_SECONDS})
    return replace(fleet.site, mongo=mongo)


def restarted(mongo: Mongo) -> None:
    """Killed, and back at once."""
    mongo.kill()
    mongo.start()


def copied(mongo: Mongo, copy: Path) -> None:
    """Its data folder as it is now, from a server that is stopped for it."""
    mongo.stop()
    shutil.copytree(mongo.folder, copy)
    mongo.start()


def restored(mongo: Mongo, copy: Path) -> None:
    """The data folder is the one of before again."""
    mongo.stop()
    shutil.rmtree(mongo.folder)
    shutil.copytree(copy, mongo.folder)
    mongo.start()


def once(step: Step, action: Callable[[], object]) -> Steps:
    """Acts when the step is done for the first time."""
    pending = [action]

    def done(now: Step) -> None:
        if now is step and pending:
            pending.pop()()

    return done


def is_right(fleet: Fleet) -> bool:
    return fleet.state_problems() == {}


@contextmanager
def frozen(sink: Forked) -> Iterator[None]:
    """It notices nothing of what happens in the block, and everything afterwards."""
    os.kill(sink.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(sink.pid, signal.SIGCONT)


def says(sink: Forked, event: str) -> bool:
    return event in sink.log.read_text()


# -- killed -----------------------------------------------------------------------------------------------


def test_writes_that_a_kill_takes_back_are_written_again(fleet: Fleet, mongo: Mongo) -> None:
    """Acknowledged, not on disk, and the server is back before the sink has noticed anything."""
    fleet.send(200)
    fleet.catch_up()
    fleet.send(200)
    site = fleet.site
    with ThreadPoolExecutor(1) as starter:  # a server ends with the thread that started it
        done = once(StateStep.WRITTEN, lambda: starter.submit(restarted, mongo).result())
        state_run.run(
            site.kafka, site.mongo, site.ingest, site.registry, stop=Stop(), until_caught_up=True, done=done
        )
        assert fleet.state_problems() == {}


@pytest.mark.slow
def test_a_mongodb_that_is_killed_again_and_again_holds_up_nobody(fleet: Fleet, mongo: Mongo) -> None:
    """History lands all of it meanwhile; the state needs no rebuild."""
    with forked("state", fleet.site, fleet.folder):
        with under_load(fleet, 500):
            for _ in range(4):
                await_progress(fleet)
                mongo.kill()
                fleet.land()
                mongo.start()
        eventually(lambda: is_right(fleet))
    fleet.land()
    assert fleet.history_problems() == {}


def await_progress(fleet: Fleet) -> None:
    """Until the group's offsets have risen."""
    before = sum(fleet.committed("state").values())
    eventually(lambda: sum(fleet.committed("state").values()) > before)


# -- frozen -----------------------------------------------------------------------------------------------


def test_a_frozen_mongodb_is_away_until_it_thaws(fleet: Fleet, mongo: Mongo) -> None:
    """Longer than every timeout: writes hang, are given up and sent again, and may land twice."""
    with forked("state", impatient(fleet), fleet.folder) as sink:
        fleet.send(100)
        eventually(lambda: is_right(fleet))
        mongo.freeze()
        before = fleet.committed("state")
        fleet.send(100)
        eventually(lambda: says(sink, "store_away"))
        fleet.land()
        assert fleet.history_problems() == {}
        assert fleet.committed("state") == before
        mongo.thaw()
        eventually(lambda: is_right(fleet))


# -- back with a copy of before ---------------------------------------------------------------------------


def test_a_running_sink_reads_again_what_a_restored_copy_lacks(
    fleet: Fleet, mongo: Mongo, tmp_path: Path
) -> None:
    """It finds at its next checkpoint that MongoDB holds less than it did."""
    with forked("state", fleet.site, fleet.folder) as sink:
        fleet.send(100)
        eventually(lambda: is_right(fleet))
        copied(mongo, tmp_path / "copy")
        fleet.send(100)
        eventually(lambda: is_right(fleet))
        with frozen(sink):
            restored(mongo, tmp_path / "copy")
            assert not is_right(fleet)
        fleet.send(1)
        eventually(lambda: is_right(fleet))
        assert says(sink, "state_went_back")


def test_a_new_sink_reads_again_what_a_restored_copy_lacks(
    fleet: Fleet, mongo: Mongo, tmp_path: Path
) -> None:
    """It begins where the copy ends, not where the group's offsets are."""
    fleet.send(100)
    fleet.catch_up()
    copied(mongo, tmp_path / "copy")
    fleet.send(100)
    fleet.catch_up()
    restored(mongo, tmp_path / "copy")
    fleet.catch_up()
    assert fleet.state_problems() == {}


@pytest.mark.slow
def test_a_sink_without_messages_notices_a_restored_copy(fleet: Fleet, mongo: Mongo, tmp_path: Path) -> None:
    """Nothing is sent any more; within its ten seconds it asks all the same."""
    with forked("state", fleet.site, fleet.folder) as sink:
        fleet.send(100)
        eventually(lambda: is_right(fleet))
        copied(mongo, tmp_path / "copy")
        fleet.send(100)
        eventually(lambda: is_right(fleet))
        with frozen(sink):
            restored(mongo, tmp_path / "copy")
            assert not is_right(fleet)
        eventually(lambda: is_right(fleet))
        assert says(sink, "state_went_back")


@pytest.mark.parametrize("is_sink_running", [False, True], ids=["no sink", "a sink"])
def test_a_rebuild_makes_a_restored_copy_right(
    fleet: Fleet, mongo: Mongo, tmp_path: Path, *, is_sink_running: bool
) -> None:
    """Also what no sink could: a value in the copy that is too high. It was taken before another rebuild."""
    fleet.send(100)
    fleet.catch_up()
    falsify(fleet)
    copied(mongo, tmp_path / "copy")
    fleet.land()
    fleet.rebuild()
    fleet.send(100)
    fleet.catch_up()
    restored(mongo, tmp_path / "copy")
    if is_sink_running:
        with forked("state", fleet.site, fleet.folder), under_load(fleet, 500):
            fleet.rebuild()
        fleet.catch_up()
    else:
        fleet.rebuild()
    assert fleet.expected_state() == fleet.state()
    fleet.send(20)
    fleet.catch_up()
    assert fleet.state_problems() == {}


def falsify(fleet: Fleet) -> None:
    """A value that no write could lower."""
    wrong = Entry((BASE_MS + 10**9) * 1000, 999.0, f"{fleet.topic}/0", 10**6)
    with StateStore(fleet.site.mongo) as store:
        store.write([VehicleState("v1", {"speed": wrong}, {"speed": wrong})])


# -- during a rebuild -------------------------------------------------------------------------------------


def rebuild_with(fleet: Fleet, step: RebuildStep, action: Callable[[], object]) -> None:
    """A rebuild during which something happens."""
    site = fleet.site
    rebuild(site.kafka, site.mongo, site.lake, site.registry, done=once(step, action))


@pytest.fixture
def landed(fleet: Fleet) -> Fleet:
    """Messages in bronze and in Kafka, and a state that is too high."""
    fleet.send(100)
    fleet.land()
    fleet.send(50)
    fleet.catch_up()
    falsify(fleet)
    return fleet


@pytest.mark.parametrize("step", [RebuildStep.FILLED, RebuildStep.CAUGHT_UP, RebuildStep.SWAPPED])
def test_a_rebuild_does_not_rely_on_a_mongodb_that_was_started_anew(
    landed: Fleet, mongo: Mongo, step: RebuildStep
) -> None:
    """What was not on disk may be missing, the swap itself too: it says so, and run again it is done."""
    with pytest.raises(RebuildInterrupted):
        rebuild_with(landed, step, lambda: restarted(mongo))
    landed.catch_up()
    landed.rebuild()
    assert landed.state_problems() == {}


def test_a_rebuild_without_its_mongodb_leaves_the_state_as_it_was(landed: Fleet, mongo: Mongo) -> None:
    """Killed in its middle, and away."""
    before = landed.state()
    with pytest.raises(StoreUnavailable):
        rebuild_with(landed, RebuildStep.FILLED, mongo.kill)
    mongo.start()
    assert landed.state() == before
    landed.rebuild()
    assert landed.state_problems() == {}


def test_a_rebuild_that_is_overtaken_just_before_its_swap_takes_nothing_away(landed: Fleet) -> None:
    """The other one has removed its working collection: there is nothing to swap in."""
    with pytest.raises(RebuildTakenOver):
        rebuild_with(landed, RebuildStep.DURABLE, landed.rebuild)
    assert landed.state_problems() == {}


def test_two_rebuilds_at_once_beside_a_live_sink(landed: Fleet) -> None:
    """Whichever of them gives up, the state is right."""
    with forked("state", landed.site, landed.folder), under_load(landed, 500):
        with (
            forked("rebuild", landed.site, landed.folder) as one,
            forked("rebuild", landed.site, landed.folder) as two,
        ):
            codes = [one.wait(), two.wait()]
        assert 0 in codes, one.last_words() + two.last_words()
    landed.catch_up()
    assert landed.state_problems() == {}

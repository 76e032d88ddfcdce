"""The history killed with SIGKILL at each step of its commit order: every message is one row all the same."""

from contextlib import ExitStack
from dataclasses import replace

import pytest

from broker.consumer import GroupConsumer
from broker.record import TopicPartition
from broker.settings import KafkaSettings
from ingest.steps import HistoryStep
from tests.deadlines import eventually
from tests.ingest.conftest import NewFleet
from tests.ingest.forked import forked
from tests.ingest.sink_process import Site
from tests.ingest.telemetry_fleet import Fleet, under_load

COMMIT = (
    HistoryStep.POLLED,
    HistoryStep.DECODED,
    HistoryStep.WRITTEN,
    HistoryStep.COMMITTED,
    HistoryStep.ADVANCED,
    HistoryStep.OFFSETS_COMMITTED,
)


@pytest.fixture
def fleet(new_fleet: NewFleet, soon_missed: KafkaSettings) -> Fleet:
    """A topic without messages; many small commits."""
    return new_fleet(kafka=soon_missed, commit_seconds=0.05)


@pytest.mark.parametrize("step", COMMIT)
def test_a_kill_at_any_step_of_a_commit(fleet: Fleet, step: HistoryStep) -> None:
    """Of a process's first commit, and of its successor's fourth."""
    with under_load(fleet):
        for count in (1, 4):
            with forked("history", fleet.site, fleet.folder, step, count) as victim:
                victim.dies_at_its_step()
    fleet.land()
    assert fleet.history_problems() == {}


def test_lag_tools_see_the_commit_of_a_killed_process_although_nothing_more_comes(fleet: Fleet) -> None:
    """Its successor, which reads nothing, tells the group what the table has."""
    fleet.send(100)
    with forked("history", fleet.site, fleet.folder, HistoryStep.COMMITTED) as victim:
        victim.dies_at_its_step()
    assert fleet.committed("history") == {}
    with forked("history", fleet.site, fleet.folder):
        eventually(lambda: not fleet.history_problems())


def test_a_group_that_is_ahead_of_the_table_stays_so(fleet: Fleet) -> None:
    """The audit sees by it that a table went back; only what lands next is told."""
    fleet.send(100)
    ahead = {TopicPartition(fleet.topic, partition): end + 7 for partition, end in fleet.ends.items()}
    consumer = GroupConsumer(fleet.site.kafka, "history")
    consumer.commit(ahead)
    consumer.close()
    fleet.land(another_group(fleet))
    with forked("history", fleet.site, fleet.folder) as process:
        eventually(lambda: "partitions_assigned" in process.log.read_text())
        assert process.stop() == 0
    assert fleet.committed("history") == {key.partition: offset for key, offset in ahead.items()}
    fleet.send(100)
    fleet.land()
    assert fleet.history_problems() == {}


@pytest.mark.parametrize("step", [HistoryStep.RELOADED, HistoryStep.VERSIONS_READ])
def test_a_kill_while_partitions_are_taken_over(fleet: Fleet, step: HistoryStep) -> None:
    """From an empty table, and from one that knows them."""
    for _ in range(2):
        fleet.send(50)
        with forked("history", fleet.site, fleet.folder, step) as victim:
            victim.dies_at_its_step()
        fleet.land()
        assert fleet.history_problems() == {}


def test_a_kill_while_further_partitions_are_taken_over(fleet: Fleet) -> None:
    """What was buffered of those it had already is read again by its successor."""
    with under_load(fleet), forked("history", fleet.site, fleet.folder) as other:
        eventually(lambda: bool(fleet.committed("history")))
        with forked("history", fleet.site, fleet.folder, HistoryStep.VERSIONS_READ, 2) as victim:
            eventually(lambda: "partitions_assigned" in victim.log.read_text())
            other.kill()
            victim.dies_at_its_step()
    fleet.land()
    assert fleet.history_problems() == {}


def test_a_kill_while_partitions_are_given_up(fleet: Fleet) -> None:
    """What it had committed for them stays; the newcomer reads on from there."""
    with under_load(fleet), forked("history", fleet.site, fleet.folder, HistoryStep.FLUSHED) as victim:
        eventually(lambda: bool(fleet.committed("history")))
        with forked("history", fleet.site, fleet.folder):
            victim.dies_at_its_step()
    fleet.land()
    assert fleet.history_problems() == {}


def test_a_kill_of_one_that_shared_its_partitions_unknowingly(fleet: Fleet) -> None:
    """A rival of another group owns the same partitions: the table lets one of them commit, the other drops
    what it has and goes back, and is killed there the second time."""
    with under_load(fleet), ExitStack() as stack:
        rivals = [
            stack.enter_context(forked("history", site, fleet.folder, HistoryStep.SOUGHT, 2))
            for site in (fleet.site, another_group(fleet))
        ]
        eventually(lambda: any(each.has_ended for each in rivals))
        next(each for each in rivals if each.has_ended).dies_at_its_step()
    fleet.send(50)
    fleet.land()
    assert fleet.history_problems() == {}


def another_group(fleet: Fleet) -> Site:
    """The same topic and table for processes that the others do not know of."""
    return replace(fleet.site, kafka=fleet.site.kafka.model_copy(update={"group_prefix": fleet.topic}))

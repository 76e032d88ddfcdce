"""Routes killed with SIGKILL while partitions come and go, and after an abort: readers see each output once.

The steps of a transaction are in `routes/test_routes_kills.py`.
"""

import os
import uuid
from pathlib import Path

import pytest

from broker.settings import KafkaSettings
from broker.topics import Topics, TopicSpec
from ingest.settings import IngestSettings
from ingest.steps import RoutesStep
from tests.deadlines import eventually
from tests.ingest.forked import forked
from tests.ingest.routes_fleet import Fleet, problems


@pytest.fixture
def fleet(soon_missed: KafkaSettings, tmp_path: Path) -> Fleet:
    """Cars and pressure sensors that have not sent anything."""
    ingest = IngestSettings(runtime_dir=tmp_path / "run", transaction_seconds=0.05)
    return Fleet(soon_missed, ingest, uuid.uuid4().hex[:8])


@pytest.mark.parametrize("step", [RoutesStep.PLACED, RoutesStep.RESTORED])
def test_a_kill_while_partitions_are_taken_over(fleet: Fleet, step: RoutesStep, tmp_path: Path) -> None:
    """From topics where nothing was published, and with maxima to be restored."""
    fleet.create_topics()
    for _ in range(2):
        fleet.send_traffic(300)
        with forked("routes", fleet.site, tmp_path, step) as victim:
            victim.dies_at_its_step()
        fleet.catch_up()
        assert problems(fleet) == {}


def test_a_kill_while_partitions_are_given_up(fleet: Fleet, tmp_path: Path) -> None:
    """What it committed for them stays; the newcomer publishes only what rises above it."""
    fleet.create_topics()
    fleet.send_traffic(300)
    with forked("routes", fleet.site, tmp_path, RoutesStep.CLOSED) as victim:
        eventually(lambda: bool(fleet.counters()))
        fleet.send_traffic(300)
        with forked("routes", fleet.site, tmp_path):
            victim.dies_at_its_step()
    fleet.catch_up()
    assert problems(fleet) == {}


def test_a_kill_after_an_abort(fleet: Fleet, tmp_path: Path) -> None:
    """A dead letter was refused for its size: it is sent without its event in the end, and the rest once."""
    letters = fleet.registry.contracts["car"].dead_letter_topic
    Topics(fleet.kafka).create([TopicSpec(letters, 1, config={"max.message.bytes": "8000"})])
    fleet.create_topics()
    fleet.send("car", os.urandom(20_000), is_bad=True)  # no compression makes it smaller
    fleet.send_traffic(300, bad=0.0)
    with forked("routes", fleet.site, tmp_path, RoutesStep.ABORTED) as victim:
        victim.dies_at_its_step()
    fleet.catch_up()
    assert problems(fleet) == {}

"""The state sink and its rebuild on real servers: the state is a function of what was sent."""

import time
from collections.abc import Mapping

import pytest

from broker.consumer import GroupConsumer
from broker.producer import Producer
from broker.settings import KafkaSettings
from ingest.state_places import StatePlaces
from lake.settings import LakeSettings, MongoSettings
from lake.state import StateStore
from lake.state_marks import StateMarks
from tests.deadlines import eventually
from tests.ingest.state_fleet import Crash, Fleet, crash_at_call, fleet_of, running
from tests.real_services import both_protocols


@pytest.fixture
def fleet(
    kafka_settings: KafkaSettings, mongo_settings: MongoSettings, lake_settings: LakeSettings, topic_name: str
) -> Fleet:
    """A fleet whose topic is empty."""
    return fleet_of(kafka_settings, mongo_settings, lake_settings, topic_name)


def test_the_newest_value_wins_whatever_the_order_of_arrival(fleet: Fleet) -> None:
    """Late, doubled and equal readings over three partitions, in two runs."""
    fleet.send_random(500)
    fleet.catch_up()
    assert fleet.found() == fleet.expected()
    fleet.send_random(500)
    fleet.catch_up()
    assert fleet.found() == fleet.expected()
    assert fleet.committed() == fleet.ends


def test_a_running_sink_shows_an_event_soon(fleet: Fleet) -> None:
    """And follows with the group's offsets."""
    with running(fleet):
        fleet.send([("v", "speed", 1, 5.0)])
        eventually(lambda: fleet.found() == fleet.expected())
        fleet.send([("v", "speed", 2, 6.0), ("v", "speed", 0, 7.0)])
        eventually(lambda: fleet.found() == fleet.expected())
        eventually(lambda: fleet.committed() == fleet.ends)
    assert fleet.found()["v"][1]["speed"].v == 7.0


def test_a_bad_message_stops_nobody(fleet: Fleet) -> None:
    """Unreadable ones between good ones give no state."""
    producer = Producer(fleet.kafka)
    for payload in (b"{", None, b"[]", b'{"did": "v"}', b"\xff", b'{"did":"v","timestamp":1,"name":"speed"}'):
        producer.send(fleet.topic, None, payload, partition=0)
        fleet.ends[0] = fleet.ends.get(0, 0) + 1
    producer.flush()
    fleet.send_random(20)
    fleet.catch_up()
    assert fleet.found() == fleet.expected()
    assert fleet.committed() == fleet.ends


CRASH_POINTS: Mapping[str, tuple[type, str]] = {
    "before the bulk write": (StateStore, "write"),
    "before the barrier": (StateMarks, "barrier"),
    "before the group's commit": (GroupConsumer, "commit"),
    "before the marks": (StateMarks, "add"),
    "before the next flush": (StatePlaces, "begin_checkpoint"),
}


@pytest.mark.parametrize(
    ("point", "calls_before"),
    [
        *((point, 0) for point in CRASH_POINTS),
        *((point, 1) for point in CRASH_POINTS if "marks" not in point),
    ],
)
def test_a_crash_at_any_step_loses_nothing(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch, point: str, calls_before: int
) -> None:
    """Between any two steps of a flush, of the first and of a later one; then a restart."""
    owner, name = CRASH_POINTS[point]

    def go_on() -> None:
        for _ in range(calls_before + 1):
            fleet.send_random(60)
            fleet.catch_up()

    with monkeypatch.context() as patch:
        crash_at_call(patch, owner, name, calls_before)
        with pytest.raises(Crash):
            go_on()
    fleet.send_random(60)
    fleet.catch_up()
    assert fleet.found() == fleet.expected()
    assert fleet.committed() == fleet.ends


def test_another_life_of_a_topic_is_read_from_its_start(fleet: Fleet) -> None:
    """Offsets of before mean nothing."""
    fleet.send_random(50)
    fleet.catch_up()
    with StateStore(fleet.mongo) as store:
        store.drop()
    fleet.begin_anew()
    fleet.send_random(100)
    fleet.catch_up()
    assert fleet.found() == fleet.expected()


@both_protocols
def test_members_come_and_go_under_load(fleet: Fleet) -> None:
    """Partitions move between two processes and back; the state is as if one had read all."""
    with running(fleet):
        fleet.send_random(200)
        with running(fleet):
            for _ in range(10):
                fleet.send_random(50)
                time.sleep(0.1)
            eventually(lambda: fleet.committed() == fleet.ends)
        fleet.send_random(200)
        eventually(lambda: fleet.committed() == fleet.ends)
    assert fleet.found() == fleet.expected()

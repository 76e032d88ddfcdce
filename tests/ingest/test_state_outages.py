"""Kafka or MongoDB away, wiped or restored under the state sink: nothing is lost, and a stop is a stop."""

import threading
import time
from typing import Any

import pytest

from broker.consumer import GroupConsumer
from broker.settings import KafkaSettings
from broker.topic_specs import TopicSpec
from broker.topics import Topics
from fleetlake.stack.embedded import start_mongo
from fleetlake.stack.server import free_port
from ingest.errors import Shutdown
from lake.errors import StoreUnavailable
from lake.mongo import open_client
from lake.settings import LakeSettings, MongoSettings
from lake.state import StateStore
from tests.deadlines import eventually
from tests.ingest.state_fleet import PARTITIONS, Fleet, fleet_of, running
from tests.servers import OwnServer


@pytest.fixture
def fleet(
    kafka_settings: KafkaSettings, mongo_settings: MongoSettings, lake_settings: LakeSettings, topic_name: str
) -> Fleet:
    """A fleet whose topic is empty."""
    return fleet_of(kafka_settings, mongo_settings, lake_settings, topic_name)


def test_old_group_offsets_do_not_leave_a_new_mongodb_empty(
    fleet: Fleet, mongo_settings: MongoSettings
) -> None:
    """Another database, the same consumer group: everything is read again."""
    fleet.send_random(100)
    fleet.catch_up()
    fleet.mongo = mongo_settings.model_copy(update={"database": mongo_settings.database + "b"})
    fleet.catch_up()
    assert fleet.found() == fleet.expected()


@pytest.mark.parametrize("what", ["collection", "database"])
def test_a_running_sink_fills_a_wiped_mongodb_again(fleet: Fleet, what: str) -> None:
    """It finds at its next checkpoint that its collection is another one."""
    fleet.send_random(100)
    with running(fleet):
        eventually(lambda: fleet.committed() == fleet.ends)
        with open_client(fleet.mongo) as client:
            if what == "database":
                client.drop_database(fleet.mongo.database)
            else:
                client[fleet.mongo.database].drop_collection("vehicle_state")
        fleet.send([("new", "speed", 1, 1.0)])
        eventually(lambda: fleet.found() == fleet.expected())
        eventually(lambda: fleet.committed() == fleet.ends)
    fleet.send_random(10)
    fleet.catch_up()
    assert fleet.found() == fleet.expected()


def test_mongodb_may_be_away_for_a_while(fleet: Fleet, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Nothing is lost, the group keeps its member, offsets wait for the disk."""
    folder, port = tmp_path_factory.mktemp("mongo"), free_port()
    server = start_mongo(folder, port)
    fleet.mongo = MongoSettings(uri=f"mongodb://{server.address}/?directConnection=true", timeout_s=2.0)
    try:
        with running(fleet):
            fleet.send_random(50)
            eventually(lambda: fleet.committed() == fleet.ends)
            before = fleet.committed()
            server.kill()
            fleet.send_random(50)
            time.sleep(1.0)
            assert fleet.committed() == before
            server = start_mongo(folder, port)
            eventually(lambda: fleet.committed() == fleet.ends, 40)
            assert fleet.found() == fleet.expected()
    finally:
        server.stop()


@pytest.mark.slow
def test_a_stop_without_mongodb_is_soon_and_loses_nothing(
    fleet: Fleet, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """It says that work is left; the next start does it."""
    folder, port = tmp_path_factory.mktemp("mongo"), free_port()
    server = start_mongo(folder, port)
    fleet.mongo = MongoSettings(uri=f"mongodb://{server.address}/?directConnection=true", timeout_s=2.0)

    def stop_without() -> None:
        with running(fleet) as stop:
            fleet.send_random(50)
            eventually(lambda: fleet.committed() == fleet.ends)
            server.kill()
            fleet.send_random(50)
            time.sleep(0.5)
            stop.request()
            eventually(lambda: not is_alive("a-state-process"), seconds=10)

    try:
        with pytest.raises(Shutdown):
            stop_without()
        server = start_mongo(folder, port)
        fleet.catch_up()
        assert fleet.found() == fleet.expected()
        assert fleet.committed() == fleet.ends
    finally:
        server.stop()


def test_a_stop_without_kafka_is_soon_and_clean(
    fleet: Fleet, own_kafka: OwnServer, own_kafka_settings: KafkaSettings
) -> None:
    """What was read is written; there is nothing to commit to, and nothing to wait for."""
    fleet.kafka = own_kafka_settings
    Topics(fleet.kafka).create([TopicSpec(fleet.topic, PARTITIONS)])
    with running(fleet) as stop:
        fleet.send_random(50)
        eventually(lambda: fleet.committed() == fleet.ends)
        own_kafka.kill()
        time.sleep(1.0)
        stop.request()
        eventually(lambda: not is_alive("a-state-process"), seconds=10)
    assert fleet.found() == fleet.expected()


def test_a_stop_after_kafka_died_in_a_commit_is_clean(
    fleet: Fleet, own_kafka: OwnServer, own_kafka_settings: KafkaSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As soon as the client has its answer, or after 20 s where that never comes."""
    fleet.kafka = own_kafka_settings.model_copy(update={"session_timeout_ms": 6000})
    Topics(fleet.kafka).create([TopicSpec(fleet.topic, PARTITIONS)])
    commit, may_die, has_died = GroupConsumer.commit, threading.Event(), threading.Event()

    def die_first(self: GroupConsumer, *given: Any, **named: Any) -> None:
        if may_die.is_set() and not has_died.is_set():
            own_kafka.kill()
            has_died.set()
        commit(self, *given, **named)

    monkeypatch.setattr(GroupConsumer, "commit", die_first)
    with running(fleet) as stop:
        fleet.send_random(50)
        may_die.set()
        eventually(has_died.is_set)
        stop.request()
        eventually(lambda: not is_alive("a-state-process"))


def test_a_store_that_stays_away_ends_the_process(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the patience that the settings give; a restart goes on."""
    with monkeypatch.context() as patch:

        def away(self: StateStore, updates: object) -> int:
            raise StoreUnavailable("MongoDB", self.name, "scripted")  # noqa: EM101 - a test's own

        patch.setattr(StateStore, "write", away)
        fleet.send_random(20)
        with pytest.raises(StoreUnavailable):
            fleet.catch_up(store_patience_seconds=0.5)
    fleet.catch_up()
    assert fleet.found() == fleet.expected()


def is_alive(name: str) -> bool:
    """Whether a thread of that name runs."""
    return any(thread.name == name for thread in threading.enumerate())

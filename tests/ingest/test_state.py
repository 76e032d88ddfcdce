"""The state sink and its rebuild on real servers: the state is a function of what was sent."""

import json
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from typing import Any

import pytest

from broker.consumer import GroupConsumer
from broker.offsets import group_offsets
from broker.producer import Producer
from broker.settings import KafkaSettings
from broker.topic_specs import TopicSpec
from broker.topics import Topics
from contracts.load import load_registry
from contracts.registry import Registry
from fleetlake.stack.embedded import start_mongo
from fleetlake.stack.server import free_port
from ingest import history_run, state_run
from ingest.errors import Shutdown
from ingest.process import Stop
from ingest.settings import IngestSettings
from ingest.state_places import StatePlaces
from ingest.state_rebuild import StateRebuild, rebuild
from lake.errors import StoreUnavailable
from lake.mongo import open_client
from lake.settings import LakeSettings, MongoSettings
from lake.state import StateStore
from lake.state_claim import RebuildClaim, RebuildTakenOver
from lake.state_marks import StateMarks
from lake.state_model import Entry, VehicleState, maximum_order, state_order
from tests.ingest.topics import make_topic_again
from tests.real_services import both_protocols
from tests.servers import OwnServer

PARTITIONS = 3
BASE_MS = 1_761_559_635_000
SIGNALS = ("speed", "odometer", "soc")
QUICK = IngestSettings(state_flush_ms=20, shutdown_seconds=5.0, revoke_seconds=5.0)
CHANCE = random.Random(20251027)  # noqa: S311 - only that there are many readings matters
States = dict[str, tuple[dict[str, Entry], dict[str, Entry]]]


class Crash(BaseException):
    """The process is gone: nothing of ours catches it."""


@dataclass
class Fleet:
    """A topic of its own with the tcu contract, what was sent to it, and the state that this must give."""

    kafka: KafkaSettings
    mongo: MongoSettings
    lake: LakeSettings
    topic: str
    registry: Registry
    sent: list[tuple[str, str, Entry]] = field(default_factory=list)
    ends: dict[int, int] = field(default_factory=dict)

    def send(self, readings: Sequence[tuple[str, str, int, float]]) -> None:
        """(vehicle, signal, milliseconds after the base time, value), to any partition."""
        producer = Producer(self.kafka)
        for vehicle, signal, milliseconds, value in readings:
            partition = CHANCE.randrange(PARTITIONS)
            time_ms = BASE_MS + milliseconds
            event = {"did": vehicle, "timestamp": time_ms, "name": signal, "float_value": value}
            producer.send(self.topic, vehicle.encode(), json.dumps(event).encode(), partition=partition)
            offset = self.ends.get(partition, 0)
            self.ends[partition] = offset + 1
            self.sent.append(
                (vehicle, signal, Entry(time_ms * 1000, value, f"{self.topic}/{partition}", offset))
            )
        producer.flush()

    def send_random(self, count: int, vehicles: int = 20) -> None:
        """Late, doubled and equal ones among them."""
        self.send(
            [
                (
                    f"v{CHANCE.randrange(vehicles)}", CHANCE.choice(SIGNALS),
                    CHANCE.randrange(count), float(CHANCE.randrange(40)),
                )
                for _ in range(count)
            ]
        )  # fmt: skip

    def expected(self) -> States:
        """What the definition says, message by message."""
        states: States = {}
        for vehicle, signal, entry in self.sent:
            latest, greatest = states.setdefault(vehicle, ({}, {}))
            latest[signal] = max(latest.get(signal, entry), entry, key=state_order)
            if self.registry.catalog[signal].track_max:
                greatest[signal] = max(greatest.get(signal, entry), entry, key=maximum_order)
        return states

    def found(self) -> States:
        """What MongoDB holds."""
        with StateStore(self.mongo) as store:
            return {state.vehicle_id: (dict(state.signals), dict(state.maxima)) for state in store.read_all()}

    def begin_anew(self) -> None:
        """Another life of the topic: a broker without topic ids lost its log, or the topic was made again,
        and what was sent is forgotten."""
        if self.kafka.incarnation_file is None:
            make_topic_again(self.kafka, self.topic, PARTITIONS)
            self.sent.clear()
            self.ends.clear()
        else:
            self.kafka.incarnation_file.write_text("next life")

    def catch_up(self, **changes: Any) -> None:
        """A state process from start to the log's end of now."""
        settings = QUICK.model_copy(update=changes)
        state_run.run(self.kafka, self.mongo, settings, self.registry, stop=Stop(), until_caught_up=True)

    def land(self) -> None:
        """A history process from start to the log's end of now."""
        history_run.run(self.kafka, self.lake, QUICK, self.registry, stop=Stop(), until_caught_up=True)

    def rebuild(self) -> None:
        """The state anew from the history."""
        rebuild(self.kafka, self.mongo, self.lake, self.registry)

    def committed(self) -> dict[int, int]:
        """The group's offsets, where there are messages."""
        offsets = group_offsets(self.kafka, "state")
        return {key.partition: offset for key, offset in offsets.items() if offset}


@pytest.fixture
def fleet(
    kafka_settings: KafkaSettings, mongo_settings: MongoSettings, lake_settings: LakeSettings, topic_name: str
) -> Fleet:
    """A fleet whose topic is empty."""
    base = load_registry()
    catalog = type(base.catalog)(
        {name: spec.model_copy(update={"track_max": name == "speed"}) for name, spec in base.catalog.items()}
    )
    settings = base.contracts["tcu"].source_topics["telemetry_raw"]
    contract = base.contracts["tcu"].model_copy(update={"source_topics": {topic_name: settings}})
    Topics(kafka_settings).create([TopicSpec(topic_name, PARTITIONS)])
    registry = Registry(catalog, {"tcu": contract})
    return Fleet(kafka_settings, mongo_settings, lake_settings, topic_name, registry)


@contextmanager
def running(fleet: Fleet, mongo: MongoSettings | None = None, **changes: Any) -> Iterator[Stop]:
    """A state process in a thread, stopped at the end of the block; its error is raised there."""
    stop, failures = Stop(), []
    settings = QUICK.model_copy(update=changes)

    def work() -> None:
        try:
            state_run.run(fleet.kafka, mongo or fleet.mongo, settings, fleet.registry, stop=stop)
        except BaseException as failure:  # noqa: BLE001 - raised in the test's thread
            failures.append(failure)

    thread = threading.Thread(target=work, name="a-state-process")
    thread.start()
    try:
        yield stop
    finally:
        stop.request()
        thread.join(30)
    assert not thread.is_alive()
    if failures:
        raise failures[0]


def eventually(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    """Polls until the condition holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.05)


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


def crash_at_call(patch: pytest.MonkeyPatch, owner: type, name: str, calls_before: int) -> None:
    """The method works `calls_before` times, and ends the process at the next call."""
    original, calls = getattr(owner, name), count()

    def crashing(self: Any, *arguments: Any, **named: Any) -> Any:
        if next(calls) >= calls_before:
            raise Crash
        return original(self, *arguments, **named)

    patch.setattr(owner, name, crashing)


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
    """It takes as long as the client waits for the answer: a session."""
    session = timedelta(seconds=6)
    fleet.kafka = own_kafka_settings.model_copy(
        update={"session_timeout_ms": session // timedelta(milliseconds=1)}
    )
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
        eventually(lambda: not is_alive("a-state-process"), seconds=session.total_seconds() + 10)


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


def is_alive(name: str) -> bool:
    """Whether a thread of that name runs."""
    return any(thread.name == name for thread in threading.enumerate())


# -- rebuild ----------------------------------------------------------------------------------------------


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
        for _ in range(3):
            falsify(fleet)
            fleet.rebuild()
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


def leftovers(fleet: Fleet) -> list[str]:
    """Working collections of rebuilds."""
    with open_client(fleet.mongo) as client:
        names = client[fleet.mongo.database].list_collection_names()
    return [name for name in names if "rebuild_" in name]

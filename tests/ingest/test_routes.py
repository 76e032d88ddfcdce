"""The routes sink on a real broker: exactly once for a read-committed reader, whoever is killed."""

import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

import pytest
from confluent_kafka import TopicPartition as Place

from broker.admin import Admin
from broker.consumer import CLOSE_TIMEOUT_S
from broker.offsets import group_offsets, log_ends
from broker.producer import Producer, TransactionalProducer
from broker.record import TopicPartition
from broker.settings import KafkaSettings
from broker.topics import Topics, TopicSpec
from fleetlake.stack.embedded import start_kafka
from ingest.dead_letter import read_dead_letter
from ingest.errors import TopicRecreated
from ingest.metrics import SinkMetrics
from ingest.process import Stop
from ingest.redrive import redrive_group
from ingest.routes_run import PartitionsDiffer, run
from ingest.settings import IngestSettings
from ingest.slots import lease
from ingest.steps import RoutesStep
from tests.deadlines import eventually, meanwhile
from tests.ingest.routes_fleet import Fleet, car, problems, project_root
from tests.ingest.routes_process import TRANSACTION
from tests.real_services import both_protocols
from tests.servers import OwnServer

DEADLINE_SECONDS = 60.0
LOAD_PERIOD_SECONDS = 0.05
STOP_SECONDS = IngestSettings().shutdown_seconds + CLOSE_TIMEOUT_S
"""A rebalance in the same moment may keep the client from closing: then it is left after this."""


class Killed(Exception):
    """What a kill looks like from inside."""


@pytest.fixture
def ingest(tmp_path: Path) -> IngestSettings:
    return IngestSettings(runtime_dir=tmp_path / "run", transaction_seconds=0.05)


@pytest.fixture
def fleet(kafka_settings: KafkaSettings, ingest: IngestSettings) -> Fleet:
    """Cars and pressure sensors that have not sent anything."""
    fleet = Fleet(kafka_settings, ingest, uuid.uuid4().hex[:8])
    fleet.create_topics()
    return fleet


@contextmanager
def process(fleet: Fleet, *crash: str) -> Iterator[subprocess.Popen[bytes]]:
    """A routes process of its own; `crash` is a step and a count."""
    settings = (fleet.kafka.model_dump_json(), fleet.ingest.model_dump_json(), fleet.suffix)
    command = [sys.executable, "-m", "tests.ingest.routes_process", *settings, *crash]
    with subprocess.Popen(command, cwd=project_root(), stderr=subprocess.DEVNULL) as child:
        try:
            yield child
        finally:
            child.kill()


def under_load(fleet: Fleet, per_second: int = 2000) -> AbstractContextManager[None]:
    """Traffic without a pause while the block runs."""
    share = int(per_second * LOAD_PERIOD_SECONDS)
    return meanwhile(lambda: fleet.send_traffic(share), LOAD_PERIOD_SECONDS)


def lag(fleet: Fleet) -> int:
    """Messages that the group has not committed."""
    topics = [fleet.topic("car"), fleet.topic("pressure"), fleet.internal_topic]
    done = group_offsets(fleet.kafka, "routes")
    return sum(end - done.get(partition, 0) for partition, end in log_ends(fleet.kafka, topics).items())


# -- what comes out ---------------------------------------------------------------------------------------


def test_a_plain_computation_finds_the_same(fleet: Fleet) -> None:
    """Dead letters, counters and maxima of mixed traffic, in two runs; nothing is doubled by the second."""
    fleet.send_traffic(3000)
    fleet.catch_up()
    assert problems(fleet) == {}
    fleet.send_traffic(1000)
    fleet.catch_up()
    assert problems(fleet) == {}
    assert {each.key for each in fleet.maxima()} == {name.encode() for name in fleet.greatest}
    assert lag(fleet) == 0


def test_a_maximum_is_the_document_of_its_reading(fleet: Fleet) -> None:
    """Late readings count, equal ones do not; a vehicle's documents are in one partition."""
    for pressure in (850_000.0, 950_000.0, 900_000.0, 950_000.0):
        fleet.send_pressure("HONDA 231", pressure, sensor="honda23101")
        fleet.flush()
        fleet.catch_up()
    assert [each.fields["pressureMax"] for each in fleet.maxima()] == [850_000, 950_000]
    assert fleet.maxima()[-1].fields == {
        "timestamp": "2025-07-22 22:30:45.123Z",
        "pressureMax": 950_000,
        "temperature": 25.5,
        "sensorId": "honda23101",
        "vehicleId": "HONDA 231",
    }
    assert len({each.partition for each in fleet.maxima()}) == 1


def test_anomalies_carry_the_same_id_when_an_event_is_sent_again(fleet: Fleet) -> None:
    """Keyed by vehicle, with the coordinates of each message."""
    event = car("CAR_007", speed=200.0, fuel_level=3.0)
    first, second = fleet.send("car", event), fleet.send("car", event)
    fleet.flush()
    fleet.catch_up()
    found = [(each.key, each.fields) for each in fleet.anomalies()]
    assert {key for key, _ in found} == {b"CAR_007"}
    assert {(fields["partition"], fields["offset"]) for _, fields in found} == {
        (first.partition, first.offset), (second.partition, second.offset),
    }  # fmt: skip
    ids = {(fields["kind"], fields["id"]) for _, fields in found}
    assert {kind for kind, _ in ids} == {"overspeed", "low_fuel"}
    assert len(found) == 4
    assert len(ids) == 2


def test_messages_as_large_and_as_strange_as_a_topic_allows_become_letters(fleet: Fleet) -> None:
    """None stops the sink; what could be kept of each was kept."""
    headers = [("trace", b"\xff\x00"), ("empty", b""), ("null", None)]
    values = [None, b"", b"\xff" * 1_000_000, b"{" + b"x" * 1_000_000, b"[" * 300_000, b'{"a": 1e400}']
    for value in values:
        fleet.send("car", value, key=b"\x00key", headers=headers, is_bad=True)
    fleet.send("car", b"{", key=None, headers=[("huge", b"h" * 900_000)], is_bad=True)
    fleet.send("car", car())
    fleet.flush()
    fleet.catch_up()

    assert problems(fleet) == {}
    letters = fleet.dead_letters()
    sizes = sorted(len(each.value or b"") for each in letters)
    assert sizes[-1] < 100_000
    usual = [each for each in letters if each.key is not None]
    assert {each.key for each in usual} == {b"\x00key"}
    assert all(sorted(each.headers or []) == sorted(headers) for each in usual)
    [other] = [read_dead_letter(each.value or b"") for each in letters if each.key is None]
    assert other.headers_dropped == 1


# -- kills ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", TRANSACTION)
def test_a_kill_after_any_step_changes_nothing(fleet: Fleet, step: RoutesStep) -> None:
    """The third transaction is left as it was then; the next process has the rest."""
    fleet.send_traffic(2000)
    with process(fleet, step, "3") as victim, under_load(fleet, 1000):
        assert victim.wait(DEADLINE_SECONDS) == -signal.SIGKILL
    fleet.catch_up()
    assert problems(fleet) == {}


@both_protocols
def test_readers_do_not_wait_for_a_process_that_never_comes_back(fleet: Fleet) -> None:
    """Another one ends its open transaction, and takes its partitions with all that was published."""
    with process(fleet, RoutesStep.OFFSETS_SENT, "1") as victim, process(fleet):
        with under_load(fleet):  # whoever starts first leaves the other something to do
            assert victim.wait(DEADLINE_SECONDS) == -signal.SIGKILL
        eventually(lambda: lag(fleet) == 0)
        eventually(lambda: problems(fleet) == {}, 20)


def test_nobody_waits_for_a_killed_redrive(fleet: Fleet) -> None:
    """What it left open in a source's topic would hold back all readers of that partition for ever."""
    place = TopicPartition(fleet.topic("car"), 0)

    def redrive_and_be_killed() -> None:
        with lease(fleet.ingest.model_copy(update={"slot": 0}), redrive_group(fleet.kafka)) as slot:
            name = slot.name if fleet.kafka.incarnation_file is None else f"{slot.name}.{slot.begin_life()}"
            left_open = TransactionalProducer(fleet.kafka, name)
            left_open.init()
            left_open.begin()
            left_open.send(place.topic, b"k", b"never committed", partition=place.partition)
            left_open._client.flush(10)
            raise Killed

    with pytest.raises(Killed):
        redrive_and_be_killed()
    producer = Producer(fleet.kafka)
    producer.send(place.topic, b"k", car(), partition=place.partition)  # at offset 1
    producer.flush()
    with process(fleet):
        eventually(lambda: group_offsets(fleet.kafka, "routes").get(place, 0) > 1)


@both_protocols
@pytest.mark.slow
def test_three_processes_then_one_under_load_with_kills(fleet: Fleet) -> None:
    """Maxima and dead letters are those of a plain computation, whoever did the work."""
    steps = [RoutesStep.SENT, RoutesStep.OFFSETS_SENT, RoutesStep.COMMITTED]
    with under_load(fleet), ExitStack() as stack:
        victims = [stack.enter_context(process(fleet, step, str(5 + n))) for n, step in enumerate(steps)]
        for victim in victims:
            assert victim.wait(DEADLINE_SECONDS) == -signal.SIGKILL
        workers = [stack.enter_context(process(fleet)) for _ in range(3)]
        eventually(lambda: {worker.pid for worker in workers} <= fleet.members())
        time.sleep(2)
        for worker in workers[1:]:
            worker.send_signal(signal.SIGTERM)
        assert [worker.wait(STOP_SECONDS) for worker in workers[1:]] == [0, 0]
        time.sleep(2)
        workers[0].send_signal(signal.SIGTERM)
        assert workers[0].wait(STOP_SECONDS) == 0
    fleet.catch_up()
    assert problems(fleet) == {}


def test_a_stop_finishes_the_transaction(fleet: Fleet) -> None:
    """SIGTERM: exit code 0, and what was read is committed."""
    with process(fleet) as worker, under_load(fleet):
        eventually(lambda: len(fleet.counters()) > 3)
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(STOP_SECONDS) == 0
    found = problems(fleet)
    assert "dead_letters_extra" not in found
    assert "dead_letters_doubled" not in found
    fleet.catch_up()
    assert problems(fleet) == {}


@pytest.mark.embedded_kafka
@pytest.mark.slow
def test_a_broker_that_lost_its_last_second_is_gone_on_with(tmp_path: Path, ingest: IngestSettings) -> None:
    """As the embedded one may when it is killed. All that is written is right for what it still has."""
    server = start_kafka(tmp_path / "kafka")
    incarnation = tmp_path / "incarnation"
    incarnation.write_text("first life")
    fleet = Fleet(
        KafkaSettings(bootstrap_servers=server.address, incarnation_file=incarnation), ingest, "restarted"
    )
    fleet.create_topics()
    fleet.send_traffic(500)
    try:
        with running(fleet) as failures:
            with under_load(fleet, 500):
                eventually(lambda: len(fleet.counters()) > 3)
                time.sleep(1.5)
            server.kill()
            incarnation.write_text("second life")
            server = start_kafka(tmp_path / "kafka", server.port)
            eventually(lambda: bool(failures))
        assert isinstance(failures[0], TopicRecreated)
        fleet.expect_what_is_left()
        fleet.catch_up()
        assert problems(fleet) == {}
    finally:
        server.stop()


@contextmanager
def running(fleet: Fleet) -> Iterator[list[BaseException]]:
    """A routes process in a thread, and what ended it."""
    stop, failures = Stop(), list[BaseException]()

    def work() -> None:
        try:
            run(fleet.kafka, fleet.ingest, fleet.registry, stop=stop)
        except BaseException as failure:  # noqa: BLE001 - looked at by the test
            failures.append(failure)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield failures
    finally:
        stop.request()
        thread.join(30)
    assert not thread.is_alive()


# -- where it begins --------------------------------------------------------------------------------------


def test_a_start_at_the_latest_leaves_out_what_was_there_before(fleet: Fleet) -> None:
    """And nothing that comes after the decision."""
    fleet.send("car", b"{")
    fleet.flush()
    fleet.catch_up(start="latest")
    fleet.send("car", b"{", is_bad=True)
    fleet.flush()
    fleet.catch_up(start="latest")
    assert [each.fields["offset"] for each in fleet.dead_letters()] == [each.offset for each in fleet.bad]


def test_messages_that_expired_unread_are_counted(fleet: Fleet) -> None:
    """The sink goes on with what is left."""
    for _ in range(2):
        fleet.send("car", car(), partition=0)
    fleet.flush()
    fleet.catch_up()
    for _ in range(3):
        fleet.send("car", b"{", partition=0)
    fleet.send("car", b"{", partition=0, is_bad=True)
    fleet.flush()
    place = Place(fleet.topic("car"), 0, 5)
    Admin(fleet.kafka).client.delete_records([place])[place].result(10)
    metrics = SinkMetrics("routes")
    run(fleet.kafka, fleet.ingest, fleet.registry, stop=Stop(), until_caught_up=True, metrics=metrics)

    assert [each.fields["offset"] for each in fleet.dead_letters()] == [5]
    labels = {"sink": "routes", "topic": fleet.topic("car"), "partition": "0"}
    assert metrics.registry.get_sample_value("fleetlake_expired_total", labels) == 3


def test_a_missing_topic_is_named(fleet: Fleet) -> None:
    """Before anything is read."""
    hasty = Fleet(fleet.kafka.model_copy(update={"ready_timeout_s": 0.5}), fleet.ingest, "missing")
    with pytest.raises(Exception, match=r"car\.telemetry\.v1\.missing"):
        hasty.catch_up()


def test_an_internal_topic_with_other_partitions_than_its_output_is_refused(
    kafka_settings: KafkaSettings, ingest: IngestSettings
) -> None:
    """One process must own both of a vehicle's partitions."""
    fleet = Fleet(kafka_settings, ingest, uuid.uuid4().hex[:8])
    Topics(kafka_settings).create([TopicSpec(fleet.internal_topic, 3)])
    fleet.create_topics()
    with pytest.raises(PartitionsDiffer, match="3 partitions"):
        fleet.catch_up()


def test_an_idle_process_writes_nothing(fleet: Fleet) -> None:
    """No transaction, no message, no marker."""
    fleet.send_traffic(200)
    fleet.catch_up()
    topics = [topic for contract in fleet.registry.contracts.values() for topic in contract.topic_settings]
    before = log_ends(fleet.kafka, topics)
    with running(fleet) as failures:
        time.sleep(2)
    assert failures == []
    assert log_ends(fleet.kafka, topics) == before


@pytest.mark.slow
def test_a_stop_ends_in_time_when_the_broker_is_away(
    own_kafka: OwnServer, own_kafka_settings: KafkaSettings, ingest: IngestSettings
) -> None:
    """With a transaction open: nobody can be asked, so its successor settles it."""
    fleet = Fleet(own_kafka_settings, ingest.model_copy(update={"transaction_seconds": 5.0}), "away")
    fleet.create_topics()
    with process(fleet) as worker:
        with under_load(fleet, 200):
            eventually(lambda: any(group_offsets(fleet.kafka, "routes").values()))
        own_kafka.kill()
        worker.send_signal(signal.SIGTERM)
        began = time.monotonic()
        worker.wait(20)
        assert time.monotonic() - began < ingest.shutdown_seconds
    own_kafka.start()
    fleet.catch_up()

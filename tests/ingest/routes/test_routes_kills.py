"""Whoever is killed or stopped, and whenever: a read-committed reader sees each outcome once."""

import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from broker.offsets import group_offsets
from broker.producer import Producer, TransactionalProducer
from broker.record import TopicPartition
from broker.settings import KafkaSettings
from fleetlake.stack.embedded import start_kafka
from ingest.errors import TopicRecreated
from ingest.redrive import redrive_group
from ingest.settings import IngestSettings
from ingest.slots import lease
from ingest.steps import RoutesStep
from tests.deadlines import eventually
from tests.ingest.routes.processes import STOP_SECONDS, lag, process, running, under_load
from tests.ingest.routes_fleet import Fleet, car, problems
from tests.ingest.routes_process import TRANSACTION
from tests.real_services import both_protocols
from tests.servers import OwnServer


class Killed(Exception):
    """What a kill looks like from inside."""


@pytest.mark.parametrize("step", TRANSACTION)
def test_a_kill_after_any_step_changes_nothing(fleet: Fleet, step: RoutesStep) -> None:
    """The third transaction is left as it was then; the next process has the rest."""
    fleet.send_traffic(2000)
    with process(fleet, step, 3) as victim, under_load(fleet, 1000):
        victim.dies_at_its_step()
    fleet.catch_up()
    assert problems(fleet) == {}


@both_protocols
def test_readers_do_not_wait_for_a_process_that_never_comes_back(fleet: Fleet) -> None:
    """Another one ends its open transaction, and takes its partitions with all that was published."""
    with process(fleet, RoutesStep.OFFSETS_SENT) as victim, process(fleet):
        with under_load(fleet):  # whoever starts first leaves the other something to do
            victim.dies_at_its_step()
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
        victims = [stack.enter_context(process(fleet, step, 5 + n)) for n, step in enumerate(steps)]
        for victim in victims:
            victim.dies_at_its_step()
        workers = [stack.enter_context(process(fleet)) for _ in range(3)]
        eventually(lambda: {worker.pid for worker in workers} <= fleet.members())
        time.sleep(2)
        for worker in workers[1:]:
            worker.ask_to_stop()
        assert [worker.wait(STOP_SECONDS) for worker in workers[1:]] == [0, 0]
        time.sleep(2)
        workers[0].ask_to_stop()
        assert workers[0].wait(STOP_SECONDS) == 0
    fleet.catch_up()
    assert problems(fleet) == {}


def test_a_stop_finishes_the_transaction(fleet: Fleet) -> None:
    """SIGTERM: exit code 0, and what was read is committed."""
    with process(fleet) as worker, under_load(fleet):
        eventually(lambda: len(fleet.counters()) > 3)
        worker.ask_to_stop()
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
        worker.ask_to_stop()
        began = time.monotonic()
        worker.wait(20)
        assert time.monotonic() - began < ingest.shutdown_seconds
    own_kafka.start()
    fleet.catch_up()

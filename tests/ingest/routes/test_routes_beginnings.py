"""Where routes begin, and what they do not begin with."""

import time
import uuid

import pytest
from confluent_kafka import TopicPartition as Place

from broker.admin import Admin
from broker.offsets import log_ends
from broker.settings import KafkaSettings
from broker.topics import Topics, TopicSpec
from ingest.metrics import SinkMetrics
from ingest.process import Stop
from ingest.routes_run import PartitionsDiffer, run
from ingest.settings import IngestSettings
from tests.ingest.routes.processes import running
from tests.ingest.routes_fleet import Fleet, car


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

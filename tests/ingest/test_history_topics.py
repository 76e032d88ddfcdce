"""Topics that change under the history sink: made again, cut off, or with messages that nobody may see."""

import uuid
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest
from confluent_kafka import TopicPartition as Place

from broker.admin import Admin
from broker.errors import TopicMissing
from broker.offsets import log_ends
from broker.producer import TransactionalProducer
from broker.record import TopicPartition
from broker.settings import KafkaSettings
from fleetlake.stack.server import wait_until
from ingest.errors import CheckpointOutsideLog, TopicRecreated
from ingest.settings import IngestSettings
from lake.bronze import Bronze, BronzePartition
from lake.settings import LakeSettings
from lake.storage import storage
from tests.ingest.odometer_fleet import DEADLINE, Fleet, landed, make_fleet, message, renew, running
from tests.ingest.topics import make_topic_again
from tests.real_services import both_protocols
from tests.servers import OwnServer


@pytest.fixture
def fleet(
    kafka_settings: KafkaSettings, lake_settings: LakeSettings, topic_name: str, tmp_path: Path
) -> Fleet:
    """Three partitions, the `tcu` format."""
    return make_fleet(kafka_settings, lake_settings, topic_name, tmp_path)


def test_aborted_messages_are_not_landed_and_leave_no_false_gap(fleet: Fleet) -> None:
    """The checkpoint is the consumer's position: control records and aborted messages count."""
    producer = TransactionalProducer(fleet.kafka, f"t-{uuid.uuid4().hex}")
    producer.init()
    for number, commit in enumerate((True, False, True, False)):
        producer.begin()
        for index in range(10):
            producer.send(fleet.topic, b"k", message(number * 10 + index))
        producer.commit() if commit else producer.abort()
    fleet.land()
    expected = [message(number) for number in (*range(10), *range(20, 30))]
    assert fleet.payloads() == sorted(expected)
    bronze = Bronze(storage(fleet.lake))
    topic_id = fleet.coordinates()[0][0]
    keys = [BronzePartition(topic_id, number) for number in range(3)]
    ends = log_ends(fleet.kafka, [fleet.topic])
    checkpoints = bronze.checkpoints(keys)
    assert {key.partition: checkpoints[key] or 0 for key in keys} == {
        partition.partition: end for partition, end in ends.items()
    }
    assert max(ends.values()) > 1 + max(offset for _, _, offset in fleet.coordinates())


def test_another_life_of_a_topic_lands_whole_under_a_new_identity(fleet: Fleet) -> None:
    """Offsets of another life of the log mean other messages."""
    fleet.send(30)
    fleet.land()
    before = set(fleet.coordinates())
    fleet.begin_anew()
    fleet.send(30, first=30)
    fleet.land()
    coordinates = fleet.coordinates()
    assert len(set(coordinates)) == len(coordinates)
    assert len(set(coordinates) - before) == sum(log_ends(fleet.kafka, [fleet.topic]).values())
    assert {message(number) for number in range(60)} == set(fleet.payloads())
    assert len({topic_id for topic_id, _, _ in coordinates}) == 2


@pytest.mark.embedded_kafka
def test_a_topic_recreated_while_running_ends_the_process_and_commits_nothing(fleet: Fleet) -> None:
    """Rows read before the identity was asked again may belong to the new topic. (Kafka may assign the new
    one before that: see the next test.)"""

    def recreate_while_running() -> None:
        with running(fleet) as sink:
            fleet.send(10)
            assert wait_until(landed(fleet, 10), DEADLINE)
            fleet.begin_anew()
            fleet.send(10, first=10)
            assert wait_until(sink.has_ended, DEADLINE)

    with pytest.raises((TopicRecreated, TopicMissing)):  # it may be looked for while it is away
        recreate_while_running()
    assert len(fleet.coordinates()) == 10


@both_protocols
def test_a_topic_recreated_while_running_is_landed_under_its_own_identity(fleet: Fleet) -> None:
    """The group tells its members, or they find out and end; then a restart goes on."""

    def recreate_while_running() -> None:
        with running(fleet) as sink:
            fleet.send(10)
            assert wait_until(landed(fleet, 10), DEADLINE)
            make_topic_again(
                fleet.kafka, fleet.topic, fleet.partitions, while_away=lambda: renew(fleet.kafka)
            )
            fleet.send(10, first=10)
            assert wait_until(lambda: sink.has_ended() or landed(fleet, 20)(), DEADLINE)

    with suppress(TopicRecreated, TopicMissing):
        recreate_while_running()
    fleet.land()
    identities = [topic_id for topic_id, _, _ in fleet.coordinates()]
    assert sorted(Counter(identities).values()) == [10, 10]
    assert fleet.payloads() == sorted(message(number) for number in range(20))


@pytest.mark.real_kafka
def test_a_topic_made_again_after_its_broker_was_restarted_is_landed(
    own_kafka: OwnServer,
    own_kafka_settings: KafkaSettings,
    lake_settings: LakeSettings,
    topic_name: str,
    tmp_path: Path,
) -> None:
    """Its leaders' epochs begin anew, lower than those that the running client knows: a new one is needed."""
    fleet = make_fleet(own_kafka_settings, lake_settings, topic_name, tmp_path)

    def make_again_while_running() -> None:
        with running(fleet) as sink:
            fleet.send(10)
            assert wait_until(landed(fleet, 10), DEADLINE)
            for _ in range(2):
                own_kafka.stop()
                own_kafka.start()
            fleet.send(10, first=10)
            assert wait_until(landed(fleet, 20), DEADLINE)
            fleet.begin_anew()
            fleet.send(10, first=20)
            assert wait_until(sink.has_ended, DEADLINE)

    with pytest.raises((TopicRecreated, TopicMissing)):  # it may be looked for while it is away
        make_again_while_running()
    fleet.land()
    assert fleet.payloads() == sorted(message(number) for number in range(30))


@pytest.mark.real_kafka
def test_what_was_read_before_the_log_was_cut_off_is_landed(fleet: Fleet) -> None:
    """Retention overtakes a running sink: it has what is nowhere else any more, and names what it missed."""
    fleet.send(30)
    place = TopicPartition(fleet.topic, 0)
    read = log_ends(fleet.kafka, [fleet.topic])[place]

    def cut_off_while_running() -> None:
        with running(fleet, IngestSettings(commit_seconds=3600)) as sink:
            assert wait_until(lambda: sink.uncommitted() == 30, DEADLINE)
            cut_off(fleet.kafka, place, read + 5)
            assert wait_until(sink.has_ended, DEADLINE)

    with pytest.raises(CheckpointOutsideLog) as caught:
        cut_off_while_running()
    assert (caught.value.partition, caught.value.wanted, caught.value.low) == (place, read, read + 5)
    assert len(set(fleet.coordinates())) == 30


def cut_off(kafka: KafkaSettings, partition: TopicPartition, offset: int) -> None:
    """Removes what lies before the offset and cannot have been read: messages of an open transaction. The
    embedded broker keeps those."""
    writer = TransactionalProducer(kafka, f"t-{uuid.uuid4().hex}")
    writer.init()
    writer.begin()
    low = log_ends(kafka, [partition.topic])[partition]
    for _ in range(low, offset):
        writer.send(partition.topic, b"k", b"never read", partition=partition.partition)
    writer._client.flush(10)
    place = Place(*partition, offset)
    Admin(kafka).client.delete_records([place])[place].result(10)

"""Topics as only a real Kafka has them, through all three sinks: compacted, with the producers' times, with
messages at the limit, and with partitions that are added while the sinks run."""

import json
from contextlib import ExitStack

import pytest
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, NewPartitions, ResourceType

from broker.admin import Admin
from broker.offsets import group_offsets, log_ends
from broker.producer import Producer
from broker.reader import PartitionReader
from broker.record import TopicPartition
from broker.settings import KafkaSettings
from broker.topics import Topics, specs_from
from ingest.deadletters import Selection, read_letters
from tests.deadlines import eventually
from tests.ingest.conftest import NewFleet
from tests.ingest.forked import forked
from tests.ingest.telemetry_fleet import BASE_MS, Fleet
from tests.real_services import both_protocols

pytestmark = pytest.mark.real_kafka

SET = AlterConfigOpType.SET
SINKS = ("history", "state", "routes")
MIB = 1024 * 1024
LARGEST_VALUE = MIB - 200
"""What Kafka's limit of 1 MiB a batch leaves beside key and frame."""


@pytest.fixture
def fleet(new_fleet: NewFleet, soon_missed: KafkaSettings) -> Fleet:
    """A topic without messages, and those that routes writes to."""
    quick = {"topic.metadata.refresh.interval.ms": "1000"}
    kafka = soon_missed.model_copy(update={"client": quick})
    fleet = new_fleet(kafka=kafka, commit_seconds=0.2, transaction_seconds=0.1)
    Topics(kafka).create(specs_from(fleet.site.registry, kafka))
    return fleet


def run_until_read(fleet: Fleet) -> None:
    """All three sinks, until each has committed everything that is in the topic."""
    with ExitStack() as stack:
        for sink in SINKS:
            stack.enter_context(forked(sink, fleet.site, fleet.folder))
        eventually(lambda: all(read_by(fleet, sink) for sink in SINKS))


def read_by(fleet: Fleet, sink: str) -> bool:
    ends = log_ends(fleet.site.kafka, [fleet.topic])
    done = group_offsets(fleet.site.kafka, sink)
    return all(done.get(place, 0) == end for place, end in ends.items())


def dead_letters(fleet: Fleet) -> list[int]:
    """The offsets of the messages that were lettered."""
    selection = Selection(source="tcu")
    with PartitionReader(fleet.site.kafka) as reader:
        letters = read_letters(fleet.site.kafka, fleet.site.registry, selection, reader)
        return sorted(letter.source_at.offset for letter in letters)


@pytest.mark.parametrize(
    "config",
    [{"cleanup.policy": "compact"}, {"message.timestamp.type": "CreateTime"}],
    ids=["compacted", "of the producers' times"],
)
def test_a_topic_with_other_settings_is_read_by_all_sinks(fleet: Fleet, config: dict[str, str]) -> None:
    """Every message that is there is landed, and decides the state."""
    change(fleet, config)
    fleet.send(200)
    run_until_read(fleet)
    assert fleet.history_problems() == {}
    assert fleet.state_problems() == {}


def change(fleet: Fleet, config: dict[str, str]) -> None:
    entries = [ConfigEntry(name, value, incremental_operation=SET) for name, value in config.items()]
    resource = ConfigResource(ResourceType.TOPIC, fleet.topic, incremental_configs=entries)
    Admin(fleet.site.kafka).client.incremental_alter_configs([resource])[resource].result(10)


@both_protocols
def test_partitions_that_are_added_while_the_sinks_run_are_read(fleet: Fleet) -> None:
    """By all three, from their start, and without a restart."""
    fleet.send(60)
    added = TopicPartition(fleet.topic, 3)
    with ExitStack() as stack:
        children = [stack.enter_context(forked(sink, fleet.site, fleet.folder)) for sink in SINKS]
        eventually(lambda: all(read_by(fleet, sink) for sink in SINKS))
        wanted = [NewPartitions(fleet.topic, 4)]
        Admin(fleet.site.kafka).client.create_partitions(wanted)[fleet.topic].result(10)
        eventually(lambda: added in Admin(fleet.site.kafka).partitions([fleet.topic]))
        producer = Producer(fleet.site.kafka)
        for number in range(20):
            producer.send(fleet.topic, b"key", reading(number), partition=3)
        producer.flush()
        assert producer.failed == 0
        eventually(lambda: log_ends(fleet.site.kafka, [fleet.topic]).get(added) == 20)
        eventually(lambda: all(read_by(fleet, sink) for sink in SINKS))
        assert not any(child.has_ended for child in children)
    offsets = sorted(offset for (partition, offset), _ in fleet.rows() if partition == 3)
    assert offsets == list(range(20))
    assert fleet.state()["added"][0]["speed"].v == 19.0


def test_messages_at_the_limit_stop_nobody(fleet: Fleet) -> None:
    """1 MiB is one message: landed whole and, being no telemetry, lettered; what follows is read."""
    producer = Producer(fleet.site.kafka)
    large = reading(1, padding=LARGEST_VALUE - len(reading(1, padding=0)))
    values = [large, b"{" + b"x" * (LARGEST_VALUE - 1), reading(2)]
    for value in values:
        producer.send(fleet.topic, b"key", value, partition=0)
    producer.flush()
    assert producer.failed == 0
    run_until_read(fleet)
    assert [payload for _, payload in sorted(fleet.rows())] == values
    assert fleet.state()["added"][0]["speed"].v == 2.0
    eventually(lambda: dead_letters(fleet) == [0, 1])


def reading(number: int, padding: int | None = None) -> bytes:
    """A speed of the vehicle `added`; unknown fields are no fault."""
    event: dict[str, object] = {
        "did": "added",
        "timestamp": BASE_MS + number,
        "name": "speed",
        "float_value": float(number),
    }
    if padding is not None:
        event["note"] = "n" * padding
    return json.dumps(event).encode()

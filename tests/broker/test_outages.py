"""A broker that goes away and comes back, seen by a consumer and a producer."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from broker.producer import Producer
from broker.record import TopicPartition
from broker.settings import KafkaSettings
from broker.topics import Topics, TopicSpec, wait_ready
from fleetlake.stack.embedded import Server, start_kafka
from tests.broker.members import Join


class Broker:
    """A broker of the test's own, that can be stopped and started on the same port."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.server: Server = start_kafka(folder)

    def restart(self) -> None:
        self.server = start_kafka(self.folder, self.server.port)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    broker = Broker(tmp_path / "own")
    yield broker
    broker.server.stop()


def test_a_consumer_outlives_its_broker(
    broker: Broker, either: KafkaSettings, topic_name: str, join: Join
) -> None:
    """Polls are empty while it is away, `broker_down` says so; afterwards it goes on where it was."""
    settings = either.model_copy(update={"bootstrap_servers": broker.server.address})
    Topics(settings).create([TopicSpec(topic_name, 1)])
    write(settings, topic_name, b"before")
    member = join([topic_name], settings=settings, instance_id="slot-0")
    member.poll_values(1)
    member.consumer.commit({TopicPartition(topic_name, 0): 1})
    broker.server.stop()

    member.poll_until(lambda: member.consumer.broker_down)
    assert member.poll() == []
    assert member.consumer.reconnects == 0
    assert member.consumer.assignment() == [TopicPartition(topic_name, 0)]

    broker.restart()
    wait_ready(settings)
    member.poll_until(lambda: not member.consumer.broker_down)
    assert member.consumer.reconnects == 1
    write(settings, topic_name, b"after")
    assert member.poll_values(2) == [b"before", b"after"]


def test_a_producer_delivers_when_its_broker_is_back(
    broker: Broker, settings: KafkaSettings, topic_name: str
) -> None:
    """What was queued meanwhile is written once."""
    own = settings.model_copy(update={"bootstrap_servers": broker.server.address})
    Topics(own).create([TopicSpec(topic_name, 1)])
    producer = Producer(own)
    producer.send(topic_name, None, b"1")
    producer.flush()
    broker.server.stop()
    producer.send(topic_name, None, b"2")
    began = time.monotonic()
    while time.monotonic() < began + 0.5:
        producer.poll(0.1)
    assert producer.delivered == 1

    broker.restart()
    producer.flush()

    assert (producer.delivered, producer.failed) == (2, 0)


def test_a_producer_outlives_a_broker_that_lost_messages(
    broker: Broker, settings: KafkaSettings, topic_name: str
) -> None:
    """What the broker then refuses is told to have failed; later messages are written."""
    own = settings.model_copy(update={"bootstrap_servers": broker.server.address})
    Topics(own).create([TopicSpec(topic_name, 1)])
    broker.server.stop()  # the topic is saved
    broker.restart()
    producer = Producer(own)
    for _ in range(3):  # several requests: the broker must find a gap in their sequence
        producer.send(topic_name, None, b"acknowledged")
        producer.flush()
    broker.server.kill()
    broker.restart()
    deadline = time.monotonic() + 30
    while producer.delivered < 5:
        assert time.monotonic() < deadline, producer.first_failure
        producer.send(topic_name, None, b"after")
        producer.flush()

    assert producer.delivered + producer.failed == producer.sent


def write(settings: KafkaSettings, topic: str, value: bytes) -> None:
    producer = Producer(settings)
    producer.send(topic, None, value)
    producer.flush()
    assert producer.delivered == 1

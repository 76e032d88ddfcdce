"""A broker that goes away and comes back, seen by a consumer and a producer."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from broker.admin import Admin
from broker.errors import BrokerUnavailable, TopicMissing
from broker.identity import TopicIdentities
from broker.producer import Producer
from broker.record import TopicPartition
from broker.settings import KafkaSettings
from broker.topics import Topics, TopicSpec, wait_ready
from tests.broker.members import Join
from tests.deadlines import eventually
from tests.servers import KafkaCluster, OwnServer


def test_a_consumer_outlives_its_broker(
    own_kafka: OwnServer, any_way: KafkaSettings, topic_name: str, join: Join
) -> None:
    """Polls are empty while it is away, `broker_down` says so; afterwards it goes on where it was."""
    longer_than_a_stop = {"session_timeout_ms": 30_000}
    settings = any_way.model_copy(update={"bootstrap_servers": own_kafka.address, **longer_than_a_stop})
    Topics(settings).create([TopicSpec(topic_name, 1)])
    write(settings, topic_name, b"before")
    member = join([topic_name], settings=settings, instance_id="slot-0")
    member.poll_values(1)
    member.consumer.commit({TopicPartition(topic_name, 0): 1})
    own_kafka.stop()

    member.poll_until(lambda: member.consumer.broker_down)
    assert member.poll() == []
    assert member.consumer.reconnects == 0
    assert member.consumer.assignment() == [TopicPartition(topic_name, 0)]

    own_kafka.start()
    wait_ready(settings)
    member.poll_until(lambda: not member.consumer.broker_down)
    assert member.consumer.reconnects == 1
    write(settings, topic_name, b"after")
    assert member.poll_values(2) == [b"before", b"after"]


def test_a_producer_delivers_when_its_broker_is_back(
    own_kafka: OwnServer, settings: KafkaSettings, topic_name: str
) -> None:
    """What was queued meanwhile is written once."""
    own = settings.model_copy(update={"bootstrap_servers": own_kafka.address})
    Topics(own).create([TopicSpec(topic_name, 1)])
    producer = Producer(own)
    producer.send(topic_name, None, b"1")
    producer.flush()
    own_kafka.stop()
    producer.send(topic_name, None, b"2")
    began = time.monotonic()
    while time.monotonic() < began + 0.5:
        producer.poll(0.1)
    assert producer.delivered == 1

    own_kafka.start()
    producer.flush()

    assert (producer.delivered, producer.failed) == (2, 0)


@pytest.mark.embedded_kafka
def test_a_producer_outlives_a_broker_that_lost_messages(
    own_kafka: OwnServer, settings: KafkaSettings, topic_name: str
) -> None:
    """As the embedded one does when it is killed. What it then refuses is told to have failed; later messages
    are written."""
    own = settings.model_copy(update={"bootstrap_servers": own_kafka.address})
    Topics(own).create([TopicSpec(topic_name, 1)])
    own_kafka.stop()  # the topic is saved
    own_kafka.start()
    producer = Producer(own)
    for _ in range(3):  # several requests: the broker must find a gap in their sequence
        producer.send(topic_name, None, b"acknowledged")
        producer.flush()
    own_kafka.kill()
    own_kafka.start()
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


@contextmanager
def cluster(folder: Path) -> Iterator[KafkaCluster]:
    """Three brokers."""
    kafka = KafkaCluster(folder)
    kafka.start()
    try:
        yield kafka
    finally:
        kafka.stop()


@pytest.mark.slow
@pytest.mark.real_kafka
def test_questions_are_answered_although_the_broker_that_was_asked_is_dead(
    tmp_path: Path, topic_name: str
) -> None:
    """The client library goes on asking the one it knows as the controller, for minutes."""
    with cluster(tmp_path) as kafka:
        settings = KafkaSettings(bootstrap_servers=kafka.address)
        wait_ready(settings)
        Topics(settings).create([TopicSpec(topic_name, 3)])
        admin = Admin(settings, timeout_s=2.0)
        identities = TopicIdentities(settings, admin)
        before: dict[str, str] = {}

        def is_known() -> bool:
            try:
                before.update(identities.read([topic_name]))
            except (BrokerUnavailable, TopicMissing):
                return False
            return True

        eventually(is_known)
        kafka.nodes[admin.client.list_topics(timeout=10).controller_id].kill()

        def is_answered() -> bool:
            try:
                return identities.read([topic_name]) == before
            except BrokerUnavailable:
                return False

        eventually(is_answered)

"""Topics, records and group members for tests against the real embedded broker."""

import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing

import pytest
from confluent_kafka import TopicPartition as Place

from broker.admin import Admin
from broker.consumer import GroupConsumer, OffsetReset
from broker.producer import Producer
from broker.reader import PartitionReader
from broker.record import TopicPartition
from broker.settings import KafkaSettings
from broker.topics import Topics, TopicSpec
from tests.broker.members import DeleteBefore, Join, Listener, MakeTopic, Member, Send


@pytest.fixture
def settings(kafka_settings: KafkaSettings) -> KafkaSettings:
    """The run's broker with the client's plain fetching; tests of fetching on demand ask for it."""
    return kafka_settings.model_copy(update={"fetch_on_demand": False})


@pytest.fixture(params=["plain", "on demand", pytest.param("KIP-848", marks=pytest.mark.real_kafka)])
def any_way(request: pytest.FixtureRequest, kafka_settings: KafkaSettings) -> KafkaSettings:
    """Both ways of fetching, and both protocols of a group where the broker has them."""
    protocol = "consumer" if request.param == "KIP-848" else "classic"
    return kafka_settings.model_copy(
        update={"fetch_on_demand": request.param == "on demand", "group_protocol": protocol}
    )


@pytest.fixture
def make_topic(settings: KafkaSettings, topic_name: str) -> MakeTopic:
    """Creates topics with names that no other test uses."""
    made: list[str] = []

    def make(partitions: int = 1, config: Mapping[str, str] | None = None) -> str:
        name = f"{topic_name}-{len(made)}"
        made.append(name)
        Topics(settings).create([TopicSpec(name, partitions, config=config or {})])
        return name

    return make


@pytest.fixture
def send(settings: KafkaSettings) -> Send:
    """Writes values to one partition and waits for the acknowledgements."""
    producer = Producer(settings)

    def write(topic: str, *values: bytes | None, partition: int = 0) -> None:
        for value in values:
            producer.send(topic, b"key", value, partition=partition)
        producer.flush()
        assert not producer.failed

    return write


@pytest.fixture
def reader(settings: KafkaSettings) -> Iterator[PartitionReader]:
    """Reads partitions without a group."""
    with PartitionReader(settings) as reader:
        yield reader


@pytest.fixture
def join(settings: KafkaSettings) -> Iterator[Join]:
    """Group members that leave when the test ends."""
    own = settings
    with ExitStack() as stack:

        def member(
            topics: Sequence[str],
            *,
            settings: KafkaSettings | None = None,
            offset_reset: OffsetReset = "earliest",
            instance_id: str | None = None,
            starts: Mapping[TopicPartition, int] | None = None,
        ) -> Member:
            consumer = GroupConsumer(
                settings or own, "sink", offset_reset=offset_reset, instance_id=instance_id
            )
            stack.callback(consumer.close)
            listener = Listener()
            listener.starts.update(starts or {})
            consumer.subscribe(topics, listener)
            return Member(consumer, listener)

        yield member


@pytest.fixture
def delete_before(settings: KafkaSettings) -> DeleteBefore:
    """Removes the oldest records."""

    def delete(partition: TopicPartition, offset: int) -> None:
        place = Place(*partition, offset)
        Admin(settings).client.delete_records([place])[place].result(10)

    return delete


@pytest.fixture
def unreachable(settings: KafkaSettings) -> KafkaSettings:
    """An address that refuses connections."""
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))  # bound, and nobody listens
        port = taken.getsockname()[1]
    return settings.model_copy(update={"bootstrap_servers": f"127.0.0.1:{port}"})

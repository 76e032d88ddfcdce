"""Producers: acknowledged once or counted as failed, and bounded in memory."""

import os

import pytest

from broker.errors import BrokerError, BrokerUnavailable, MessageTooLarge, TopicMissing
from broker.producer import Producer
from broker.reader import PartitionReader
from broker.record import TopicPartition
from broker.settings import KafkaSettings
from tests.broker.members import Join, MakeTopic

LIMITED = {"max.message.bytes": "1000"}


def test_every_message_is_counted_when_flushed(
    settings: KafkaSettings, make_topic: MakeTopic, join: Join
) -> None:
    """Delivered means that the broker acknowledged it; keys, headers and null values arrive as sent."""
    topic = make_topic()
    producer = Producer(settings)
    for number in range(500):
        producer.send(topic, b"k%d" % number, None if number % 2 else b"v", [("n", b"%d" % number)])
    producer.flush()

    assert (producer.sent, producer.delivered, producer.failed) == (500, 500, 0)
    member = join([topic])
    member.poll_values(500)
    [headers] = {str(run.headers[0]) for run in member.runs if run.offsets[0] == 0}
    assert headers == "[('n', b'0')]"
    assert member.values[:2] == [b"v", None]


@pytest.mark.real_kafka
def test_what_is_acknowledged_is_in_the_log_also_of_a_topic_that_was_just_made(
    settings: KafkaSettings, make_topic: MakeTopic, reader: PartitionReader
) -> None:
    """A producer's first request may come before the leader knows that it leads: the client must not take the
    second one's acknowledgement for both. It did in one of 240 topics."""
    for _ in range(40):
        topic, producer = make_topic(6), Producer(settings)
        for number in range(24):  # the large ones are requests of their own
            producer.send(topic, b"key", b"v" * (400_000 if number < 6 else 1), partition=number % 6)
        producer.flush()
        assert producer.delivered == 24
        assert [reader.ends(TopicPartition(topic, number)) for number in range(6)] == [(0, 4)] * 6


def test_a_send_waits_while_the_queue_is_full(settings: KafkaSettings, make_topic: MakeTopic) -> None:
    """The queue is a bound, not an error."""
    topic = make_topic()
    small = settings.model_copy(update={"client": {"queue.buffering.max.messages": "100"}})
    producer = Producer(small)
    for _ in range(3000):
        producer.send(topic, None, b"v")
    producer.flush()

    assert producer.delivered == 3000


def test_a_message_goes_to_the_partition_asked_for(
    settings: KafkaSettings, make_topic: MakeTopic, join: Join
) -> None:
    """Else keys decide as in Java's client: murmur2 of the key."""
    topic = make_topic(4)
    producer = Producer(settings)
    producer.send(topic, b"key", b"chosen", partition=2)
    producer.send(topic, b"foobar", b"by key")  # murmur2(b"foobar") = -790332482; positive & modulo 4 = 2
    producer.send(topic, b"21", b"by key")  # murmur2(b"21") = -973932308; positive & modulo 4 = 0
    producer.flush()

    member = join([topic])
    member.poll_values(3)

    found = {value: run.partition for run in member.runs for value in run.values if value == b"chosen"}
    keys = {key: run.partition for run in member.runs for key in run.keys}
    assert found == {b"chosen": 2}
    assert keys[b"foobar"] == (-790332482 & 0x7FFFFFFF) % 4
    assert keys[b"21"] == (-973932308 & 0x7FFFFFFF) % 4


def test_acknowledgements_are_told_one_by_one(settings: KafkaSettings, make_topic: MakeTopic) -> None:
    """A gateway answers its client only then; a refusal comes as our error."""
    topic = make_topic(config=LIMITED)
    told: list[BrokerError | None] = []
    producer = Producer(settings)
    producer.send(topic, None, b"small", acknowledged=told.append)
    producer.flush()
    producer.send(topic, None, os.urandom(5000), acknowledged=told.append)
    producer.flush()

    assert told[0] is None
    assert isinstance(told[1], MessageTooLarge)
    assert (producer.delivered, producer.failed) == (1, 1)
    assert producer.first_failure is told[1]


def test_a_message_beyond_the_clients_own_limit_is_refused_at_once(
    settings: KafkaSettings, make_topic: MakeTopic
) -> None:
    """Before it takes memory in the queue."""
    with pytest.raises(MessageTooLarge) as caught:
        Producer(settings).send(make_topic(), None, b"x" * 17_000_000)

    assert caught.value.size == 17_000_000


def test_a_missing_topic_is_not_created(settings: KafkaSettings, topic_name: str) -> None:
    """The message fails with a name."""
    producer = Producer(settings.model_copy(update={"client": {"topic.metadata.propagation.max.ms": "500"}}))
    told: list[BrokerError | None] = []
    producer.send(topic_name, None, b"v", acknowledged=told.append)
    producer.flush()

    assert isinstance(told[0], TopicMissing)
    assert topic_name in str(told[0])


def test_a_flush_has_a_deadline(unreachable: KafkaSettings) -> None:
    """A broker that is away is said so, with the number of messages that are not safe."""
    producer = Producer(unreachable)
    producer.send("anywhere", None, b"v")

    with pytest.raises(BrokerUnavailable, match="1 messages"):
        producer.flush(0.3)
    producer._client.purge()


def test_runs_know_their_place(settings: KafkaSettings, make_topic: MakeTopic, join: Join) -> None:
    """A run's topic partition prints as people write it."""
    topic = make_topic()
    producer = Producer(settings)
    producer.send(topic, None, b"abc")
    producer.flush()
    member = join([topic])
    member.poll_values(1)

    assert member.runs[0].topic_partition == TopicPartition(topic, 0)
    assert str(member.runs[0].topic_partition) == f"{topic}/0"
    assert member.runs[0].payload_bytes == 3

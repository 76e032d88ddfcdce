"""The producer that serves itself: each message is told of once, in time."""

import threading

from broker.errors import BrokerError, BrokerUnavailable
from broker.polled import PolledProducer
from broker.producer import TransactionalProducer
from broker.record import Written
from broker.settings import KafkaSettings
from tests.broker.members import MakeTopic
from tests.deadlines import eventually


def test_each_message_is_told_of_with_its_place(settings: KafkaSettings, make_topic: MakeTopic) -> None:
    """In another thread, without anybody polling."""
    topic, told, threads = make_topic(), list[Written | BrokerError](), set[str]()
    with PolledProducer(settings, give_up_s=10) as producer:
        for _ in range(100):
            producer.send(
                topic,
                b"k",
                b"v",
                told=lambda each: (told.append(each), threads.add(threading.current_thread().name)),
            )
        eventually(lambda: len(told) == 100)
    assert told == [Written(0, offset) for offset in range(100)]
    assert threads == {"kafka-acknowledgements"}


def test_what_nobody_answers_is_given_up_in_time(unreachable: KafkaSettings) -> None:
    """Within the time and about a second."""
    told: list[Written | BrokerError] = []
    with PolledProducer(unreachable, give_up_s=1) as producer:
        producer.send("anywhere", None, b"v", told=told.append)
        eventually(lambda: bool(told), 10)
    assert isinstance(told[0], BrokerUnavailable)


def test_what_is_left_at_the_end_is_told_of_as_failed(unreachable: KafkaSettings) -> None:
    """Nobody waits for ever."""
    told: list[Written | BrokerError] = []
    with PolledProducer(unreachable, give_up_s=60) as producer:
        producer.send("anywhere", None, b"v", told=told.append)
    assert isinstance(told[0], BrokerUnavailable)


def test_a_transaction_tells_where_its_messages_lie(
    settings: KafkaSettings, make_topic: MakeTopic, topic_name: str
) -> None:
    """Before its commit returns."""
    topic, written = make_topic(), list[Written]()
    producer = TransactionalProducer(settings, topic_name, tells=True)
    producer.init()
    producer.begin()
    for _ in range(3):
        producer.send(topic, b"k", b"v", written=written.append)
    producer.commit()
    assert written == [Written(0, offset) for offset in range(3)]

"""A commit that is never answered ends in an error, and the client that waits for it is not touched again."""

import threading
from collections.abc import Iterator
from typing import Any, cast

import pytest
from confluent_kafka import Consumer
from confluent_kafka import TopicPartition as Place

from broker import errors
from broker.commits import Commits
from broker.consumer import GroupConsumer
from broker.health import Health
from broker.record import TopicPartition
from broker.settings import KafkaSettings

FIRST = TopicPartition("topic", 0)
SETTINGS = KafkaSettings(bootstrap_servers="127.0.0.1:1")


class Client:
    """Answers a commit once it may."""

    def __init__(self) -> None:
        self.may_answer, self.stored = threading.Event(), list[int]()

    def commit(self, *, offsets: list[Place], asynchronous: bool) -> list[Place]:
        assert not asynchronous
        assert self.may_answer.wait(30)
        self.stored += [place.offset for place in offsets]
        return offsets


@pytest.fixture
def client() -> Iterator[Client]:
    made = Client()
    yield made
    made.may_answer.set()


@pytest.fixture
def commits(client: Client) -> Commits:
    health = Health(SETTINGS, "group", lambda topic: True)
    return Commits(cast(Consumer, client), health, SETTINGS, timeout_s=0.05)


def test_a_commit_that_is_not_answered_is_an_error(client: Client, commits: Commits) -> None:
    """And no other is made until it is: the older one could come last."""
    for offset in (5, 6):
        with pytest.raises(errors.BrokerUnavailable, match="committing offsets"):
            commits.commit({FIRST: offset}, {})
    assert commits.is_unanswered
    client.may_answer.set()
    eventually_answered(commits)
    commits.commit({FIRST: 7}, {})
    assert client.stored == [5, 7]


def eventually_answered(commits: Commits) -> None:
    answered = threading.Event()
    assert commits._under_way is not None
    commits._under_way.add_done_callback(lambda _: answered.set())
    assert answered.wait(30)


def test_a_consumer_whose_commit_hangs_answers_at_once(client: Client) -> None:
    """Every call of the client would wait with it, whatever its timeout; also the one that closes it."""
    consumer = GroupConsumer(SETTINGS, "hanging")
    consumer._commits = Commits(cast(Consumer, client), consumer._health, SETTINGS, timeout_s=0.05)
    with pytest.raises(errors.BrokerUnavailable):
        consumer.commit({FIRST: 1})
    calls: list[Any] = [
        lambda: consumer.poll(1, 60),
        lambda: consumer.committed([FIRST], 60),
        lambda: consumer.watermarks(FIRST, 60),
        consumer.positions,
        consumer.lag,
    ]
    for call in calls:
        with pytest.raises(errors.BrokerUnavailable, match="committing offsets"):
            call()
    consumer.close()
    client.may_answer.set()
    eventually_answered(consumer._commits)
    consumer.close()

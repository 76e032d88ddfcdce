"""Partitions that come and go between members, and what happens to failures meanwhile."""

import time
from collections.abc import Callable, Sequence

import pytest

from broker.producer import Producer
from broker.record import TopicPartition
from broker.settings import KafkaSettings
from tests.broker.members import DEADLINE_S, Join, MakeTopic, Member, Send


class OutOfOrder(Exception):
    """Something a listener raises."""


@pytest.fixture
def settings(kafka_settings: KafkaSettings) -> KafkaSettings:
    """Kafka's own group protocol, with members that notice a rebalance quickly."""
    changes = {"membership": "group", "client": {"heartbeat.interval.ms": "300"}}
    return kafka_settings.model_copy(update=changes)


def poll_all_until(members: Sequence[Member], condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, [member.consumer.assignment() for member in members]
        for member in members:
            member.poll(timeout_s=0.05)


def owned(member: Member) -> set[TopicPartition]:
    return set(member.consumer.assignment())


def test_two_members_share_and_the_last_takes_all(make_topic: MakeTopic, join: Join) -> None:
    """Only what moves is revoked; a member that leaves gives the rest back."""
    topic = make_topic(4)
    first = join([topic])
    poll_all_until([first], lambda: len(owned(first)) == 4)
    second = join([topic])
    both = [first, second]

    poll_all_until(both, lambda: len(owned(first)) == len(owned(second)) == 2)

    assert owned(first).isdisjoint(owned(second))
    assert set(first.listener.revoked) == owned(second)
    second.consumer.close()
    assert len(second.listener.revoked) == 2
    poll_all_until([first], lambda: len(owned(first)) == 4)
    assert first.listener.lost == []


def test_members_that_commit_when_revoked_read_each_record_once(
    settings: KafkaSettings, make_topic: MakeTopic, join: Join
) -> None:
    """A second member comes in the middle; together they return every record, and none twice."""
    topic = make_topic(4)
    producer = Producer(settings)
    sent = [b"%d" % number for number in range(2000)]
    for number, value in enumerate(sent):
        producer.send(topic, None, value, partition=number % 4)
    producer.flush()

    members = [join([topic])]
    commit_when_revoked(members[0])
    members[0].take(100)
    members.append(join([topic]))
    commit_when_revoked(members[1])
    poll_all_until(members, lambda: len(owned(members[0])) == len(owned(members[1])) == 2)
    poll_all_until(members, lambda: sum(len(member.values) for member in members) >= 2000)

    assert sorted(value for member in members for value in member.values if value) == sorted(sent)
    for member in members:  # they leave one after the other without polling: nothing is left to commit
        member.listener.before_revoke = lambda _: None


def commit_when_revoked(member: Member) -> None:
    def commit(partitions: Sequence[TopicPartition]) -> None:
        reached = {
            run.topic_partition: run.next_offset
            for run in member.runs
            if run.topic_partition in set(partitions)
        }
        member.consumer.commit(reached)

    member.listener.before_revoke = commit


def test_a_failure_to_find_the_start_comes_out_of_poll(
    either: KafkaSettings, make_topic: MakeTopic, send: Send, join: Join
) -> None:
    """As itself; nothing is read meanwhile, and the next poll asks again."""
    topic = make_topic()
    send(topic, b"1")
    member = join([topic], settings=either)
    member.listener.failures = [OutOfOrder("first"), OutOfOrder("second")]

    for expected in ("first", "second"):
        with pytest.raises(OutOfOrder, match=expected):
            member.poll_until(lambda: False)
        assert member.consumer.assignment() == []

    assert member.poll_values(1) == [b"1"]


def test_a_failure_while_partitions_are_revoked_comes_out(
    make_topic: MakeTopic, settings: KafkaSettings, join: Join
) -> None:
    """Out of `poll` when others take them, out of `close` when we leave."""
    topic = make_topic(2)
    first = join([topic])
    poll_all_until([first], lambda: len(owned(first)) == 2)
    first.listener.before_revoke = fail

    def share() -> None:
        second = join([topic])
        poll_all_until([first, second], lambda: bool(owned(second)))

    with pytest.raises(OutOfOrder):
        share()
    with pytest.raises(OutOfOrder):
        first.consumer.close()
    first.listener.before_revoke = lambda _: None


def fail(partitions: Sequence[TopicPartition]) -> None:
    raise OutOfOrder(str(partitions))


@pytest.mark.slow
def test_a_member_that_polls_too_seldom_loses_its_partitions(
    settings: KafkaSettings, make_topic: MakeTopic, send: Send, join: Join
) -> None:
    """`on_lost`, not `on_revoked`: others may own them. It rejoins by polling again."""
    topic = make_topic()
    send(topic, b"1")
    hasty = settings.model_copy(update={"max_poll_interval_ms": 6000, "session_timeout_ms": 6000})
    member = join([topic], settings=hasty)
    member.poll_values(1)
    time.sleep(6.5)

    member.poll_until(lambda: bool(member.listener.lost))

    assert member.listener.revoked == []
    assert member.poll_values(2) == [b"1", b"1"]  # it was never committed

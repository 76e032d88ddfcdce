"""Partitions that come and go between members, and what happens to failures meanwhile."""

import time
from collections.abc import Sequence
from contextlib import suppress

import pytest

from broker import coverage, group_options
from broker.admin import Admin
from broker.errors import TopicMissing
from broker.producer import Producer
from broker.record import TopicPartition
from broker.settings import KafkaSettings
from broker.topics import Topics, TopicSpec
from tests.broker.members import DEADLINE_S, Join, MakeTopic, Member, Send, owned, poll_all_until
from tests.deadlines import eventually


class OutOfOrder(Exception):
    """Something a listener raises."""


@pytest.fixture(params=["classic", pytest.param("consumer", marks=pytest.mark.real_kafka)])
def settings(request: pytest.FixtureRequest, kafka_settings: KafkaSettings) -> KafkaSettings:
    """Kafka's own group protocols, with members that notice a rebalance quickly."""
    client = {"heartbeat.interval.ms": "300"} if request.param == "classic" else {}
    changes = {"membership": "group", "group_protocol": request.param, "client": client}
    return kafka_settings.model_copy(update=changes)


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


def test_partitions_that_are_added_are_read_soon(
    settings: KafkaSettings,
    make_topic: MakeTopic,
    join: Join,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The topic is looked at anew now and then; the client's own period of five minutes would be late."""
    assert group_options.REFRESH_MS <= 10_000
    monkeypatch.setattr(group_options, "REFRESH_MS", 300)
    topic = make_topic(2)
    member = join([topic])
    poll_all_until([member], lambda: len(owned(member)) == 2)
    grown = TopicSpec(topic, 3)
    Topics(settings).apply(Topics(settings).report([grown])[0].differences)
    eventually(lambda: Topics(settings).report([grown])[0].partitions == 3)
    producer = Producer(settings)
    producer.send(topic, None, b"in a new partition", partition=2)
    producer.flush()
    poll_all_until([member], lambda: b"in a new partition" in member.values)


def test_a_pause_ends_with_the_ownership(make_topic: MakeTopic, join: Join, send: Send) -> None:
    """A partition that was paused, given up and is back is read: the client itself would remember."""
    topic = make_topic(2)
    first = join([topic])
    poll_all_until([first], lambda: len(owned(first)) == 2)
    first.consumer.pause(owned(first))
    second = join([topic])
    poll_all_until([first, second], lambda: len(owned(first)) == len(owned(second)) == 1)
    moved = next(iter(owned(second)))
    second.consumer.close()
    poll_all_until([first], lambda: moved in owned(first))
    send(topic, b"after it came back", partition=moved.partition)
    poll_all_until([first], lambda: b"after it came back" in first.values)


@pytest.mark.real_kafka
def test_a_topic_made_while_a_named_member_was_away_is_read(
    kafka_settings: KafkaSettings, make_topic: MakeTopic, join: Join, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A named member that comes back gets what it had; what is there again belongs to nobody."""
    monkeypatch.setattr(group_options, "REFRESH_MS", 300)
    monkeypatch.setattr(coverage, "LOOK_PERIOD_S", 0.5)
    monkeypatch.setattr(coverage, "AGAIN_S", 1.0)
    settings = kafka_settings.model_copy(update={"membership": "group"})
    stays, again = make_topic(2), make_topic(2)
    member = join([stays, again], instance_id="slot-0", settings=settings)
    poll_all_until([member], lambda: len(owned(member)) == 4)
    delete_until_given_up(settings, again, member)
    member.consumer.close()
    Topics(settings).create([TopicSpec(again, 2)])
    successor = join([stays, again], instance_id="slot-0", settings=settings)
    poll_all_until([successor], lambda: len(owned(successor)) == 4)


def delete_until_given_up(settings: KafkaSettings, topic: str, member: Member) -> None:
    """The group has noticed that the topic is gone."""
    admin = Admin(settings)
    admin.client.delete_topics([topic])[topic].result(DEADLINE_S)
    eventually(lambda: admin.describe([topic])[1] == [topic])
    deadline = time.monotonic() + DEADLINE_S
    while {place.topic for place in owned(member)} != {place.topic for place in owned(member)} - {topic}:
        assert time.monotonic() < deadline
        with suppress(TopicMissing):
            member.poll(timeout_s=0.05)


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
    any_way: KafkaSettings, make_topic: MakeTopic, send: Send, join: Join
) -> None:
    """As itself; nothing is read meanwhile, and the next poll asks again."""
    topic = make_topic()
    send(topic, b"1")
    member = join([topic], settings=any_way)
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
    time.sleep(8)  # the client looks twice a second whether the time is over

    member.poll_until(lambda: bool(member.listener.lost))

    assert member.listener.revoked == []
    assert member.poll_values(2) == [b"1", b"1"]  # it was never committed

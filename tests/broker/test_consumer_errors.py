"""What a group member cannot go on with comes out of `poll` by its name; what it can is waited out."""

import threading
from typing import Any

import pytest
from confluent_kafka import KafkaError
from pydantic import SecretStr

from broker.admin import Admin
from broker.errors import AuthenticationFailed, Fenced, OffsetOutOfRange, TopicMissing
from broker.record import TopicPartition
from broker.settings import KafkaSettings
from tests.broker.members import DeleteBefore, Join, MakeTopic, Send
from tests.deadlines import eventually


@pytest.mark.parametrize("wanted", [50, 1])
def test_an_offset_outside_the_log_is_named(
    any_way: KafkaSettings,
    make_topic: MakeTopic,
    send: Send,
    join: Join,
    delete_before: DeleteBefore,
    wanted: int,
) -> None:
    """Beyond the end and before the start alike; a seek takes the partition up again."""
    topic = make_topic()
    send(topic, b"0", b"1", b"2", b"3")
    place = TopicPartition(topic, 0)
    delete_before(place, 2)
    member = join([topic], settings=any_way, offset_reset="error", starts={place: wanted})

    with pytest.raises(OffsetOutOfRange) as caught:
        member.poll_until(lambda: False)

    error = caught.value
    assert (error.topic, error.partition, error.wanted, error.low, error.high) == (topic, 0, wanted, 2, 4)
    member.consumer.seek(place, error.low)
    assert member.poll_values(2) == [b"2", b"3"]


def test_every_partition_outside_of_its_log_is_told_until_it_is_sought(
    any_way: KafkaSettings, make_topic: MakeTopic, send: Send, join: Join, delete_before: DeleteBefore
) -> None:
    """Retention removes segments of many partitions at once, and none of them may fall silent."""
    topic = make_topic(3)
    places = [TopicPartition(topic, number) for number in range(3)]
    for place in places:
        send(topic, *(b"%d-%d" % (place.partition, number) for number in range(4)), partition=place.partition)
        delete_before(place, 2)
    member = join([topic], settings=any_way, offset_reset="error", starts=dict.fromkeys(places, 0))

    told: set[int] = set()
    while len(told) < 3:
        with pytest.raises(OffsetOutOfRange) as caught:
            member.poll_until(lambda: False)
        with pytest.raises(OffsetOutOfRange) as again:
            member.poll_until(lambda: False)
        assert (again.value.partition, again.value.low) == (caught.value.partition, 2)
        assert caught.value.partition not in told
        told.add(caught.value.partition)
        member.consumer.seek(places[caught.value.partition], caught.value.low)

    assert sorted(member.poll_values(6)) == [b"0-2", b"0-3", b"1-2", b"1-3", b"2-2", b"2-3"]


def test_a_client_that_does_not_come_back_from_closing_is_left(
    any_way: KafkaSettings, make_topic: MakeTopic, join: Join, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everything was given up before; a sink must be able to end."""
    coming_back = threading.Event()

    class Hanging:
        def __init__(self, client: Any) -> None:
            self._client = client

        def __getattr__(self, name: str) -> Any:
            return getattr(self._client, name)

        def close(self) -> None:
            coming_back.wait(30)
            self._client.close()

    member = join([make_topic()], settings=any_way)
    member.poll_until(lambda: bool(member.consumer.assignment()))
    monkeypatch.setattr("broker.consumer.CLOSE_TIMEOUT_S", 0.2)
    before = set(threading.enumerate())
    client = member.consumer._consumer
    monkeypatch.setattr(member.consumer, "_consumer", Hanging(client))
    try:
        member.consumer.close()
        assert member.consumer.assignment() == []
    finally:
        coming_back.set()
        eventually(lambda: set(threading.enumerate()) <= before)
        monkeypatch.undo()


def test_a_group_without_offsets_and_without_a_reset_is_named(
    any_way: KafkaSettings, make_topic: MakeTopic, join: Join
) -> None:
    """With offset_reset=error nothing is guessed."""
    topic = make_topic()
    member = join([topic], settings=any_way, offset_reset="error")

    with pytest.raises(OffsetOutOfRange, match="no offset is stored"):
        member.poll_until(lambda: False)


def test_a_missing_topic_is_named(any_way: KafkaSettings, topic_name: str, join: Join) -> None:
    """It is not created by asking for it, and not waited for in silence."""
    member = join([topic_name], settings=any_way)

    with pytest.raises(TopicMissing) as caught:
        member.poll_until(lambda: False)

    assert caught.value.topics == (topic_name,)


def test_a_topic_that_is_deleted_is_named(
    any_way: KafkaSettings, make_topic: MakeTopic, send: Send, join: Join
) -> None:
    """While it is being read; the consumer does not wait for another of that name in silence."""
    topic = make_topic()
    send(topic, b"1")
    quick = any_way.model_copy(update={"client": {"topic.metadata.refresh.interval.ms": "500"}})
    member = join([topic], settings=quick)
    member.poll_values(1)
    Admin(any_way).client.delete_topics([topic])[topic].result(10)

    with pytest.raises(TopicMissing, match=topic):
        member.poll_until(lambda: False)


def test_a_refused_login_comes_out_of_poll(settings: KafkaSettings, topic_name: str, join: Join) -> None:
    """A process does not sit there in silence, as it does while a broker is away."""
    login = {"sasl_mechanism": "SCRAM-SHA-256", "sasl_username": "u", "sasl_password": SecretStr("p")}
    refused = settings.model_copy(update={"security_protocol": "SASL_PLAINTEXT", **login})
    member = join([topic_name], settings=refused)

    with pytest.raises(AuthenticationFailed):
        member.poll_until(lambda: False)


def test_a_refused_login_keeps_nobody_from_leaving(
    settings: KafkaSettings, topic_name: str, join: Join
) -> None:
    """The client goes on trying to log in; what comes of that after the last poll is no failure."""
    member = join([topic_name], settings=settings)
    member.consumer._health.on_error(KafkaError(KafkaError._AUTHENTICATION))

    member.consumer.close()


def test_a_commit_of_a_member_that_is_out_is_refused(
    make_topic: MakeTopic, settings: KafkaSettings, join: Join
) -> None:
    """Someone who took over the static member's place owns its partitions now."""
    topic = make_topic()
    group = settings.model_copy(update={"membership": "group"})
    old = join([topic], instance_id="slot-0", settings=group)
    old.poll_until(lambda: bool(old.consumer.assignment()))
    new = join([topic], instance_id="slot-0", settings=group)
    new.poll_until(lambda: bool(new.consumer.assignment()))

    with pytest.raises(Fenced):
        old.consumer.commit({TopicPartition(topic, 0): 1})

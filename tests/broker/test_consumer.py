"""What a group member returns, and where it stands, against the real broker."""

import threading
from typing import Any

import pytest
from confluent_kafka import KafkaError
from pydantic import SecretStr

from broker.admin import Admin
from broker.consumer import OffsetReset
from broker.errors import AuthenticationFailed, Fenced, OffsetOutOfRange, TopicMissing
from broker.producer import Producer, TransactionalProducer
from broker.record import TopicPartition
from broker.settings import KafkaSettings
from tests.broker.members import DeleteBefore, Join, MakeTopic, Send, eventually


def test_messages_come_as_columns_of_one_partition(
    any_way: KafkaSettings, make_topic: MakeTopic, join: Join
) -> None:
    """Offsets, times, keys, headers and values of a run belong together."""
    topic = make_topic()
    producer = Producer(any_way)
    producer.send(topic, b"a", b"1", [("h", b"x"), ("none", None)])
    producer.send(topic, None, None)
    producer.flush()

    member = join([topic], settings=any_way)
    member.poll_values(2)

    run = member.runs[0]
    assert (run.topic, run.partition, run.offsets) == (topic, 0, [0, 1])
    assert run.keys == [b"a", None]
    assert run.values == [b"1", None]
    assert run.headers == [[("h", b"x"), ("none", None)], None]
    assert all(time > 1_600_000_000_000 for time in run.times_ms)
    assert run.next_offset == 2


def test_messages_of_several_partitions_are_runs_in_offset_order(
    any_way: KafkaSettings, make_topic: MakeTopic, send: Send, join: Join
) -> None:
    """No run mixes partitions, and no partition goes back."""
    topic = make_topic(3)
    for partition in range(3):
        send(topic, *(b"%d" % number for number in range(50)), partition=partition)

    member = join([topic], settings=any_way)
    member.poll_values(150)

    for partition in range(3):
        runs = [run for run in member.runs if run.partition == partition]
        assert [offset for run in runs for offset in run.offsets] == list(range(50))
        assert runs[-1].next_offset == 50


def test_no_more_records_than_asked_for_are_returned(
    any_way: KafkaSettings, make_topic: MakeTopic, send: Send, join: Join
) -> None:
    """`max_records` bounds a poll, and nothing is lost by it."""
    topic = make_topic()
    send(topic, *(b"%d" % number for number in range(25)))
    member = join([topic], settings=any_way)

    while len(member.values) < 25:
        assert sum(map(len, member.poll(max_records=7))) <= 7

    assert member.values == [b"%d" % number for number in range(25)]


def test_a_partition_begins_where_the_listener_says(
    any_way: KafkaSettings, make_topic: MakeTopic, send: Send, join: Join
) -> None:
    """A given start wins over the group's offset; a partition left out begins at the group's."""
    topic = make_topic(2)
    for partition in range(2):
        send(topic, b"0", b"1", b"2", b"3", partition=partition)
    first, second = TopicPartition(topic, 0), TopicPartition(topic, 1)
    earlier = join([topic], settings=any_way)
    earlier.poll_values(8)
    earlier.consumer.commit({first: 1, second: 3})
    earlier.consumer.close()

    member = join([topic], settings=any_way, starts={first: 2})
    member.poll_until(lambda: len(member.values) >= 3)

    assert sorted((run.partition, run.offsets[0]) for run in member.runs) == [(0, 2), (1, 3)]


@pytest.mark.parametrize(("reset", "expected"), [("earliest", [b"old", b"new"]), ("latest", [b"new"])])
def test_a_group_without_offsets_begins_by_the_reset_rule(
    any_way: KafkaSettings,
    make_topic: MakeTopic,
    send: Send,
    join: Join,
    reset: OffsetReset,
    expected: list[bytes],
) -> None:
    """earliest takes what is there, latest only what comes after the assignment."""
    topic = make_topic()
    send(topic, b"old")
    member = join([topic], settings=any_way, offset_reset=reset)
    member.poll_until(lambda: bool(member.consumer.assignment()))

    send(topic, b"new")

    assert member.poll_values(len(expected)) == expected


def test_positions_count_aborted_and_control_records(
    any_way: KafkaSettings, make_topic: MakeTopic, join: Join
) -> None:
    """The next offset lies behind what a read-committed reader passed over, without any row for it."""
    topic = make_topic(2)
    writer = TransactionalProducer(any_way, topic)
    writer.init()
    writer.begin()
    writer.send(topic, b"k", b"kept", partition=0)
    writer.commit()  # offset 1 is the commit marker
    writer.begin()
    writer.send(topic, b"k", b"dropped", partition=0)
    writer._client.flush(10)
    writer.abort()  # offset 2 is aborted, 3 its marker

    member = join([topic], settings=any_way)
    place = TopicPartition(topic, 0)
    member.poll_until(lambda: member.consumer.positions().get(place, 0) >= 4)

    assert member.values == [b"kept"]
    assert member.consumer.positions() == {place: 4, TopicPartition(topic, 1): 0}


def test_nothing_of_an_open_transaction_is_returned(
    any_way: KafkaSettings, make_topic: MakeTopic, send: Send, join: Join
) -> None:
    """A reader stops at the first open transaction, and goes on when it ends."""
    topic = make_topic()
    writer = TransactionalProducer(any_way, topic)
    writer.init()
    writer.begin()
    writer.send(topic, b"k", b"in", partition=0)
    writer._client.flush(10)
    send(topic, b"behind")
    member = join([topic], settings=any_way)
    member.poll_until(lambda: bool(member.consumer.assignment()))
    for _ in range(5):
        assert member.poll() == []

    writer.commit()

    assert member.poll_values(2) == [b"in", b"behind"]


def test_a_seek_goes_back_and_drops_what_was_fetched_ahead(
    any_way: KafkaSettings, make_topic: MakeTopic, send: Send, join: Join
) -> None:
    """After a seek the position is the target at once, and the next record is the one there."""
    topic = make_topic()
    send(topic, *(b"%d" % number for number in range(100)))
    member = join([topic], settings=any_way)
    member.take(10)
    place = TopicPartition(topic, 0)

    member.consumer.seek(place, 3)

    assert member.consumer.positions() == {place: 3}
    member.runs.clear()
    assert member.poll_values(97)[0] == b"3"


def test_a_paused_partition_is_silent_until_resumed(
    any_way: KafkaSettings, make_topic: MakeTopic, send: Send, join: Join
) -> None:
    """Others go on meanwhile, and nothing is lost."""
    topic = make_topic(2)
    member = join([topic], settings=any_way)
    member.poll_until(lambda: len(member.consumer.assignment()) == 2)
    quiet = TopicPartition(topic, 0)
    member.consumer.pause([quiet])
    send(topic, b"quiet")
    send(topic, b"loud", partition=1)

    assert member.poll_values(1) == [b"loud"]
    assert member.poll() == []

    member.consumer.resume([quiet])
    assert member.poll_values(2) == [b"loud", b"quiet"]


def test_a_seek_leaves_a_paused_partition_paused(
    any_way: KafkaSettings, make_topic: MakeTopic, send: Send, join: Join
) -> None:
    """Only `resume` wakes it; then it goes on at the target."""
    topic = make_topic()
    send(topic, b"0", b"1", b"2")
    member = join([topic], settings=any_way)
    member.poll_values(3)
    place = TopicPartition(topic, 0)
    member.consumer.pause([place])
    member.consumer.seek(place, 1)
    assert member.poll() == []

    member.consumer.resume([place])

    assert member.poll_values(5)[3:] == [b"1", b"2"]


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
    client = member.consumer._consumer
    monkeypatch.setattr(member.consumer, "_consumer", Hanging(client))
    try:
        member.consumer.close()
        assert member.consumer.assignment() == []
    finally:
        coming_back.set()
        eventually(lambda: not any(thread.name == "kafka-close" for thread in threading.enumerate()))
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


def test_committed_offsets_are_the_groups(any_way: KafkaSettings, make_topic: MakeTopic, join: Join) -> None:
    """What was committed is read back; a partition without an offset is None."""
    topic = make_topic(2)
    first, second = TopicPartition(topic, 0), TopicPartition(topic, 1)
    member = join([topic], settings=any_way)
    member.poll_until(lambda: len(member.consumer.assignment()) == 2)

    member.consumer.commit({first: 7})

    assert member.consumer.committed([first, second]) == {first: 7, second: None}


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


def test_lag_is_known_without_asking(
    any_way: KafkaSettings, make_topic: MakeTopic, send: Send, join: Join
) -> None:
    """It is the distance between what was returned and the log's end as fetched."""
    topic = make_topic()
    send(topic, *(b"%d" % number for number in range(20)))
    member = join([topic], settings=any_way)
    member.take(5)
    place = TopicPartition(topic, 0)

    assert member.consumer.lag() == {place: 15}
    assert member.consumer.watermarks(place) == (0, 20)
    member.poll_values(20)
    assert member.consumer.lag() == {place: 0}

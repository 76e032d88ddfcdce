"""What a group member returns, and where it stands, against the real broker."""

import pytest
from confluent_kafka import KafkaError
from pydantic import SecretStr

from broker.admin import Admin
from broker.consumer import OffsetReset
from broker.errors import AuthenticationFailed, Fenced, OffsetOutOfRange, TopicMissing
from broker.producer import Producer, TransactionalProducer
from broker.record import TopicPartition
from broker.settings import KafkaSettings
from tests.broker.members import DeleteBefore, Join, MakeTopic, Send


def test_messages_come_as_columns_of_one_partition(
    either: KafkaSettings, make_topic: MakeTopic, join: Join
) -> None:
    """Offsets, times, keys, headers and values of a run belong together."""
    topic = make_topic()
    producer = Producer(either)
    producer.send(topic, b"a", b"1", [("h", b"x"), ("none", None)])
    producer.send(topic, None, None)
    producer.flush()

    member = join([topic], settings=either)
    member.poll_values(2)

    run = member.runs[0]
    assert (run.topic, run.partition, run.offsets) == (topic, 0, [0, 1])
    assert run.keys == [b"a", None]
    assert run.values == [b"1", None]
    assert run.headers == [[("h", b"x"), ("none", None)], None]
    assert all(time > 1_600_000_000_000 for time in run.times_ms)
    assert run.next_offset == 2


def test_messages_of_several_partitions_are_runs_in_offset_order(
    either: KafkaSettings, make_topic: MakeTopic, send: Send, join: Join
) -> None:
    """No run mixes partitions, and no partition goes back."""
    topic = make_topic(3)
    for partition in range(3):
        send(topic, *(b"%d" % number for number in range(50)), partition=partition)

    member = join([topic], settings=either)
    member.poll_values(150)

    for partition in range(3):
        runs = [run for run in member.runs if run.partition == partition]
        assert [offset for run in runs for offset in run.offsets] == list(range(50))
        assert runs[-1].next_offset == 50


def test_no_more_records_than_asked_for_are_returned(
    either: KafkaSettings, make_topic: MakeTopic, send: Send, join: Join
) -> None:
    """`max_records` bounds a poll, and nothing is lost by it."""
    topic = make_topic()
    send(topic, *(b"%d" % number for number in range(25)))
    member = join([topic], settings=either)

    while len(member.values) < 25:
        assert sum(map(len, member.poll(max_records=7))) <= 7

    assert member.values == [b"%d" % number for number in range(25)]


def test_a_partition_begins_where_the_listener_says(
    either: KafkaSettings, make_topic: MakeTopic, send: Send, join: Join
) -> None:
    """A given start wins over the group's offset; a partition left out begins at the group's."""
    topic = make_topic(2)
    for partition in range(2):
        send(topic, b"0", b"1", b"2", b"3", partition=partition)
    first, second = TopicPartition(topic, 0), TopicPartition(topic, 1)
    earlier = join([topic], settings=either)
    earlier.poll_values(8)
    earlier.consumer.commit({first: 1, second: 3})
    earlier.consumer.close()

    member = join([topic], settings=either, starts={first: 2})
    member.poll_until(lambda: len(member.values) >= 3)

    assert sorted((run.partition, run.offsets[0]) for run in member.runs) == [(0, 2), (1, 3)]


@pytest.mark.parametrize(("reset", "expected"), [("earliest", [b"old", b"new"]), ("latest", [b"new"])])
def test_a_group_without_offsets_begins_by_the_reset_rule(
    either: KafkaSettings,
    make_topic: MakeTopic,
    send: Send,
    join: Join,
    reset: OffsetReset,
    expected: list[bytes],
) -> None:
    """earliest takes what is there, latest only what comes after the assignment."""
    topic = make_topic()
    send(topic, b"old")
    member = join([topic], settings=either, offset_reset=reset)
    member.poll_until(lambda: bool(member.consumer.assignment()))

    send(topic, b"new")

    assert member.poll_values(len(expected)) == expected


def test_positions_count_aborted_and_control_records(
    either: KafkaSettings, make_topic: MakeTopic, join: Join
) -> None:
    """The next offset lies behind what a read-committed reader passed over, without any row for it."""
    topic = make_topic(2)
    writer = TransactionalProducer(either, topic)
    writer.init()
    writer.begin()
    writer.send(topic, b"k", b"kept", partition=0)
    writer.commit()  # offset 1 is the commit marker
    writer.begin()
    writer.send(topic, b"k", b"dropped", partition=0)
    writer._client.flush(10)
    writer.abort()  # offset 2 is aborted, 3 its marker

    member = join([topic], settings=either)
    place = TopicPartition(topic, 0)
    member.poll_until(lambda: member.consumer.positions().get(place, 0) >= 4)

    assert member.values == [b"kept"]
    assert member.consumer.positions() == {place: 4, TopicPartition(topic, 1): 0}


def test_nothing_of_an_open_transaction_is_returned(
    either: KafkaSettings, make_topic: MakeTopic, send: Send, join: Join
) -> None:
    """A reader stops at the first open transaction, and goes on when it ends."""
    topic = make_topic()
    writer = TransactionalProducer(either, topic)
    writer.init()
    writer.begin()
    writer.send(topic, b"k", b"in", partition=0)
    writer._client.flush(10)
    send(topic, b"behind")
    member = join([topic], settings=either)
    member.poll_until(lambda: bool(member.consumer.assignment()))
    for _ in range(5):
        assert member.poll() == []

    writer.commit()

    assert member.poll_values(2) == [b"in", b"behind"]


def test_a_seek_goes_back_and_drops_what_was_fetched_ahead(
    either: KafkaSettings, make_topic: MakeTopic, send: Send, join: Join
) -> None:
    """After a seek the position is the target at once, and the next record is the one there."""
    topic = make_topic()
    send(topic, *(b"%d" % number for number in range(100)))
    member = join([topic], settings=either)
    member.take(10)
    place = TopicPartition(topic, 0)

    member.consumer.seek(place, 3)

    assert member.consumer.positions() == {place: 3}
    member.runs.clear()
    assert member.poll_values(97)[0] == b"3"


def test_a_paused_partition_is_silent_until_resumed(
    either: KafkaSettings, make_topic: MakeTopic, send: Send, join: Join
) -> None:
    """Others go on meanwhile, and nothing is lost."""
    topic = make_topic(2)
    member = join([topic], settings=either)
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
    either: KafkaSettings, make_topic: MakeTopic, send: Send, join: Join
) -> None:
    """Only `resume` wakes it; then it goes on at the target."""
    topic = make_topic()
    send(topic, b"0", b"1", b"2")
    member = join([topic], settings=either)
    member.poll_values(3)
    place = TopicPartition(topic, 0)
    member.consumer.pause([place])
    member.consumer.seek(place, 1)
    assert member.poll() == []

    member.consumer.resume([place])

    assert member.poll_values(5)[3:] == [b"1", b"2"]


@pytest.mark.parametrize("wanted", [50, 1])
def test_an_offset_outside_the_log_is_named(
    either: KafkaSettings,
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
    member = join([topic], settings=either, offset_reset="error", starts={place: wanted})

    with pytest.raises(OffsetOutOfRange) as caught:
        member.poll_until(lambda: False)

    error = caught.value
    assert (error.topic, error.partition, error.wanted, error.low, error.high) == (topic, 0, wanted, 2, 4)
    member.consumer.seek(place, error.low)
    assert member.poll_values(2) == [b"2", b"3"]


def test_a_group_without_offsets_and_without_a_reset_is_named(
    either: KafkaSettings, make_topic: MakeTopic, join: Join
) -> None:
    """With offset_reset=error nothing is guessed."""
    topic = make_topic()
    member = join([topic], settings=either, offset_reset="error")

    with pytest.raises(OffsetOutOfRange, match="no offset is stored"):
        member.poll_until(lambda: False)


def test_a_missing_topic_is_named(either: KafkaSettings, topic_name: str, join: Join) -> None:
    """It is not created by asking for it, and not waited for in silence."""
    member = join([topic_name], settings=either)

    with pytest.raises(TopicMissing) as caught:
        member.poll_until(lambda: False)

    assert caught.value.topics == (topic_name,)


def test_a_topic_that_is_deleted_is_named(
    either: KafkaSettings, make_topic: MakeTopic, send: Send, join: Join
) -> None:
    """While it is being read; the consumer does not wait for another of that name in silence."""
    topic = make_topic()
    send(topic, b"1")
    quick = either.model_copy(update={"client": {"topic.metadata.refresh.interval.ms": "500"}})
    member = join([topic], settings=quick)
    member.poll_values(1)
    Admin(either).client.delete_topics([topic])[topic].result(10)

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


def test_committed_offsets_are_the_groups(either: KafkaSettings, make_topic: MakeTopic, join: Join) -> None:
    """What was committed is read back; a partition without an offset is None."""
    topic = make_topic(2)
    first, second = TopicPartition(topic, 0), TopicPartition(topic, 1)
    member = join([topic], settings=either)
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
    either: KafkaSettings, make_topic: MakeTopic, send: Send, join: Join
) -> None:
    """It is the distance between what was returned and the log's end as fetched."""
    topic = make_topic()
    send(topic, *(b"%d" % number for number in range(20)))
    member = join([topic], settings=either)
    member.take(5)
    place = TopicPartition(topic, 0)

    assert member.consumer.lag() == {place: 15}
    assert member.consumer.watermarks(place) == (0, 20)
    member.poll_values(20)
    assert member.consumer.lag() == {place: 0}

"""What a group member returns, and where it stands, against the real broker."""

import pytest

from broker.consumer import OffsetReset
from broker.producer import Producer, TransactionalProducer
from broker.record import TopicPartition
from broker.settings import KafkaSettings
from tests.broker.members import Join, MakeTopic, Send


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


def test_committed_offsets_are_the_groups(any_way: KafkaSettings, make_topic: MakeTopic, join: Join) -> None:
    """What was committed is read back; a partition without an offset is None."""
    topic = make_topic(2)
    first, second = TopicPartition(topic, 0), TopicPartition(topic, 1)
    member = join([topic], settings=any_way)
    member.poll_until(lambda: len(member.consumer.assignment()) == 2)

    member.consumer.commit({first: 7})

    assert member.consumer.committed([first, second]) == {first: 7, second: None}


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

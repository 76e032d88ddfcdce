"""Reading a stretch of a partition to its end, without a group."""

import pytest

from broker.errors import BrokerUnavailable, OffsetOutOfRange, TopicMissing
from broker.producer import TransactionalProducer
from broker.reader import PartitionReader
from broker.record import TopicPartition
from broker.settings import KafkaSettings
from tests.broker.members import DeleteBefore, MakeTopic, Send, await_end


def offsets(reader: PartitionReader, topic: str, start: int, end: int | None = None) -> list[int]:
    return [offset for run in reader.read(TopicPartition(topic, 0), start, end) for offset in run.offsets]


def test_a_stretch_has_exactly_its_records(
    reader: PartitionReader, make_topic: MakeTopic, send: Send
) -> None:
    """From the start, to the end asked for or the log's end as it was; one reader, many reads."""
    topic = make_topic()
    send(topic, *(b"%d" % number for number in range(100)))

    assert offsets(reader, topic, 0) == list(range(100))
    assert offsets(reader, topic, 90) == list(range(90, 100))
    assert offsets(reader, topic, 10, 20) == list(range(10, 20))
    assert offsets(reader, topic, 100) == []
    assert offsets(reader, topic, 30, 30) == []


def test_a_reader_may_be_closed_in_the_middle_of_a_reading(
    settings: KafkaSettings, make_topic: MakeTopic, send: Send
) -> None:
    """As Ctrl-C does it: what is left of the reading ends without an error."""
    topic = make_topic()
    send(topic, *(b"%d" % number for number in range(100)))
    with PartitionReader(settings) as reader:
        reading = reader.read(TopicPartition(topic, 0), 0)
        next(reading)
    reading.close()


def test_an_empty_partition_is_read_at_once(reader: PartitionReader, make_topic: MakeTopic) -> None:
    """Nothing is waited for."""
    assert offsets(reader, make_topic(), 0) == []


def test_an_end_behind_the_logs_end_is_the_logs_end(
    reader: PartitionReader, make_topic: MakeTopic, send: Send
) -> None:
    """A reader does not wait for records that may never come."""
    topic = make_topic()
    send(topic, b"0", b"1")

    assert offsets(reader, topic, 0, 50) == [0, 1]


def test_a_read_ends_behind_aborted_and_control_records(
    reader: PartitionReader, settings: KafkaSettings, make_topic: MakeTopic
) -> None:
    """They fill the log's end without being returned; read_uncommitted sees the aborted ones."""
    topic = make_topic()
    writer = TransactionalProducer(settings, topic)
    writer.init()
    for value, ends in ((b"kept", writer.commit), (b"dropped", writer.abort)):
        writer.begin()
        writer.send(topic, b"k", value)
        writer._client.flush(10)
        ends()
    await_end(reader, topic, 4)  # the marker follows the answer

    [run] = list(reader.read(TopicPartition(topic, 0), 0))
    assert (run.values, run.next_offset) == ([b"kept"], 4)
    assert offsets(reader, topic, 2) == []
    with PartitionReader(settings, isolation="read_uncommitted") as everything:
        assert offsets(everything, topic, 0) == [0, 2]


def test_a_start_outside_the_log_is_named(
    reader: PartitionReader, make_topic: MakeTopic, send: Send, delete_before: DeleteBefore
) -> None:
    """Before its start and beyond its end."""
    topic = make_topic()
    send(topic, b"0", b"1", b"2")
    delete_before(TopicPartition(topic, 0), 2)

    for wanted in (1, 4):
        with pytest.raises(OffsetOutOfRange) as caught:
            offsets(reader, topic, wanted)
        assert (caught.value.wanted, caught.value.low, caught.value.high) == (wanted, 2, 3)


def test_a_read_that_is_given_up_leaves_the_reader_usable(
    reader: PartitionReader, make_topic: MakeTopic, send: Send
) -> None:
    """Who needs one record takes one."""
    topic = make_topic()
    send(topic, *(b"%d" % number for number in range(1000)))
    reading = reader.read(TopicPartition(topic, 0), 0)
    assert next(reading).offsets[0] == 0
    reading.close()

    assert offsets(reader, topic, 995) == [995, 996, 997, 998, 999]


def test_a_missing_topic_is_named(reader: PartitionReader, topic_name: str) -> None:
    """Not waited for."""
    with pytest.raises(TopicMissing):
        offsets(reader, topic_name, 0)


def test_a_broker_that_is_away_is_said_so(unreachable: KafkaSettings) -> None:
    """Within the time given."""
    with PartitionReader(unreachable) as reader, pytest.raises(BrokerUnavailable, match="did not answer"):
        reader.ends(TopicPartition("anything", 0), timeout_s=0.3)

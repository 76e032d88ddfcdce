"""Where logs begin and end, where times lie, and how far groups have come."""

import time

import pytest
from confluent_kafka import ConsumerGroupTopicPartitions, KafkaError, KafkaException

from broker.consumer import GroupConsumer
from broker.errors import GroupActive, TopicMissing
from broker.offsets import InvalidStart, Offsets, group_offsets, log_ends, log_starts, start_offsets
from broker.producer import TransactionalProducer
from broker.reader import PartitionReader
from broker.record import TopicPartition
from broker.settings import KafkaSettings
from broker.topics import Topics, TopicSpec
from tests.broker.members import DeleteBefore, Join, MakeTopic, Send
from tests.deadlines import eventually

LOG_APPEND_TIME = {"message.timestamp.type": "LogAppendTime"}


def test_logs_of_several_topics_are_known_at_once(
    settings: KafkaSettings, make_topic: MakeTopic, send: Send, delete_before: DeleteBefore
) -> None:
    """Each partition, empty ones too."""
    one, two = make_topic(), make_topic(2)
    send(one, b"0", b"1", b"2")
    send(two, b"0", partition=1)
    delete_before(TopicPartition(one, 0), 2)

    first, second, third = TopicPartition(one, 0), TopicPartition(two, 0), TopicPartition(two, 1)
    assert log_ends(settings, [one, two]) == {first: 3, second: 0, third: 1}
    assert log_starts(settings, [one, two]) == {first: 2, second: 0, third: 0}


def test_a_logs_end_is_where_a_read_committed_reader_stops(
    settings: KafkaSettings, make_topic: MakeTopic, send: Send
) -> None:
    """An open transaction holds it back."""
    topic = make_topic()
    place = TopicPartition(topic, 0)
    send(topic, b"0")
    writer = TransactionalProducer(settings, topic)
    writer.init()
    writer.begin()
    writer.send(topic, b"k", b"open")
    writer._client.flush(10)
    assert log_ends(settings, [topic]) == {place: 1}

    writer.commit()

    eventually(lambda: log_ends(settings, [topic]) == {place: 3})


def test_missing_topics_are_all_named(settings: KafkaSettings, topic_name: str) -> None:
    """So that one look is enough."""
    with pytest.raises(TopicMissing) as caught:
        log_ends(settings, [topic_name, topic_name + "-too"])

    assert caught.value.topics == (topic_name, topic_name + "-too")


def test_a_time_is_the_first_record_at_or_after_it(
    settings: KafkaSettings, make_topic: MakeTopic, send: Send
) -> None:
    """After the last record it is the log's end."""
    topic = make_topic(config=LOG_APPEND_TIME)
    place = TopicPartition(topic, 0)
    send(topic, b"0")
    time.sleep(0.01)  # the records must differ in time
    send(topic, b"1")
    with PartitionReader(settings) as reader:
        first, second = [ms for run in reader.read(place, 0) for ms in run.times_ms]
    offsets = Offsets(settings)

    assert offsets.at_time([place], first) == {place: 0}
    assert offsets.at_time([place], first + 1) == {place: 1}
    assert offsets.at_time([place], second + 1) == {place: 2}


def test_starts_are_earliest_latest_or_a_time(
    settings: KafkaSettings, make_topic: MakeTopic, send: Send
) -> None:
    """The rule for partitions that were never read; a time without an offset is UTC."""
    topic = make_topic(config=LOG_APPEND_TIME)
    place = TopicPartition(topic, 0)
    send(topic, b"0", b"1")

    assert start_offsets(settings, "earliest")(place, 0, 2) == 0
    assert start_offsets(settings, "latest")(place, 0, 2) == 2
    assert start_offsets(settings, "2020-01-01T00:00:00")(place, 0, 2) == 0
    assert start_offsets(settings, "2020-01-01T00:00:00+01:00")(place, 1, 2) == 1
    assert start_offsets(settings, "2999-01-01")(place, 0, 2) == 2
    with pytest.raises(InvalidStart, match="yesterday"):
        start_offsets(settings, "yesterday")


def test_the_offsets_of_another_group_are_read_without_joining_it(
    settings: KafkaSettings, make_topic: MakeTopic, join: Join
) -> None:
    """Empty for a group that never committed."""
    topic = make_topic(2)
    place = TopicPartition(topic, 1)
    assert group_offsets(settings, "sink") == {}
    member = join([topic])
    member.poll_until(lambda: bool(member.consumer.assignment()))
    member.consumer.commit({place: 4})

    assert group_offsets(settings, "sink") == {place: 4}


def test_offsets_of_a_group_with_members_are_not_set(
    settings: KafkaSettings, make_topic: MakeTopic, join: Join
) -> None:
    """They would be overwritten at the members' next commit; without members they are set."""
    place = TopicPartition(make_topic(), 0)
    offsets = Offsets(settings)
    member = join([place.topic], settings=settings.model_copy(update={"membership": "group"}))
    member.poll_until(lambda: bool(member.consumer.assignment()))

    with pytest.raises(GroupActive, match="has members"):
        offsets.set_of_group("sink", {place: 7}, {})

    member.consumer.close()
    offsets.set_of_group("sink", {place: 7}, {})
    assert offsets.of_group("sink") == {place: 7}


def test_offsets_are_set_when_the_groups_coordinator_has_moved(
    settings: KafkaSettings, make_topic: MakeTopic, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That says nothing of members: it is asked again, of whoever it is now."""
    place = TopicPartition(make_topic(), 0)
    alter, refused = Offsets._alter, []

    def refuse_first(self: Offsets, wanted: ConsumerGroupTopicPartitions) -> None:
        if not refused:
            refused.append(wanted.group_id)
            raise KafkaException(KafkaError(KafkaError.NOT_COORDINATOR))
        alter(self, wanted)

    monkeypatch.setattr(Offsets, "_alter", refuse_first)
    Offsets(settings).set_of_group("sink", {place: 7}, {})
    assert refused
    assert Offsets(settings).of_group("sink") == {place: 7}


@pytest.mark.real_kafka
def test_a_group_may_be_asked_for_before_its_coordinator_is_there(
    own_kafka_settings: KafkaSettings, topic_name: str
) -> None:
    """A new Kafka chooses one at the first question. The client library's own call ended the process then."""
    Topics(own_kafka_settings).create([TopicSpec(topic_name, 1)])
    assert group_offsets(own_kafka_settings, "sink") == {}

    place = TopicPartition(topic_name, 0)
    consumer = GroupConsumer(own_kafka_settings, "sink")
    consumer.commit({place: 0})
    consumer.close()

    assert group_offsets(own_kafka_settings, "sink") == {place: 0}

"""Transactions: all or nothing, one owner, and failures that say what to do next."""

import os
import time

import pytest

from broker.errors import Abortable, ClientFailed, Fenced, MessageTooLarge, Transient
from broker.producer import TransactionalProducer
from broker.reader import PartitionReader
from broker.record import TopicPartition
from broker.settings import KafkaSettings
from broker.stored_offset import StoredOffset
from tests.broker.members import DEADLINE_S, Join, MakeTopic, await_end


@pytest.fixture
def writer(settings: KafkaSettings, topic_name: str) -> TransactionalProducer:
    """A transactional producer that is ready to begin."""
    producer = TransactionalProducer(settings, topic_name)
    producer.init()
    return producer


def values(reader: PartitionReader, topic: str, count: int = 0) -> list[bytes | None]:
    """What a read-committed reader sees; `count` records are waited for: a commit shows a moment later."""
    deadline = time.monotonic() + DEADLINE_S
    while True:
        found = [value for run in reader.read(TopicPartition(topic, 0), 0) for value in run.values]
        if len(found) >= count or time.monotonic() > deadline:
            return found


def test_messages_and_offsets_become_visible_together(
    writer: TransactionalProducer, reader: PartitionReader, make_topic: MakeTopic, join: Join
) -> None:
    """Before the commit neither is there, afterwards both are."""
    source, output = make_topic(), make_topic()
    place = TopicPartition(source, 0)
    member = join([source])
    member.poll_until(lambda: bool(member.consumer.assignment()))
    member.consumer.commit({place: 1})

    writer.begin()
    writer.send(output, b"k", b"v", [("h", b"1")])
    writer.send_offsets({place: 5}, member.consumer.group_metadata())
    assert values(reader, output) == []

    writer.commit()
    assert values(reader, output, 1) == [b"v"]
    assert member.consumer.committed([place]) == {place: 5}


def test_nothing_of_an_aborted_transaction_is_seen(
    writer: TransactionalProducer, reader: PartitionReader, make_topic: MakeTopic, join: Join
) -> None:
    """Neither messages nor offsets; the next transaction is not affected."""
    source, output = make_topic(), make_topic()
    place = TopicPartition(source, 0)
    member = join([source])
    member.poll_until(lambda: bool(member.consumer.assignment()))

    writer.begin()
    writer.send(output, b"k", b"dropped")
    writer.send_offsets({place: 5}, member.consumer.group_metadata())
    writer.abort()
    writer.begin()
    writer.send(output, b"k", b"kept")
    writer.commit()

    assert values(reader, output, 1) == [b"kept"]
    assert member.consumer.committed([place]) == {place: None}


def test_the_older_of_two_owners_is_fenced(
    writer: TransactionalProducer, reader: PartitionReader, settings: KafkaSettings, make_topic: MakeTopic
) -> None:
    """It cannot commit what it began, and is told that another took over."""
    output = make_topic()
    writer.begin()
    writer.send(output, b"k", b"old")
    writer._client.flush(10)
    successor = TransactionalProducer(settings, writer.transactional_id)
    successor.init()

    with pytest.raises(Fenced, match=writer.transactional_id):
        writer.commit()

    successor.begin()
    successor.send(output, b"k", b"new")
    successor.commit()
    assert values(reader, output, 1) == [b"new"]


def test_a_fenced_owner_is_told_so_at_every_step(
    writer: TransactionalProducer, settings: KafkaSettings, make_topic: MakeTopic
) -> None:
    """However often it asks: not that something is wrong, but that another took over."""
    output = make_topic()
    TransactionalProducer(settings, writer.transactional_id).init()
    writer.begin()
    with pytest.raises(Fenced):
        send_until_refused(writer, output)

    for step in (lambda: writer.send(output, b"k", b"v"), writer.begin, writer.commit, writer.abort):
        with pytest.raises(Fenced):
            step()


def send_until_refused(writer: TransactionalProducer, topic: str) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        writer.send(topic, b"k", b"v")
        writer._serve(0.01)


def test_a_new_owner_ends_what_a_dead_one_left_open(
    writer: TransactionalProducer, reader: PartitionReader, settings: KafkaSettings, make_topic: MakeTopic
) -> None:
    """Readers do not wait for the transaction's timeout."""
    output = make_topic()
    writer.begin()
    writer.send(output, b"k", b"left open")
    writer._client.flush(10)
    assert reader.ends(TopicPartition(output, 0)) == (0, 0)

    TransactionalProducer(settings, writer.transactional_id).init()

    await_end(reader, output, 2)  # the aborted message and its marker
    assert values(reader, output) == []


def test_a_message_that_is_refused_makes_the_transaction_abortable(
    writer: TransactionalProducer, reader: PartitionReader, make_topic: MakeTopic
) -> None:
    """The commit fails and names the reason; aborted as often as it asks for, the producer goes on."""
    output = make_topic(config={"max.message.bytes": "1000"})
    writer.begin()
    writer.send(output, b"k", b"fine")
    writer.send(output, b"k", os.urandom(5000))

    with pytest.raises(Abortable, match="too large"):
        writer.commit()

    writer.abort()
    assert commit_at_last(writer, output, b"after") <= 2  # the client once asks for a new epoch by failing
    assert values(reader, output, 1) == [b"after"]


def test_whichever_step_fails_first_knows_which_message_was_refused(
    writer: TransactionalProducer, make_topic: MakeTopic
) -> None:
    """Also one that is told no more than that the transaction must be aborted."""
    narrow, wide = make_topic(config={"max.message.bytes": "1000"}), make_topic()
    writer.begin()
    writer.send(wide, b"k", b"waits, and is purged")
    writer.send(narrow, b"k", os.urandom(5000))

    with pytest.raises((Abortable, ClientFailed)):
        send_until_it_must_abort(writer, wide)
    assert isinstance(writer.first_failure, MessageTooLarge)
    assert writer.first_failure.topic == narrow


def send_until_it_must_abort(writer: TransactionalProducer, topic: str) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        writer.send(topic, b"k", b"v")
        time.sleep(0.001)


def commit_at_last(writer: TransactionalProducer, topic: str, value: bytes) -> int:
    """Sends in transactions until one is committed; how many it took."""
    for attempt in range(1, 5):
        writer.begin()
        writer.send(topic, b"k", value)
        try:
            writer.commit()
        except Abortable:
            writer.abort()
        else:
            return attempt
    pytest.fail("no transaction was committed any more")


def test_a_missing_topic_makes_the_transaction_abortable(
    settings: KafkaSettings, topic_name: str, reader: PartitionReader, make_topic: MakeTopic
) -> None:
    """It is not created by writing to it."""
    quick = settings.model_copy(update={"client": {"topic.metadata.propagation.max.ms": "500"}})
    writer = TransactionalProducer(quick, topic_name)
    writer.init()
    writer.begin()
    writer.send(topic_name, b"k", b"v")

    with pytest.raises(Abortable):
        writer.commit()
    writer.abort()


def test_an_empty_transaction_may_be_committed(
    writer: TransactionalProducer, make_topic: MakeTopic, join: Join
) -> None:
    """Offsets alone, or nothing at all."""
    source = make_topic()
    place = TopicPartition(source, 0)
    member = join([source])
    member.poll_until(lambda: bool(member.consumer.assignment()))

    writer.begin()
    writer.commit()
    writer.begin()
    writer.send_offsets({place: 3}, member.consumer.group_metadata())
    writer.commit()

    assert member.consumer.committed([place]) == {place: 3}


def test_a_broker_that_is_away_is_transient(unreachable: KafkaSettings) -> None:
    """The same step may be tried again."""
    with pytest.raises(Transient):
        TransactionalProducer(unreachable, "anyone").init(0.5)


def test_an_offset_carries_the_life_of_its_topic(
    settings: KafkaSettings, make_topic: MakeTopic, join: Join
) -> None:
    """In a transaction and outside; one that was stored without it has none."""
    first, second, third = (TopicPartition(make_topic(), 0) for _ in range(3))
    member = join([first.topic])
    member.poll_until(lambda: bool(member.consumer.assignment()))
    writer = TransactionalProducer(settings, first.topic)
    writer.init()
    writer.begin()
    writer.send_offsets({first: 3}, member.consumer.group_metadata(), lives={first.topic: "life"})
    writer.commit()
    member.consumer.commit({second: 4}, {second.topic: "other"})
    member.consumer.commit({third: 5})

    assert member.consumer.stored([first, second, third]) == {
        first: StoredOffset(3, "life"), second: StoredOffset(4, "other"), third: StoredOffset(5)
    }  # fmt: skip

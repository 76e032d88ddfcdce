"""Dead letters that are missing, doubled or of nothing are named by the audit."""

import json
from collections.abc import Iterator
from typing import Any

from broker.admin import Admin
from broker.consumer import GroupConsumer
from broker.offsets import group_offsets
from broker.producer import Producer
from broker.reader import PartitionReader
from broker.record import TopicPartition
from tests.deadlines import eventually
from tests.fleetlake.audit.audited import PARTITIONS, Stack, delete_records


def test_a_doubled_dead_letter_is_named(landed: Stack) -> None:
    """A copy of one that is there."""
    send_again(landed, skip=0)
    (problem,) = landed.audit().findings.problems
    assert problem.kind == "dead_letter_doubled"
    assert problem.facts["offset"] in {18, 19}


def test_a_missing_dead_letter_is_named(stack: Stack) -> None:
    """Routes says it has passed the message."""
    stack.send(10, bad=2)
    stack.run_sinks("history", "state")
    claim_routed(stack)
    kinds = [kind for kind, _ in stack.problems()]
    assert kinds == ["dead_letter_missing", "dead_letter_missing"]


def test_a_dead_letter_of_an_accepted_message_is_named(landed: Stack) -> None:
    """History has it as a good one."""
    send_again(landed, skip=0, offset=2)
    (problem,) = landed.audit().findings.problems
    assert (problem.kind, problem.facts["offset"]) == ("dead_letter_stray", 2)


def test_a_letter_that_retention_removed_is_expired_though_its_message_has_no_time(stack: Stack) -> None:
    """Kafka's time of a message may mean nothing; then the time at which it was landed counts."""
    stack.send(10, bad=1)
    stack.run_sinks()
    stack.change_row(1, 4, "kafka_time", None)
    remove_letters(stack)
    stack.send(10, bad=10)
    stack.run_sinks()

    report = stack.audit()

    assert report.findings.problems == []
    [letters] = report.dead_letters
    assert (letters.expired, letters.missing, letters.rejected) == (1, 0, 11)


def test_an_emptied_partition_of_the_dead_letters_expires_nothing_that_is_young(stack: Stack) -> None:
    """Retention empties a quiet partition; that says nothing of letters that should be in it, or in others,
    and are younger than what retention removes."""
    stack.send(10, bad=4)
    stack.run_sinks("history", "state")
    claim_routed(stack)
    topic, producer = f"{stack.topic}.dlq", Producer(stack.kafka)
    for partition in range(3):
        producer.send(topic, None, b"something of long ago", partition=partition)
    producer.flush()
    for partition in range(3):
        delete_records(stack, partition, 1, topic)

    report = stack.audit()

    assert report.findings.counts == {"dead_letter_missing": 4}
    [letters] = report.dead_letters
    assert (letters.expired, letters.missing) == (0, 4)


def test_letters_are_missing_where_their_topic_is(landed: Stack) -> None:
    """Deleted by hand: nobody says that the check was left out."""
    admin = Admin(landed.kafka)
    topic = f"{landed.topic}.dlq"
    admin.client.delete_topics([topic])[topic].result(10)
    eventually(lambda: not admin.describe([topic])[0])
    assert landed.audit().findings.counts == {"dead_letter_missing": 3}


def dead_letters(stack: Stack) -> Iterator[dict[str, Any]]:
    """What the dead-letter topic holds."""
    topic = f"{stack.topic}.dlq"
    with PartitionReader(stack.kafka) as reader:
        for partition in range(3):
            for records in reader.read(TopicPartition(topic, partition), 0):
                yield from (json.loads(value) for value in records.values if value)


def remove_letters(stack: Stack) -> None:
    """Empties the dead-letter topic, whose one letter is seen a moment after it was committed."""
    topic = f"{stack.topic}.dlq"
    with PartitionReader(stack.kafka) as reader:

        def ends() -> dict[int, int]:
            return {partition: reader.ends(TopicPartition(topic, partition))[1] for partition in range(3)}

        eventually(lambda: any(ends().values()))
        for partition, end in ends().items():
            delete_records(stack, partition, end, topic)


def send_again(stack: Stack, skip: int, **changes: Any) -> None:
    """Writes one of the dead letters once more, changed as asked."""
    letter = list(dead_letters(stack))[skip] | changes
    producer = Producer(stack.kafka)
    producer.send(f"{stack.topic}.dlq", None, json.dumps(letter).encode())
    producer.flush()


def claim_routed(stack: Stack) -> None:
    """Moves the routes group behind everything, as if it had done it."""
    consumer = GroupConsumer(stack.kafka, "routes")
    consumer.commit({TopicPartition(stack.topic, partition): 5 for partition in range(PARTITIONS)})
    consumer.close()
    assert group_offsets(stack.kafka, "routes")

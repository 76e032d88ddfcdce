"""What Kafka's log no longer has, or never returns, is told from what history has lost."""

import json
import time

import pyarrow as pa

from broker.producer import TransactionalProducer
from broker.reader import PartitionReader
from broker.record import TopicPartition
from broker.topics import Difference, Topics
from ingest.state_rebuild import rebuild
from tests.fleetlake.audit.audited import BASE_MS, PARTITIONS, Stack, delete_records
from tests.ingest.topics import make_topic_again


def test_messages_removed_unread_are_expired(stack: Stack) -> None:
    """Retention was faster than history; nobody can bring them back, and nobody overlooks it."""
    stack.send(20)
    stack.run_sinks()
    stack.send(20)
    delete_records(stack, 0, 15)
    report = stack.audit()
    assert [(problem.kind, problem.facts["first_offset"], problem.facts["last_offset"]) for problem in
            report.findings.problems if problem.kind == "expired"] == [("expired", 10, 14)]  # fmt: skip
    assert [each.expired for each in report.partitions] == [5, 0]


def test_messages_removed_after_landing_are_no_fault(landed: Stack) -> None:
    """That is what retention is for."""
    delete_records(landed, 0, 12)
    report = landed.audit()
    assert report.findings.problems == []
    assert [each.compared for each in report.partitions] == [8, 20]


def test_a_row_gone_below_the_logs_start_is_expired(landed: Stack) -> None:
    """Kafka cannot be asked any more; a topic without transactions has no holes of its own."""
    delete_records(landed, 0, 12)
    landed.delete_row(0, 3)
    report = landed.audit()
    assert report.findings.counts["expired"] == 1


def test_markers_and_aborted_messages_are_no_gap(stack: Stack) -> None:
    """A producer with transactions leaves offsets without messages; also below the log's start later on."""
    producer = TransactionalProducer(stack.kafka, f"{stack.kafka.group_prefix}.t")
    producer.init()
    for number, is_kept in enumerate((True, False, True, True)):
        producer.begin()
        event = {"did": "v", "timestamp": BASE_MS + number, "name": "speed", "float_value": float(number)}
        producer.send(stack.topic, b"v", json.dumps(event).encode(), partition=0)
        wait_for_offset(stack, 2 * number)
        producer.commit() if is_kept else producer.abort()
    stack.run_sinks()
    report = stack.audit()
    assert report.findings.problems == []
    assert (report.partitions[0].rows, report.partitions[0].not_landed) == (3, 0)
    delete_records(stack, 0, 4)
    report = stack.audit()
    assert report.findings.problems == []
    assert report.partitions[0].unverifiable == 3
    stack.delete_row(0, 4)
    assert ("lost", f"{stack.topic}/0") in stack.problems()


def test_a_message_that_compaction_removed_is_no_fault(stack: Stack) -> None:
    """In a compacted topic a row may be all that is left of a message; elsewhere it is a row of nothing."""
    producer = TransactionalProducer(stack.kafka, f"{stack.kafka.group_prefix}.t")
    producer.init()
    for number, is_kept in enumerate((True, False, True)):
        producer.begin()
        event = {"did": "v", "timestamp": BASE_MS + number, "name": "speed", "float_value": float(number)}
        producer.send(stack.topic, b"v", json.dumps(event).encode(), partition=0)
        wait_for_offset(stack, 2 * number)
        producer.commit() if is_kept else producer.abort()
    stack.run_sinks()
    row = stack.rows(0, 0)
    offset = row.schema.get_field_index("offset")
    stack.add_rows(row.set_column(offset, row.schema.field(offset), pa.array([2], pa.int64())))
    assert [kind for kind, _ in stack.problems() if kind == "no_such_message"] == ["no_such_message"]
    policy = [Difference(stack.topic, "cleanup.policy", "compact", "delete", can_change=True)]
    Topics(stack.kafka).apply(policy)
    report = stack.audit()
    assert "no_such_message" not in report.findings.counts
    assert report.partitions[0].unverifiable == 1


def wait_for_offset(stack: Stack, offset: int) -> None:
    """Until the message is in the log, committed or not."""
    deadline = time.monotonic() + 10
    with PartitionReader(stack.kafka, isolation="read_uncommitted") as reader:
        while reader.ends(TopicPartition(stack.topic, 0))[1] <= offset:
            assert time.monotonic() < deadline


def test_a_history_that_began_later_is_no_fault(stack: Stack) -> None:
    """What came before its start is not missed, neither in bronze nor, where the state has it, there."""
    stack.send(20)
    stack.ingest = stack.ingest.model_copy(update={"start": "latest"})
    stack.run_sinks("history", "state")
    stack.send(3)
    stack.run_sinks("history", "state")
    report = stack.audit()
    assert report.findings.problems == []
    assert sum(each.rows for each in report.partitions) == 3
    assert [each.started_at for each in report.partitions] == [10, 10]
    assert report.state.before_history == 2
    rebuild(stack.kafka, stack.mongo, stack.lake, stack.registry)
    assert stack.audit().state.before_history == 2


def test_a_former_life_of_a_topic_is_checked_by_itself(landed: Stack) -> None:
    """Another life of the log is landed whole; a hole in the old rows is still named."""
    if landed.kafka.incarnation_file is None:
        make_topic_again(landed.kafka, landed.topic, PARTITIONS)
    else:
        landed.kafka.incarnation_file.write_text("next")
    landed.send(20)
    landed.run_sinks()
    report = landed.audit()
    assert report.findings.problems == []
    assert [each.is_present for each in report.partitions] == [True, False, True, False]
    former = next(each for each in report.partitions if not each.is_present)
    landed.bronze().delete(f"topic_id = '{former.topic_id}' and partition = 0 and \"offset\" = 6")
    (problem,) = landed.audit().findings.problems
    assert problem.kind == "expired"
    assert former.topic_id in problem.where
    assert problem.facts["first_offset"] == 6

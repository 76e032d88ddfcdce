"""What Kafka's log no longer has, or never returns, is told from what history has lost."""

import json
import time
from collections.abc import Sequence

import pyarrow as pa
import pytest

from broker.identity import TopicIdentities
from broker.offsets import Offsets
from broker.producer import TransactionalProducer
from broker.reader import PartitionReader
from broker.record import TopicPartition
from broker.topic_specs import TopicSpec
from broker.topics import Difference, Topics
from fleetlake.audit.log import Log
from fleetlake.stack.server import wait_until
from ingest.checkpoints import skip_lost
from ingest.state_rebuild import rebuild
from lake.bronze import Bronze, BronzePartition
from lake.storage import wait_ready
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
    assert (report.partitions[0].compared, report.partitions[0].is_sampled) == (3, False)
    delete_records(stack, 0, 4)
    report = stack.audit()
    assert report.findings.problems == []
    assert report.partitions[0].unverifiable == 3
    stack.delete_row(0, 4)
    assert ("lost", f"{stack.topic}/0") in stack.problems()


@pytest.mark.parametrize("is_recorded", [True, False], ids=["recorded", "only noted"])
def test_what_was_skipped_is_expired_ever_after_whatever_the_topic_is(
    stack: Stack, *, is_recorded: bool
) -> None:
    """A topic written in transactions has holes below its log's start that nobody can explain any more; what
    an operator gave up is none of them. Twice, and after the log of the table was cleaned up."""
    send_in_transactions(stack, 0, 2)
    stack.run_sinks()
    gone = []
    for first in (4, 10):
        send_in_transactions(stack, first, 3)
        delete_records(stack, 0, first + 4)
        skip(stack, first, first + 4, is_recorded=is_recorded)
        stack.run_sinks()
        gone.append((first, first + 3))
    assert expired(stack) == gone
    if is_recorded:
        forget_the_log(stack)
        assert expired(stack) == gone
    report = stack.audit()
    assert (report.partitions[0].expired, report.partitions[0].unverifiable) == (8, 3)
    assert set(report.findings.counts) == {"expired"}


def send_in_transactions(stack: Stack, first: int, count: int) -> None:
    """One message each: every second offset from `first` is a marker."""
    producer = TransactionalProducer(stack.kafka, f"{stack.kafka.group_prefix}.t")
    producer.init()
    for offset in range(first, first + 2 * count, 2):
        producer.begin()
        event = {"did": "v", "timestamp": BASE_MS + offset, "name": "speed", "float_value": float(offset)}
        producer.send(stack.topic, b"v", json.dumps(event).encode(), partition=0)
        wait_for_offset(stack, offset)
        producer.commit()


def skip(stack: Stack, checkpoint: int, low: int, *, is_recorded: bool) -> None:
    """As the command does it, or as it did before the table remembered."""
    place, bronze = TopicPartition(stack.topic, 0), Bronze(wait_ready(stack.lake))
    topic_id = TopicIdentities(stack.kafka).read([stack.topic])[stack.topic]
    if is_recorded:
        moved = skip_lost(bronze, place, topic_id, low, Offsets(stack.kafka).ends([stack.topic])[place])
        assert (moved.before, moved.now) == (checkpoint, low)
    else:
        note = {"fleetlake.skipped": f"{place} {checkpoint}-{low - 1}"}
        bronze.commit([], {BronzePartition(topic_id, 0): low}, note=note)


def expired(stack: Stack) -> list[tuple[int, int]]:
    """First and last offset of what the audit says is gone."""
    problems = stack.audit().findings.problems
    return [
        (each.facts["first_offset"], each.facts["last_offset"]) for each in problems if each.kind == "expired"
    ]


def forget_the_log(stack: Stack) -> None:
    """A checkpoint of the table's log, and nothing left of the entries before it."""
    table = stack.bronze()
    table.alter.set_table_properties({"delta.logRetentionDuration": "interval 0 seconds"})
    table.create_checkpoint()
    table.cleanup_metadata()
    assert len(table.history()) == 1


def test_a_partition_that_is_added_while_the_log_is_looked_at_is_left_for_the_next_look(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It begins between the questions for starts and ends."""
    starts = Offsets.starts
    newest = TopicPartition(stack.topic, PARTITIONS - 1)

    def before_it_was_added(self: Offsets, topics: Sequence[str]) -> dict[TopicPartition, int]:
        return {key: low for key, low in starts(self, topics).items() if key != newest}

    monkeypatch.setattr(Offsets, "starts", before_it_was_added)
    with PartitionReader(stack.kafka) as reader:
        log = Log.look(stack.kafka, reader, [stack.topic])
    assert log.partitions_of(stack.topic) == [TopicPartition(stack.topic, 0)]


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
    topics = Topics(stack.kafka)
    topics.apply(policy)
    assert wait_until(
        lambda: (
            not topics.report([TopicSpec(stack.topic, PARTITIONS, config={"cleanup.policy": "compact"})])[
                0
            ].differences
        ),
        30,
    )
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

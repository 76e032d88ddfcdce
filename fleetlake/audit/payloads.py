"""Are the bytes in bronze those that Kafka has? Compared by size, sha256 and key, for a sample or for all."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256

from broker.record import TopicPartition
from fleetlake.audit.findings import Findings, Problem, offsets_text
from fleetlake.audit.log import Log
from fleetlake.audit.partitions import PartitionReport
from lake.audit_queries import LandedCoordinates, LandedPayload

BLOCKS = 3
"""A sample is the first, the last and one stretch between: reading few long stretches is cheap everywhere."""

NO_MESSAGE = "no_such_message"

Choose = Callable[[int], int]
"""Chooses a number below another one."""


@dataclass(frozen=True, slots=True)
class Sample:
    """Messages to compare per partition; None for all of them."""

    messages: int | None
    choose: Choose

    def stretches(self, begin: int, end: int) -> list[tuple[int, int]]:
        """Stretches [from, to) of [begin, end), in order, not overlapping."""
        if begin >= end or self.messages == 0:
            return []
        if self.messages is None or end - begin <= self.messages:
            return [(begin, end)]
        size = max(1, self.messages // BLOCKS)
        if self.messages < BLOCKS:
            start = begin + self.choose(end - begin - size + 1)
            return [(start, start + size)]
        between = end - begin - BLOCKS * size
        start = begin + size + self.choose(between + 1)
        return [(begin, begin + size), (start, start + size), (end - size, end)]


def compare_payloads(
    log: Log, landed: LandedCoordinates, report: PartitionReport, sample: Sample, findings: Findings
) -> None:
    """Compares what both have: offsets that history has passed and that the log still holds. A row whose
    message is gone from a compacted topic cannot be compared any more."""
    if report.log_start is None or report.log_end is None or report.checkpoint is None:
        return
    begin, behind = max(report.begin, report.log_start), min(report.checkpoint, report.log_end)
    stretches = sample.stretches(begin, behind)
    report.is_sampled = sum(end - first for first, end in stretches) < behind - begin
    for first, end in stretches:
        rows = landed.payloads(report.topic_id, report.topic, report.partition, first, end - 1)
        records = _checksums(log, report.key, first, end)
        for problem in _differences(report, rows, records):
            if problem.kind == NO_MESSAGE and report.topic in log.compacted:
                report.unverifiable += 1
            elif problem.facts["offset"] >= log.spans[report.key].low:  # else retention has just removed it
                findings.add(problem)


def _checksums(log: Log, partition: TopicPartition, begin: int, end: int) -> Iterator[LandedPayload]:
    for records in log.read(partition, begin, end):
        for offset, key, value in zip(records.offsets, records.keys, records.values, strict=True):
            size, digest = (None, None) if value is None else (len(value), sha256(value).hexdigest())
            yield LandedPayload(offset, size, digest, key)


def _differences(
    report: PartitionReport, rows: Iterable[LandedPayload], records: Iterator[LandedPayload]
) -> Iterator[Problem]:
    """Both in order of offset; messages that both have are counted. Records without a row are the gaps'
    business."""
    record, compared = next(records, None), -1
    for row in rows:
        while record is not None and record.offset < row.offset:
            record = next(records, None)
        if record is None or record.offset > row.offset:
            yield _problem(NO_MESSAGE, report, row.offset, "a row, but Kafka has no message there")
            continue
        if row.offset > compared:  # else it is a row that stands twice
            compared, report.compared = row.offset, report.compared + 1
        if (row.size, row.sha256) != (record.size, record.sha256):
            detail = f"{_bytes(row)} in bronze, {_bytes(record)} in Kafka"
            yield _problem("payload_differs", report, row.offset, detail)
        elif row.key != record.key:
            yield _problem(
                "key_differs", report, row.offset, f"{row.key!r} in bronze, {record.key!r} in Kafka"
            )


def _bytes(payload: LandedPayload) -> str:
    if payload.sha256 is None:
        return "no payload"
    return f"{payload.size} bytes with sha256 {payload.sha256[:12]}"


def _problem(kind: str, report: PartitionReport, offset: int, detail: str) -> Problem:
    facts = {
        "topic": report.topic, "partition": report.partition, "topic_id": report.topic_id, "offset": offset,
    }  # fmt: skip
    return Problem(kind, f"{report.name} {offsets_text(offset, offset)}", detail, facts)

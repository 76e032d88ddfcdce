"""Every partition that bronze or Kafka knows: is each of its messages a row, and each row one?

A partition is named by its topic's identity. Of the present one Kafka is asked; of a former life (a recreated
topic, another life of an embedded broker) the log is gone, and only what bronze says of itself is checked.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from itertools import groupby
from typing import Any

from broker.record import TopicPartition
from fleetlake.audit.findings import Findings, Problem, offsets_text
from fleetlake.audit.gaps import Missing, Offsets, Stretch, judge
from fleetlake.audit.log import Log
from lake.audit_queries import Again, Doubled, Gap, LandedPartition
from lake.bronze import BronzePartition


@dataclass
class PartitionReport:
    """What is known of one partition of one life of a topic. Offsets are inclusive, `checkpoint` is the next
    one to land."""

    topic: str
    partition: int
    topic_id: str
    is_present: bool
    rows: int = 0
    first_offset: int | None = None
    last_offset: int | None = None
    checkpoint: int | None = None
    started_at: int | None = None
    log_start: int | None = None
    log_end: int | None = None
    not_landed: int = 0
    lost: int = 0
    expired: int = 0
    unverifiable: int = 0
    duplicates: int = 0
    compared: int = 0
    """Messages that both have, and that were compared byte by byte."""
    is_sampled: bool = False
    """Whether only a sample of them was compared."""

    @property
    def name(self) -> str:
        return f"{self.topic}/{self.partition}"

    @property
    def key(self) -> TopicPartition:
        return TopicPartition(self.topic, self.partition)

    @property
    def begin(self) -> int:
        """The first offset that should have a row."""
        return self.started_at or 0

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass
class PartitionAudit:
    """Builds the reports; problems go to `findings`. `given_up` tells what was skipped of a partition, in
    rising order; `suspects` have a log that did not reach their checkpoint once."""

    log: Log
    sources: Collection[str]
    checkpoints: Mapping[BronzePartition, int | None]
    starts: Mapping[BronzePartition, int | None]
    told: Mapping[TopicPartition, int]
    given_up: Callable[[BronzePartition], Sequence[Stretch]]
    suspects: Collection[BronzePartition]
    findings: Findings
    reports: dict[BronzePartition, PartitionReport] = field(default_factory=dict)

    def landed(self, partitions: Iterable[LandedPartition]) -> None:
        """What bronze has, and what Kafka has that bronze has not begun to land."""
        names = {topic_id: topic for topic, topic_id in self.log.topic_ids.items()}
        for known in partitions:  # Kafka knows the name of a topic better than a row that somebody added
            name = names.get(known.topic_id, known.topic)
            report = self._report(BronzePartition(known.topic_id, known.partition), name)
            report.rows, report.first_offset, report.last_offset = known.rows, known.first, known.last
            report.duplicates = known.doubled
        for key in (key for key in self.log.spans if key.topic in self.sources):
            self._report(BronzePartition(self.log.topic_ids[key.topic], key.partition), key.topic)
        for report in self.reports.values():
            self._place(report)

    def check_gaps(self, gaps: Iterable[Gap]) -> None:
        """Offsets without a row: between rows (`gaps`), before the first and behind the last."""
        judged = {name: self._judge(self.reports[name], found) for name, found in _by_partition(gaps)}
        for name, report in self.reports.items():
            if name not in judged:
                judged[name] = self._judge(report, ())
        transactional = {self.reports[name].topic for name, found in judged.items() if found.explained}
        for name, report in self.reports.items():
            self._report_missing(report, judged[name], report.topic in transactional)

    def check_doubled(self, doubled: Iterable[Doubled]) -> None:
        """Coordinates with more than one row."""
        for found in doubled:
            report = self.reports[BronzePartition(found.topic_id, found.partition)]
            self._problem(
                "duplicate", report, f"{offsets_text(found.offset, found.offset)} has {found.copies} rows",
                {"offset": found.offset, "copies": found.copies}, found.copies - 1,
            )  # fmt: skip

    def check_again(self, again: Iterable[Again]) -> None:
        """Rows that were landed at offsets which history had passed before."""
        for found in again:
            report = self._report(BronzePartition(found.topic_id, found.partition), found.topic)
            where = f"{found.rows:,} rows at {offsets_text(found.first, found.last)}"
            self._problem(
                "duplicate", report, f"{where} were landed again",
                {"first_offset": found.first, "last_offset": found.last}, found.rows,
            )  # fmt: skip

    # -- one partition ------------------------------------------------------------------------------------

    def _report(self, name: BronzePartition, topic: str) -> PartitionReport:
        if name not in self.reports:
            is_present = self.log.topic_ids.get(topic) == name.topic_id
            self.reports[name] = PartitionReport(topic, name.partition, name.topic_id, is_present)
        return self.reports[name]

    def _place(self, report: PartitionReport) -> None:
        name = BronzePartition(report.topic_id, report.partition)
        report.checkpoint, report.started_at = self.checkpoints.get(name), self.starts.get(name)
        span = self.log.spans.get(report.key) if report.is_present else None
        if report.rows and report.checkpoint is None:
            self._problem("checkpoint_missing", report, f"{report.rows:,} rows, but no checkpoint", {})
        if report.last_offset is not None and report.last_offset >= (report.checkpoint or 0):
            detail = f"offset {report.last_offset} has a row, the checkpoint is {report.checkpoint}"
            self._problem("beyond_checkpoint", report, detail, {"checkpoint": report.checkpoint})
        if span is None:
            return
        report.log_start, report.log_end = span.low, span.high
        report.not_landed = max(0, span.high - max(span.low, report.checkpoint or 0))
        if report.checkpoint is not None and report.checkpoint > span.high:
            detail = f"the log ends at {span.high}, history has landed up to {report.checkpoint}"
            self._problem("log_went_back", report, detail, {"log_end": span.high})
        elif name in self.suspects:
            detail = (
                f"the log did not reach {report.checkpoint} when history looked; it has grown past it since"
            )
            self._problem("log_went_back", report, detail, {"log_end": span.high})

        if self.told.get(report.key, 0) > (report.checkpoint or 0):
            told = self.told[report.key]
            detail = (
                f"history has told Kafka that it landed up to {told}, the table's checkpoint is "
                f"{report.checkpoint}: the table lost its last commits, another deployment with the same "
                "FLEETLAKE_KAFKA__GROUP_PREFIX lands into another lake, or the group's offset was set by hand"
            )
            self._problem("bronze_went_back", report, detail, {"told": told})

    def _judge(self, report: PartitionReport, between: Iterable[Stretch]) -> Missing:
        gaps = _with_ends(report, between)
        name = BronzePartition(report.topic_id, report.partition)
        given_up = cache(lambda: self.given_up(name))
        if report.is_present:
            return judge(self.log, report.key, gaps, report.checkpoint or 0, given_up)
        missing = Missing()
        for gap in gaps:
            missing.add_below_start(gap, given_up)
        return missing

    def _report_missing(self, report: PartitionReport, missing: Missing, is_transactional: bool) -> None:
        report.lost = missing.lost.count
        self._missing("lost", report, missing.lost, "in Kafka, but not in bronze")
        report.expired = missing.unread.count + missing.given_up.count
        self._missing("expired", report, missing.unread, "removed by retention before they were landed")
        self._missing("expired", report, missing.given_up, "given up by `fleetlake checkpoint skip`")
        if is_transactional:
            report.unverifiable = missing.below_start.count
            return
        report.expired += missing.below_start.count
        why = "Kafka no longer has them" if report.is_present else "their log is gone"
        self._missing("expired", report, missing.below_start, f"not in bronze, and {why}")

    def _missing(self, kind: str, report: PartitionReport, offsets: Offsets, why: str) -> None:
        left = offsets.count
        for first, last in offsets.stretches:
            facts = {"first_offset": first, "last_offset": last}
            self._problem(kind, report, f"{offsets_text(first, last)}: {why}", facts, last - first + 1)
            left -= last - first + 1
        if left:
            self._problem(kind, report, f"{left:,} further offsets: {why}", {}, left)

    def _problem(
        self, kind: str, report: PartitionReport, detail: str, facts: Mapping[str, Any], count: int = 1
    ) -> None:
        where = report.name if report.is_present else f"{report.name} (former life {report.topic_id})"
        coordinates = {"topic": report.topic, "partition": report.partition, "topic_id": report.topic_id}
        self.findings.add(Problem(kind, where, detail, {**coordinates, **facts}), count)


def _with_ends(report: PartitionReport, between: Iterable[Stretch]) -> Iterator[Stretch]:
    """All offsets from the first that should be there to the checkpoint, and to the log's start where that
    has overtaken it."""
    end = report.checkpoint or 0
    if report.checkpoint is not None and report.log_start is not None:
        end = max(end, report.log_start)
    first = end if report.first_offset is None else report.first_offset
    last = end - 1 if report.last_offset is None else report.last_offset
    if report.begin < first:
        yield report.begin, first - 1
    yield from between
    if last + 1 < end:
        yield last + 1, end - 1


def _by_partition(gaps: Iterable[Gap]) -> Iterator[tuple[BronzePartition, Iterator[Stretch]]]:
    for (topic_id, partition), found in groupby(gaps, lambda gap: (gap.topic_id, gap.partition)):
        yield BronzePartition(topic_id, partition), ((gap.first, gap.last) for gap in found)

"""Has every rejected message exactly one dead letter, and every dead letter its rejected message?

Both are gathered per source topic as numbers: about 30 bytes a rejected message. A message is known by its
coordinates and its payload's hash, so lives of a topic that used the same offsets are told apart.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import msgspec
import polars as pl

from broker.identity import life_of_offsets
from broker.record import TopicPartition
from fleetlake.audit.findings import Findings, Problem
from fleetlake.audit.log import Log
from fleetlake.audit.partitions import PartitionReport
from ingest.dead_letter import DeadLetter, read_dead_letter
from lake.audit_queries import LandedCoordinates

NO_DIGEST = "-"
DIGITS = 16
_MESSAGE = ["partition", "offset", "digest"]
_REJECTED = {
    "topic_id": pl.String,
    "partition": pl.Int32,
    "offset": pl.Int64,
    "kafka_ms": pl.Int64,
    "digest": pl.String,
}
_LETTERS = {"partition": pl.Int32, "offset": pl.Int64, "digest": pl.String, "contract_hash": pl.Categorical}


@dataclass
class LettersReport:
    """Dead letters of one source topic."""

    topic: str
    dead_letter_topic: str
    rejected: int = 0
    letters: int = 0
    missing: int = 0
    doubled: int = 0
    stray: int = 0
    not_routed: int = 0
    expired: int = 0
    unreadable: int = 0

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass
class LettersAudit:
    """Compares one source topic after the other. `routed` are the next offsets of the routes sink."""

    log: Log
    landed: LandedCoordinates
    routed: Mapping[TopicPartition, int]
    reports: Mapping[TopicPartition, PartitionReport]
    findings: Findings

    def check(self, topic: str, dead_letter_topic: str) -> LettersReport:
        """The letters of one source topic."""
        report = LettersReport(topic, dead_letter_topic)
        letters, oldest_ms = self._letters(report)
        rejected = self._rejected(topic)
        report.letters = len(letters)
        copies = letters.group_by(_MESSAGE).agg(pl.len().alias("letters"), pl.first("contract_hash"))
        rows = rejected.group_by(_MESSAGE).agg(
            pl.n_unique("life").alias("lives"), pl.max("kafka_ms"), pl.max("is_present").alias("is_present")
        )
        both = rows.join(copies, on=_MESSAGE, how="full", coalesce=True).sort("partition", "offset")
        report.rejected = rows.filter("is_present").height
        self._check_missing(
            report, both.filter(pl.col("letters").is_null() & pl.col("is_present")), oldest_ms
        )
        self._check_doubled(report, both.filter(pl.col("letters") > pl.max_horizontal(pl.lit(1), "lives")))
        self._check_stray(report, both.filter(pl.col("lives").is_null()))
        return report

    def _check_missing(self, report: LettersReport, rows: pl.DataFrame, oldest_ms: float) -> None:
        for row in rows.iter_rows(named=True):
            key = TopicPartition(report.topic, row["partition"])
            if row["offset"] >= self.routed.get(key, 0):
                report.not_routed += 1
            elif row["kafka_ms"] <= oldest_ms:
                report.expired += 1
            else:
                report.missing += 1
                detail = f"rejected, but has no dead letter in {report.dead_letter_topic}"
                self._problem("dead_letter_missing", report, row, detail)

    def _check_doubled(self, report: LettersReport, rows: pl.DataFrame) -> None:
        for row in rows.iter_rows(named=True):
            report.doubled += row["letters"] - 1
            detail = f"{row['letters']} dead letters in {report.dead_letter_topic}"
            self._problem("dead_letter_doubled", report, row, detail, row["letters"] - 1)

    def _check_stray(self, report: LettersReport, rows: pl.DataFrame) -> None:
        """A letter of a message that bronze has, and did not reject."""
        passed = [row for row in rows.iter_rows(named=True) if self._is_passed(report.topic, row)]
        landed = self.landed.rows_at(report.topic, [(row["partition"], row["offset"]) for row in passed])
        for row in passed:
            here = landed[row["partition"], row["offset"]]
            if any(found.contract_hash not in {None, row["contract_hash"]} for found in here):
                where = f"{report.topic}/{row['partition']} offset {row['offset']}"
                self.findings.remark(f"{where}: only routes rejected it, by another version of the contract")
                continue
            report.stray += 1
            detail = f"a dead letter in {report.dead_letter_topic}, but bronze has no such rejected message"
            self._problem("dead_letter_stray", report, row, detail)

    def _is_passed(self, topic: str, row: Mapping[str, Any]) -> bool:
        """False where history has not landed it yet, or began behind it."""
        landed = self.reports.get(TopicPartition(topic, row["partition"]))
        return landed is not None and landed.begin <= row["offset"] < (landed.checkpoint or 0)

    def _problem(
        self, kind: str, report: LettersReport, row: Mapping[str, Any], detail: str, count: int = 1
    ) -> None:
        facts = {"topic": report.topic, "partition": row["partition"], "offset": row["offset"]}
        where = f"{report.topic}/{row['partition']} offset {row['offset']}"
        self.findings.add(Problem(kind, where, detail, facts), count)

    # -- gathering ----------------------------------------------------------------------------------------

    def _letters(self, report: LettersReport) -> tuple[pl.DataFrame, float]:
        """All letters of the topic, and the Kafka time before which retention may have removed some."""
        frames, oldest_ms = [pl.DataFrame(schema=_LETTERS)], float("-inf")
        for key in self.log.partitions_of(report.dead_letter_topic):
            span, first_ms = self.log.spans[key], None
            for records in self.log.read(key, span.low, span.high):
                first_ms = records.times_ms[0] if first_ms is None else min(first_ms, records.times_ms[0])
                found = _parsed(records.values)
                report.unreadable += len(records) - len(found)
                rows = [_row(letter) for letter in found if letter.source_topic == report.topic]
                frames.append(pl.DataFrame(rows, schema=_LETTERS, orient="row"))
            if self.log.spans[key].low > 0:
                oldest_ms = max(oldest_ms, self._kept_since_ms(key.topic) if first_ms is None else first_ms)
        return pl.concat(frames), oldest_ms

    def _kept_since_ms(self, topic: str) -> float:
        """Retention removes nothing that is younger, however empty a log is."""
        retention_ms = self.log.retention_ms.get(topic)
        return float("-inf") if retention_ms is None else self.log.looked_ms - retention_ms

    def _rejected(self, topic: str) -> pl.DataFrame:
        frames = [pl.DataFrame(schema=_REJECTED)]
        frames += [pl.DataFrame(batch, schema=_REJECTED) for batch in self.landed.rejected(topic)]
        present = pl.lit(self.log.topic_ids.get(topic, ""))
        return pl.concat(frames).select(
            "partition",
            "offset",
            pl.col("digest").fill_null(NO_DIGEST),
            "kafka_ms",
            (pl.col("topic_id") == present).alias("is_present"),
            pl.col("topic_id").map_elements(partial(life_of_offsets, topic), pl.String).alias("life"),
        )


def _parsed(values: list[bytes | None]) -> list[DeadLetter]:
    return list(_readable(values))


def _readable(values: list[bytes | None]) -> Iterator[DeadLetter]:
    for value in values:
        try:
            yield read_dead_letter(value or b"")
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue


def _row(letter: DeadLetter) -> tuple[int, int, str, str]:
    digest = NO_DIGEST if letter.sha256 is None else letter.sha256[:DIGITS]
    return letter.partition, letter.offset, digest, letter.contract_hash

"""Every partition of the sources, checked at one version of bronze: of all that was ever landed, or of what
was landed since a moment."""

from collections.abc import Collection, Mapping

from broker.record import TopicPartition
from fleetlake.audit.findings import Findings
from fleetlake.audit.log import Log
from fleetlake.audit.partitions import PartitionAudit, PartitionReport
from ingest.went_back import went_back
from lake.audit_queries import LandedCoordinates, LandedPartition
from lake.bronze import Bronze, BronzePartition
from lake.bronze_passed import Passed
from lake.bronze_skips import Skips


def check_landing(
    log: Log,
    bronze: Bronze | None,
    landed: LandedCoordinates | None,
    sources: Collection[str],
    told: Mapping[TopicPartition, int],
    findings: Findings,
    since: Passed | None = None,
) -> list[PartitionReport]:
    """In order of topic and partition. `told` is what history has told Kafka; `landed` and `since` are of the
    same rows."""
    rows = [] if landed is None else landed.partitions()
    checked = place(log, bronze, rows, sources, told, findings, since)
    checked.check_gaps(() if landed is None else landed.gaps())
    checked.check_doubled(() if landed is None else landed.doubled())
    checked.check_again(() if landed is None else landed.again())
    return sorted(checked.reports.values(), key=_by_name)


def place(
    log: Log,
    bronze: Bronze | None,
    rows: Collection[LandedPartition],
    sources: Collection[str],
    told: Mapping[TopicPartition, int],
    findings: Findings,
    since: Passed | None = None,
) -> PartitionAudit:
    """Where each partition begins, ends and has come to. `sources` are the topics of the contracts; topics
    that have `rows` are sources as well."""
    topics = {*sources, *(partition.topic for partition in rows)}
    names = {BronzePartition(row.topic_id, row.partition) for row in rows}
    names.update(
        BronzePartition(log.topic_ids[key.topic], key.partition) for key in log.spans if key.topic in topics
    )
    checkpoints = {} if bronze is None else bronze.checkpoints(names)
    placed = PartitionAudit(
        log,
        topics,
        checkpoints,
        {} if bronze is None else _begins(bronze, names, since),
        told,
        (lambda _: ()) if bronze is None else Skips(bronze).of,
        set() if bronze is None else went_back(bronze, checkpoints),
        findings,
    )
    placed.landed(rows)
    return placed


def _begins(
    bronze: Bronze, names: Collection[BronzePartition], since: Passed | None
) -> dict[BronzePartition, int | None]:
    """The first offset of each that has to have a row: where history began, or had come to."""
    begins = bronze.starts(names)
    if since is not None:
        begins |= {name: since.checkpoints[name] for name in names if name in since.checkpoints}
    return begins


def _by_name(report: PartitionReport) -> tuple[str, int, bool, str]:
    return report.topic, report.partition, not report.is_present, report.topic_id

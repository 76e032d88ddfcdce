"""The parts of the audit that Dagster's checks evaluate: what was landed in the last days, every hour, and
the state, once a night. `fleetlake audit` looks at all of bronze, at payloads and at dead letters as well."""

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from typing import Any

from broker.errors import BrokerError
from broker.offsets import group_offsets
from broker.reader import PartitionReader
from broker.record import TopicPartition
from broker.settings import KafkaSettings
from contracts.registry import Registry
from fleetlake.audit.findings import Findings, offsets_text
from fleetlake.audit.landing import check_landing
from fleetlake.audit.log import Log
from fleetlake.audit.partitions import PartitionReport
from fleetlake.audit.payloads import Sample
from fleetlake.audit.run import opened_audit
from fleetlake.failures import one_line
from lake.audit_queries import LandedCoordinates, landed_coordinates
from lake.bronze import Bronze
from lake.bronze_passed import Passed, passed
from lake.errors import LakeError
from lake.schemas import BRONZE_EVENTS
from lake.settings import LakeSettings, MongoSettings
from lake.storage import wait_ready
from lake.tables import exists
from orchestration.proofs import Proof

SHOWN = 10
NO_PAYLOADS = Sample(0, lambda below: 0)


def offsets_proof(
    kafka: KafkaSettings, lake: LakeSettings, registry: Registry, days: int, today: date
) -> Proof:
    """Of what was landed since the first moment of so many days ago. Without Kafka only what stands there
    twice is known."""
    store = wait_ready(lake, writes=False)
    if not exists(store, BRONZE_EVENTS.name):
        return Proof("nothing has been landed yet")
    begin = today - timedelta(days=days)
    since = passed(store, datetime.combine(begin, datetime.min.time(), UTC))
    try:
        told = group_offsets(kafka, "history")  # before bronze, which knows no less then
        bronze = Bronze(store)
        with (
            landed_coordinates(lake, bronze.version, since) as landed,
            PartitionReader(kafka) as reader,
        ):
            return _compared(kafka, reader, registry, bronze, landed, told, since)
    except BrokerError as error:
        with landed_coordinates(lake, Bronze(store).version, since) as landed:
            return _alone(landed, since, error)


def state_proof(kafka: KafkaSettings, mongo: MongoSettings, lake: LakeSettings, registry: Registry) -> Proof:
    """Of every vehicle and signal."""
    try:
        with opened_audit(kafka, mongo, lake, registry, sample=NO_PAYLOADS) as audit:
            report = audit.run_state()
    except (BrokerError, LakeError) as error:
        return Proof("nothing", unknown=one_line(str(error)))
    state = report.state
    if not state.is_checked:
        return Proof("there is no state in this MongoDB yet")
    covered = (
        f"{state.values:,} values of {state.vehicles:,} vehicles, bronze at version {report.bronze_version}; "
        f"{state.in_motion:,} of them under way"
    )
    left = f"{state.not_looked_up:,} more differ than are looked up in Kafka: the state sink is far behind"
    rows = _problems(report.findings)
    return Proof(covered, state.wrong, rows, left if state.not_looked_up else None)


def _compared(
    kafka: KafkaSettings,
    reader: PartitionReader,
    registry: Registry,
    bronze: Bronze,
    landed: LandedCoordinates,
    told: Mapping[TopicPartition, int],
    since: Passed | None,
) -> Proof:
    findings = Findings()
    topics = {*registry.topics(), *(partition.topic for partition in landed.partitions())}
    log = Log.look(kafka, reader, topics)
    reports = check_landing(log, bronze, landed, registry.topics(), told, findings, since)
    return Proof(_covered(reports, since), sum(findings.counts.values()), _problems(findings))


def _alone(landed: LandedCoordinates, since: Passed | None, error: BrokerError) -> Proof:
    """What bronze tells of itself: a hole may be a marker or an aborted message, and only Kafka knows."""
    partitions = landed.partitions()
    doubled = sum(each.doubled for each in partitions) + sum(each.rows for each in landed.again())
    holes = sum(each.missing for each in partitions)
    unknown = f"{holes:,} offsets have no row, and Kafka cannot be asked about them: {one_line(str(error))}"
    rows = list(islice(_doubled(landed), SHOWN))
    return Proof(f"rows that stand there twice, {_since(since)}", doubled, rows, unknown)


def _doubled(landed: LandedCoordinates) -> Iterable[dict[str, Any]]:
    for found in landed.doubled():
        detail = f"{offsets_text(found.offset, found.offset)} has {found.copies} rows"
        yield {"problem": "duplicate", "where": f"{found.topic}/{found.partition}", "detail": detail}
    for each in landed.again():
        detail = f"{each.rows:,} rows at {offsets_text(each.first, each.last)} were landed again"
        yield {"problem": "duplicate", "where": f"{each.topic}/{each.partition}", "detail": detail}


def _problems(findings: Findings) -> list[dict[str, Any]]:
    return [
        {"problem": each.kind, "where": each.where, "detail": each.detail}
        for each in findings.problems[:SHOWN]
    ]


def _covered(reports: Iterable[PartitionReport], since: Passed | None) -> str:
    known = list(reports)
    rows, behind = sum(each.rows for each in known), sum(each.not_landed for each in known)
    return (
        f"{rows:,} rows of {len(known)} partitions, {_since(since)}; {behind:,} messages are not landed yet"
    )


def _since(since: Passed | None) -> str:
    return (
        "all that was ever landed"
        if since is None
        else f"what was landed after {since.moment:%Y-%m-%d %H:%M}"
    )

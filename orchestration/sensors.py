"""Sensors look at the lake and ask for what is missing there. They are level-triggered: what they remember
only spares work, and nothing is asked for while a run of the same job is under way."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from lake.errors import TableMissing
from lake.schemas import BRONZE_EVENTS, SILVER_SIGNALS
from lake.silver import Lane, Silver
from lake.snapshot import Snapshot, snapshot
from lake.storage import Storage, wait_ready
from orchestration.assets import key_of
from orchestration.materialize import requests_of
from orchestration.settings import OrchestrationSettings
from orchestration.triggers import BACKOFF_S, FAILURES, Memory, choose
from transforms.build import Marts
from transforms.plan import plan

UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]
Job = UnresolvedAssetJobDefinition
"""What `define_asset_job` gives; Dagster has no public name for it."""


def bronze_sensor(marts: Marts, settings: OrchestrationSettings, silver: Job) -> dg.SensorDefinition:
    """Reports new versions of bronze, and asks for the increments of silver that they need."""

    @dg.sensor(
        name="bronze_grows",
        job=silver,
        minimum_interval_seconds=settings.look_every_s,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Reports new versions of bronze.events and brings silver.signals up to them.",
    )
    def sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        store = wait_ready(marts.lake, writes=False)
        try:
            bronze = snapshot(store, BRONZE_EVENTS.name)
        except TableMissing:
            return dg.SkipReason("nothing has been landed yet")
        seen = int(context.cursor or -1)
        landed = [_landed(bronze, seen)] if bronze.version > seen else []
        requests = list(_increments(context, store, bronze, settings, silver))
        return dg.SensorResult(
            run_requests=requests,
            asset_events=landed,
            skip_reason=None if requests or landed else dg.SkipReason("nothing new was landed"),
            cursor=str(bronze.version),
        )

    return sensor


def _landed(bronze: Snapshot, seen: int) -> dg.AssetMaterialization:
    return dg.AssetMaterialization(
        key_of(BRONZE_EVENTS.name),
        description=f"version {bronze.version}, {bronze.version - seen} since the last look",
        metadata={"version": bronze.version, "dagster/row_count": sum(bronze.marks.values())},
    )


def _increments(
    context: dg.SensorEvaluationContext,
    store: Storage,
    bronze: Snapshot,
    settings: OrchestrationSettings,
    silver: Job,
) -> Iterator[dg.RunRequest]:
    if _is_running(context, silver):
        return
    table = Silver(store)
    every = {Lane.HOT: settings.silver_every_s, Lane.LATE: settings.late_every_s}
    lanes = []
    for lane in Lane:
        read = table.read_up_to(lane)
        is_behind = read is None or read.version < bronze.version
        if is_behind and _seconds_since(context, silver, lane) >= every[lane]:
            lanes.append(str(lane))
    if lanes:
        config = {"ops": {"silver__signals": {"config": {"lanes": lanes}}}}
        yield dg.RunRequest(run_config=config, tags={_tag(Lane(lane)): "true" for lane in lanes})


def _tag(lane: Lane) -> str:
    return f"fleetlake/lane_{lane}"


def _seconds_since(context: dg.SensorEvaluationContext, job: Job, lane: Lane) -> float:
    """Since the last run of a lane was created."""
    filters = dg.RunsFilter(job_name=job.name, tags={_tag(lane): "true"})
    last = context.instance.get_run_records(filters, limit=1)
    return time.time() - last[0].create_timestamp.timestamp() if last else float("inf")


def marts_sensor(marts: Marts, settings: OrchestrationSettings, job: Job) -> dg.SensorDefinition:
    """Asks for the days of marts that are due."""

    @dg.sensor(
        name="marts_are_due",
        job=job,
        minimum_interval_seconds=settings.look_every_s,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Builds the days of marts that would be made from something else than they were.",
    )
    def sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        if _is_running(context, job):
            return dg.SkipReason("a run is under way; what it leaves is asked for then")
        waits_s = _backoff(context, job)
        if waits_s > 0:
            return dg.SkipReason(f"{FAILURES} runs in a row have failed; the next one in {waits_s:.0f} s")
        store = wait_ready(marts.lake, writes=False)
        now = datetime.now(UTC)
        choice = choose(
            plan(marts),
            _marks(store),
            Memory.of(context.cursor),
            settings,
            now.timestamp(),
            now.date(),
        )
        requests = [
            dg.RunRequest(asset_selection=[key_of(table) for table in each.tables], tags=each.tags)
            for each in requests_of(choice.plan)
        ]
        skipped = None if requests else dg.SkipReason("; ".join(choice.waits) or "nothing is due")
        return dg.SensorResult(run_requests=requests, skip_reason=skipped, cursor=choice.memory.text())

    return sensor


def _marks(store: Storage) -> dict[str, int]:
    try:
        return dict(snapshot(store, SILVER_SIGNALS.name).marks)
    except TableMissing:
        return {}


def _is_running(context: dg.SensorEvaluationContext, job: Job) -> bool:
    filters = dg.RunsFilter(job_name=job.name, statuses=UNFINISHED)
    return bool(context.instance.get_run_records(filters, limit=1))


def _backoff(context: dg.SensorEvaluationContext, job: Job) -> float:
    """Seconds to wait after runs that failed one after the other."""
    last = context.instance.get_run_records(dg.RunsFilter(job_name=job.name), limit=FAILURES)
    failed = [each for each in last if each.dagster_run.status is dg.DagsterRunStatus.FAILURE]
    if len(failed) < FAILURES:
        return 0.0
    return BACKOFF_S - (time.time() - max(each.update_timestamp.timestamp() for each in failed))

"""Runs that failed, as Dagster has them on record, and that no later one has made up for."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
from dagster._core.execution.stats import StepEventStatus

from orchestration.instance import instance

NEWEST = 50
"""Runs looked at, of those that failed: of hundreds that failed alike, these say enough."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A run, and what of it failed: steps, which are tables or parts of a job. None: it did not begin."""

    run_id: str
    job: str
    ended: datetime
    steps: tuple[str, ...]


def not_made_up_for(home: Path, since: datetime) -> list[Failure]:
    """The newest first, of a folder in which Dagster has run."""
    with instance(home) as dagster:
        wanted = dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE], updated_after=since)
        return [
            failure
            for record in dagster.get_run_records(wanted, limit=NEWEST)
            if (failure := _left(dagster, record)) is not None
        ]


def _left(dagster: dg.DagsterInstance, record: dg.RunRecord) -> Failure | None:
    """What of a run is still as it failed."""
    run, ended = record.dagster_run, record.end_time or record.create_timestamp.timestamp()
    failed = _steps(dagster, run.run_id, StepEventStatus.FAILURE)
    since = _succeeded_since(dagster, run.job_name, ended) if failed or not run.asset_selection else []
    done = {step for each in since for step in _steps(dagster, each, StepEventStatus.SUCCESS)}
    if failed:
        left = {step for step in failed - done if not _made_since(dagster, step, ended)}
    else:  # it ended before its first step: what it was to make has not failed, and was not made either
        tables = {".".join(key.path) for key in run.asset_selection or ()}
        left = {table for table in tables if not _made_since(dagster, table, ended)}
    if not left and (failed or run.asset_selection or since):
        return None
    return Failure(run.run_id, run.job_name, datetime.fromtimestamp(ended, UTC), tuple(sorted(left)))


def _steps(dagster: dg.DagsterInstance, run_id: str, status: StepEventStatus) -> set[str]:
    found = dagster.get_run_step_stats(run_id)
    return {step.step_key.replace("__", ".") for step in found if step.status is status}


def _made_since(dagster: dg.DagsterInstance, step: str, moment: float) -> bool:
    """A run of other days of a mart says nothing of those that failed; but what failed of those is due still,
    and the next run that makes the mart makes it."""
    made = dagster.get_latest_materialization_event(dg.AssetKey(step.split(".")))
    return made is not None and made.timestamp > moment


def _succeeded_since(dagster: dg.DagsterInstance, job: str, moment: float) -> list[str]:
    after = datetime.fromtimestamp(moment, UTC)
    wanted = dg.RunsFilter(job_name=job, statuses=[dg.DagsterRunStatus.SUCCESS], updated_after=after)
    return [run.run_id for run in dagster.get_runs(wanted, limit=NEWEST)]

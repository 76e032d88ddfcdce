"""Maintenance of every table as jobs, an op a table, in the pool in which the table's writers are: it waits
for them, and they for it. The sinks, which write bronze, are in no pool: maintenance may run beside them.
"""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg

from lake.errors import TableMissing
from lake.maintenance import Maintained, maintain, tidy
from lake.schemas import TABLES
from lake.settings import LakeSettings
from orchestration.assets import retried

NIGHTLY_JOB, TIDY_JOB = "maintenance", "tidy_today"
Step = Callable[[str], Maintained]


def maintenance_job(lake: LakeSettings, tables: Iterable[str]) -> dg.JobDefinition:
    """Everything, of all tables."""

    @dg.job(
        name=NIGHTLY_JOB,
        description="Small files become large ones, files that nobody needs are removed, logs are summed up.",
    )
    def job() -> None:
        for table in tables:
            _op("maintain", table, lambda name: maintain(lake, name))()

    return job


def tidy_job(lake: LakeSettings) -> dg.JobDefinition:
    """The small files of yesterday and today, which get new ones all the time."""

    def of_today(name: str) -> Maintained:
        return tidy(lake, name, (datetime.now(UTC) - timedelta(days=1)).date())

    @dg.job(name=TIDY_JOB, description="Small files of bronze and silver, of yesterday and today.")
    def job() -> None:
        for table in TABLES:
            _op("tidy", table, of_today)()

    return job


def _op(verb: str, table: str, step: Step) -> dg.OpDefinition:
    """A table that was never written has nothing to be done to."""

    @dg.op(name=f"{verb}_{table.replace('.', '_')}", pool=table)
    def op(context: dg.OpExecutionContext) -> None:
        try:
            with retried():
                done = step(table)
        except TableMissing:
            context.log.info(f"{table} was never written")  # noqa: G004 - Dagster's log is for people
            return
        for partition in done.rewritten.lost:
            context.log.warning(f"{partition}: another writer was faster; left for the next run")  # noqa: G004
        context.add_output_metadata(_metadata(done))

    return op


def _metadata(done: Maintained) -> dict[str, Any]:
    """What was found, and what was left."""
    pairs = {name: (getattr(done.before, name), getattr(done.after, name)) for name in done.before.__slots__}
    lines = [f"| {name.replace('_', ' ')} | {old:,} | {new:,} |" for name, (old, new) in pairs.items()]
    return {
        "partitions_rewritten": len(done.rewritten.partitions),
        "partitions_lost_to_another_writer": len(done.rewritten.lost),
        "files_removed": done.removed,
        "hours_kept": done.hours_kept,
        "seconds": round(done.seconds, 3),
        "partitions": dg.MetadataValue.json([*done.rewritten.partitions]),
        **{f"{name}_before": old for name, (old, _) in pairs.items()},
        **{f"{name}_after": new for name, (_, new) in pairs.items()},
        "before_and_after": dg.MetadataValue.md("\n".join(["| | before | after |", "|---|--:|--:|", *lines])),
    }

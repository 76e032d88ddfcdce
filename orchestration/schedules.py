"""When the jobs of the clock run, in UTC. One that is still under way is not started a second time."""

from collections.abc import Callable
from datetime import time

import dagster as dg

from orchestration.nightly import Lent
from orchestration.sensors import UNFINISHED
from orchestration.settings import OrchestrationSettings

Reason = Callable[[], str | None]


def schedules(
    settings: OrchestrationSettings,
    tidy: dg.JobDefinition,
    maintenance: dg.JobDefinition,
) -> list[dg.ScheduleDefinition]:
    """Of what the lake needs: they run from the start."""
    return [
        _schedule(tidy, minutes(settings.tidy_every_min)),
        _schedule(maintenance, daily(settings.maintenance_at)),
    ]


def lent_schedules(
    settings: OrchestrationSettings, lent: Lent, warehouse: dg.JobDefinition, audit: dg.JobDefinition
) -> list[dg.ScheduleDefinition]:
    """Of the warehouse, where somebody uses one, and of the proof."""

    def unused() -> str | None:
        if lent.is_warehouse_used():
            return None
        return "nobody uses a warehouse here: `fleetlake warehouse publish` begins it, or FLEETLAKE_WAREHOUSE"

    return [
        _schedule(warehouse, daily(settings.warehouse_at), unused),
        _schedule(audit, daily(settings.audit_at)),
    ]


def daily(at: time) -> str:
    """Once a day."""
    return f"{at.minute} {at.hour} * * *"


def minutes(every: int) -> str:
    """From the full hour on."""
    return f"{','.join(str(minute) for minute in range(0, 60, every))} * * * *"


def _schedule(job: dg.JobDefinition, cron: str, why_not: Reason = lambda: None) -> dg.ScheduleDefinition:
    @dg.schedule(
        name=f"{job.name}_schedule",
        job=job,
        cron_schedule=cron,
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description=job.description,
    )
    def schedule(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        reason = why_not()
        if reason is not None:
            return dg.SkipReason(reason)
        running = dg.RunsFilter(job_name=job.name, statuses=UNFINISHED)
        if context.instance.get_run_records(running, limit=1):
            return dg.SkipReason("the one before is still under way")
        return dg.RunRequest()

    return schedule

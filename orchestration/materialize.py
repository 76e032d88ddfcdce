"""Runs what is due in this process, through Dagster: each run is on record in its instance, like those that
the daemon starts."""

import warnings
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

import dagster as dg
from dagster._core.events import JobFailureData
from dagster._core.execution.plan.objects import StepFailureData

from lake.gold import WHOLE
from orchestration.assets import ONLY_DUE, key_of
from orchestration.calendar import stretches
from orchestration.checks import RANGE_END, RANGE_START

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
"""Everything is in the instance; who waits at a terminal is told in other words."""

INTERRUPTIONS = frozenset({"KeyboardInterrupt", "DagsterExecutionInterruptedError"})
WRAPPERS = frozenset({"DagsterExecutionStepExecutionError", "RetryRequested", "RetryRequestedFromPolicy"})
"""Errors of Dagster's own around the one that a step raised."""


@dataclass(frozen=True, slots=True)
class Request:
    """One run: the tables to make, and the days of those that have any."""

    tables: Collection[str]
    first: str | None = None
    last: str | None = None
    only_due: bool = True

    @property
    def tags(self) -> dict[str, str]:
        tags = {ONLY_DUE: "true"} if self.only_due else {}
        if self.first and self.last:
            tags |= {RANGE_START: self.first, RANGE_END: self.last}
        return tags


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended: what failed, and the checks that did not pass."""

    run_id: str
    errors: Mapping[str, str] = field(default_factory=dict)
    """By step, what it said."""
    failed_checks: Mapping[str, str] = field(default_factory=dict)
    """By table and check, what it found."""
    warnings: Mapping[str, str] = field(default_factory=dict)
    """The same, of checks that only say what is worth a look."""
    passed_checks: int = 0

    @property
    def problems(self) -> list[str]:
        """A line for each thing that went wrong; none where all is well."""
        return [f"{where}: {what}" for where, what in {**self.errors, **self.failed_checks}.items()]


def requests_of(plan: Mapping[str, Collection[str]], *, only_due: bool = True) -> Iterator[Request]:
    """The runs that a plan needs: one per stretch of days, and the marts without days with the last one."""
    whole = [table for table, partitions in plan.items() if WHOLE in partitions]
    days = {day for partitions in plan.values() for day in partitions} - {WHOLE}
    ranges: list[tuple[str, str]] = list(stretches(days))
    for number, (first, last) in enumerate(ranges, 1):
        of_these = [
            table for table, due in plan.items() if any(first <= day <= last for day in due if day != WHOLE)
        ]
        tables = [*of_these, *(whole if number == len(ranges) else [])]
        yield Request(tables, first, last, only_due)
    if whole and not ranges:
        yield Request(whole, only_due=only_due)


def run(definitions: dg.Definitions, instance: dg.DagsterInstance, request: Request) -> Outcome:
    """Makes the tables of one request, and checks them. Ctrl-C, which to Dagster is a failure like others,
    is a KeyboardInterrupt here too: what would come next does not begin."""
    keys = {key_of(table) for table in request.tables}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.BetaWarning)
        job = definitions.resolve_implicit_global_asset_job_def().get_subset(asset_selection=keys)
        result = job.execute_in_process(
            instance=instance, tags=request.tags, run_config=QUIET, raise_on_error=False
        )
    if any(map(_is_interruption, result.all_events)):
        raise KeyboardInterrupt
    checks = result.get_asset_check_evaluations()
    return Outcome(
        result.run_id,
        {
            (event.step_key or "run").replace("__", "."): _reason(event)
            for event in result.filter_events(_is_failure)
        },
        _found(checks, dg.AssetCheckSeverity.ERROR),
        _found(checks, dg.AssetCheckSeverity.WARN),
        passed_checks=sum(each.passed for each in checks),
    )


def _found(checks: Collection[dg.AssetCheckEvaluation], severity: dg.AssetCheckSeverity) -> dict[str, str]:
    return {
        f"{'.'.join(each.asset_key.path)}: {each.check_name}": each.description or ""
        for each in checks
        if not each.passed and each.severity is severity
    }


def _is_failure(event: dg.DagsterEvent) -> bool:
    return event.is_step_failure


def _is_interruption(event: dg.DagsterEvent) -> bool:
    """Whether what failed, a step or the run between two of them, failed of Ctrl-C."""
    data = event.event_specific_data
    error = data.error if isinstance(data, (StepFailureData, JobFailureData)) else None
    while error is not None:
        if error.cls_name in INTERRUPTIONS:
            return True
        error = error.cause or error.context
    return False


def _reason(event: dg.DagsterEvent) -> str:
    """What the code said, not what Dagster wraps around it."""
    error = event.step_failure_data.error
    while error is not None and error.cause is not None and error.cls_name in WRAPPERS:
        error = error.cause
    return " ".join(error.message.split()) if error is not None else "it failed"

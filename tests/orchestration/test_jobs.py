"""The jobs of the clock: maintenance, the warehouse, the audit, and the refresh of a range."""

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from contracts.load import load_registry
from lake.schemas import TABLES
from lake.settings import LakeSettings, MaintenanceSettings
from orchestration.definitions import definitions
from orchestration.materialize import Request, run
from orchestration.nightly import Audited, Lent
from orchestration.schedules import daily, minutes
from orchestration.settings import OrchestrationSettings
from tests.transforms.small_lake import NOON, Lake, speed
from transforms.build import Marts
from transforms.load import load_models
from transforms.plan import gold_models
from transforms.reference import reference
from transforms.settings import TransformSettings

SETTINGS = OrchestrationSettings()
OFF = Audited(
    is_ok=False,
    counts={"lost": 3},
    problems=["lost: telemetry_raw/0: offsets 4 to 6"],
    remarks=["a remark"],
    cures={"lost": "start history"},
)


@pytest.fixture
def lake(lake_settings: LakeSettings) -> Lake:
    few = MaintenanceSettings(small_files=3)
    return Lake(lake_settings.model_copy(update={"maintenance": few}))


@pytest.fixture
def marts(lake: Lake) -> Marts:
    return Marts(lake.settings, load_models(), reference(load_registry()), TransformSettings())


@pytest.fixture
def lent(tmp_path: Path) -> Lent:
    """An audit that finds nothing, and a warehouse that nobody uses."""
    file = tmp_path / "warehouse.duckdb"
    return Lent(lambda: Audited(is_ok=True), file, file.exists)


@pytest.fixture
def code(marts: Marts, lent: Lent) -> dg.Definitions:
    return definitions(marts, SETTINGS, lent=lent)


QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


def execute(code: dg.Definitions, dagster: dg.DagsterInstance, job: str) -> dg.ExecuteInProcessResult:
    found = code.resolve_job_def(job)
    return found.execute_in_process(instance=dagster, raise_on_error=False, run_config=QUIET)


def metadata(result: dg.ExecuteInProcessResult, step: str) -> dict[str, Any]:
    """What an op has said of its output."""
    (event,) = [each for each in result.all_events if each.is_successful_output and each.step_key == step]
    return {name: value.value for name, value in event.step_output_data.metadata.items()}


def tick(code: dg.Definitions, dagster: dg.DagsterInstance, schedule: str) -> dg.RunRequest | dg.SkipReason:
    """One evaluation."""
    definition = code.resolve_schedule_def(schedule)
    with dg.build_schedule_context(dagster, scheduled_execution_time=datetime.now(UTC)) as context:
        found = definition(context)
    assert isinstance(found, dg.RunRequest | dg.SkipReason)
    return found


def reason(found: dg.RunRequest | dg.SkipReason) -> str:
    assert isinstance(found, dg.SkipReason)
    return str(found.skip_message)


def test_the_night_maintains_every_table_and_says_what_it_did(
    lake: Lake, dagster: dg.DagsterInstance, code: dg.Definitions
) -> None:
    """Before and after as numbers and as a table; tables that were never written are passed over."""
    for number in range(5):
        lake.land([speed(number)])
    lake.increment()
    result = execute(code, dagster, "maintenance")
    assert result.success
    said = metadata(result, "maintain_bronze_events")
    assert (said["files_before"], said["files_after"], said["rows_after"]) == (5, 1, 5)
    assert said["partitions"] == [NOON.date().isoformat()]
    assert "| files | 5 | 1 |" in said["before_and_after"]
    assert metadata(result, "maintain_gold_trips") == {}
    assert execute(code, dagster, "maintenance").success


def test_the_day_tidies_what_is_of_today(
    lake: Lake, dagster: dg.DagsterInstance, code: dg.Definitions
) -> None:
    """What is older waits for the night."""
    today = datetime.now(UTC)
    for number in range(5):
        lake.land([speed(number)], at=today)
        lake.land([speed(number)], at=NOON)
    result = execute(code, dagster, "tidy_today")
    assert result.success
    said = metadata(result, "tidy_bronze_events")
    assert (said["files_before"], said["files_after"]) == (10, 6)


def test_one_writer_at_a_time_writes_a_table(code: dg.Definitions, marts: Marts) -> None:
    """Each op of maintenance is in the pool in which the table's asset is."""
    jobs = {name: code.resolve_job_def(name) for name in ("maintenance", "tidy_today")}
    pools = {name: sorted(node.definition.pool or "" for node in job.nodes) for name, job in jobs.items()}
    assert pools["maintenance"] == sorted([*TABLES, *(model.name for model in gold_models(marts))])
    assert pools["tidy_today"] == sorted(TABLES)


def test_a_table_that_fails_leaves_the_others(
    lake: Lake, dagster: dg.DagsterInstance, code: dg.Definitions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run fails, and says which."""
    from orchestration import maintenance

    lake.land([speed(1)])
    lake.increment()
    maintain = maintenance.maintain

    def broken(settings: LakeSettings, name: str) -> Any:
        if name == "bronze.events":
            raise ValueError(name)
        return maintain(settings, name)

    monkeypatch.setattr(maintenance, "maintain", broken)
    result = execute(code, dagster, "maintenance")
    assert not result.success
    failed = [event.step_key for event in result.all_events if event.is_step_failure]
    assert failed == ["maintain_bronze_events"]
    assert metadata(result, "maintain_silver_signals")["rows_after"] == 1


def test_an_audit_that_finds_something_is_a_failed_run(
    dagster: dg.DagsterInstance, marts: Marts, lent: Lent
) -> None:
    """With its findings, their coordinates and what to do; it is not tried again."""
    code = definitions(marts, SETTINGS, lent=replace(lent, audit=lambda: OFF))
    result = execute(code, dagster, "audit")
    assert not result.success
    (event,) = [each for each in result.all_events if each.is_step_failure]
    failure = event.step_failure_data.user_failure_data
    assert failure is not None
    assert failure.description == "the audit is NOT OK: 3 lost"
    said = {name: value.value for name, value in failure.metadata.items()}
    assert (said["problems"], said["counts"]) == (3, {"lost": 3})
    assert "offsets 4 to 6" in said["found"]
    assert "start history" in said["what_to_do"]
    assert not [each for each in result.all_events if each.is_step_up_for_retry]
    assert code.resolve_job_def("audit").tags["dagster/retry_on_asset_or_op_failure"] == "false"


def test_an_audit_that_finds_nothing_says_so(dagster: dg.DagsterInstance, code: dg.Definitions) -> None:
    """As a run that has succeeded."""
    result = execute(code, dagster, "audit")
    assert result.success
    assert metadata(result, "prove")["found"] == "nothing is off"


def test_the_warehouse_is_published_once_somebody_uses_it(
    lake: Lake, dagster: dg.DagsterInstance, code: dg.Definitions, lent: Lent
) -> None:
    """Until then its schedule says why not."""
    assert "nobody uses a warehouse here" in reason(tick(code, dagster, "publish_warehouse_schedule"))
    lake.land([speed(1)])
    lake.increment()
    day = NOON.date().isoformat()
    assert run(code, dagster, Request(["gold.signal_minute"], day, day)).problems == []
    result = execute(code, dagster, "publish_warehouse")
    assert result.success
    assert metadata(result, "publish")["rows"] == 1
    assert lent.warehouse.exists()
    assert isinstance(tick(code, dagster, "publish_warehouse_schedule"), dg.RunRequest)


@pytest.mark.parametrize(
    ("name", "cron"),
    [
        ("tidy_today_schedule", "0,30 * * * *"),
        ("maintenance_schedule", "0 2 * * *"),
        ("publish_warehouse_schedule", "30 3 * * *"),
        ("audit_schedule", "30 4 * * *"),
    ],
)
def test_a_schedule_runs_from_the_start_and_in_utc(code: dg.Definitions, name: str, cron: str) -> None:
    """At the times of the settings."""
    schedule = code.resolve_schedule_def(name)
    assert (schedule.cron_schedule, schedule.execution_timezone) == (cron, "UTC")
    assert schedule.default_status is dg.DefaultScheduleStatus.RUNNING


def test_a_job_that_is_under_way_is_not_started_again(
    dagster: dg.DagsterInstance, code: dg.Definitions
) -> None:
    """It would only wait for the pools of the first."""
    assert isinstance(tick(code, dagster, "maintenance_schedule"), dg.RunRequest)
    dagster.create_run_for_job(code.resolve_job_def("maintenance"), status=dg.DagsterRunStatus.STARTED)
    assert "under way" in reason(tick(code, dagster, "maintenance_schedule"))


def test_times_of_the_clock_are_cron_expressions() -> None:
    """Of every setting that is allowed."""
    assert daily(time(23, 5)) == "5 23 * * *"
    assert [minutes(every) for every in (5, 45, 60)] == [
        "0,5,10,15,20,25,30,35,40,45,50,55 * * * *",
        "0,45 * * * *",
        "0 * * * *",
    ]


def test_a_refresh_builds_days_that_are_not_due(
    lake: Lake, dagster: dg.DagsterInstance, code: dg.Definitions, marts: Marts
) -> None:
    """Of all marts, or of those that are chosen; the job of the sensor would leave such days."""
    job, mart = code.resolve_job_def("refresh"), dg.AssetKey(["gold", "signal_minute"])
    keys = {".".join(key.path) for key in job.asset_layer.executable_asset_keys}
    assert keys == {model.name for model in gold_models(marts)}
    lake.land([speed(1)], [speed(2, days_before=1)])
    lake.increment()
    first, last = (NOON - timedelta(days=1)).date().isoformat(), NOON.date().isoformat()
    days = {"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last}
    for _ in range(2):
        result = job.execute_in_process(instance=dagster, tags=days, run_config=QUIET, asset_selection=[mart])
        made = [each.materialization for each in result.get_asset_materialization_events()]
        assert {each.partition for each in made} == {first, last}
        assert [each.metadata["dagster/partition_row_count"].value for each in made] == [1, 1]


def test_without_what_is_lent_there_are_no_such_jobs(marts: Marts) -> None:
    """A command that only builds has no use for them."""
    names = {job.name for job in definitions(marts, SETTINGS).jobs or []}
    assert names == {"silver", "marts", "refresh", "tidy_today", "maintenance"}

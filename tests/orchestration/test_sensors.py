"""What the sensors ask for, looked at without a daemon."""

import dagster as dg
import pytest

from contracts.load import load_registry
from lake.settings import LakeSettings
from lake.silver import Lane
from orchestration.definitions import definitions
from orchestration.materialize import Request, requests_of, run
from orchestration.settings import OrchestrationSettings
from tests.transforms.small_lake import NOON, Lake, speed
from transforms.build import Marts
from transforms.load import load_models
from transforms.plan import plan
from transforms.reference import reference
from transforms.settings import TransformSettings

SETTINGS = OrchestrationSettings(quiet_s=0, today_every_s=1)


@pytest.fixture
def lake(lake_settings: LakeSettings) -> Lake:
    return Lake(lake_settings)


@pytest.fixture
def marts(lake_settings: LakeSettings) -> Marts:
    return Marts(lake_settings, load_models(), reference(load_registry()), TransformSettings())


@pytest.fixture
def code(marts: Marts) -> dg.Definitions:
    return definitions(marts, SETTINGS)


def look(
    code: dg.Definitions, dagster: dg.DagsterInstance, sensor: str, cursor: str | None = None
) -> dg.SensorResult | dg.SkipReason:
    """One evaluation."""
    definition = code.resolve_sensor_def(sensor)
    repository = code.get_repository_def()
    with dg.build_sensor_context(dagster, cursor=cursor, repository_def=repository) as context:
        found = definition(context)
    assert isinstance(found, dg.SensorResult | dg.SkipReason)
    return found


def test_new_versions_of_bronze_are_reported_and_silver_is_asked_for(
    lake: Lake, dagster: dg.DagsterInstance, code: dg.Definitions
) -> None:
    """Both lanes first; then only those whose time has come."""
    lake.land([speed(1)])
    found = look(code, dagster, "bronze_grows")
    assert isinstance(found, dg.SensorResult)
    (event,) = found.asset_events
    assert event.asset_key == dg.AssetKey(["bronze", "events"])
    (request,) = found.run_requests or []
    assert request.run_config["ops"]["silver__signals"]["config"] == {"lanes": [str(lane) for lane in Lane]}
    lake.increment()
    again = look(code, dagster, "bronze_grows", found.cursor)
    assert isinstance(again, dg.SensorResult)
    assert (again.run_requests, again.asset_events) == ([], [])


def test_a_look_that_came_to_nothing_is_made_up_for(
    lake: Lake, dagster: dg.DagsterInstance, code: dg.Definitions
) -> None:
    """The cursor says that the version was seen, not that silver has read it."""
    lake.land([speed(1)])
    first = look(code, dagster, "bronze_grows")
    assert isinstance(first, dg.SensorResult)
    second = look(code, dagster, "bronze_grows", first.cursor)
    assert isinstance(second, dg.SensorResult)
    assert len(second.run_requests or []) == 1


def test_due_days_are_asked_for_until_they_are_built(
    lake: Lake, dagster: dg.DagsterInstance, code: dg.Definitions, marts: Marts
) -> None:
    """A request that came to nothing is made again; after the build there is none."""
    lake.land([speed(1, days_before=30)])
    lake.increment()
    past = speed(days_before=30)[2].date().isoformat()
    for _ in range(2):
        found = look(code, dagster, "marts_are_due")
        assert isinstance(found, dg.SensorResult)
        ranges = {
            request.tags.get("dagster/asset_partition_range_start") for request in found.run_requests or []
        }
        assert ranges == {past, NOON.date().isoformat()}
    for request in requests_of(plan(marts)):
        assert run(code, dagster, request).problems == []
    done = look(code, dagster, "marts_are_due")
    assert isinstance(done, dg.SensorResult)
    assert done.run_requests == []


def test_nothing_is_asked_for_while_a_run_is_under_way_or_after_three_failures(
    lake: Lake, dagster: dg.DagsterInstance, code: dg.Definitions
) -> None:
    """The first would only wait for the other; the second would fail as well."""
    lake.land([speed(1)])
    lake.increment()
    job = code.resolve_job_def("marts")
    started = dagster.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED)
    found = look(code, dagster, "marts_are_due")
    assert isinstance(found, dg.SkipReason)
    assert "under way" in str(found.skip_message)
    dagster.report_run_failed(started)
    for _ in range(2):
        dagster.report_run_failed(dagster.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED))
    found = look(code, dagster, "marts_are_due")
    assert isinstance(found, dg.SkipReason)
    assert "3 runs in a row have failed" in str(found.skip_message)


def test_a_run_that_overtakes_another_writer_is_tried_again(
    lake: Lake, dagster: dg.DagsterInstance, code: dg.Definitions, marts: Marts
) -> None:
    """Days asked for are built though they are not due; twice the same gives the same."""
    lake.land([speed(1)])
    lake.increment()
    day = NOON.date().isoformat()
    for _ in range(2):
        assert run(code, dagster, Request(["gold.signal_minute"], day, day, only_due=False)).problems == []
    assert "gold.signal_minute" not in plan(marts)

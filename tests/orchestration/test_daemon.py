"""Dagster's daemon keeps the marts true by itself: what is landed is built, what is killed is built again."""

import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import psutil
import pytest

from lake.query import Warehouse
from lake.settings import LakeSettings
from orchestration.home import prepare
from orchestration.instance import instance
from tests.deadlines import eventually
from tests.environment import of_lake
from tests.transforms.small_lake import NOON, Lake, Reading

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

PATIENCE_SECONDS = 400.0
QUICK = {
    "FLEETLAKE_DAGSTER__LOOK_EVERY_S": "3",
    "FLEETLAKE_DAGSTER__SILVER_EVERY_S": "3",
    "FLEETLAKE_DAGSTER__LATE_EVERY_S": "3",
    "FLEETLAKE_DAGSTER__QUIET_S": "0",
    "FLEETLAKE_DAGSTER__TODAY_EVERY_S": "3",
}


@pytest.fixture
def lake(lake_settings: LakeSettings) -> Lake:
    return Lake(lake_settings)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return prepare(tmp_path / "dagster")


@pytest.fixture
def daemon(lake: Lake, home: Path, tmp_path: Path) -> Iterator[psutil.Process]:
    """A daemon of the test's own, ended with all that it started."""
    environment = os.environ | of_lake(lake.settings) | QUICK
    environment |= {"DAGSTER_HOME": str(home), "FLEETLAKE_DATA_DIR": str(tmp_path)}
    program = Path(sys.executable).with_name("dagster-daemon")
    command = [
        "nice",
        "-n",
        "10",
        str(program),
        "run",
        "-m",
        "fleetlake.dagster_code",
    ]  # other tests run beside
    with (tmp_path / "daemon.log").open("wb") as log:
        started = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
        process = psutil.Process(started.pid)
        yield process
        everyone = [process, *process.children(recursive=True)]
        for each in everyone:
            each.terminate()
        _, left = psutil.wait_procs(everyone, 20)
        for each in left:
            each.kill()
        started.wait(20)


def minute(number: int, value: float = 36, days_before: int = 0) -> Reading:
    return ("V1", "speed", NOON - timedelta(days=days_before) + timedelta(minutes=number), value)


def rows(lake: Lake, sql: str) -> list[tuple[Any, ...]]:
    with Warehouse(lake.settings) as warehouse:
        if "gold.vehicle_day" not in warehouse.tables() or "gold.trips" not in warehouse.tables():
            return []
        return [tuple(row.values()) for row in warehouse.query(sql).table().to_pylist()]


def test_what_is_landed_is_built_by_itself(lake: Lake, home: Path, daemon: psutil.Process) -> None:
    """A late event of last month rebuilds its day and those within reach, and nothing else."""
    trips = "select event_date::varchar, points from gold.trips order by 1"
    lake.land([minute(0), minute(1)], [minute(0, days_before=30), minute(1, days_before=30)])
    past, day = (str((NOON - timedelta(days=days)).date()) for days in (30, 0))
    eventually(lambda: rows(lake, trips) == [(past, 2), (day, 2)], PATIENCE_SECONDS)
    lake.land([minute(2, days_before=30)])
    eventually(lambda: rows(lake, trips) == [(past, 3), (day, 2)], PATIENCE_SECONDS)
    eventually(lambda: rows(lake, "select sum(readings) from gold.vehicle_day") == [(5,)], PATIENCE_SECONDS)
    with instance(home) as dagster:
        runs = dagster.get_runs(dg.RunsFilter(job_name="marts"))
        bronze = dagster.get_latest_materialization_event(dg.AssetKey(["bronze", "events"]))
    ranges = [run.tags.get("dagster/asset_partition_range_start") for run in runs]
    assert set(ranges) <= {past, day, None}
    assert bronze is not None
    assert all(run.tags["fleetlake/only_due"] == "true" for run in runs)


def test_a_run_that_is_killed_is_made_up_for(lake: Lake, home: Path, daemon: psutil.Process) -> None:
    """Whatever it was doing: what it had not committed is still due."""
    kills, sent = 0, 0
    while kills < 3:
        lake.land([minute(sent), minute(sent + 1)])
        sent += 2
        eventually(lambda: bool(runs_of(daemon)), PATIENCE_SECONDS)
        for victim in runs_of(daemon):
            with suppress(psutil.NoSuchProcess):
                with suppress(psutil.TimeoutExpired):
                    victim.wait(random.uniform(0, 8))  # noqa: S311 - any moment of a run
                victim.send_signal(signal.SIGKILL)
                kills += 1
    total = "select sum(readings) from gold.vehicle_day"
    eventually(lambda: rows(lake, total) == [(sent,)], PATIENCE_SECONDS)
    assert rows(lake, "select points from gold.trips") == [(sent,)]
    copies = "select count(*) from (from silver.signals group by all having count(*) > 1)"
    assert rows(lake, copies) == [(0,)]


def runs_of(daemon: psutil.Process) -> list[psutil.Process]:
    """The processes in which runs are executed: the code server starts one for each."""
    found = []
    for each in daemon.children(recursive=True):
        try:
            if "spawn_main" in " ".join(each.cmdline()):
                found.append(each)
        except psutil.NoSuchProcess:
            continue
    return found

"""What nobody needs is removed; what somebody may still read, or is about to commit, stays."""

import json
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lake.maintenance import maintain, preview
from lake.query import Warehouse
from lake.rewriting import rewrite
from lake.schemas import TABLES
from lake.settings import LakeSettings, MaintenanceSettings
from lake.silver import Lane
from lake.vacuum import hours_kept, removable
from tests.transforms.small_lake import SIGNALS, Lake, speed
from transforms.increment import increment

pytestmark = pytest.mark.local_lake

MANY = 5
"""Commits of bronze, more than the small files that a partition may have."""


@pytest.fixture
def lake(lake_settings: LakeSettings) -> Lake:
    """Whose files stay for two hours."""
    brief = MaintenanceSettings(small_files=3, keep_hours=2)
    return Lake(lake_settings.model_copy(update={"maintenance": brief}))


def land(lake: Lake, first: int, commits: int = MANY) -> None:
    """Readings that differ, from a number on."""
    for number in range(first, first + commits):
        lake.land([speed(number)])


def folder(lake: Lake, table: str = "bronze.events") -> Path:
    return Path(lake.settings.uri, *table.split("."))


def data(lake: Lake, table: str = "bronze.events") -> set[str]:
    return {path.name for path in folder(lake, table).rglob("*.parquet") if path.parent.name != "_delta_log"}


def grow_old(lake: Lake, hours: float, table: str = "bronze.events") -> None:
    """Everything that was done to the table, was done earlier by so many hours."""
    for summary in folder(lake, table).glob("_delta_log/*checkpoint*"):
        summary.unlink()  # it would name the times of before
    for entry in folder(lake, table).glob("_delta_log/*.json"):
        actions = [json.loads(line) for line in entry.read_text().splitlines()]
        for action in actions:
            if "remove" in action:
                action["remove"]["deletionTimestamp"] -= int(hours * 3_600_000)
        entry.write_text("\n".join(map(json.dumps, actions)))
    for path in folder(lake, table).rglob("*"):
        if path.is_file():
            then = path.stat().st_mtime - hours * 3600
            os.utime(path, (then, then))


def plant(lake: Lake, name: str, hours: float) -> None:
    """A file as a writer leaves it that was killed before its commit."""
    day = next(folder(lake).glob("ingest_date=*"))
    (day / name).write_bytes(b"PAR1")
    then = time.time() - hours * 3600
    os.utime(day / name, (then, then))


def values(lake: Lake) -> list[float]:
    return sorted(value for (value,) in lake.silver("value"))


def test_replaced_files_are_removed_when_their_time_is_over(lake: Lake) -> None:
    """Not before; and no row with them."""
    land(lake, 0)
    lake.increment()
    done = maintain(lake.settings, "bronze.events")
    assert (done.removed, done.hours_kept) == (0, 2)
    assert maintain(lake.settings, "bronze.events").removed == 0
    assert len(data(lake)) == MANY + 1
    grow_old(lake, 1)
    assert maintain(lake.settings, "bronze.events").removed == 0
    grow_old(lake, 2)
    assert len(preview(lake.settings, "bronze.events").removed) == MANY
    assert len(data(lake)) == MANY + 1
    done = maintain(lake.settings, "bronze.events")
    assert (done.removed, done.before.stored_files, done.after.stored_files) == (MANY, MANY + 1, 1)
    assert done.after.rows == MANY
    assert maintain(lake.settings, "bronze.events").removed == 0


def test_files_that_were_never_committed_are_removed_when_they_are_old(lake: Lake) -> None:
    """A younger one may be about to be committed."""
    land(lake, 0, 1)
    plant(lake, "part-killed.parquet", hours=3)
    plant(lake, "part-under-way.parquet", hours=1)
    assert maintain(lake.settings, "bronze.events").removed == 1
    assert "part-killed.parquet" not in data(lake)
    assert "part-under-way.parquet" in data(lake)


def test_files_that_a_lane_has_not_read_stay_until_it_has(lake: Lake) -> None:
    """The increment then reads them by the change feed, and not all of bronze; afterwards they go."""
    land(lake, 0, 1)
    lake.increment()
    land(lake, 1)
    rewrite(lake.settings, "bronze.events")
    grow_old(lake, 30)
    now = datetime.now(UTC)
    assert hours_kept(lake.settings, "bronze.events", now) in (31, 32)
    assert removable(lake.settings, "bronze.events", now) == []
    assert maintain(lake.settings, "bronze.events").removed == 0
    found = [increment(lake.settings, SIGNALS, lane) for lane in Lane]
    assert [each.is_whole for each in found] == [False, False]
    assert values(lake) == list(range(MANY + 1))
    assert hours_kept(lake.settings, "bronze.events", now) == 2
    assert maintain(lake.settings, "bronze.events").removed >= MANY


def test_a_lane_that_is_behind_farther_than_the_log_holds_nothing(lake: Lake) -> None:
    """Its increment reads bronze whole, and finds everything."""
    land(lake, 0, 1)
    lake.increment()
    land(lake, 1)
    rewrite(lake.settings, "bronze.events")
    grow_old(lake, 24 * 8)
    first = maintain(lake.settings, "bronze.events")
    assert (first.removed, first.hours_kept) == (0, 2)
    assert first.after.log_entries < first.before.log_entries
    second = maintain(lake.settings, "bronze.events")
    assert (second.removed, second.after.stored_files) == (MANY + 1, 1)
    found = increment(lake.settings, SIGNALS, Lane.HOT)
    assert (found.is_whole, found.added) == (True, MANY)


def test_a_reader_keeps_what_it_began_with(lake: Lake) -> None:
    """A query, an audit or a rebuild that is younger than the time that files are given."""
    land(lake, 0)
    with Warehouse(lake.settings) as warehouse:
        answer = warehouse.query("select count(*) as n from bronze.events")
        assert maintain(lake.settings, "bronze.events").rewritten.partitions
        assert answer.table().to_pylist() == [{"n": MANY}]


@pytest.mark.parametrize("table", list(TABLES))
def test_a_run_that_is_killed_before_its_commit_changes_nothing(lake: Lake, table: str) -> None:
    """What it had written is not read by anybody, and goes when it is old; the next run does the work."""
    for number in range(MANY):
        land(lake, number, 1)
        lake.increment(Lane.HOT)
    before = len(data(lake, table))
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, lake.settings.model_dump_json(), table], timeout=120, check=False
    )
    assert killed.returncode == -signal.SIGKILL
    assert preview(lake.settings, table).found.files == before
    assert len(data(lake, table)) == before + 1
    grow_old(lake, 3, table)
    done = maintain(lake.settings, table)
    assert (done.before.files, done.after.files, done.after.rows) == (before, 1, done.before.rows)
    assert done.removed == 1
    assert done.after.stored_files == before + 1
    assert values(lake) == list(range(MANY))


KILLED = """
import os, signal, sys
from lake import rewriting
from lake.settings import LakeSettings

rewriting.swap = lambda *given: os.kill(os.getpid(), signal.SIGKILL)
rewriting.rewrite(LakeSettings.model_validate_json(sys.argv[1]), sys.argv[2])
"""


def test_other_tables_do_not_wait_for_lanes(lake: Lake) -> None:
    """Silver and the marts are read at the version at which a query begins."""
    land(lake, 0, 1)
    lake.increment()
    land(lake, 1, 1)
    grow_old(lake, 30)
    later = datetime.now(UTC) + timedelta(hours=9)
    assert hours_kept(lake.settings, "silver.signals", later) == 2
    assert hours_kept(lake.settings, "bronze.events", later) > 30

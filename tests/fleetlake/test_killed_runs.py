"""Runs of Dagster are killed at any moment, also between their files and their commit: the next one makes
what is missing, and the tables are as if nothing had happened."""

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest

from contracts.load import load_registry
from lake.settings import LakeSettings
from tests.environment import of_lake
from tests.transforms.contents import contents, differences
from tests.transforms.small_lake import NOON, Lake, Reading
from transforms.build import Marts, build
from transforms.checks import checks_of, run_checks
from transforms.load import load_models
from transforms.plan import plan
from transforms.reference import reference
from transforms.settings import TransformSettings

KILLS, KILLS_BEFORE_COMMIT = 20, 5
ATTEMPTS = 60
DAYS = 3
KILLED = ("trips", "signal_minute", "pressure_max")
"""What the runs make that are killed: with days, within reach of other days, and without any. The last run,
which nobody kills, makes everything."""

pytestmark = [pytest.mark.slow, pytest.mark.local_lake, pytest.mark.timeout(900)]


class Runs:
    """`fleetlake materialize` on one lake, again and again."""

    def __init__(self, lake: Lake, home: Path) -> None:
        self.root = Path(lake.settings.uri)
        self._log = home / "runs.log"
        self._environment = os.environ | of_lake(lake.settings) | {"FLEETLAKE_DATA_DIR": str(home)}

    def start(self, *tables: str) -> subprocess.Popen[bytes]:
        with self._log.open("ab") as log:
            command = [sys.executable, "-m", "fleetlake.cli", "materialize", *tables]
            return subprocess.Popen(command, env=self._environment, stdout=log, stderr=log)

    def orphans(self) -> set[Path]:
        """Files of silver and the marts that no commit names."""
        return self.files() - {table / name for table in self._tables() for name in _named(table)}

    def files(self) -> set[Path]:
        """Data files, committed or not."""
        return {file for table in self._tables() for file in table.glob("*/*.parquet")}

    def _tables(self) -> Iterator[Path]:
        with suppress(FileNotFoundError):
            for layer in ("silver", "gold"):
                yield from (self.root / layer).iterdir()


def _named(table: Path) -> Iterator[str]:
    """Files that any commit has added."""
    for commit in (table / "_delta_log").glob("*.json"):
        for line in commit.read_text().splitlines():
            if "add" in (action := json.loads(line)):
                yield action["add"]["path"]


def messages(lake: Lake, number: int) -> None:
    """A minute of driving on each of the last days; each round has minutes of its own."""
    lake.land(*(_readings(number, day) for day in range(DAYS)))


def _readings(number: int, days_before: int) -> list[Reading]:
    moment = NOON - timedelta(days=days_before) + timedelta(minutes=number)
    return [("V1", "speed", moment, 50.0 + number), ("V1", "soc", moment, 80.0 - number)]


def until_files(runs: Runs, victim: subprocess.Popen[bytes], count: int) -> None:
    """Returns as soon as the victim has written so many files, or has ended."""
    before = len(runs.files())
    while victim.poll() is None and len(runs.files()) < before + count:
        time.sleep(0.001)


def until_then(victim: subprocess.Popen[bytes], seconds: float) -> None:
    with suppress(subprocess.TimeoutExpired):
        victim.wait(seconds)


def test_runs_that_are_killed_are_made_up_for(tmp_path: Path, lake_settings: LakeSettings) -> None:
    """Twenty kills and more, at least five of which leave files that nobody has committed."""
    rng = random.Random(11)  # noqa: S311 - moments to be repeated
    lake, undisturbed = Lake(lake_settings), Lake(LakeSettings(uri=str(tmp_path / "undisturbed")))
    runs = Runs(lake, tmp_path)
    for each in (lake, undisturbed):
        messages(each, 0)
    began = time.monotonic()
    assert runs.start(*KILLED).wait() == 0
    longest_s = time.monotonic() - began
    kills = kills_before_commit = number = 0
    while kills < KILLS or kills_before_commit < KILLS_BEFORE_COMMIT:
        number += 1
        assert number <= ATTEMPTS, (kills, kills_before_commit)
        for each in (lake, undisturbed):
            messages(each, number)
        before, victim = runs.orphans(), runs.start(*KILLED)
        if number % 2:
            until_files(runs, victim, rng.randint(1, 3 * DAYS))
        else:
            until_then(victim, rng.uniform(0.3, 1.0) * longest_s)
        was_running = victim.poll() is None
        victim.kill()
        victim.wait()
        kills += was_running
        kills_before_commit += was_running and bool(runs.orphans() - before)
    print(f"{kills} kills in {number} runs, {kills_before_commit} of them between files and commit")  # noqa: T201
    assert runs.start().wait() == 0
    expect_the_same(marts_of(lake), made(marts_of(undisturbed)))


def marts_of(lake: Lake) -> Marts:
    return Marts(lake.settings, load_models(), reference(load_registry()), TransformSettings())


def made(marts: Marts) -> Marts:
    """Its tables, without Dagster and without a kill."""
    Lake(marts.lake).increment()
    while due := plan(marts):
        for table, partitions in due.items():
            build(marts, marts.models[table], partitions)
    return marts


def expect_the_same(marts: Marts, undisturbed: Marts) -> None:
    """Every row of every table, and no check finds anything."""
    for model in marts.models.values():
        expected, found = (contents(each.lake, model, model.about.columns) for each in (undisturbed, marts))
        assert differences(expected, found)[:3] == [], model.name
        assert not plan(marts)
        wrong = [
            finding.check.name for finding in run_checks(marts, model, checks_of(model)) if not finding.passed
        ]
        assert wrong == [], model.name

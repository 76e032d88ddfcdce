"""`fleetlake maintain`: what people without Dagster call, and what it tells them."""

from pathlib import Path

import pytest

from fleetlake import cli
from lake.settings import LakeSettings
from tests.environment import of_lake
from tests.transforms.small_lake import Lake, speed


@pytest.fixture
def lake(lake_settings: LakeSettings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Lake:
    """A lake that the command finds by its environment, with five small files of bronze."""
    for name, value in of_lake(lake_settings).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("FLEETLAKE_LAKE__MAINTENANCE__SMALL_FILES", "3")
    monkeypatch.setenv("FLEETLAKE_DATA_DIR", str(tmp_path / "data"))
    made = Lake(lake_settings)
    for number in range(5):
        made.land([speed(number)])
    return made


def test_all_tables_are_maintained(lake: Lake, capsys: pytest.CaptureFixture[str]) -> None:
    """A line a table, with what was found and what was left; a second time there is nothing to do."""
    lake.increment()
    assert cli.run(["maintain"]) == 0
    bronze, silver = capsys.readouterr().out.splitlines()
    assert bronze.startswith("bronze.events            5 -> 1 files, ")
    assert silver.startswith("silver.signals           1 -> 1 files, ")
    assert cli.run(["maintain", "events"]) == 0
    assert "1 -> 1 files" in capsys.readouterr().out
    assert lake.increment() == [0, 0]


def test_a_dry_run_says_what_would_be_done(lake: Lake, capsys: pytest.CaptureFixture[str]) -> None:
    """And leaves it."""
    for _ in range(2):
        assert cli.run(["maintain", "bronze.events", "--dry-run"]) == 0
        said = capsys.readouterr().out
        assert "would write 5 of 1 partitions anew and remove 0 that are older than 24 h" in said


def test_a_table_that_is_none_is_named(lake: Lake, capsys: pytest.CaptureFixture[str]) -> None:
    """With those that there are; before anything is done to others."""
    assert cli.run(["maintain", "bronze.events", "gold.tripss"]) == 2
    assert "there is no table gold.tripss; there are bronze.events" in capsys.readouterr().err
    assert cli.run(["maintain", "bronze.events", "--dry-run"]) == 0
    assert "5 files" in capsys.readouterr().out


def test_a_lake_without_tables_is_no_error(
    lake_settings: LakeSettings,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """There is nothing to do."""
    for name, value in of_lake(lake_settings).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("FLEETLAKE_DATA_DIR", str(tmp_path / "data"))
    assert cli.run(["maintain"]) == 0
    assert "no tables yet" in capsys.readouterr().out


def test_files_must_stay_longer_than_a_sink_waits(
    lake: Lake, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Else a vacuum would remove what history is about to commit."""
    monkeypatch.setenv("FLEETLAKE_LAKE__MAINTENANCE__KEEP_HOURS", "2")
    monkeypatch.setenv("FLEETLAKE_INGEST__STORE_PATIENCE_SECONDS", "7200")
    assert cli.run(["maintain"]) == 1
    said = capsys.readouterr().err
    assert "FLEETLAKE_LAKE__MAINTENANCE__KEEP_HOURS" in said
    assert "[BadSettings]" in said

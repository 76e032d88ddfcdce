"""`fleetlake warehouse`: the marts as one file that is there as a whole or not at all."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

import lake.warehouse
from fleetlake import cli
from lake.settings import LakeSettings
from tests.environment import of_lake
from tests.transforms.small_lake import Lake, speed

Print = Callable[[], str]


@pytest.fixture
def small(lake_settings: LakeSettings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Lake:
    """A lake with a mart, which the command finds by its environment."""
    for name, value in of_lake(lake_settings).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("FLEETLAKE_DATA_DIR", str(tmp_path / "data"))
    return Lake(lake_settings)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "data" / "warehouse" / "fleetlake.duckdb"


def test_the_marts_are_copied_with_what_their_models_say(
    small: Lake, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Comments on tables and columns, with units; the path is the one that `path` prints."""
    small.land([speed(50)], [("V1", "pressure", speed()[2], 5.0)])
    assert cli.run(["materialize", "pressure_max", "signal_day"]) == 0
    assert cli.run(["warehouse", "path"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == str(file)
    assert cli.run(["warehouse", "publish"]) == 0
    assert "gold.pressure_max                   1 rows" in capsys.readouterr().out
    with duckdb.connect(str(file), read_only=True) as opened:
        assert opened.execute("select vehicle_id, pressure_max from gold.pressure_max").fetchall() == [
            ("V1", 5.0)
        ]
        tables = dict(opened.execute("select table_name, comment from duckdb_tables()").fetchall())
        columns = dict(opened.execute("select column_name, comment from duckdb_columns()").fetchall())
    assert set(tables) == {"pressure_day", "pressure_max", "signal_day"}
    assert tables["pressure_max"].startswith("The greatest pressure that each vehicle ever had.")
    assert columns["pressure_max"] == "Greatest pressure ever [Pa]"


def test_a_reader_of_the_old_file_goes_on_and_the_next_one_sees_the_new(small: Lake, file: Path) -> None:
    """Nobody waits, and nothing is left beside it."""
    small.land([speed(50)])
    assert cli.run(["materialize", "signal_day"]) == 0
    assert cli.run(["warehouse", "publish"]) == 0
    count = "select sum(readings) from gold.signal_day"
    with duckdb.connect(str(file), read_only=True) as old:
        assert old.execute(count).fetchall() == [(1,)]
        small.land([speed(51)])
        assert cli.run(["materialize", "signal_day"]) == 0
        assert cli.run(["warehouse", "publish"]) == 0
        assert old.execute(count).fetchall() == [(1,)]
        assert elsewhere(file, count) == "[(2,)]"
    assert [found.name for found in file.parent.iterdir()] == [file.name]


def elsewhere(file: Path, sql: str) -> str:
    """What another process finds."""
    script = (
        f"import duckdb; print(duckdb.connect({str(file)!r}, read_only=True).execute({sql!r}).fetchall())"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_a_copy_that_fails_leaves_the_old_file(
    small: Lake, file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """And no unfinished one."""
    small.land([speed(50)])
    assert cli.run(["materialize", "signal_day"]) == 0
    assert cli.run(["warehouse", "publish"]) == 0
    before = file.read_bytes()

    def broken(uri: str) -> str:
        return f"delta_scan('{uri}/nowhere')"

    monkeypatch.setattr(lake.warehouse, "scan", broken)
    assert cli.run(["warehouse", "publish"]) == 1
    assert "fleetlake: " in capsys.readouterr().err
    assert file.read_bytes() == before
    assert [found.name for found in file.parent.iterdir()] == [file.name]
    monkeypatch.setenv("FLEETLAKE_WAREHOUSE", str(file.parent))
    assert cli.run(["warehouse", "publish"]) == 1
    assert capsys.readouterr().err == f"fleetlake: Is a directory: {file.parent}\n"


def test_a_lake_without_marts_has_nothing_to_publish(small: Lake, capsys: pytest.CaptureFixture[str]) -> None:
    """Said with what makes some."""
    assert cli.run(["warehouse", "publish"]) == 1
    assert "`fleetlake materialize` makes them" in capsys.readouterr().err

"""`fleetlake materialize`: from landed messages to marts, by way of Dagster."""

from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from deltalake import DeltaTable, write_deltalake

from fleetlake import cli
from fleetlake.doctor.local_checks import check_runs
from fleetlake.settings import Settings
from lake.errors import AccessDenied
from lake.settings import LakeSettings
from lake.storage import storage
from orchestration.instance import instance
from tests.environment import of_lake
from tests.transforms.small_lake import Lake, speed
from transforms.build import Built, Marts, build
from transforms.model import Model


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def lake(lake_settings: LakeSettings, monkeypatch: pytest.MonkeyPatch, data_dir: Path) -> Lake:
    """A lake that the command finds by its environment."""
    for name, value in of_lake(lake_settings).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("FLEETLAKE_DATA_DIR", str(data_dir))
    return Lake(lake_settings)


def mart(lake: Lake, name: str) -> DeltaTable:
    store = storage(lake.settings)
    return DeltaTable(store.table(name), storage_options=store.options())


def test_what_is_due_is_made_once(lake: Lake, data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Tables say rows and seconds; a second call finds nothing to do. All runs are on record in Dagster."""
    lake.land([speed(1)], [speed(2, days_before=40)])
    assert cli.run(["materialize"]) == 0
    told = capsys.readouterr().out
    assert "silver.signals" in told
    assert "gold.signal_minute" in told
    assert "3 runs, " in told
    assert mart(lake, "gold.signal_minute").to_pyarrow_table().num_rows == 2
    assert cli.run(["materialize"]) == 0
    assert "gold." not in capsys.readouterr().out
    with instance(data_dir / "dagster") as dagster:
        runs = dagster.get_runs()
    assert [run.status for run in runs] == [dg.DagsterRunStatus.SUCCESS] * 4


def test_a_table_that_is_named_is_made_with_what_it_reads(
    lake: Lake, capsys: pytest.CaptureFixture[str]
) -> None:
    """And no other; days that are given are built again."""
    lake.land([("V1", "pressure", speed(days_before=days)[2], 5.0) for days in (0, 40)])
    assert cli.run(["materialize", "pressure_max"]) == 0
    tables = {line.split()[0] for line in capsys.readouterr().out.splitlines() if "rows in" in line}
    assert tables == {"silver.signals", "gold.pressure_day", "gold.pressure_max"}
    assert cli.run(["materialize", "gold.pressure_day", "--from", "2026-03-10", "--to", "2026-03-11"]) == 0
    assert "gold.pressure_day                   1 rows in" in capsys.readouterr().out
    assert cli.run(["materialize", "gold.pressure_day", "gold.pressure_max", "--from", "2020-01-01"]) == 0
    told = [line.split()[:2] for line in capsys.readouterr().out.splitlines() if line.startswith("gold.")]
    assert told == [["gold.pressure_day", "1"], ["gold.pressure_day", "1"], ["gold.pressure_max", "1"]]


def test_a_check_that_fails_is_told_and_is_the_exit_code(
    lake: Lake, capsys: pytest.CaptureFixture[str]
) -> None:
    """A row that somebody has written twice."""
    lake.land([speed(1)])
    assert cli.run(["materialize", "signal_minute"]) == 0
    table = mart(lake, "gold.signal_minute")
    write_deltalake(table, table.to_pyarrow_table(), mode="append")
    lake.land([speed(2, days_before=1)])
    assert cli.run(["materialize", "signal_minute"]) == 0, "the days of a run are checked, not all"
    capsys.readouterr()
    assert cli.run(["materialize", "silver.signals"]) == 0
    silver = mart(lake, "silver.signals")
    write_deltalake(silver, silver.to_pyarrow_table().slice(0, 1), mode="append")
    assert cli.run(["materialize", "silver.signals"]) == 1
    err = capsys.readouterr().err
    assert "FAILED silver.signals: key_is_unique" in err
    assert "1 rows are wrong" in err


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["tripss"], "there is no table tripss; there are gold.anomalies"),
        (["--to", "2026-01-01"], "it needs --from as well"),
        (["--from", "2026-02-01", "--to", "2026-01-01"], "are not days in order"),
        (["--from", "1970-01-01"], "are not days in order"),
        (["--from", "yesterday"], "does not match the format"),
    ],
)
def test_wrong_arguments_are_named(
    lake: Lake, capsys: pytest.CaptureFixture[str], arguments: list[str], problem: str
) -> None:
    """Before anything is run."""
    assert cli.run(["materialize", *arguments]) == 2
    assert problem in capsys.readouterr().err


def test_days_outside_the_calendar_stop_no_others(lake: Lake, capsys: pytest.CaptureFixture[str]) -> None:
    """A clock that is wrong by decades: its day is told, and is no failure."""
    lake.land([speed(1)], [speed(2, days_before=20_000)])
    assert cli.run(["materialize", "signal_minute"]) == 0
    said = capsys.readouterr()
    assert "gold.signal_minute                  1 rows" in said.out
    assert "WARNING silver.signals: inside_the_calendar: " in said.err
    assert "1 days are wrong" in said.err


def test_a_lake_without_messages_is_no_error(lake: Lake, capsys: pytest.CaptureFixture[str]) -> None:
    """Marts without days are made of no rows."""
    assert cli.run(["materialize"]) == 0
    assert "0 problems" in capsys.readouterr().out
    assert cli.run(["materialize"]) == 0
    assert "gold." not in capsys.readouterr().out


def test_a_table_that_cannot_be_read_is_an_error_that_names_it(
    lake: Lake, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the words of our own error; what does not read it is made all the same. Doctor tells of the run
    until another has made up for it."""
    lake.land([speed(1)])

    def broken(marts: Marts, model: Model, *given: Any, **named: Any) -> Built:
        if model.name == "gold.trips":
            raise AccessDenied("the lake's store", "here", "no")  # noqa: EM101 - a test's own
        return build(marts, model, *given, **named)

    monkeypatch.setattr("orchestration.assets.build", broken)
    assert cli.run(["materialize"]) == 1
    said = capsys.readouterr()
    assert "FAILED gold.trips: lake.errors.AccessDenied: the lake's store at here refuses access" in said.err
    assert "gold.signal_minute" in said.out
    assert "gold.vehicle_day" not in said.out
    (finding,) = check_runs(Settings())
    assert "of assets failed at" in finding.fact
    assert finding.fact.endswith("UTC: gold.trips")
    monkeypatch.setattr("orchestration.assets.build", build)
    assert cli.run(["materialize"]) == 0
    assert list(check_runs(Settings())) == []

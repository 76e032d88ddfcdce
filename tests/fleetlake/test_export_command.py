"""`fleetlake export`: what a condition names, in a file that is complete or not there."""

import csv
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from fleetlake import cli
from lake.settings import LakeSettings
from tests.environment import of_lake
from tests.transforms.small_lake import Lake, speed


@pytest.fixture
def lake(lake_settings: LakeSettings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Lake:
    """With two readings in silver; the command runs in an empty folder."""
    for name, value in of_lake(lake_settings).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("FLEETLAKE_DATA_DIR", str(tmp_path / "data"))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    made = Lake(lake_settings)
    made.land([speed(50)], [speed(60, days_before=1, vehicle="V2")])
    made.increment()
    return made


def test_a_table_is_a_file_of_its_name(lake: Lake, capsys: pytest.CaptureFixture[str]) -> None:
    """Parquet unless asked otherwise, with its types."""
    assert cli.run(["export", "silver.signals"]) == 0
    assert "2 rows of silver.signals in silver.signals.parquet" in capsys.readouterr().out
    found = pq.read_table("silver.signals.parquet")
    assert sorted(found["value"].to_pylist()) == [50.0, 60.0]
    assert str(found.schema.field("event_date").type) == "date32[day]"


def test_the_name_of_the_file_says_what_it_holds(lake: Lake) -> None:
    """As that of `fleetlake sql` does."""
    assert cli.run(["export", "silver.signals", "--output", "readings.csv"]) == 0
    with Path("readings.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 2


def test_what_silver_has_not_read_yet_can_be_exported(lake: Lake) -> None:
    """As the view gives it."""
    lake.land([speed(70)], [speed(50)])
    assert cli.run(["export", "silver.signals_live"]) == 0
    found = pq.read_table("silver.signals_live.parquet")
    assert sorted(found["value"].to_pylist()) == [50.0, 60.0, 70.0]


def test_a_condition_leaves_out_the_rest(lake: Lake) -> None:
    """In SQL, with a comment at its end if need be."""
    condition = "vehicle_id = 'V2' and value > 55 -- fast"
    assert cli.run(["export", "silver.signals", "--format", "csv", "--where", condition]) == 0
    with Path("silver.signals.csv").open() as file:
        assert [row["vehicle_id"] for row in csv.DictReader(file)] == ["V2"]


def test_an_error_counts_the_lines_of_the_condition(lake: Lake, capsys: pytest.CaptureFixture[str]) -> None:
    """Those of the statement around it are not the reader's."""
    for command in ("export", "trace"):
        assert cli.run([command, "silver.signals", "--where", "value > 1\n  and speeed > 3"]) == 1
        assert "line 2, column 7:" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "code", "problem"),
    [
        (["gold.tripss"], 2, "there is no table gold.tripss; there are bronze.events"),
        (["silver.signals", "--format", "parquet", "--output", "x.csv"], 2, "must end in .parquet"),
        (["gold.trips"], 2, "gold.trips is not made yet: `fleetlake materialize`"),
        (["silver.signals", "--output", "nowhere/x.parquet"], 2, "there is no folder"),
        (["silver.signals", "--where", "speed > 3"], 1, "speed"),
        (["silver.signals", "--where", "true); drop table x; select (1"], 1, "fleetlake: "),
    ],
)
def test_what_cannot_be_exported_is_named_and_leaves_no_file(
    lake: Lake, arguments: list[str], code: int, problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A wrong table, file or condition."""
    assert cli.run(["export", *arguments]) == code
    assert problem in capsys.readouterr().err
    assert list(Path.cwd().iterdir()) == []

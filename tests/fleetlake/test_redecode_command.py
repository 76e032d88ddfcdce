"""`fleetlake redecode`: a corrected contract, from the report of what would change to marts that follow."""

import json
from pathlib import Path
from typing import Any

import pytest

from contracts.registry import Registry
from fleetlake import cli
from lake.settings import LakeSettings
from tests.environment import of_lake
from tests.transforms.payload_lake import PayloadLake, contracts, message
from tests.transforms.small_lake import NOON

DAY = NOON.date().isoformat()


@pytest.fixture
def wrong(tmp_path: Path) -> Registry:
    return contracts(tmp_path)


@pytest.fixture
def lake(
    lake_settings: LakeSettings, wrong: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> PayloadLake:
    """With readings in miles that were taken for kilometres; the contract is corrected by now."""
    variables = of_lake(lake_settings) | {
        "FLEETLAKE_DATA_DIR": str(tmp_path / "data"),
        "FLEETLAKE_CONTRACTS": str(tmp_path / "mine.yml"),
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    made = PayloadLake(lake_settings)
    made.land(wrong, message(10), message(20, days_before=1), message(30, minute=1, vehicle="V2"))
    made.increment(wrong)
    contracts(tmp_path, unit="mph")
    return made


def test_the_report_says_by_the_day_what_differs(
    lake: PayloadLake, capsys: pytest.CaptureFixture[str]
) -> None:
    """A dry run says the same as the run that follows; the second time nothing is left."""
    command = ["redecode", "--source", "mine", "--format", "json"]
    reports: list[list[dict[str, Any]]] = []
    for more in (["--dry-run"], [], []):
        assert cli.run([*command, *more]) == 0
        told = capsys.readouterr()
        reports.append(json.loads(told.out))
    assert reports[0] == reports[1]
    day = {"day": DAY, "before": 2, "after": 2, "added": 0, "removed": 0, "changed": 2, "vehicles": 2}
    assert reports[0][1] == day
    assert reports[2] == []
    assert "3 messages read, 3 decoded anew; 0 days replaced" in told.err
    assert f"read what was landed on {DAY} (1 of 1)" in told.err


def test_marts_follow_a_corrected_contract(lake: PayloadLake, capsys: pytest.CaptureFixture[str]) -> None:
    """Through Dagster, with nothing said to it."""
    assert cli.run(["materialize", "signal_day"]) == 0
    assert cli.run(["redecode", "--all", "--from", DAY]) == 0
    told = capsys.readouterr()
    assert "1 day replaced: 0 readings added, 0 removed, 2 changed" in told.err
    assert cli.run(["materialize", "signal_day"]) == 0
    speeds = lake.rows("select round(maximum, 3) from gold.signal_day order by all")
    assert speeds == [(16.093,), (20,), (48.28,)]


@pytest.mark.parametrize(
    ("arguments", "code", "problem"),
    [
        ([], 2, "name a source, or give --all"),
        (["--all", "--source", "mine"], 2, "name a source, or give --all"),
        (["--source", "yours"], 2, "there is no source yours; there are car, environment, mine"),
        (
            ["--source", "mine", "--from", "2026-03-02", "--to", "2026-03-01"],
            2,
            "2026-03-02 is after 2026-03-01",
        ),
        (
            ["--source", "tesla"],
            1,
            "no message of source tesla: there is nothing to derive again [NoMessages]",
        ),
    ],
)
def test_what_cannot_be_derived_again_is_named(
    lake: PayloadLake, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, problem: str
) -> None:
    """In one line, with nothing changed."""
    before = lake.silver("value")
    assert cli.run(["redecode", *arguments]) == code
    assert problem in " ".join(capsys.readouterr().err.split())
    assert lake.silver("value") == before

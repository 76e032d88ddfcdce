"""`fleetlake contracts`, as people and scripts use it."""

import json
from importlib.resources import files
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fleetlake.commands.contracts import app

DRIVE = str(files("simulate") / "data" / "twizy" / "T3_06_07_2021.csv.gz")
TWIZY = str(files("contracts") / "sources" / "twizy.yml")


@pytest.fixture(autouse=True)
def empty_data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No stack, no settings of the caller's."""
    monkeypatch.setenv("FLEETLAKE_DATA_DIR", str(tmp_path))
    monkeypatch.delenv("FLEETLAKE_CONTRACTS", raising=False)


def run(*arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result.output


def test_all_sources_are_listed() -> None:
    """For people and as JSON."""
    assert "sensor_pressure_stream" in run("list")
    found = json.loads(run("list", "--json"))
    assert [one["source"] for one in found] == sorted(one["source"] for one in found)
    assert len(found) == 8


def test_a_source_is_shown_with_units_ranges_and_topics() -> None:
    """Both sides of the translation."""
    text = run("show", "tesla")
    assert "VehicleSpeed" in text
    assert "tire_pressure_front_right" in text
    shown = json.loads(run("show", "car", "--json"))
    assert shown["topics"]["car.telemetry.dlq.v1"]["retention_ms"] == 30 * 86_400_000
    speed = next(one for one in shown["signals"] if one["wire"] == "speed")
    assert speed == {
        "wire": "speed",
        "signal": "speed",
        "wire_unit": "km/h",
        "unit": "km/h",
        "range": "0..260",
    }


def test_an_unknown_source_is_wrong_usage() -> None:
    """Exit code 2, and the names there are."""
    assert "twizy" in run("show", "twizzy", code=2)


def test_a_contract_is_checked_against_a_sample() -> None:
    """Counts, ranges, and what it would refuse."""
    text = run("check", TWIZY, DRIVE)
    assert "1703 of 1703 messages accepted" in text
    assert "refused 3 values of longitude: out_of_range" in text
    found = json.loads(run("check", TWIZY, DRIVE, "--json"))
    assert found["signals"]["soc"]["readings"] == 1_703
    assert found["signals"]["soc"]["maximum"] == 77.4
    assert found["rejected_signals"] == [{"signal": "longitude", "reason": "out_of_range", "count": 3}]


def test_a_contract_that_accepts_nothing_fails_the_check() -> None:
    """Exit code 1 and the reason, with an example."""
    text = run("check", str(files("contracts") / "sources" / "tcu.yml"), DRIVE, code=1)
    assert "rejected 1703 messages: missing_field (field did names no vehicle)" in text


def test_unknown_signals_are_pointed_out(tmp_path: Path) -> None:
    """So that the author sees what is not mapped."""
    sample = tmp_path / "sample.jsonl"
    sample.write_bytes(b'{"vehicle_id":"V","timestamp":"2025-07-06T12:00:00Z","co2":400}\n')
    assert "unknown: kept in the history" in run(
        "check", str(files("contracts") / "sources" / "environment.yml"), str(sample)
    )


def test_a_wrong_contract_is_named_by_line(tmp_path: Path) -> None:
    """Every mistake of the file on a line of its own, not a traceback of ours."""
    file = tmp_path / "x.yml"
    file.write_text("name: x\nshape: wide\n")
    said = run("check", str(file), DRIVE, code=1).splitlines()
    assert f"fleetlake: {file}:1: event_time: this key is missing; add it" in said
    assert len(said) > 1
    assert all(line.startswith(f"fleetlake: {file}:1: ") for line in said)


def test_a_contract_that_cannot_be_read_has_no_line(tmp_path: Path) -> None:
    """There is no line 0."""
    said = run("check", str(tmp_path / "nope.yml"), DRIVE, code=1)
    assert said.startswith(f"fleetlake: {tmp_path / 'nope.yml'}: cannot be read")


def test_a_source_is_checked_by_its_name() -> None:
    """Nobody needs to know where its file lies."""
    assert "1703 of 1703 messages accepted" in run("check", "twizy", DRIVE)


def test_one_is_not_counted_as_many(tmp_path: Path) -> None:
    """1 message, 1 vehicle."""
    sample = tmp_path / "sample.jsonl"
    sample.write_bytes(b'{"vehicle_id":"V","timestamp":"2025-07-06T12:00:00Z","speed":5}\n')
    text = run("check", "environment", str(sample))
    assert "1 of 1 message accepted" in text
    assert "1 vehicle, " in text


def test_contracts_of_the_settings_are_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fleet's own file, named by the environment."""
    text = (
        Path(TWIZY).read_text().replace("name: twizy", "name: mine").replace("twizy.telemetry.v1", "mine.v1")
    )
    (tmp_path / "mine.yml").write_text(text)
    monkeypatch.setenv("FLEETLAKE_CONTRACTS", json.dumps([str(tmp_path / "mine.yml")]))
    assert "mine.v1" in run("list")

"""`fleetlake state`: what people and programs get to see of MongoDB."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from fleetlake import cli
from lake.settings import MongoSettings
from lake.state import StateStore
from lake.state_model import Entry, VehicleState

SECOND = 1_000_000


@pytest.fixture
def store(
    mongo_settings: MongoSettings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[StateStore]:
    """The state that the command finds by its environment: two vehicles."""
    monkeypatch.setenv("FLEETLAKE_MONGO__URI", mongo_settings.uri)
    monkeypatch.setenv("FLEETLAKE_MONGO__DATABASE", mongo_settings.database)
    monkeypatch.setenv("FLEETLAKE_DATA_DIR", str(tmp_path / "data"))
    with StateStore(mongo_settings) as opened:
        speed = Entry(1_761_559_716_663_000, 25.0, "telemetry_raw/3", 7)
        car = VehicleState(
            "981", {"speed": speed, "soc": Entry(SECOND, 99.5, "telemetry_raw/0", 2)}, {}, SECOND
        )
        strange = VehicleState("é$", {"gear": Entry(SECOND, "D", "a/b/0", 1)}, {"pressure": speed}, SECOND)
        opened.write([car, strange])
        yield opened


def test_a_vehicle_is_one_object_that_names_its_records(
    store: StateStore, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every value with its time and where in Kafka it came from."""
    assert cli.run(["state", "981"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "vehicle_id": "981",
        "written_time": "1970-01-01T00:00:01.000Z",
        "signals": {
            "soc": {
                "value": 99.5,
                "effective_time": "1970-01-01T00:00:01.000Z",
                "topic": "telemetry_raw",
                "partition": 0,
                "offset": 2,
            },
            "speed": {
                "value": 25,
                "effective_time": "2025-10-27T10:08:36.663Z",
                "topic": "telemetry_raw",
                "partition": 3,
                "offset": 7,
            },
        },
        "maxima": {},
    }


def test_a_source_s_own_document(store: StateStore, capsys: pytest.CaptureFixture[str]) -> None:
    """As the users of the TCU know it; what was never heard of is null."""
    assert cli.run(["state", "981", "--as", "tcu"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "did": "981",
        "eventTime": "2025-10-27T10:08:36.663Z",
        "odo": None,
        "soc": 99.5,
        "speed": 25,
        "ignition": None,
        "ingestion_time": "1970-01-01T00:00:01.000Z",
    }


def test_all_vehicles_are_json_lines(store: StateStore, capsys: pytest.CaptureFixture[str]) -> None:
    """One object a line, ordered by id."""
    assert cli.run(["state", "--all"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["vehicle_id"] for line in lines] == ["981", "é$"]
    assert lines[1]["signals"]["gear"]["value"] == "D"
    assert lines[1]["signals"]["gear"]["topic"] == "a/b"
    assert lines[1]["maxima"]["pressure"]["value"] == 25
    assert cli.run(["state", "--all", "--as", "tcu"]) == 0
    assert [json.loads(line)["did"] for line in capsys.readouterr().out.splitlines()] == ["981", "é$"]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["982"], 1, "'982'"),
        ([], 2, "--all"),
        (["981", "--all"], 2, "--all"),
        (["981", "--as", "nobody"], 2, "tcu"),
    ],
)
def test_a_question_without_an_answer_is_one_line(
    store: StateStore, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, said: str
) -> None:
    """A vehicle never heard of is exit code 1."""
    assert cli.run(["state", *arguments]) == code
    printed = capsys.readouterr()
    assert said in printed.err
    assert len(printed.err.splitlines()) == 1
    assert not printed.out

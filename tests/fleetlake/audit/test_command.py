"""`fleetlake audit` and `fleetlake state rebuild` as an operator runs them."""

import json
import sys
from importlib.resources import files
from pathlib import Path

import pytest
from deltalake import write_deltalake

from broker.topic_specs import specs_from
from broker.topics import Topics
from contracts.load import load_registry
from fleetlake.answers import terminal
from fleetlake.audit.show import show
from fleetlake.cli import run
from lake.bronze import Bronze
from lake.schemas import BRONZE, BRONZE_EVENTS
from lake.settings import LakeSettings
from lake.storage import wait_ready
from tests.environment import of_kafka, of_lake, of_mongo
from tests.fleetlake.audit.audited import PARTITIONS, Stack, entry_of


def test_the_report_is_json_and_text(landed: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    """Programs get everything; people get a table, the problems and a verdict."""
    clean = landed.audit()
    show(clean, terminal(sys.stdout))
    assert "OK: 40 messages" in capsys.readouterr().out
    landed.add_rows(landed.rows(0, 5))
    landed.remove_vehicle("v3")
    report = landed.audit()
    found = json.loads(json.dumps(report.as_json()))
    assert found["ok"] is False
    assert {"partitions", "state", "problems"} <= found.keys()
    assert {problem["kind"] for problem in found["problems"]} == {"duplicate", "state_missing"}
    show(report, terminal(sys.stdout))
    text = capsys.readouterr().out
    assert f"duplicate: {landed.topic}/0: offset 5 has 2 rows" in text
    assert "state_missing: vehicle v3, speed: expected" in text
    assert "NOT OK: 1 duplicate, 1 state_missing" in text


@pytest.fixture
def command_line(landed: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stack:
    """Settings as an operator gives them, for the stack's servers and its topic."""
    built_in = files("contracts") / "sources" / "tcu.yml"
    contract = tmp_path / "tcu.yml"
    contract.write_text(built_in.read_text().replace("telemetry_raw", landed.topic))
    monkeypatch.setenv("FLEETLAKE_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("FLEETLAKE_CONTRACTS", json.dumps([str(contract)]))
    servers = of_kafka(landed.kafka) | of_mongo(landed.mongo) | of_lake(landed.lake)
    for name, value in servers.items():
        monkeypatch.setenv(name, value)
    Topics(landed.kafka).create(specs_from(load_registry([contract]), landed.kafka))
    return landed


def test_the_command_fails_and_names_what_is_off(
    command_line: Stack, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 0 and 1; `--json` is one object."""
    assert run(["audit"]) == 0
    assert "OK: 40 messages" in capsys.readouterr().out
    command_line.write_state("v1", "speed", entry_of(command_line, "v1") | {"v": 999.0})
    assert run(["audit", "--json", "--full"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["ok"] is False
    assert [problem["where"] for problem in found["problems"]] == ["vehicle v1, speed"]


@pytest.mark.local_lake
def test_a_restored_history_that_began_later_misses_nothing_before(
    command_line: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A table that was copied without its log; the command says what it takes for the beginning."""
    rows = command_line.bronze().to_pyarrow_table(filters=[("offset", ">=", 5)])
    copy = Bronze(wait_ready(LakeSettings(uri=str(tmp_path / "copy"))))
    write_deltalake(
        copy.storage.table(BRONZE_EVENTS.name), rows.select(BRONZE.names).cast(BRONZE), mode="append"
    )
    monkeypatch.setenv("FLEETLAKE_LAKE__URI", str(tmp_path / "copy"))
    assert run(["audit"]) == 1
    capsys.readouterr()
    for partition in range(PARTITIONS):
        assert run(["checkpoint", "restore", command_line.topic, str(partition)]) == 0
        out = capsys.readouterr().out
        assert "history goes on at offset 20" in out
        assert "history is taken to begin at offset 5" in out
    assert run(["audit"]) == 0


def test_the_rebuild_command_repairs_the_state(
    command_line: Stack, capsys: pytest.CaptureFixture[str]
) -> None:
    """What no sink could lower; a vehicle may be named rebuild all the same."""
    command_line.write_state("rebuild", "speed", entry_of(command_line, "v1") | {"v": 999.0})
    assert run(["state", "--", "rebuild"]) == 0
    assert json.loads(capsys.readouterr().out)["signals"]["speed"]["value"] == 999
    assert run(["audit"]) == 1
    assert run(["state", "rebuild"]) == 0
    assert "state of 5 vehicles rebuilt" in capsys.readouterr().out
    assert run(["audit"]) == 0

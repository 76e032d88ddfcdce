"""`fleetlake topics` against the real embedded broker."""

import json
from typing import Any

import pytest

from fleetlake import cli
from fleetlake.stack.server import wait_until

TOPIC = "twizy.telemetry.v1"


@pytest.fixture(autouse=True)
def environment(kafka: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run's broker, named by the environment."""
    monkeypatch.setenv("FLEETLAKE_KAFKA__BOOTSTRAP_SERVERS", kafka)


def answer(capsys: pytest.CaptureFixture[str], *arguments: str, exit_code: int = 0) -> Any:
    capsys.readouterr()
    assert cli.run([*arguments, "--json"]) == exit_code
    return json.loads(capsys.readouterr().out)


def test_topics_are_created_once_and_listed(capsys: pytest.CaptureFixture[str]) -> None:
    """After the first `create` a second one finds everything as it should be."""
    answer(capsys, "topics", "create")

    assert answer(capsys, "topics", "create") == {"created": [], "changed": [], "different": []}
    listed = {row["topic"]: row for row in answer(capsys, "topics", "list")}
    assert listed["telemetry_raw"]["state"] == "ok"
    assert listed["telemetry_raw"]["wanted"]["config"]["message.timestamp.type"] == "LogAppendTime"
    assert cli.run(["topics", "list"]) == 0
    assert "vehicle_pressure_max" in capsys.readouterr().out
    assert cli.run(["topics", "create"]) == 0
    assert "as they should be" in capsys.readouterr().out


def test_differences_are_reported_and_with_replace_applied(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without --replace nothing is changed; with it what can be changed is, and the way back too."""
    answer(capsys, "topics", "create")
    monkeypatch.setenv("FLEETLAKE_KAFKA__RETENTION_MS", json.dumps({TOPIC: 1_000_000}))
    told = f"{TOPIC}: retention.ms is 604800000, should be 1000000"
    assert answer(capsys, "topics", "create")["different"] == [told]
    assert answer(capsys, "topics", "create")["different"] == [told]

    assert answer(capsys, "topics", "create", "--replace")["changed"] == [told]

    assert wait_until(lambda: answer(capsys, "topics", "create")["different"] == [], 30)
    monkeypatch.delenv("FLEETLAKE_KAFKA__RETENTION_MS")
    assert len(answer(capsys, "topics", "create", "--replace")["changed"]) == 1


def test_what_cannot_be_changed_fails_with_replace(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fewer partitions: named, and a script notices by the exit code."""
    answer(capsys, "topics", "create")
    monkeypatch.setenv("FLEETLAKE_KAFKA__PARTITIONS", json.dumps({TOPIC: 2}))

    left = answer(capsys, "topics", "create", "--replace", exit_code=1)

    assert left["different"] == [f"{TOPIC}: partitions is 3, should be 2"]
    [row] = [row for row in answer(capsys, "topics", "list") if row["topic"] == TOPIC]
    assert row["state"] == "differs"
    assert row["differences"][0]["can_change"] is False


def test_a_broker_that_is_away_is_one_readable_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the address; no traceback."""
    monkeypatch.setenv("FLEETLAKE_KAFKA__BOOTSTRAP_SERVERS", "127.0.0.1:9")
    monkeypatch.setenv("FLEETLAKE_KAFKA__READY_TIMEOUT_S", "0.2")

    assert cli.run(["topics", "list"]) == 1

    assert "Kafka at 127.0.0.1:9 is not reachable" in capsys.readouterr().err

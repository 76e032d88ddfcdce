"""`fleetlake alerts`: what people and programs get to see, and what a rule would have done."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from broker.settings import KafkaSettings
from fleetlake import cli
from lake.alert_outbox import AlertOutbox, NewDelivery
from lake.alert_store import AlertStore
from lake.settings import LakeSettings, MongoSettings
from tests.environment import of_lake
from tests.ingest.state_fleet import fleet_of

SECOND = 1_000_000
EXAMPLE = Path(__file__).parents[2] / "infra" / "alerts" / "rules.example.yml"
OPENED: dict[str, Any] = {
    "event": "opened",
    "alert_id": "a1",
    "rule": "too_fast",
    "vehicle_id": "v1",
    "opened_us": 5 * SECOND,
    "at_us": 5 * SECOND,
    "value": 142.0,
    "summary": "v1 drives 142 km/h",
    "severity": "critical",
    "webhooks": ["ops"],
}


@pytest.fixture
def store(
    mongo_settings: MongoSettings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[AlertStore]:
    """Two alerts, one of them over, and a delivery that was given up."""
    monkeypatch.setenv("FLEETLAKE_MONGO__URI", mongo_settings.uri)
    monkeypatch.setenv("FLEETLAKE_MONGO__DATABASE", mongo_settings.database)
    monkeypatch.setenv("FLEETLAKE_DATA_DIR", str(tmp_path / "data"))
    with AlertStore(mongo_settings) as opened:
        second = {**OPENED, "alert_id": "a2", "opened_us": 9 * SECOND}
        opened.apply([OPENED, {**OPENED, "event": "resolved", "at_us": 7 * SECOND}, second], 0)
        outbox = AlertOutbox(mongo_settings, opened.client)
        outbox.add([NewDelivery("d1", "ops", "opened", OPENED)], 0)
        delivery = outbox.claim("ops", 0, 1, "me")
        assert delivery is not None
        outbox.give_up(delivery, "me", 1, "answered 400")
        yield opened


def test_alerts_are_listed_with_what_became_of_telling(
    store: AlertStore, capsys: pytest.CaptureFixture[str]
) -> None:
    """The newest first; for programs with all there is."""
    assert cli.run(["alerts", "list", "--json"]) == 0
    newest, oldest = json.loads(capsys.readouterr().out)
    assert (newest["alert_id"], newest["state"], newest["resolved_time"]) == ("a2", "open", None)
    assert oldest == {
        "alert_id": "a1",
        "rule": "too_fast",
        "vehicle_id": "v1",
        "state": "resolved",
        "severity": "critical",
        "opened_time": "1970-01-01T00:00:05.000Z",
        "resolved_time": "1970-01-01T00:00:07.000Z",
        "value": 142.0,
        "summary": "v1 drives 142 km/h",
        "deliveries": [
            {
                "delivery_id": "d1",
                "webhook": "ops",
                "event": "opened",
                "state": "given_up",
                "tries": 1,
                "last_error": "answered 400",
            }
        ],
    }
    assert cli.run(["alerts", "list"]) == 0
    printed = capsys.readouterr()
    assert "ops given up" in printed.out
    assert "1 delivery was given up" in printed.err
    assert cli.run(["alerts", "list", "--open"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_what_was_given_up_is_tried_again(store: AlertStore, capsys: pytest.CaptureFixture[str]) -> None:
    """By the id of its alert, once."""
    assert cli.run(["alerts", "redrive", "a1"]) == 0
    assert "1 delivery" in capsys.readouterr().out
    assert cli.run(["alerts", "redrive", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"redriven": 0}


def test_a_file_is_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The example is right; a mistake is named with its line."""
    monkeypatch.setenv("FLEETLAKE_DATA_DIR", str(tmp_path / "data"))
    assert cli.run(["alerts", "check", str(EXAMPLE)]) == 0
    assert "too_fast" in capsys.readouterr().out
    broken = tmp_path / "rules.yml"
    broken.write_text("rules:\n  - {name: a, summary: b, missing: {for: 1m}, severity: bad}\n  - {name: B}\n")
    assert cli.run(["alerts", "check", str(broken)]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert any(f"{broken}:2: rules.0.severity" in line for line in lines)
    assert any(f"{broken}:3: " in line for line in lines)


SAMPLE = [
    {"did": "v", "timestamp": 1_761_559_600_000 + 1_000, "name": "speed", "float_value": 120},
    {"did": "v", "timestamp": 1_761_559_600_000 + 12_000, "name": "speed", "float_value": 100},
    {"did": "v", "timestamp": 1_761_559_600_000 + 3_000, "name": "speed", "float_value": 140},
    {"did": "w", "timestamp": 1_761_559_600_000 + 1_000, "name": "speed", "float_value": 50},
    {"did": "v", "timestamp": 1_761_559_600_000 + 9_000, "name": "speed", "float_value": 135},
]


def test_a_rule_is_tried_on_a_sample(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In the order of its times; nobody is told, and no server is asked."""
    monkeypatch.setenv("FLEETLAKE_DATA_DIR", str(tmp_path / "data"))
    file = tmp_path / "sample.jsonl"
    file.write_text("\n".join(map(json.dumps, SAMPLE)))
    asked = ["alerts", "test", "too_fast", "--rules", str(EXAMPLE), "--sample", str(file), "--source", "tcu"]
    assert cli.run([*asked, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [(each["event"], each["vehicle_id"], each["time"]) for each in found] == [
        ("opened", "v", "2025-10-27T10:06:49.000Z"),
        ("resolved", "v", "2025-10-27T10:06:52.000Z"),
    ]
    assert found[0]["alert_id"] == found[1]["alert_id"]
    assert cli.run(asked) == 0
    assert "1 alert opened, 1 resolved" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (
            ["test", "nothing", "--rules", str(EXAMPLE), "--sample", str(EXAMPLE), "--source", "tcu"],
            2,
            "too_fast",
        ),
        (["test", "too_fast", "--rules", str(EXAMPLE), "--sample", str(EXAMPLE)], 2, "tcu"),
        (["test", "too_fast"], 1, "FLEETLAKE_ALERTS__RULES"),
        (["check", "no-such-file.yml"], 1, "no-such-file.yml"),
    ],
)
def test_what_cannot_be_tried_is_one_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    code: int,
    said: str,
) -> None:
    """And says what to give."""
    monkeypatch.setenv("FLEETLAKE_DATA_DIR", str(tmp_path / "data"))
    assert cli.run(["alerts", *arguments]) == code
    printed = capsys.readouterr()
    assert said in printed.err
    assert len(printed.err.splitlines()) == 1


HISTORY_RULES = """
rules:
  - {name: fast, summary: s, threshold: {signal: speed, op: ">", value: 100, clear: 90}}
  - {name: silent, summary: s, missing: {for: 1h}}
  - {name: anomalous, summary: s, anomalies: {kind: overspeed, count: 1, window: 1m}}
"""
DAY = ["--from", "2025-10-27T00:00:00Z", "--to", "2025-10-28T00:00:00Z", "--json"]


def test_a_rule_is_tried_on_the_history(
    kafka_settings: KafkaSettings,
    mongo_settings: MongoSettings,
    lake_settings: LakeSettings,
    topic_name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """As it lies in the lake, late readings in their place; silence lasts until the end that is asked for."""
    fleet = fleet_of(kafka_settings, mongo_settings, lake_settings, topic_name)
    fleet.send([("v", "speed", 3_000, 80.0), ("v", "speed", 1_000, 150.0), ("w", "speed", 1_000, 95.0)])
    fleet.land()
    for name, value in {**of_lake(lake_settings), "FLEETLAKE_DATA_DIR": str(tmp_path / "data")}.items():
        monkeypatch.setenv(name, value)
    rules = tmp_path / "rules.yml"
    rules.write_text(HISTORY_RULES)
    capsys.readouterr()

    def tried(rule: str) -> list[tuple[str, str, str]]:
        assert cli.run(["alerts", "test", rule, "--rules", str(rules), *DAY]) == 0
        found = json.loads(capsys.readouterr().out)
        return [(each["event"], each["vehicle_id"], each["time"]) for each in found]

    assert tried("fast") == [
        ("opened", "v", "2025-10-27T10:07:16.000Z"),
        ("resolved", "v", "2025-10-27T10:07:18.000Z"),
    ]
    assert tried("silent") == [
        ("opened", "v", "2025-10-27T11:07:18.000Z"),
        ("opened", "w", "2025-10-27T11:07:16.000Z"),
    ]
    assert cli.run(["alerts", "test", "anomalous", "--rules", str(rules), *DAY]) == 1
    assert "anomalies" in capsys.readouterr().err

"""From messages to facts: what rules ask for, under the names that they ask by, and nothing else."""

import json
from typing import Any

from broker.record import Records
from contracts.load import load_registry
from ingest.alerts.facts import FactFinder, join
from ingest.alerts.rules import MESSAGE, RuleSet
from ingest.alerts.track import Fact
from ingest.decoding import RunDecoder
from ingest.metrics import SinkMetrics
from tests.ingest.alerts.fact_strategies import rule

REGISTRY = load_registry()
T1 = 1_753_223_445_123_000


def found(rules: list[Any], topic: str, *payloads: dict[str, Any] | str) -> dict[str, list[Fact]]:
    """The facts of messages of a topic."""
    values: list[bytes | None] = [
        (each if isinstance(each, str) else json.dumps(each)).encode() for each in payloads
    ]
    count = len(values)
    records = Records(
        topic, 0, list(range(count)), [-1] * count, [b"k"] * count, [None] * count, values, count
    )
    finder = FactFinder(REGISTRY, RuleSet.model_validate({"rules": rules}))
    run = RunDecoder(REGISTRY, SinkMetrics("test")).decode(records)
    return dict(finder.find(run))


def pressure(sensor: str, value: float) -> dict[str, Any]:
    """As S3 sends it."""
    return {
        "timestamp": "2025-07-22 22:30:45.123Z", "pressure": value, "temperature": 25.5, "sensorId": sensor,
        "vehicleId": "HONDA 231",
    }  # fmt: skip


CAR = {
    "car_id": "CAR_001", "timestamp": "2025-07-22T22:30:45.123+00:00", "speed": 190.5, "rpm": 2947,
    "engine_temp": 125, "fuel_level": 33.73, "latitude": 52.486, "longitude": 13.484548,
}  # fmt: skip


def test_only_what_a_rule_asks_for_is_a_fact() -> None:
    """Of a message with many signals two; nothing of one that is rejected."""
    area = rule("a", geofence={"on": "enter", "circle": {"latitude": 1, "longitude": 1, "radius_m": 1}})
    assert found([area], "car.telemetry.v1", CAR, "{", {**CAR, "car_id": "CAR_002", "latitude": 91}) == {
        "CAR_001": [Fact(T1, "latitude", 52.486), Fact(T1, "longitude", 13.484548)]
    }


def test_a_sensor_has_a_name_of_its_own_where_a_rule_names_it() -> None:
    """Beside that of all sensors together."""
    one = rule("one", threshold={"signal": "pressure", "sensor": "s1", "op": ">", "value": 1})
    every = rule("every", threshold={"signal": "pressure", "op": ">", "value": 1})
    readings = [pressure("s1", 900.0), pressure("s2", 800.0)]
    assert found([one], "sensor_pressure_stream", *readings) == {
        "HONDA 231": [Fact(T1, "pressure@s1", 900.0)]
    }
    assert found([one, every], "sensor_pressure_stream", *readings) == {
        "HONDA 231": [
            Fact(T1, "pressure", 900.0),
            Fact(T1, "pressure@s1", 900.0),
            Fact(T1, "pressure", 800.0),
        ]
    }


def test_any_message_is_heard_whatever_it_says() -> None:
    """The latest of each vehicle."""
    silent = rule("silent", missing={"for": "1m"})
    later = {**CAR, "timestamp": "2025-07-22T22:30:46.123+00:00"}
    assert found([silent], "car.telemetry.v1", later, CAR) == {
        "CAR_001": [Fact(T1 + 1_000_000, MESSAGE, 0.0)]
    }


def test_anomalies_are_those_of_the_contract() -> None:
    """By the kind that the rule counts."""
    fast = rule("fast", anomalies={"kind": "overspeed", "count": 1, "window": "1m"})
    assert found([fast], "car.telemetry.v1", CAR) == {"CAR_001": [Fact(T1, "anomaly/overspeed", 190.5)]}


def test_texts_and_booleans_are_facts_as_the_state_has_them() -> None:
    """A switch is 1 or 0."""
    on = rule("on", threshold={"signal": "ignition", "op": "==", "value": True})
    message = {
        "did": "981",
        "timestamp": "1753223445123",
        "name": "ignition_status",
        "value_type": "1",
        "int_value": "1",
    }
    assert found([on], "telemetry_raw", message) == {"981": [Fact(T1, "ignition", 1.0)]}


def test_facts_of_several_polls_are_joined_by_vehicle() -> None:
    """In the order of the polls."""
    one, other = Fact(1, "speed", 1.0), Fact(2, "speed", 2.0)
    assert join([{"v": [one]}, {"v": [other], "w": [one]}]) == {"v": [one, other], "w": [one]}

"""What is made of decoded messages: anomalies, maxima, documents."""

import hashlib
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.anomalies import ANOMALIES, anomaly_id, find_anomalies
from contracts.catalog import Threshold
from contracts.decode import RawBatch
from contracts.encode import Event, Reading, encode
from contracts.load import load_registry
from contracts.maximum import maximum_readings
from contracts.model import Contract
from contracts.render import MaximumDocuments, MaximumReading, NoDocument, SignalState, render_state

REGISTRY = load_registry()
T = 1_761_559_635_000_000


def decoded(source: str, *readings: dict[str, float | str], sensor: str | None = None) -> pa.RecordBatch:
    """One message for each mapping of signals to values, one second apart."""
    messages = []
    for index, one in enumerate(readings):
        time = T + index * 1_000_000
        named = tuple(Reading(signal, value, time, sensor) for signal, value in one.items())
        messages += encode(REGISTRY.contracts[source], Event(f"V{index}", time, None, named))
    rows = len(messages)
    payloads = [message.payload for message in messages]
    batch = RawBatch(payloads, [-1] * rows, [message.key for message in messages], [None] * rows)
    return REGISTRY.decoder_of(REGISTRY.contracts[source]).decode(batch)


def car(**changed: float) -> dict[str, float | str]:
    usual: dict[str, float | str] = {
        "speed": 60.0,
        "engine_rpm": 2_000.0,
        "coolant_temperature": 90.0,
        "fuel_level": 50.0,
        "latitude": 52.0,
        "longitude": 13.0,
    }
    return {**usual, **changed}


@pytest.mark.parametrize(
    ("signal", "value", "kind"),
    [
        ("speed", 180.0, None),
        ("speed", 180.5, "overspeed"),
        ("coolant_temperature", 119.9, None),
        ("coolant_temperature", 120.0, "overheat"),
        ("fuel_level", 5.1, None),
        ("fuel_level", 5.0, "low_fuel"),
        ("engine_rpm", 6_999.0, None),
        ("engine_rpm", 7_000.0, "high_rpm"),
    ],
)
def test_a_threshold_is_crossed_or_not(signal: str, value: float, kind: str | None) -> None:
    """S1's limits, at and beside each."""
    found = find_anomalies(
        decoded("car", car(), car(**{signal: value})), REGISTRY.catalog, REGISTRY.contracts["car"]
    )
    assert found.schema == ANOMALIES
    assert [(one["kind"], one["signal"], one["value"]) for one in found.to_pylist()] == (
        [(kind, signal, value)] if kind else []
    )


def test_anomalies_stand_in_the_order_of_their_messages_with_vehicle_and_time() -> None:
    """Several a message, and none for messages without."""
    batch = decoded("car", car(), car(fuel_level=1.0, speed=200.0), car(), car(engine_rpm=8_000.0))
    found = find_anomalies(batch, REGISTRY.catalog, REGISTRY.contracts["car"]).to_pylist()
    assert [one["row"] for one in found] == [1, 1, 3]
    assert {one["kind"] for one in found[:2]} == {"low_fuel", "overspeed"}
    assert [one["vehicle_id"] for one in found] == ["V1", "V1", "V3"]
    assert found[2]["event_time"] == batch.column("event_time")[3].as_py()
    assert found[2]["threshold"] == 7_000.0


def test_rows_count_from_the_batch_given_even_if_it_is_a_slice() -> None:
    """A slice's first row is row 0."""
    batch = decoded("car", car(speed=190.0), car(speed=200.0), car(), car(speed=210.0)).slice(1)
    found = find_anomalies(batch, REGISTRY.catalog, REGISTRY.contracts["car"]).to_pylist()
    assert [(one["row"], one["value"]) for one in found] == [(0, 200.0), (2, 210.0)]


def test_a_contract_may_have_thresholds_of_its_own() -> None:
    """They stand instead of the catalog's, also none."""
    own = REGISTRY.contracts["car"].model_copy(
        update={"thresholds": {"speed": (Threshold(kind="city", op=">=", limit=50),), "fuel_level": ()}}
    )
    found = find_anomalies(decoded("car", car(fuel_level=1.0)), REGISTRY.catalog, own)
    assert [one["kind"] for one in found.to_pylist()] == ["city"]


def test_texts_unknown_signals_and_rejected_messages_are_no_anomalies() -> None:
    """Nor is an empty batch."""
    batch = decoded("tesla", {"gear": "P", "%73peed": 999.0})
    assert find_anomalies(batch, REGISTRY.catalog, REGISTRY.contracts["tesla"]).num_rows == 0
    assert find_anomalies(batch.slice(0, 0), REGISTRY.catalog, REGISTRY.contracts["tesla"]).num_rows == 0
    broken = REGISTRY.decoder("car.telemetry.v1").decode(RawBatch([b"{"], [-1], [None], [None]))
    assert find_anomalies(broken, REGISTRY.catalog, REGISTRY.contracts["car"]).num_rows == 0


NAMES = st.text(st.characters(exclude_characters="\x00\x1f", exclude_categories=["Cs"]), max_size=6)


@settings(max_examples=50)
@given(
    st.lists(
        st.tuples(
            NAMES,
            NAMES,
            st.one_of(st.none(), NAMES),
            st.integers(0, 4 * 10**15),
            st.floats(-1e9, 1e9) | st.floats(1e-9, 1),
        ),
        min_size=1,
        max_size=5,
    )
)
def test_sql_computes_the_same_anomaly_ids(rows: list[tuple[Any, ...]]) -> None:
    """The formula in the docstring, so that marts and routes agree."""
    sql = """select left(sha256(concat_ws(chr(31), ?::varchar, ?::varchar, 'speed', coalesce(?::varchar, ''),
        'overspeed', epoch_us(make_timestamptz(?::bigint)), ?::double)), 32)"""
    with duckdb.connect() as connection:
        for source, vehicle, sensor, time, value in rows:
            own = anomaly_id(source, vehicle, "speed", sensor, "overspeed", time, value)
            (found,) = connection.execute(sql, [source, vehicle, sensor, time, value]).fetchone() or ("",)
            assert found == own


def test_an_anomaly_id_is_of_all_its_parts() -> None:
    """Change one, and it is another."""
    parts = ("car", "V", "speed", "s", "overspeed", T, 200.0)
    ids = {anomaly_id(*parts)}
    for index in range(len(parts)):
        changed: list[Any] = list(parts)
        changed[index] = 1 if index >= 5 else "x"
        ids.add(anomaly_id(*changed))
    assert len(ids) == 8
    assert anomaly_id("car", "V", "speed", None, "overspeed", T, 200.0) in {
        hashlib.sha256(f"car\x1fV\x1fspeed\x1f\x1foverspeed\x1f{T}\x1f200.0".encode()).hexdigest()[:32]
    }


def pressure() -> Contract:
    return REGISTRY.contracts["pressure"]


def test_readings_of_the_maximum_carry_their_companions() -> None:
    """Temperature of the same message; null where it has none."""
    output = pressure().maximum
    assert output is not None
    batch = decoded(
        "pressure",
        {"pressure": 850_000.0, "temperature": 25.5},
        {"temperature": 30.0},
        {"pressure": 950_000.0},
        sensor="honda1",
    )
    found = maximum_readings(batch, output).to_pylist()
    assert [
        (one["row"], one["vehicle_id"], one["sensor"], one["value"], one["temperature"]) for one in found
    ] == [
        (0, "V0", "honda1", 850_000.0, 25.5),
        (2, "V2", "honda1", 950_000.0, None),
    ]
    assert maximum_readings(batch.slice(1, 1), output).num_rows == 0
    assert maximum_readings(batch.slice(2), output).to_pylist()[0]["row"] == 0


@given(
    st.text(max_size=5),
    st.floats(0, 1e8),
    st.integers(10**15, 4 * 10**15),
    st.text(min_size=1, max_size=5),
    st.one_of(st.just({}), st.floats(-50, 50).map(lambda value: {"temperature": value})),
)
def test_a_maximum_is_restored_from_its_document(
    vehicle: str, value: float, time: int, sensor: str, companions: dict[str, float]
) -> None:
    """Nothing of it is lost: a restarted process knows what the former one wrote."""
    output = pressure().maximum
    assert output is not None
    documents = MaximumDocuments(pressure(), output)
    reading = MaximumReading(vehicle, value, time, sensor, companions)
    assert documents.read(documents.write(reading)) == reading


def test_the_document_of_a_maximum_is_the_documented_one() -> None:
    """S3's output, byte for byte."""
    output = pressure().maximum
    assert output is not None
    documents = MaximumDocuments(pressure(), output)
    reading = MaximumReading("HONDA 231", 950_000.0, T + 123_000, "honda23101", {"temperature": 30.2})
    assert documents.write(reading) == (
        b'{"timestamp":"2025-10-27 10:07:15.123Z","pressureMax":950000,"temperature":30.2,'
        b'"sensorId":"honda23101","vehicleId":"HONDA 231"}'
    )


@pytest.mark.parametrize(
    "payload",
    [None, b"", b"[]", b"{}", b"\xff", b'{"timestamp":"soon","pressureMax":1,"vehicleId":"V"}', b'{"a":{}}'],
)
def test_what_is_no_document_of_a_maximum(payload: bytes | None) -> None:
    """A tombstone, or something else that got into the topic."""
    output = pressure().maximum
    assert output is not None
    assert MaximumDocuments(pressure(), output).read(payload) is None


def test_a_state_document_shows_what_is_not_known_as_null() -> None:
    """And whole numbers without a fraction; the newest of its own signals is its time."""
    state = {
        "odometer": SignalState(T, 101.5),
        "speed": SignalState(T + 1, 25.0),
        "x": SignalState(T + 9, 1.0),
    }
    assert render_state(REGISTRY.contracts["tcu"], "V", state, T) == {
        "did": "V",
        "eventTime": "2025-10-27T10:07:15.000001Z",
        "odo": 101.5,
        "soc": None,
        "speed": 25,
        "ignition": None,
        "ingestion_time": "2025-10-27T10:07:15.000Z",
    }
    assert render_state(REGISTRY.contracts["tcu"], "V", {}, T)["eventTime"] is None


def test_a_source_without_a_document_says_so() -> None:
    """By a named error."""
    with pytest.raises(NoDocument, match="car"):
        render_state(REGISTRY.contracts["car"], "V", {}, T)

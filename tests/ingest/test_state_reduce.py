"""Reduction gives what MongoDB's `$max` would have kept, whatever the order and the split."""

import random
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broker.record import Records
from contracts.load import load_registry
from contracts.registry import Registry
from contracts.schema import DECODED
from ingest import state_reduce
from ingest.decoding import DecodedRun
from ingest.state_reduce import StateWindow
from lake.state_model import Entry, VehicleState, maximum_order, state_key, state_order

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
BASE = load_registry()


def registry_with(**changes: Any) -> Registry:
    """The built-in contracts with another catalog: maxima of speed are kept; tcu is changed as asked."""
    catalog = type(BASE.catalog)(
        {
            name: spec.model_copy(update={"track_max": name in {"pressure", "speed"}})
            for name, spec in BASE.catalog.items()
        }
    )
    contracts = dict(BASE.contracts)
    contracts["tcu"] = contracts["tcu"].model_copy(update=changes)
    return Registry(catalog, contracts)


MERGED = registry_with()
PER_SENSOR = registry_with(state_sensor="per_sensor")

TIMES = st.sampled_from([-1, 0, 1_761_559_635_000_000, 1_761_559_635_000_001])
VALUES = st.sampled_from([0.0, -0.0, 1.0, -5.5, 1e300]) | st.sampled_from(["", "a", "é", "z", "😀", "\uffff"])
SIGNALS = st.sampled_from(["speed", "gear", "soc", "unknown%20one", "%73peed"])
READING = st.tuples(
    st.sampled_from(["981", "", "é"]), SIGNALS, st.sampled_from([None, "", "s1", "s.2"]), TIMES, VALUES
)
MESSAGES = st.lists(
    st.tuples(st.integers(0, 12), st.lists(READING, max_size=3)), min_size=1, max_size=12
)  # partition, readings; partitions above 9 test that places are compared as text

Reading = tuple[str, str, str | None, int, float | str]


def run_of(topic: str, partition: int, offset: int, messages: Sequence[Sequence[Reading]]) -> DecodedRun:
    """Messages of one partition; the vehicle of a message is that of its first reading."""
    rows = []
    for readings in messages:
        signals = [
            {
                "signal": signal,
                "sensor": sensor,
                "event_time": EPOCH,
                "effective_time": EPOCH + timedelta(microseconds=time),
                "value": None if isinstance(value, str) else value,
                "text": value if isinstance(value, str) else None,
            }
            for _, signal, sensor, time, value in readings
        ]
        rows.append({"vehicle_id": readings[0][0] if readings else None, "signals": signals})
    count = len(messages)
    records = Records(
        topic, partition, list(range(offset, offset + count)), [0] * count, [None] * count, [None] * count,
        [b"x"] * count, offset + count,
    )  # fmt: skip
    decoded = pa.RecordBatch.from_pylist(rows, schema=DECODED)
    return DecodedRun(records, decoded, [(partition, count)], records.payload_bytes, records.beside_bytes)


def expected(
    runs: Iterable[tuple[int, int, Sequence[Reading]]], *, per_sensor: bool
) -> dict[str, tuple[dict[str, Entry], dict[str, Entry]]]:
    """What the definition says, reading by reading."""
    states: dict[str, tuple[dict[str, Entry], dict[str, Entry]]] = {}
    for partition, offset, readings in runs:
        for _, signal, sensor, time, value in readings:
            if signal not in BASE.catalog:
                continue
            key = state_key(signal, sensor if per_sensor else None)
            entry = Entry(time, value, f"telemetry_raw/{partition}", offset)
            latest, greatest = states.setdefault(readings[0][0], ({}, {}))
            latest[key] = max(latest.get(key, entry), entry, key=state_order)
            if signal == "speed" and not isinstance(value, str):
                greatest[key] = max(greatest.get(key, entry), entry, key=maximum_order)
    return states


def found(window: StateWindow) -> dict[str, tuple[dict[str, Entry], dict[str, Entry]]]:
    """What a window holds."""
    states = list(window.take().states(written_us=7))
    assert len({state.vehicle_id for state in states}) == len(states)
    assert all(state.written_us == 7 for state in states)
    return {state.vehicle_id: (dict(state.signals), dict(state.maxima)) for state in states}


@pytest.mark.parametrize("per_sensor", [False, True], ids=["merged", "per_sensor"])
@settings(max_examples=60)
@given(messages=MESSAGES, shuffle=st.randoms(), cuts=st.sets(st.integers(0, 12)))
def test_candidates_are_the_maximum_whatever_the_order_and_the_split(
    per_sensor: bool,
    messages: list[tuple[int, list[Reading]]],
    shuffle: random.Random,
    cuts: set[int],
) -> None:
    """Any order of messages, with a reduction after any of them, gives what `state_order` says."""
    runs = [(partition, offset, readings) for offset, (partition, readings) in enumerate(messages)]
    arrivals = [*runs, *runs[: len(runs) // 2]]
    shuffle.shuffle(arrivals)
    window = StateWindow(PER_SENSOR if per_sensor else MERGED)
    for index, (partition, offset, readings) in enumerate(arrivals):
        window.add(run_of("telemetry_raw", partition, offset, [readings]))
        if index in cuts:
            window.reduce()
    assert found(window) == expected(runs, per_sensor=per_sensor)


def test_a_run_of_several_partitions_keeps_their_places() -> None:
    """Each candidate still names the partition and offset that it came from."""
    run = run_of("telemetry_raw", 0, 5, [[(vehicle, "speed", None, 1, 1.0)] for vehicle in "abc"])
    window = StateWindow(MERGED)
    window.add(replace(run, parts=[(0, 1), (10, 2)]))

    entries = {vehicle: signals["speed"] for vehicle, (signals, _) in found(window).items()}
    assert entries == {
        vehicle: Entry(1, 1.0, f"telemetry_raw/{partition}", offset)
        for vehicle, partition, offset in (("a", 0, 5), ("b", 10, 6), ("c", 10, 7))
    }


def test_an_unknown_signal_never_becomes_state() -> None:
    """It is in the history; a storm of names must not grow a document."""
    window = StateWindow(MERGED)
    readings = [("v", f"wild{i}", None, 5, 1.0) for i in range(500)]
    window.add(run_of("telemetry_raw", 0, 0, [[reading] for reading in readings]))
    assert found(window) == {}


def test_a_topic_without_contract_gives_no_state() -> None:
    """Its rows are all rejected."""
    window = StateWindow(MERGED)
    window.add(run_of("nobody", 0, 0, [[]]))
    assert found(window) == {}


def test_a_window_grows_with_vehicles_not_with_messages() -> None:
    """A million readings of ten vehicles take no more memory than ten readings."""
    window = StateWindow(MERGED)
    messages: list[list[Reading]] = [
        [(str(i % 10), "gear", None, i, "x" * 200 + str(i))] for i in range(state_reduce.REDUCE_ROWS // 8)
    ]
    run = run_of("telemetry_raw", 0, 0, messages)
    for _ in range(32):
        window.add(run)
    assert not window.is_full(candidates=11, size=20_000)
    assert window.is_full(candidates=10, size=20_000)
    assert len(window.take()) == 10


def test_whose_reading_is_oldest_is_written_first() -> None:
    """A write of many vehicles takes a while; who has waited longest must not wait for it all."""
    window = StateWindow(MERGED)
    readings: list[list[Reading]] = [
        [("a", "speed", None, 30, 1.0)],
        [("b", "speed", None, 20, 1.0)],
        [("c", "speed", None, 40, 1.0)],
        [("c", "soc", None, 10, 1.0)],
    ]
    window.add(run_of("telemetry_raw", 0, 0, readings))

    assert [state.vehicle_id for state in window.take().states(0)] == ["c", "b", "a"]


def test_the_newest_time_is_that_of_any_vehicle() -> None:
    """For the age of what is written."""
    window = StateWindow(MERGED)
    assert window.take().newest_us is None
    window.add(run_of("telemetry_raw", 0, 0, [[("a", "speed", None, 9, 1.0)], [("b", "soc", None, 3, 1.0)]]))
    candidates = window.take()
    assert candidates.newest_us == 9
    assert sorted(state.vehicle_id for state in candidates.states(1)) == ["a", "b"]
    assert all(isinstance(state, VehicleState) for state in candidates.states(1))

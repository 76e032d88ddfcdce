"""The state recomputed from bronze is the state that the writes produce."""

import tempfile
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts.catalog import Catalog
from contracts.load import load_registry
from contracts.registry import Registry
from lake.history_state import history_states
from lake.settings import LakeSettings, MongoSettings, QuerySettings
from lake.state import StateStore
from lake.state_model import Entry, VehicleState, state_key

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
TIMES = st.sampled_from([EPOCH - timedelta(days=700_000), EPOCH + timedelta(microseconds=1)])
VALUES: st.SearchStrategy[float | str] = st.sampled_from([0.0, -0.0, 1.0, -1e-50, 1e300, "", "D"])
VEHICLES = st.sampled_from(["981", "😀", "\uffff"])
SENSORS = st.sampled_from([None, "", "a.b@c$"])
SIGNALS = st.sampled_from(["speed", "pressure", "soc", "not_in_the_catalog"])

Reading = tuple[str, str | None, datetime, float | str]
Message = tuple[str, str, int, int, list[Reading]]

READINGS: st.SearchStrategy[Reading] = st.tuples(SIGNALS, SENSORS, TIMES, VALUES)
MESSAGES: st.SearchStrategy[Message] = st.tuples(
    st.sampled_from(["tcu", "pressure"]),
    VEHICLES,
    st.sampled_from([2, 10]),
    st.integers(0, 2),
    st.lists(READINGS, max_size=6),
)


@pytest.fixture(scope="module")
def registry() -> Registry:
    """The built-in contracts, but `pressure` keeps its sensors apart."""
    built_in = load_registry()
    pressure = built_in.contracts["pressure"].model_copy(update={"state_sensor": "per_sensor"})
    signals = {
        name: spec.model_copy(update={"track_max": name in {"speed", "pressure"}})
        for name, spec in built_in.catalog.items()
    }
    return Registry(Catalog(signals), {**built_in.contracts, "pressure": pressure})


@pytest.fixture
def store(mongo_settings: MongoSettings) -> Iterator[StateStore]:
    """The state of a database of the test's own."""
    with StateStore(mongo_settings) as opened:
        yield opened


def written(registry: Registry, message: Message) -> Iterator[VehicleState]:
    """What a sink that reduces nothing writes for a message."""
    source, vehicle, partition, offset, readings = message
    is_per_sensor = registry.contracts[source].state_sensor == "per_sensor"
    for signal, sensor, time, value in readings:
        if signal in registry.catalog:
            key = state_key(signal, sensor if is_per_sensor else None)
            t = (time - EPOCH) // timedelta(microseconds=1)
            entry = Entry(t, value, f"topic/{partition}", offset)
            is_tracked = registry.catalog[signal].track_max and not isinstance(value, str)
            yield VehicleState(vehicle, {key: entry}, {key: entry} if is_tracked else {})


def shown(state: VehicleState) -> str:
    """A state as text, which tells 0.0 from -0.0."""
    return repr((state.vehicle_id, sorted(state.signals.items()), sorted(state.maxima.items())))


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(messages=st.lists(MESSAGES, min_size=1, max_size=60), data=st.data())
def test_state_recomputed_from_history_is_the_state_that_was_written(
    store: StateStore,
    registry: Registry,
    write_bronze: Callable[..., Any],
    bronze_row: Callable[..., Any],
    signal_of: Callable[..., Any],
    messages: list[Message],
    data: st.DataObject,
) -> None:
    """Whatever the messages, their order, repetition, and commits."""
    rows = [
        bronze_row(
            source=source,
            vehicle_id=vehicle,
            partition=partition,
            offset=offset,
            signals=[signal_of(name, value, time, sensor) for name, sensor, time, value in readings],
        )
        for source, vehicle, partition, offset, readings in messages
    ]
    rows.append(bronze_row(vehicle_id=None, signals=[], error="malformed_json"))
    arrivals = data.draw(st.permutations([*messages, *messages[:3]]))
    target = store.at(f"c{uuid.uuid4().hex}")
    target.write(update for message in arrivals for update in written(registry, message))

    with tempfile.TemporaryDirectory() as folder:
        lake = LakeSettings(uri=folder)
        write_bronze(lake, rows[::2])
        version = write_bronze(lake, [*rows[1::2], *rows[:2]]).version()
        recomputed = list(map(shown, history_states(lake, registry, version)))
    assert recomputed == list(map(shown, target.read_all()))
    target.drop()


def test_equal_readings_are_told_apart_by_partition_and_then_offset(
    store: StateStore,
    lake_settings: LakeSettings,
    registry: Registry,
    write_bronze: Callable[..., Any],
    bronze_row: Callable[..., Any],
    signal_of: Callable[..., Any],
) -> None:
    """By the text `topic/partition`, as MongoDB compares it: the offset decides only within one."""
    reading: Reading = ("pressure", None, EPOCH, 1.0)
    name, sensor, time, value = reading
    coordinates = [(10, 9), (2, 0), (2, 1), (10, 5)]
    store.write(
        update for place in coordinates for update in written(registry, ("tcu", "981", *place, [reading]))
    )
    signals = [signal_of(name, value, time, sensor)]
    rows = [bronze_row(partition=partition, offset=o, signals=signals) for partition, o in coordinates]
    version = write_bronze(lake_settings, rows).version()
    (state,) = history_states(lake_settings, registry, version)
    assert state.signals["pressure"] == state.maxima["pressure"] == Entry(0, 1.0, "topic/2", 1)
    assert shown(state) == shown(store.read("981") or state)


def test_the_state_of_a_version_knows_nothing_of_later_ones(
    s3_lake_settings: LakeSettings,
    registry: Registry,
    write_bronze: Callable[..., Any],
    bronze_row: Callable[..., Any],
    signal_of: Callable[..., Any],
) -> None:
    """Also on S3: what lands while it is read does not change it."""
    later = datetime(2030, 1, 1, tzinfo=UTC)
    version = write_bronze(s3_lake_settings, [bronze_row(offset=7)]).version()
    write_bronze(s3_lake_settings, [bronze_row(offset=8, signals=[signal_of("speed", 1.0, later)])])
    (state,) = history_states(s3_lake_settings, registry, version)
    assert state.signals["speed"] == Entry(1761566400123456, 101.5, "topic/0", 7)
    assert state.written_us == 1761566400123456
    (state,) = history_states(s3_lake_settings, registry, version + 1)
    assert state.signals["speed"].o == 8
    assert state.maxima["speed"].o == 7


def test_more_vehicles_than_fit_in_memory_are_recomputed(
    lake_settings: LakeSettings,
    registry: Registry,
    write_bronze: Callable[..., Any],
    bronze_row: Callable[..., Any],
) -> None:
    """In order of their ids, each once, with memory for a part of them."""
    small = lake_settings.model_copy(update={"query": QuerySettings(memory_limit="60MiB", threads=1)})
    row = bronze_row()
    write_bronze(small, (row | {"vehicle_id": f"{i:0100}"} for i in range(60_000)))
    version = write_bronze(
        small, (row | {"vehicle_id": f"{i:0100}"} for i in range(60_000, 120_000))
    ).version()
    found = [state.vehicle_id for state in history_states(small, registry, version)]
    assert found == [f"{i:0100}" for i in range(120_000)]

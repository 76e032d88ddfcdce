"""gold.features says of an hour what could be known when it was over."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts.load import load_registry
from lake.engine import Engine, engine
from lake.schemas import SILVER_SIGNALS
from lake.settings import LakeSettings
from tests.transforms.small_lake import NOON, Lake
from transforms.build import Marts, build
from transforms.load import load_models
from transforms.plan import plan
from transforms.reference import reference
from transforms.settings import TransformSettings

MODELS = load_models()
FEATURES, ANOMALIES = MODELS["gold.features"], MODELS["gold.anomalies"]
MIDNIGHT = datetime(2026, 1, 2, tzinfo=UTC)

Reading = dict[str, Any]


@pytest.fixture(scope="module")
def duck(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with engine(LakeSettings(uri=str(tmp_path_factory.mktemp("lake")))) as made:
        yield made


def features(duck: Engine, readings: list[Reading]) -> list[dict[str, Any]]:
    """The rows that readings give; a speed above 100 is an anomaly."""
    fast = [
        {"vehicle_id": each["vehicle_id"], "event_time": each["event_time"], "kind": "overspeed"}
        for each in readings
        if each["signal"] == "speed" and each["value"] > 100
    ]
    duck.hold(SILVER_SIGNALS.name, pa.Table.from_pylist(readings, SILVER_SIGNALS.columns))
    duck.hold(ANOMALIES.name, pa.Table.from_pylist(fast, ANOMALIES.table.columns))
    known = TransformSettings().parameters()
    rows = duck.select(FEATURES.sql, {name: known[name] for name in FEATURES.parameters}).to_pylist()
    return [{name: _rounded(value) for name, value in row.items()} for row in rows]


def _rounded(value: Any) -> Any:
    """Sums of the same numbers in another order differ in their last digits."""
    return round(value, 6) if isinstance(value, float) else value


READINGS = st.lists(
    st.builds(
        lambda vehicle, minutes, signal, value: {
            "vehicle_id": vehicle,
            "event_time": MIDNIGHT + timedelta(minutes=minutes),
            "effective_time": MIDNIGHT + timedelta(minutes=minutes),
            "signal": signal,
            "value": None if signal == "charge_state" else float(value),
            "text": ("charging", "complete")[value % 2] if signal == "charge_state" else None,
        },
        st.sampled_from(["V1", "V2"]),
        st.integers(-150, 150),
        st.sampled_from(["speed", "soc", "odometer", "charge_state", "charge_power", "temperature"]),
        st.sampled_from([0, 30, 50, 101]),
    ),
    min_size=1,
    max_size=30,
)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(readings=READINGS)
def test_no_row_knows_what_came_after_its_hour(readings: list[Reading], duck: Engine) -> None:
    """Without all that was read later it is the same, in every column."""
    for row in features(duck, readings):
        end = row["hour_time"] + timedelta(hours=1)
        earlier = [reading for reading in readings if reading["event_time"] < end]
        assert row in features(duck, earlier)


def test_a_late_reading_changes_its_hour_and_what_holds_on_from_it(lake_settings: LakeSettings) -> None:
    """Of a day of which nothing else came, and of the day after it: both are due, and no other."""
    lake = Lake(lake_settings)
    marts = Marts(lake_settings, MODELS, reference(load_registry()), TransformSettings())
    late = NOON.replace(hour=23, minute=59, second=30)
    lake.land([("V1", "speed", late + timedelta(seconds=60), 0.0)], at=late + timedelta(days=1))
    lake.land([("V1", "soc", late + timedelta(days=3), 50.0)], at=late + timedelta(days=3))
    lake.increment()
    for model in (ANOMALIES, FEATURES):
        build(marts, model)
    lake.land([("V1", "speed", late, 36.0)], at=late + timedelta(days=3))
    lake.increment()
    build(marts, ANOMALIES)
    days = [(late + timedelta(days=days)).date().isoformat() for days in (0, 1)]
    assert plan(marts)[FEATURES.name] == days
    assert build(marts, FEATURES).rows == dict.fromkeys(days, 1)

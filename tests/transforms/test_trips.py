"""Trips of real drives: known distances, speeds and states of charge, however the vehicle reports."""

from collections.abc import Iterator
from typing import Any, Final

import pytest

from contracts.load import load_registry
from lake.engine import Engine, engine
from lake.schemas import SILVER
from lake.settings import LakeSettings
from tests.transforms.twizy import twizy_rows
from transforms.load import load_models
from transforms.reference import reference
from transforms.settings import TransformSettings

MODELS = load_models()
GIVEN = TransformSettings().parameters()
PARAMETERS = {name: GIVEN[name] for name in MODELS["gold.trips"].parameters}

KNOWN: Final = {
    "T1_03_29_2021": (49.63, 64.93, 87.54, 15.0),
    "T2_03_30_2021": (52.65, 68.59, 95.14, 24.5),
    "T3_05_31_2021": (15.70, 79.58, 54.6, 23.36),
    "T3_06_07_2021": (19.72, 83.69, 77.26, 47.36),
}
"""Kilometres by the rule of this model, top speed, state of charge at both ends, of each drive."""

ON_CHANGE = """
select * exclude (said_before)
from (
    select
        *,
        lag(coalesce(text, cast(value as varchar))) over (
            partition by vehicle_id, signal order by event_time
        ) as said_before
    from silver.signals
)
where said_before is distinct from coalesce(text, cast(value as varchar))
"""


@pytest.fixture(scope="module")
def drives(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """Silver has the four drives."""
    with engine(LakeSettings(uri=str(tmp_path_factory.mktemp("lake")))) as made:
        for name, rows in reference(load_registry()).tables.items():
            made.hold(name, rows)
        made.hold("bronze.events", twizy_rows())
        made.hold("silver.signals", made.select(MODELS["silver.signals"].sql, {"is_hot": None}))
        yield made


def trips(duck: Engine) -> dict[str, dict[str, Any]]:
    """By vehicle, each of which drove once."""
    found = duck.select(MODELS["gold.trips"].sql, PARAMETERS).to_pylist()
    assert len(found) == len(KNOWN)
    return {trip["vehicle_id"]: trip for trip in found}


def test_silver_is_documented_as_it_is_stored() -> None:
    """The same columns in the same order."""
    assert MODELS["silver.signals"].columns.names == SILVER.names


def test_a_recorded_drive_is_one_trip(drives: Engine) -> None:
    """Though rows of two of them have broken clocks."""
    for vehicle, trip in trips(drives).items():
        distance, top, begin, end = KNOWN[vehicle]
        assert trip["distance_km"] == pytest.approx(distance, rel=0.005)
        assert (trip["top_speed_kmh"], trip["soc_start"], trip["soc_end"]) == (top, begin, end)
        assert trip["distance_method"] == "speed"


def test_a_vehicle_that_sends_on_change_only_drives_the_same(drives: Engine) -> None:
    """What was said last holds."""
    every, readings = trips(drives), drives.select("from silver.signals")
    drives.hold("silver.signals", drives.select(ON_CHANGE))
    on_change = trips(drives)
    drives.hold("silver.signals", readings)
    for vehicle, trip in on_change.items():
        assert trip["distance_km"] == pytest.approx(every[vehicle]["distance_km"], rel=0.005)
        assert trip["points"] < every[vehicle]["points"]
        assert trip["stops"] == every[vehicle]["stops"]

"""Trips of real drives: known distances, speeds and states of charge, however the vehicle reports."""

import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pyarrow as pa
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


# -- a day makes its trips by itself -------------------------------------------------------------------------

FIRST_DAY = datetime(2026, 3, 10, tzinfo=UTC)
DAYS = 7
REACH = MODELS["gold.trips"].about.reach
STEP = timedelta(minutes=10)

Said = tuple[str, datetime, str, float]
"""Vehicle, time, signal, value."""


def test_a_vehicle_that_never_stops_has_a_trip_of_two_days_and_one_of_each_behind() -> None:
    """All of its kilometres but those between two trips are in one."""
    begin = FIRST_DAY + timedelta(hours=9)
    readings = driven("V1", begin, FIRST_DAY + timedelta(days=5, hours=6))
    found = by_days(readings)
    assert [(trip["start_time"], trip["end_time"]) for trip in found] == [
        (begin, FIRST_DAY + timedelta(days=2) - STEP),
        (FIRST_DAY + timedelta(days=2), FIRST_DAY + timedelta(days=3) - STEP),
        (FIRST_DAY + timedelta(days=3), FIRST_DAY + timedelta(days=4) - STEP),
        (FIRST_DAY + timedelta(days=4), FIRST_DAY + timedelta(days=5) - STEP),
        (FIRST_DAY + timedelta(days=5), FIRST_DAY + timedelta(days=5, hours=6)),
    ]
    assert [trip["points"] for trip in found] == [234, 144, 144, 144, 37]
    assert found == at_once(readings)


def test_what_was_said_two_days_before_is_no_longer_known() -> None:
    """Whichever days are read: with the ignition of the first day a stand of twelve minutes is a stop on the
    second day, and ends a trip on the fourth."""
    begin, step = FIRST_DAY + timedelta(hours=9), timedelta(minutes=4)
    readings = driven("V1", begin, FIRST_DAY + timedelta(days=4), step=step)
    readings += [("V1", begin, "ignition", 1.0)]
    second, fourth = FIRST_DAY + timedelta(days=1, hours=12), FIRST_DAY + timedelta(days=3, hours=12)
    readings = standing(readings, {second: 12, fourth: 12})
    found = by_days(readings)
    assert found == at_once(readings)
    assert [(trip["start_time"], trip["stops"]) for trip in found] == [
        (begin, 1),
        (FIRST_DAY + timedelta(days=2), 0),
        (FIRST_DAY + timedelta(days=3), 0),
        (fourth + timedelta(minutes=12), 0),
    ]


@pytest.mark.parametrize("seed", range(8))
def test_days_by_themselves_have_the_trips_of_all_days_at_once(seed: int) -> None:
    """Drives and stands of any length, over any midnight; what is carried is said once a day and more."""
    luck = random.Random(seed)  # noqa: S311 - traffic
    readings: list[Said] = []
    for number in range(6):
        time = FIRST_DAY + timedelta(minutes=luck.randrange(600))
        while time < FIRST_DAY + timedelta(days=DAYS):
            until = time + timedelta(minutes=luck.choice([20, 90, 600, 2000, 5000]))
            readings += driven(f"V{number}", time, until, step=timedelta(minutes=luck.choice([3, 7, 10])))
            readings += [(f"V{number}", time, "ignition", 1.0)] * luck.randrange(2)
            time = until + timedelta(minutes=luck.choice([4, 8, 14, 40, 700]))
    assert by_days(readings) == at_once(readings) != []


def driven(vehicle: str, begin: datetime, end: datetime, step: timedelta = STEP) -> list[Said]:
    """36 km/h all the time, a reading a step; from begin to end, where it stands."""
    steps = (end - begin) // step
    times = [begin + number * step for number in range(steps + 1)]
    return [(vehicle, time, "speed", 36.0 if time + step <= end else 0.0) for time in times]


def standing(readings: Sequence[Said], stands: dict[datetime, int]) -> list[Said]:
    """The same with a speed of 0 for so many minutes from then on."""

    def is_still(time: datetime) -> bool:
        return any(begin <= time < begin + timedelta(minutes=length) for begin, length in stands.items())

    return [
        (vehicle, time, signal, 0.0 if signal == "speed" and is_still(time) else value)
        for vehicle, time, signal, value in readings
    ]


def at_once(readings: Sequence[Said]) -> list[dict[str, Any]]:
    """The trips that the SELECT gives of all readings."""
    with engine(LakeSettings()) as duck:
        return trips_of(duck, readings)


def by_days(readings: Sequence[Said]) -> list[dict[str, Any]]:
    """The trips of each day as a build makes them: from the days within reach, and of those only its own."""
    found = []
    with engine(LakeSettings()) as duck:
        for day in sorted({reading[1].date() for reading in readings}):
            first, last = day - timedelta(days=REACH.before), day + timedelta(days=REACH.after)
            near = [reading for reading in readings if first <= reading[1].date() <= last]
            found += [trip for trip in trips_of(duck, near) if trip["event_date"] == day]
    return sorted(found, key=lambda trip: (trip["vehicle_id"], trip["start_time"]))


def trips_of(duck: Engine, readings: Sequence[Said]) -> list[dict[str, Any]]:
    rows = [
        {"vehicle_id": vehicle, "event_time": time, "signal": signal, "value": value, "topic": "t"}
        for vehicle, time, signal, value in readings
    ]
    duck.hold("silver.signals", pa.Table.from_pylist(rows, SILVER))
    duck.hold("reference.vehicles", reference(load_registry()).tables["reference.vehicles"])
    found = duck.select(MODELS["gold.trips"].sql, PARAMETERS).to_pylist()
    return sorted(found, key=lambda trip: (trip["vehicle_id"], trip["start_time"]))

"""A mart has what its sources have, day by day, whatever came late, twice, or while it was being built."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from contracts.load import load_registry
from lake.gold import GoldMoved
from lake.query import Warehouse
from lake.settings import LakeSettings
from tests.transforms.small_lake import NOON, Lake, Reading, speed
from transforms.build import Marts, build
from transforms.load import load_models
from transforms.model import Model
from transforms.plan import plan
from transforms.reference import reference
from transforms.settings import TransformSettings

MODELS = load_models()
TRIPS, MINUTES = MODELS["gold.trips"], MODELS["gold.signal_minute"]
DAY, DAY_BEFORE, DAY_AFTER = ((NOON + timedelta(days=days)).date().isoformat() for days in (0, -1, 1))


@pytest.fixture
def lake(lake_settings: LakeSettings) -> Lake:
    return Lake(lake_settings)


@pytest.fixture
def marts(lake_settings: LakeSettings) -> Marts:
    return Marts(lake_settings, MODELS, reference(load_registry()), TransformSettings())


def due(marts: Marts, model: Model) -> list[str]:
    """Of one model, whatever those it reads need."""
    return plan(replace(marts, models={**marts.models, model.name: model})).get(model.name, [])


def rows(lake: Lake, sql: str) -> list[tuple[Any, ...]]:
    with Warehouse(lake.settings) as warehouse:
        return [tuple(row.values()) for row in warehouse.query(sql).table().to_pylist()]


def minutes(lake: Lake) -> list[tuple[Any, ...]]:
    return rows(lake, "select last_value from gold.signal_minute order by minute_time")


def drive(begin: datetime, minutes: int, speed_kmh: float = 60) -> list[Reading]:
    """A reading a minute, the last one standing."""
    times = [begin + timedelta(minutes=minute) for minute in range(minutes + 1)]
    return [("V1", "speed", time, speed_kmh if time < times[-1] else 0.0) for time in times]


def test_days_that_silver_has_are_due_once(lake: Lake, marts: Marts) -> None:
    """And after they were built, nothing is."""
    lake.land([speed(1)], [speed(2, days_before=1)])
    lake.increment()
    assert due(marts, MINUTES) == [DAY_BEFORE, DAY]
    assert build(marts, MINUTES).rows == {DAY_BEFORE: 1, DAY: 1}
    assert due(marts, MINUTES) == []
    assert build(marts, MINUTES).rows == {}
    assert minutes(lake) == [(2,), (1,)]


def test_a_late_event_makes_due_its_day_and_those_within_reach(lake: Lake, marts: Marts) -> None:
    """A trip can join with those of the days around; a minute is of its own day."""
    lake.land(*[[speed(days_before=days)] for days in range(40)])
    lake.increment()
    for model in (TRIPS, MINUTES):
        build(marts, model)
    lake.land([speed(99, days_before=30, vehicle="V2")])
    lake.increment()
    days = [(NOON - timedelta(days=days)).date().isoformat() for days in (31, 30, 29, 28)]
    assert due(marts, TRIPS) == days
    assert build(marts, MINUTES).rows == {days[1]: 2}


def test_an_event_before_midnight_joins_the_trips_of_two_days(lake: Lake, marts: Marts) -> None:
    """One trip is left, of the day on which it starts."""
    midnight = NOON.replace(hour=0)
    lake.land(drive(midnight - timedelta(minutes=30), 14), drive(midnight + timedelta(minutes=2), 10))
    lake.increment()
    build(marts, TRIPS)
    trips = "select event_date::varchar, start_time, end_time from gold.trips order by start_time"
    assert [day for day, *_ in rows(lake, trips)] == [DAY_BEFORE, DAY]
    lake.land([("V1", "speed", midnight - timedelta(minutes=7), 60.0)])
    lake.increment()
    build(marts, TRIPS)
    whole = (midnight - timedelta(minutes=30), midnight + timedelta(minutes=12))
    assert rows(lake, trips) == [(DAY_BEFORE, *whole)]


def test_a_build_that_ends_before_its_commit_is_due_again(lake: Lake, marts: Marts) -> None:
    """It leaves nothing."""
    lake.land([speed(1)])
    lake.increment()
    with pytest.raises(ZeroDivisionError):
        build(marts, MINUTES, before_commit=lambda: 1 / 0)
    assert minutes(lake) == []
    assert due(marts, MINUTES) == [DAY]


def test_a_day_touched_while_it_is_built_is_due_again(lake: Lake, marts: Marts) -> None:
    """What was built is of before, and says so."""
    lake.land([speed(1)])
    lake.increment()

    def touch() -> None:
        lake.land([("V1", "speed", NOON + timedelta(minutes=5), 2.0)])
        lake.increment()

    assert build(marts, MINUTES, before_commit=touch).rows == {DAY: 1}
    assert due(marts, MINUTES) == [DAY]
    build(marts, MINUTES)
    assert minutes(lake) == [(1,), (2,)]


def test_an_older_result_never_replaces_a_newer_one(lake: Lake, marts: Marts) -> None:
    """The build that was overtaken is refused, though it is the first one of the mart."""
    lake.land([speed(1)])
    lake.increment()

    def overtake() -> None:
        lake.land([speed(2)])
        lake.increment()
        build(marts, MINUTES)

    with pytest.raises(GoldMoved):
        build(marts, MINUTES, before_commit=overtake)
    assert rows(lake, "select readings from gold.signal_minute") == [(2,)]
    assert due(marts, MINUTES) == []


def test_builders_of_different_days_do_not_disturb_each_other(lake: Lake, marts: Marts) -> None:
    """Each replaces its own days."""
    lake.land([speed(1)], [speed(2, days_before=1)])
    lake.increment()
    build(marts, MINUTES)
    build(marts, MINUTES, [DAY], before_commit=lambda: build(marts, MINUTES, [DAY_BEFORE]))
    assert minutes(lake) == [(2,), (1,)]
    assert due(marts, MINUTES) == []


def test_a_changed_threshold_makes_every_day_due(lake: Lake, marts: Marts) -> None:
    """Of the models that name it."""
    lake.land([speed(1)], [speed(1, days_before=9)])
    lake.increment()
    build(marts, MINUTES)
    build(marts, TRIPS)
    changed = replace(marts, settings=TransformSettings(trip_still_s=60))
    assert len(due(changed, TRIPS)) == 2
    assert due(changed, MINUTES) == []


def test_days_asked_for_are_built_whether_due_or_not(lake: Lake, marts: Marts) -> None:
    """A day without any reading becomes one without rows."""
    lake.land([speed(1)])
    lake.increment()
    build(marts, MINUTES)
    assert build(marts, MINUTES, [DAY, DAY_AFTER]).rows == {DAY: 1, DAY_AFTER: 0}
    assert due(marts, MINUTES) == []


def test_a_mart_without_days_is_made_of_all_of_its_sources(lake: Lake, marts: Marts) -> None:
    """It is due when one day of them was built again."""
    pressure, maximum = MODELS["gold.pressure_day"], MODELS["gold.pressure_max"]

    def land(value: float, days_before: int) -> list[tuple[Any, ...]]:
        lake.land([("V1", "pressure", NOON - timedelta(days=days_before), value)])
        lake.increment()
        build(marts, pressure)
        build(marts, maximum)
        return rows(lake, "select pressure_max from gold.pressure_max")

    assert [land(5, 0), land(7, 30), land(6, 1)] == [[(5,)], [(7,)], [(7,)]]
    assert due(marts, maximum) == []


def with_columns(model: Model, sql: str, columns: Callable[[dict[str, Any]], dict[str, Any]]) -> Model:
    about = model.about.model_copy(update={"columns": columns(dict(model.about.columns))})
    return replace(model, sql=sql, about=about)


FEWER = with_columns(
    MINUTES,
    f"select * exclude (average) from (\n{MINUTES.sql}\n)",  # noqa: S608 - the model's own
    lambda known: {name: column for name, column in known.items() if name != "average"},
)


def test_an_upgrade_that_is_taken_back_half_way_makes_every_day_due(lake: Lake, marts: Marts) -> None:
    """Its first commit took away the rows of all other days, which were built as far as the old one knew."""
    lake.land([speed(1)], [speed(2, days_before=1)])
    lake.increment()
    build(marts, MINUTES)
    build(marts, FEWER, [DAY])
    assert due(marts, MINUTES) == [DAY_BEFORE, DAY]
    build(marts, MINUTES)
    assert minutes(lake) == [(2,), (1,)]
    assert due(marts, MINUTES) == []


def test_a_model_with_other_columns_begins_anew(lake: Lake, marts: Marts) -> None:
    """What the old one made is gone with the first build, and every day is due."""
    lake.land([speed(1)], [speed(2, days_before=1)])
    lake.increment()
    build(marts, MINUTES)
    assert due(marts, FEWER) == [DAY_BEFORE, DAY]
    build(marts, FEWER, [DAY])
    assert due(marts, FEWER) == [DAY_BEFORE]
    build(marts, FEWER)
    found = rows(lake, "select * exclude (minute_time) from gold.signal_minute order by event_date")
    assert [len(row) for row in found] == [8, 8]


def test_rows_do_not_depend_on_the_days_built_beside_theirs(lake: Lake, marts: Marts) -> None:
    """Forty hours at the wheel: each day sees as far as its reach, alone or with others."""
    lake.land(drive(NOON - timedelta(hours=40), 40 * 60))
    lake.increment()
    trips = "select start_time, end_time, distance_km, points from gold.trips order by all"
    build(marts, TRIPS)
    together = rows(lake, trips)
    for day in (DAY, DAY_BEFORE, (NOON - timedelta(days=2)).date().isoformat()):
        build(marts, TRIPS, [day])
    assert rows(lake, trips) == together
    assert len(together) >= 1

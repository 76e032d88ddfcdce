"""What a battery loses while the vehicle stands, from the messages on: a stand belongs to the day on which it
ends, and what ends it may belong to another."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from contracts.load import load_registry
from lake.query import Warehouse
from lake.settings import LakeSettings
from tests.transforms.small_lake import Lake, Reading
from transforms.build import Marts, build
from transforms.load import load_models
from transforms.reference import reference
from transforms.settings import TransformSettings

MODELS = load_models()
MIDNIGHT = datetime(2026, 3, 10, tzinfo=UTC)
DRIVE_S, CHARGE_STEP_MIN = 600, 10


def drive(vehicle: str, begin: datetime, soc: float) -> list[Reading]:
    """Ten minutes, a reading a minute, the last one standing."""
    readings: list[Reading] = []
    for minute in range(DRIVE_S // 60 + 1):
        time = begin + timedelta(minutes=minute)
        readings += [(vehicle, "speed", time, 36.0 if minute < DRIVE_S // 60 else 0.0)]
        readings += [(vehicle, "soc", time, soc - minute)]
    return readings


def charge(vehicle: str, begin: datetime, minutes: int, soc: float) -> list[Reading]:
    """From plug to unplug."""
    readings: list[Reading] = []
    for minute in range(0, minutes + 1, CHARGE_STEP_MIN):
        time = begin + timedelta(minutes=minute)
        readings += [(vehicle, "charge_state", time, "charging" if minute < minutes else "disconnected")]
        readings += [(vehicle, "soc", time, soc + minute / 20)]
    return readings


@pytest.mark.parametrize("minutes", [180, 360, 60 * 40])
def test_a_stand_ends_with_a_session_however_long_that_is(lake_settings: LakeSettings, minutes: int) -> None:
    """Also over midnight, and over two: the session is then of the day on which it ends itself."""
    lake = Lake(lake_settings)
    begin = MIDNIGHT + timedelta(hours=8)
    plugged = MIDNIGHT + timedelta(hours=20)
    lake.land(drive("V1", begin, 80), charge("V1", plugged, minutes, 69), at=plugged + timedelta(days=3))
    lake.increment()
    marts = Marts(lake_settings, MODELS, reference(load_registry()), TransformSettings())
    for name in ("gold.trips", "gold.charging_sessions", "gold.parked_drain"):
        build(marts, MODELS[name])
    stood_s = (plugged - begin).total_seconds() - DRIVE_S
    assert rows(lake) == [(MIDNIGHT.date(), stood_s, 70, 69)]


def rows(lake: Lake) -> list[tuple[Any, ...]]:
    sql = "select event_date, parked_s, soc_start, soc_end from gold.parked_drain order by all"
    with Warehouse(lake.settings) as warehouse:
        return [tuple(row.values()) for row in warehouse.query(sql).table().to_pylist()]

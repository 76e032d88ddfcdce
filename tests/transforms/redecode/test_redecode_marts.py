"""Every day of a mart that was made of other readings is due, and no other one."""

from datetime import date, timedelta
from pathlib import Path

import pytest

from contracts.registry import Registry
from lake.settings import LakeSettings
from lake.snapshot import snapshot
from lake.storage import wait_ready
from tests.transforms.payload_lake import PayloadLake, contracts, message
from tests.transforms.redecode.calls import BEFORE, DAY, again
from transforms.build import Marts, build
from transforms.load import load_models
from transforms.plan import plan
from transforms.reference import reference
from transforms.settings import TransformSettings

MODELS = load_models()


@pytest.fixture
def marts(lake_settings: LakeSettings, right: Registry) -> Marts:
    return Marts(lake_settings, MODELS, reference(right), TransformSettings())


def test_a_day_of_which_only_values_changed_is_due(
    lake: PayloadLake, wrong: Registry, right: Registry, marts: Marts
) -> None:
    """It has as many readings as before. Other days are not due."""
    lake.land(wrong, message(10), message(7, days_before=5))
    lake.land(right, message(3, days_before=9))
    lake.increment(right)
    minutes = MODELS["gold.signal_minute"]
    build(marts, minutes)
    again(lake, right)
    assert plan(marts)["gold.signal_minute"] == [str(DAY - timedelta(days=5)), str(DAY)]
    build(marts, minutes)
    assert "gold.signal_minute" not in plan(marts)
    values = lake.rows("select round(last_value, 3) from gold.signal_minute order by event_date")
    assert values == [(4.828,), (11.265,), (16.093,)]


def test_a_day_that_lost_all_its_readings_has_no_rows_in_marts(
    lake: PayloadLake, wrong: Registry, marts: Marts, tmp_path: Path
) -> None:
    """And is not due again."""
    lake.land(wrong, message(10))
    lake.increment(wrong)
    minutes = MODELS["gold.signal_minute"]
    build(marts, minutes)
    again(lake, contracts(tmp_path, time="then"))
    build(marts, minutes)
    assert lake.rows("select event_date from gold.signal_minute") == [(BEFORE,)]
    assert "gold.signal_minute" not in plan(marts)


def test_a_day_is_known_by_its_rows_until_it_is_replaced(
    lake: PayloadLake, wrong: Registry, right: Registry
) -> None:
    """What was built before this could be recorded is not due for that."""
    store = wait_ready(lake.settings)
    lake.land(wrong, message(10), message(1, days_before=1, then="never"))
    lake.increment(wrong)
    days: list[date] = [BEFORE, DAY]
    assert snapshot(store, "silver.signals").marks == {str(day): 1 for day in days}
    again(lake, right)
    first = snapshot(store, "silver.signals").marks
    assert first.keys() == {str(day) for day in days}
    assert all(mark > 1 << 40 for mark in first.values())

"""Silver is every reading once, whatever the order, the repetition and the cut into increments."""

from collections.abc import Iterable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lake.settings import LakeSettings
from lake.silver import Lane, SilverMoved
from tests.transforms.small_lake import NOON, SIGNALS, Lake, Reading, speed
from transforms.increment import increment


@pytest.fixture
def lake(lake_settings: LakeSettings) -> Lake:
    return Lake(lake_settings)


def test_each_lane_reads_what_is_its_own(lake: Lake) -> None:
    """The day before it was landed is hot; what is older is late."""
    lake.land([speed(1)], [speed(2, days_before=1)], [speed(3, days_before=2)])
    assert lake.increment(Lane.HOT) == [2]
    assert lake.silver("value") == [(1,), (2,)]
    assert lake.increment(Lane.LATE) == [1]
    assert lake.silver("value, event_date")[2] == (3, date(2026, 3, 8))


def test_an_increment_reads_only_what_is_new(lake: Lake) -> None:
    """And nothing at all where nothing is."""
    lake.land([speed(1)])
    assert lake.increment() == [1, 0]
    assert lake.increment() == [0, 0]
    lake.land([speed(1)], [speed(2)])
    found = increment(lake.settings, SIGNALS, Lane.HOT)
    assert (found.added, found.days, found.is_whole) == (1, {NOON.date()}, False)
    assert lake.silver("value") == [(1,), (2,)]


def test_what_was_sent_again_days_later_is_not_added_again(lake: Lake) -> None:
    """The first time it was hot, the second time late."""
    lake.land([speed()])
    lake.increment()
    lake.land([speed()], at=NOON + timedelta(days=9))
    assert lake.increment() == [0, 0]
    assert lake.silver('"offset"') == [(1,)]


def test_compaction_of_bronze_adds_nothing(lake: Lake) -> None:
    """Nor does it hide what was landed after it."""
    lake.land([speed(1)])
    lake.land([speed(2)])
    lake.increment()
    lake.bronze.optimize.compact()
    assert lake.increment() == [0, 0]
    lake.land([speed(3)])
    assert lake.increment() == [1, 0]
    assert lake.silver("value") == [(1,), (2,), (3,)]


def test_files_that_a_vacuum_removed_are_not_missed(lake: Lake) -> None:
    """The change feed would read them; then bronze is read whole, and adds what is new."""
    lake.land([speed(1)])
    lake.increment()
    lake.land([speed(2)])
    lake.land([speed(3)])
    lake.bronze.optimize.compact()
    lake.bronze.vacuum(0, dry_run=False, enforce_retention_duration=False)
    found = increment(lake.settings, SIGNALS, Lane.HOT)
    assert (found.added, found.is_whole) == (2, True)
    assert lake.silver("value") == [(1,), (2,), (3,)]


@pytest.mark.local_lake
def test_entries_of_the_log_that_are_gone_are_not_missed(lake: Lake) -> None:
    """The change feed leaves their rows out without a word."""
    lake.land([speed(1)])
    lake.increment()
    for value in range(2, 6):
        lake.land([speed(value)])
    lake.bronze.create_checkpoint()
    log = Path(lake.settings.uri, "bronze", "events", "_delta_log")
    for entry in sorted(log.glob("*.json"))[:-1]:
        entry.unlink()
    found = increment(lake.settings, SIGNALS, Lane.HOT)
    assert (found.added, found.is_whole) == (4, True)
    assert not increment(lake.settings, SIGNALS, Lane.HOT).is_whole


@pytest.mark.parametrize("other", list(Lane))
def test_of_two_writers_one_is_refused(lake: Lake, other: Lane) -> None:
    """Though the other one works on the other lane: what it adds could be the same reading."""
    lake.land([speed(1)], [speed(2, days_before=5)])
    with pytest.raises(SilverMoved):
        increment(lake.settings, SIGNALS, Lane.HOT, before_commit=lambda: lake.increment(other))
    assert sum(lake.increment()) == 1
    assert lake.silver("value") == [(1,), (2,)]


def test_an_increment_that_ends_before_its_commit_leaves_nothing(lake: Lake) -> None:
    """The next one does it all."""

    class Crash(Exception):
        pass

    def crash() -> None:
        raise Crash

    lake.land([speed(1)])
    with pytest.raises(Crash):
        increment(lake.settings, SIGNALS, Lane.HOT, before_commit=crash)
    assert lake.silver("value") == []
    assert lake.increment() == [1, 0]


TIMES = st.sampled_from([NOON, NOON - timedelta(days=1), NOON - timedelta(days=3, microseconds=1)])
READINGS = st.tuples(
    st.sampled_from(["V1", "V2"]),
    st.sampled_from(["speed", "gear"]),
    TIMES,
    st.sampled_from([0.0, 1.5, "P"]),
)
MESSAGES = st.lists(READINGS, min_size=1, max_size=8)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(readings=MESSAGES, data=st.data())
def test_order_repetition_and_cut_do_not_matter(
    readings: list[Reading], data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Any permutation of the messages, some of them twice, in any number of increments of either lane."""
    lake = Lake(LakeSettings(uri=str(tmp_path_factory.mktemp("lake"))))
    copies = readings + data.draw(st.lists(st.sampled_from(readings), max_size=4))
    order = data.draw(st.permutations(copies))
    for reading in order:
        lake.land([reading])
        if data.draw(st.booleans()):
            lake.increment(data.draw(st.sampled_from(Lane)))
    lake.increment()
    assert lake.silver() == _once(readings)


def _once(readings: Iterable[Reading]) -> list[tuple[Any, ...]]:
    """Every reading, in the order in which DuckDB sorts them."""
    rows = {
        (vehicle, signal, None, time, time, *((None, value) if isinstance(value, str) else (value, None)))
        for vehicle, signal, time, value in readings
    }
    return sorted(rows, key=lambda row: (*row[:2], row[3], row[5] is None, row[5] or 0.0, row[6] or ""))

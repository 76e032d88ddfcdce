"""silver.signals_live is at every moment what silver would be after an increment of both lanes."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lake.duck import connection, empty_select
from lake.live import parts_at_any_time, parts_now
from lake.query import Warehouse
from lake.schemas import TABLES
from lake.settings import LakeSettings
from lake.silver import Lane
from lake.storage import storage, wait_ready
from tests.transforms.small_lake import KEY, NOON, Lake, Reading, speed
from transforms.live import signals_live

Rows = list[tuple[Any, ...]]


@pytest.fixture(params=[pytest.param("folder", marks=pytest.mark.local_lake), "s3"])
def any_lake(request: pytest.FixtureRequest) -> Lake:
    """The same test on a local folder and on S3."""
    name = "lake_settings" if request.param == "folder" else "s3_lake_settings"
    return Lake(request.getfixturevalue(name))


@pytest.fixture
def lake(lake_settings: LakeSettings) -> Lake:
    return Lake(lake_settings)


def text_of(lake: Lake, *, lasting: bool = False) -> str:
    """The view as it is made now."""
    with connection(lake.settings) as connected:
        empty = {name: empty_select(connected, table.columns) for name, table in TABLES.items()}
    store = storage(lake.settings)
    parts = parts_at_any_time(store, store.locations, empty) if lasting else parts_now(store, empty)
    return signals_live(parts)


def rows_of(lake: Lake, text: str, columns: str = KEY, zone: str = "UTC") -> Rows:
    """What the view gives, whenever it was made."""
    with connection(lake.settings) as connected:
        connected.execute("set TimeZone = ?", [zone])
        found = connected.execute(f"select {columns} from ({text}) order by all").to_arrow_table()  # noqa: S608
    return [tuple(row.values()) for row in found.to_pylist()]


def landed(lake: Lake) -> list[int]:
    """The offsets that the view reads of bronze now."""
    with connection(lake.settings) as connected:
        empty = {name: empty_select(connected, table.columns) for name, table in TABLES.items()}
        relation = parts_now(storage(lake.settings), empty).landed
        rows = connected.execute(f'select "offset" from {relation} order by all').fetchall()  # noqa: S608
    return [offset for (offset,) in rows]


def test_what_has_landed_is_seen_before_silver_has_it(any_lake: Lake) -> None:
    """Of both lanes, with where it came from; and still once when silver has it."""
    any_lake.land([speed(1)])
    any_lake.increment()
    any_lake.land([speed(2)], [speed(3, days_before=5)])
    expected = [(1,), (2,), (3,)]
    assert any_lake.live("value") == expected
    assert any_lake.silver("value") == [(1,)]
    assert any_lake.live('event_date, topic, partition, "offset"')[0][1:] == ("topic", 0, 3)
    any_lake.increment()
    assert any_lake.live("value") == any_lake.silver("value") == expected


def test_lanes_that_stand_at_different_versions_leave_no_gap(lake: Lake) -> None:
    """Whichever is further."""
    lake.land([speed(1)], [speed(2, days_before=5)])
    lake.increment()
    lake.land([speed(3)], [speed(4, days_before=5)])
    lake.increment(Lane.HOT)
    assert lake.live("value") == [(1,), (2,), (3,), (4,)]
    lake.land([speed(5)], [speed(6, days_before=5)])
    lake.increment(Lane.LATE)
    assert lake.live("value") == [(value,) for value in range(1, 7)]


def test_what_is_sent_again_is_not_there_twice(lake: Lake) -> None:
    """Neither beside silver, days later, nor within what silver has not read."""
    lake.land([speed(1)])
    lake.increment()
    lake.land([speed(1)], [speed(2)], at=NOON + timedelta(days=9))
    lake.land([speed(2)])
    assert lake.live("value") == [(1,), (2,)]


def test_a_lake_without_silver_is_read_whole(lake: Lake) -> None:
    """One lane of it that has not begun is as good as none."""
    lake.land([speed(1)], [speed(2, days_before=5)])
    assert lake.live("value") == [(1,), (2,)]
    lake.increment(Lane.HOT)
    assert lake.live("value") == [(1,), (2,)]


def test_a_lake_without_any_message_has_no_readings(lake_settings: LakeSettings) -> None:
    """With the columns of silver; the view is among the tables."""
    wait_ready(lake_settings)
    with Warehouse(lake_settings, signals_live) as warehouse:
        found = warehouse.query("select * from silver.signals_live").table()
        assert found.num_rows == 0
        assert found.schema == warehouse.query("select * from silver.signals").table().schema
        assert warehouse.tables() == ["bronze.events", "silver.signals", "silver.signals_live"]


def test_compaction_neither_hides_nor_doubles(lake: Lake) -> None:
    """Of files that silver has read, of those it has not, and of both; a vacuum takes the old ones."""
    lake.land([speed(1)])
    lake.land([speed(2)])
    lake.increment()
    lake.land([speed(3)])
    lake.bronze.optimize.compact()
    lake.land([speed(4)])
    assert lake.live("value") == [(1,), (2,), (3,), (4,)]
    lake.bronze.optimize.compact()
    lake.bronze.vacuum(0, dry_run=False, enforce_retention_duration=False)
    assert lake.live("value") == [(1,), (2,), (3,), (4,)]
    assert landed(lake) == [3, 4]


def test_only_files_that_silver_has_not_read_are_read(lake: Lake) -> None:
    """Nor what a compaction has made of older ones: the history may be as long as it likes."""
    for value in range(5):
        lake.land([speed(value)])
    lake.increment()
    assert "parquet" not in text_of(lake)
    lake.bronze.optimize.compact()
    assert "parquet" not in text_of(lake)
    lake.land([speed(5)])
    lake.land([speed(6)])
    assert text_of(lake).count(".parquet") == 2


@pytest.mark.local_lake
def test_entries_of_the_log_that_are_gone_are_made_up_for(lake: Lake) -> None:
    """By reading bronze whole."""
    lake.land([speed(1)])
    lake.increment()
    for value in range(2, 6):
        lake.land([speed(value)])
    lake.bronze.create_checkpoint()
    log = Path(lake.settings.uri, "bronze", "events", "_delta_log")
    for entry in sorted(log.glob("*.json"))[:-1]:
        entry.unlink()
    expected = [(value,) for value in range(1, 6)]
    assert lake.live("value") == rows_of(lake, text_of(lake, lasting=True), "value") == expected


def test_an_increment_between_the_view_and_the_query_changes_nothing(lake: Lake) -> None:
    """The view stands on one version of silver; what landed later is for the next one."""
    lake.land([speed(1)])
    lake.increment()
    lake.land([speed(2)])
    text = text_of(lake)
    before = rows_of(lake, text)
    lake.land([speed(3)])
    lake.increment()
    assert rows_of(lake, text) == before
    assert len(before) == 2


def test_a_view_that_lasts_leaves_out_what_silver_had_read(lake: Lake) -> None:
    """By offsets of each partition, and by days."""
    lake.land([speed(1)])
    lake.increment()
    lake.land([speed(2)])
    text = text_of(lake, lasting=True)
    assert "('life', 0, 2)" in text
    assert "ingest_date >= date '2026-03-09'" in text


def test_days_are_those_of_utc_in_any_session(lake: Lake) -> None:
    """A tool may set a zone of its own: what silver has is found, and days stay what they are."""
    lake.land([speed(1)], [("V1", "soc", NOON.replace(hour=23, minute=59), 80.0)])
    lake.increment()
    lake.land([speed(1)], [("V1", "soc", NOON.replace(hour=0, minute=1), 81.0)])
    expected = [(value, "2026-03-10") for value in (1.0, 80.0, 81.0)]
    for text in (text_of(lake), text_of(lake, lasting=True)):
        for zone in ("America/Los_Angeles", "Pacific/Auckland"):
            assert rows_of(lake, text, "value, event_date::varchar", zone) == expected


@pytest.mark.local_lake
def test_a_folder_with_odd_characters_is_read_all_the_same(tmp_path: Path) -> None:
    """DuckDB would take some of them for a pattern."""
    lake = Lake(LakeSettings(uri=str(tmp_path / "it's a läke, ?a=b&c #1 *{y}:😀")))
    lake.land([speed(1)])
    lake.increment()
    lake.land([speed(2)])
    assert lake.live("value") == [(1,), (2,)]


TIMES = st.sampled_from([NOON, NOON - timedelta(days=1), NOON - timedelta(days=3, microseconds=1)])
READINGS = st.tuples(
    st.sampled_from(["V1", "V2"]),
    st.sampled_from(["speed", "gear"]),
    TIMES,
    st.sampled_from([0.0, 1.5, "P"]),
)
STEPS = st.sampled_from(["nothing", "hot", "late", "compact", "look"])


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(landed=st.lists(st.tuples(READINGS, STEPS), min_size=1, max_size=8), data=st.data())
def test_it_is_what_silver_would_be(
    landed: list[tuple[Reading, str]], data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Whatever was sent in which order, how often and in how many increments; and a view that was made at any
    moment gives what it gave, or what is true now."""
    lake = Lake(LakeSettings(uri=str(tmp_path_factory.mktemp("lake"))))
    fixed: list[tuple[str, Rows]] = []
    lasting: list[str] = []
    for reading, step in landed:
        lake.land([reading])
        if step == "look":
            text = text_of(lake)
            fixed.append((text, rows_of(lake, text)))
            lasting.append(text_of(lake, lasting=True))
        elif step == "compact":
            lake.bronze.optimize.compact()
        elif step != "nothing":
            lake.increment(Lane(step))
    live = lake.live()
    assert all(rows_of(lake, text) == live for text in lasting)
    lake.increment(*data.draw(st.permutations(list(Lane))))
    assert live == lake.silver() == lake.live()
    assert all(rows_of(lake, text) == rows for text, rows in fixed)
    assert all(rows_of(lake, text) == live for text in lasting)

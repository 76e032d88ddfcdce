"""Maintenance moves rows into fewer and better files and changes none, whatever happens beside it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable, write_deltalake

from lake import file_swap, rewriting
from lake.bronze import Bronze, BronzePartition
from lake.bronze_file import FILE_SCHEMA
from lake.errors import QueryFailed, RewriteDiffers, StoreUnavailable, TableMissing
from lake.file_swap import NOTE, open_table, swap
from lake.maintenance import maintain, maintained_tables, preview, tidy
from lake.query import Warehouse
from lake.rewriting import Rewritten, rewrite, to_rewrite
from lake.schemas import BRONZE_EVENTS, COMMON_PROPERTIES, SILVER_SIGNALS, TableSchema
from lake.settings import LakeSettings, MaintenanceSettings
from lake.silver import ROW_GROUP, BronzeRead, Lane, Silver
from lake.silver_sorted import in_order
from lake.storage import Storage, storage, wait_ready
from lake.table_files import Fragments, stored_files
from lake.transactions import transactions
from tests.transforms.small_lake import NOON, SIGNALS, Lake, Reading
from transforms.increment import increment

DAY = NOON.date().isoformat()
VINS = [f"LRWYGCEK1PC{number:06}" for number in range(40)]
"""Alike in more than the first fourteen characters."""


@pytest.fixture
def lake(lake_settings: LakeSettings) -> Lake:
    """Three small files a partition may have."""
    few = MaintenanceSettings(small_files=3)
    return Lake(lake_settings.model_copy(update={"maintenance": few}))


def fragment(lake: Lake, increments: int = 6, days_before: int = 0) -> None:
    """As many commits of bronze and of silver, each with a reading of every vehicle."""
    for number in range(increments):
        readings = [reading(vin, number, days_before) for vin in VINS]
        lake.land(*[[each] for each in reversed(readings)])
        append(lake, readings)


def append(lake: Lake, readings: list[Reading]) -> None:
    """What an increment of the hot lane commits; of the columns those that a test looks at."""
    names = ("vehicle_id", "signal", "event_time", "value")
    found = [dict(zip(names, each, strict=True)) for each in readings]
    table = pa.Table.from_pylist(
        [
            {**row, "effective_time": row["event_time"], "event_date": row["event_time"].date()}
            for row in found
        ],
        SILVER_SIGNALS.columns,
    )
    bronze = Bronze(storage(lake.settings))
    Silver(storage(lake.settings)).append(
        table.to_reader(), Lane.HOT, BronzeRead(bronze.version, bronze.rows)
    )


def reading(vehicle: str, number: int, days_before: int = 0) -> Reading:
    time = NOON - timedelta(days=days_before) + timedelta(seconds=number, microseconds=7)
    return (vehicle, "speed", time, float(number))


def rows(lake: Lake, table: str) -> list[tuple[Any, ...]]:
    with Warehouse(lake.settings) as warehouse:
        found = warehouse.query(f"select * from {table} order by all").table()  # noqa: S608
    return [tuple(row.values()) for row in found.to_pylist()]


def open_(lake: Lake, table: str) -> DeltaTable:
    return open_table(storage(lake.settings), table)


def recorded(lake: Lake, table: str) -> dict[str, int]:
    """All application transactions."""
    return transactions(storage(lake.settings), table, open_(lake, table).version())


def read_file(lake: Lake, table: str, path: str) -> pq.ParquetFile:
    return pq.ParquetFile(storage(lake.settings).files(table).open_input_file(path))


@contextmanager
def before_the_commit(monkeypatch: pytest.MonkeyPatch, happens: Callable[[], object]) -> Iterator[None]:
    """Something that happens after the new files were written, and before they are committed."""

    def swapped(*given: Any) -> None:
        monkeypatch.undo()
        happens()
        swap(*given)

    monkeypatch.setattr(rewriting, "swap", swapped)
    yield
    assert rewriting.swap is swap


def test_a_fragmented_day_of_silver_becomes_one_file_in_order(lake: Lake) -> None:
    """The same rows; a vehicle's readings are together, and in the order of time."""
    fragment(lake)
    before = rows(lake, "silver.signals")
    done = maintain(lake.settings, "silver.signals")
    assert done.rewritten == Rewritten((DAY,))
    assert (done.before.files, done.after.files) == (6, 1)
    assert done.before.rows == done.after.rows == len(before) == 240
    assert rows(lake, "silver.signals") == before
    (file,) = stored_files(open_(lake, "silver.signals"))
    assert (file.low, file.high, file.rows) == (VINS[0], VINS[-1], 240)
    with read_file(lake, "silver.signals", file.path) as parquet:
        stored = parquet.read(["vehicle_id", "signal", "event_time"]).to_pylist()
    keys = [tuple(row.values()) for row in stored]
    assert keys == sorted(keys)


def test_a_second_run_does_nothing(lake: Lake) -> None:
    """No commit, no file."""
    fragment(lake)
    for table in ("bronze.events", "silver.signals"):
        first = maintain(lake.settings, table)
        again = maintain(lake.settings, table)
        assert again.rewritten == Rewritten()
        assert (again.before, again.removed) == (first.after, 0)
        assert again.after == again.before


def test_bronze_is_joined_without_a_changed_byte(lake: Lake) -> None:
    """Rows, their order by age, statistics that readers skip by; it stays append-only."""
    fragment(lake)
    before = rows(lake, "bronze.events")
    done = maintain(lake.settings, "bronze.events")
    assert (done.before.files, done.after.files) == (6, 1)
    assert rows(lake, "bronze.events") == before
    table = open_(lake, "bronze.events")
    (action,) = pa.table(table.get_add_actions(flatten=True)).to_pylist()
    assert (action["min.offset"], action["max.offset"]) == (1, 240)
    assert table.metadata().configuration["delta.appendOnly"] == "true"
    with read_file(lake, "bronze.events", action["path"]) as parquet:
        assert parquet.schema_arrow.equals(FILE_SCHEMA)
        assert parquet.read(["offset"])["offset"].to_pylist() == list(range(1, 241))


def test_what_the_sinks_and_lanes_have_recorded_stays(lake: Lake) -> None:
    """Checkpoints of partitions in bronze, and how far each lane has read, in silver."""
    fragment(lake)
    bronze = Bronze(storage(lake.settings))
    bronze.commit([], {BronzePartition("life", 0): 241, BronzePartition("life", 1): 7}, {}, marks={"m": 3})
    lake.increment()
    tables = ("bronze.events", "silver.signals")
    before = {table: recorded(lake, table) for table in tables}
    assert len(before["bronze.events"]) == 3
    assert len(before["silver.signals"]) == 4
    for table in tables:
        maintain(lake.settings, table)
        assert recorded(lake, table) == before[table]
    bronze.reload()
    assert bronze.checkpoints([BronzePartition("life", 1)]) == {BronzePartition("life", 1): 7}


def test_an_increment_after_maintenance_reads_only_what_is_new(lake: Lake) -> None:
    """Rows that were moved are no news; and what is sent again is known."""
    fragment(lake)
    for table in ("bronze.events", "silver.signals"):
        maintain(lake.settings, table)
    assert lake.increment() == [0, 0]
    lake.land([reading(VINS[0], 0)], [reading(VINS[0], 100)])
    found = increment(lake.settings, SIGNALS, Lane.HOT)
    assert (found.added, found.is_whole) == (1, False)


def test_rows_that_are_landed_meanwhile_stay(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a sink into bronze, by an increment into silver: neither is refused, neither is lost."""
    fragment(lake)

    def more() -> None:
        lake.land([reading("V1", 0)])
        append(lake, [reading("V1", 0)])

    for count, table in enumerate(("bronze.events", "silver.signals"), 1):
        with before_the_commit(monkeypatch, more if count == 1 else lambda: fragment(lake, 1, 1)):
            assert rewrite(lake.settings, table).partitions == (DAY,)
    assert len(rows(lake, "bronze.events")) == 240 + 1 + 40
    assert len(rows(lake, "silver.signals")) == 240 + 1 + 40
    assert len({row[3] for row in rows(lake, "bronze.events")}) == 281


def test_an_increment_that_began_before_is_not_refused(lake: Lake) -> None:
    """Its readings are not in the files that were replaced."""
    fragment(lake)
    lake.land([reading("V1", 0)])
    done = increment(
        lake.settings, SIGNALS, Lane.HOT, before_commit=lambda: rewrite(lake.settings, "silver.signals")
    )
    assert done.added == 1
    assert len(rows(lake, "silver.signals")) == 241


@pytest.mark.parametrize("table", ["bronze.events", "silver.signals"])
def test_of_two_that_rewrite_the_same_files_one_is_refused(
    lake: Lake, monkeypatch: pytest.MonkeyPatch, table: str
) -> None:
    """Two compactions of delta-rs would leave all rows there twice. The loser says so, and it is done."""
    fragment(lake)
    before = rows(lake, table)
    with before_the_commit(monkeypatch, lambda: rewrite(lake.settings, table)):
        assert rewrite(lake.settings, table) == Rewritten((), (DAY,))
    assert rows(lake, table) == before
    assert to_rewrite(lake.settings, table) == []


def test_two_compactions_of_delta_rs_double_rows(lake: Lake) -> None:
    """Why it is not used. Should this fail some day, ADR 8 may be looked at again."""
    fragment(lake)
    one, other = open_(lake, "bronze.events"), open_(lake, "bronze.events")
    one.optimize.compact()
    other.optimize.compact()
    assert len(rows(lake, "bronze.events")) == 2 * 240


def test_a_compaction_by_another_program_is_noticed(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was faster: its files stay."""
    fragment(lake)
    before = rows(lake, "bronze.events")
    with before_the_commit(monkeypatch, lambda: open_(lake, "bronze.events").optimize.compact()):
        assert rewrite(lake.settings, "bronze.events") == Rewritten((), (DAY,))
    assert rows(lake, "bronze.events") == before


def test_a_commit_whose_answer_was_lost_is_not_repeated(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """It had landed: the store did it, and its client took that for somebody else's."""
    fragment(lake)
    before = rows(lake, "silver.signals")
    commit = file_swap._commit

    def landed_unheard(*given: Any) -> None:
        commit(*given)
        monkeypatch.undo()
        raise file_swap.CommitFailedError

    monkeypatch.setattr(file_swap, "_commit", landed_unheard)
    assert rewrite(lake.settings, "silver.signals") == Rewritten((DAY,))
    assert rows(lake, "silver.signals") == before


def test_a_rewrite_that_would_lose_rows_is_refused(lake: Lake) -> None:
    """Whatever the reason; nothing is changed, and nothing is left of it."""
    fragment(lake)
    before = maintain(lake.settings, "bronze.events").after, rows(lake, "silver.signals")
    (found,) = to_rewrite(lake.settings, "silver.signals")
    wrong = Fragments(found.partition, (replace(found.files[0], rows=41), *found.files[1:]))
    with pytest.raises(RewriteDiffers, match="241 rows, and 240 were read"):
        in_order(lake.settings, wrong)
    assert (preview(lake.settings, "bronze.events").found, rows(lake, "silver.signals")) == before
    assert preview(lake.settings, "silver.signals").found.stored_files == 6


def test_today_only_small_files_are_touched(lake: Lake) -> None:
    """Days before are left for the night; large files, too."""
    fragment(lake)
    fragment(lake, days_before=40)
    since = NOON.date() - timedelta(days=1)
    done = tidy(lake.settings, "silver.signals", since)
    assert done.rewritten.partitions == (DAY,)
    assert (done.before.files, done.after.files, done.removed) == (12, 7, 0)
    assert tidy(lake.settings, "silver.signals", since).rewritten == Rewritten()
    assert len(maintain(lake.settings, "silver.signals").rewritten.partitions) == 1


def wide(lake: Lake, readings: int, seed: int) -> None:
    """A commit of silver of all vehicles, of more than half a MiB."""
    order = np.random.default_rng(seed).permutation(readings)
    times = pa.array(NOON.timestamp() * 1e6 + order, pa.int64()).cast(
        SILVER_SIGNALS.columns.field("event_time").type
    )
    columns = {
        "vehicle_id": pa.array(VINS).take(np.sort(order % len(VINS))),
        "signal": pa.array(["speed"] * readings),
        "event_time": times,
        "effective_time": times,
        "value": pa.array(np.random.default_rng(seed).random(readings)),
        "event_date": pa.array([NOON.date()] * readings),
    }
    table = pa.table({name: columns.get(name, pa.nulls(readings)) for name in SILVER_SIGNALS.columns.names})
    write_deltalake(open_(lake, "silver.signals"), table.cast(SILVER_SIGNALS.columns), mode="append")


def test_large_files_of_a_day_do_not_overlap_after_the_night(lake_settings: LakeSettings) -> None:
    """Each of them has vehicles of its own, in groups of the size that queries want; once only."""
    small = MaintenanceSettings(small_files=3, file_mib=1)
    lake = Lake(lake_settings.model_copy(update={"maintenance": small}))
    fragment(lake, 1)
    for seed in range(3):
        wide(lake, 70_000, seed)
    count = 3 * 70_000 + 40
    assert tidy(lake.settings, "silver.signals", NOON.date()).rewritten == Rewritten()
    done = maintain(lake.settings, "silver.signals")
    assert done.rewritten == Rewritten((DAY,))
    files = sorted(stored_files(open_(lake, "silver.signals")), key=lambda file: file.low or "")
    assert len(files) > 1
    assert all((one.high or "") <= (following.low or "") for one, following in pairwise(files))
    with read_file(lake, "silver.signals", files[0].path) as parquet:
        groups = [parquet.metadata.row_group(number).num_rows for number in range(parquet.num_row_groups)]
    assert set(groups[:-1]) <= {ROW_GROUP}
    assert done.after.rows == done.before.rows == count
    assert maintain(lake.settings, "silver.signals").rewritten == Rewritten()


def test_the_history_says_what_was_moved(lake: Lake) -> None:
    """For who reads it; and the commit is one without new data."""
    fragment(lake)
    rewrite(lake.settings, "silver.signals")
    newest = next(iter(open_(lake, "silver.signals").history(1)))
    assert newest[NOTE] == DAY
    changes = open_(lake, "bronze.events")
    rewrite(lake.settings, "bronze.events")
    after = open_(lake, "bronze.events").load_cdf(starting_version=changes.version() + 1)
    assert pa.table(after).num_rows == 0


def test_a_checkpoint_sums_up_the_log(lake: Lake) -> None:
    """Whoever opens the table then reads one file of its log."""
    fragment(lake)
    done = maintain(lake.settings, "bronze.events")
    assert done.before.entries_to_read > 0
    assert done.after.entries_to_read == 0


def test_marts_keep_their_files(lake: Lake) -> None:
    """Each build replaces a partition whole; the log of a mart is summed up all the same."""
    mart = TableSchema("gold.small", pa.schema([("n", pa.int64())]), (), COMMON_PROPERTIES)
    uri, options = storage(lake.settings).table(mart.name), storage(lake.settings).options()
    table = DeltaTable.create(uri, mart.columns, configuration=mart.properties, storage_options=options)
    for number in range(6):
        write_deltalake(table, pa.table({"n": [number]}), mode="append")
    done = maintain(lake.settings, mart.name)
    assert done.rewritten == Rewritten()
    assert (done.after.files, done.after.entries_to_read) == (6, 0)


def test_a_preview_changes_nothing(lake: Lake) -> None:
    """It names what would be written anew."""
    fragment(lake)
    found = preview(lake.settings, "silver.signals")
    assert [(each.partition, len(each.files)) for each in found.rewritten] == [(DAY, 6)]
    assert (found.removed, found.hours_kept) == ((), 24)
    assert preview(lake.settings, "silver.signals") == found


def test_a_lake_without_tables_has_nothing_to_maintain(lake_settings: LakeSettings) -> None:
    """And a name that is none is an error, not a table."""
    store: Storage = wait_ready(lake_settings)
    assert maintained_tables(store) == []
    with pytest.raises(TableMissing, match=r"no table silver\.signals"):
        maintain(lake_settings, "silver.signals")
    with pytest.raises(TableMissing):
        preview(lake_settings, BRONZE_EVENTS.name)


def test_a_lake_in_a_bucket_is_maintained_alike(s3_lake_settings: LakeSettings) -> None:
    """Both tables, with what is removed, summed up and done once."""
    few = MaintenanceSettings(small_files=3)
    lake = Lake(s3_lake_settings.model_copy(update={"maintenance": few}))
    fragment(lake)
    for table in ("bronze.events", "silver.signals"):
        before = rows(lake, table)
        done = maintain(lake.settings, table)
        assert (done.before.files, done.after.files, done.after.entries_to_read) == (6, 1, 0)
        assert (done.removed, done.after.stored_files) == (0, 7)
        assert rows(lake, table) == before
        assert maintain(lake.settings, table).after == done.after


@pytest.mark.local_lake
def test_a_file_that_is_gone_stops_a_rewrite_and_changes_nothing(lake: Lake) -> None:
    """Removed by something else: the error names it."""
    fragment(lake)
    before = open_(lake, "bronze.events").version()
    victim = stored_files(open_(lake, "bronze.events"))[2]
    Path(lake.settings.uri, "bronze", "events", victim.path).unlink()
    with pytest.raises(StoreUnavailable, match=victim.path.rpartition("/")[2]):
        rewrite(lake.settings, "bronze.events")
    assert open_(lake, "bronze.events").version() == before
    assert preview(lake.settings, "bronze.events").found.stored_files == 5
    victim = stored_files(open_(lake, "silver.signals"))[2]
    Path(lake.settings.uri, "silver", "signals", victim.path).unlink()
    with pytest.raises(QueryFailed, match=victim.path.rpartition("/")[2]):
        rewrite(lake.settings, "silver.signals")
    assert preview(lake.settings, "silver.signals").found.stored_files == 5

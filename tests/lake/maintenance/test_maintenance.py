"""Maintenance moves rows into fewer and better files and changes none."""

from datetime import timedelta
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from lake.bronze import Bronze, BronzePartition
from lake.bronze_file import FILE_SCHEMA
from lake.errors import TableMissing
from lake.file_swap import NOTE
from lake.maintenance import maintain, maintained_tables, preview, tidy
from lake.rewriting import Rewritten, rewrite
from lake.schemas import BRONZE_EVENTS, COMMON_PROPERTIES, SILVER_SIGNALS, TableSchema
from lake.settings import LakeSettings, MaintenanceSettings
from lake.silver import ROW_GROUP, Lane
from lake.storage import Storage, storage, wait_ready
from lake.table_files import stored_files
from tests.lake.maintenance.fragmented import DAY, VINS, fragment, open_, read_file, reading, recorded, rows
from tests.transforms.small_lake import NOON, SIGNALS, Lake
from transforms.increment import increment


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

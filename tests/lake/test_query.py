"""SQL over the lake: always the newest version, only reading, only the lake."""

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import write_deltalake

import lake.query
from lake.errors import QueryFailed, QueryRefused
from lake.locations import locations
from lake.query import ASKED_AGAIN, Warehouse
from lake.settings import LakeSettings, QuerySettings
from lake.storage import Storage, storage, wait_ready


def answer(warehouse: Warehouse, sql: str) -> list[dict[str, Any]]:
    """The rows of a query."""
    rows: list[dict[str, Any]] = warehouse.query(sql).table().to_pylist()
    return rows


@pytest.fixture
def lake_settings(lake_settings: LakeSettings) -> LakeSettings:
    """A lake that a sink was started on: its folder or bucket is there."""
    wait_ready(lake_settings)
    return lake_settings


@pytest.fixture(params=[pytest.param("folder", marks=pytest.mark.local_lake), "s3"])
def any_lake(request: pytest.FixtureRequest) -> LakeSettings:
    """The same test on a local folder and on S3."""
    name = "lake_settings" if request.param == "folder" else "s3_lake_settings"
    settings: LakeSettings = request.getfixturevalue(name)
    wait_ready(settings)
    return settings


def test_a_query_sees_what_was_committed_before_it(
    any_lake: LakeSettings, write_bronze: Callable[..., Any], bronze_row: Callable[..., Any]
) -> None:
    """An open warehouse sees the first commit, the next one, and new gold tables."""
    with Warehouse(any_lake) as warehouse:
        assert answer(warehouse, "select count(*) as n from bronze.events") == [{"n": 0}]
        write_bronze(any_lake, [bronze_row(offset=0)])
        assert answer(warehouse, 'select "offset" from bronze.events') == [{"offset": 0}]
        table = write_bronze(any_lake, [bronze_row(offset=1)])
        assert answer(warehouse, "select count(*) as n from bronze.events") == [{"n": 2}]
        trips = locations(any_lake).table("gold.trips")
        write_deltalake(trips, pa.table({"distance_km": [1.5]}), storage_options=table._storage_options)
        assert answer(warehouse, "select * from gold.trips") == [{"distance_km": 1.5}]
        assert warehouse.tables() == ["bronze.events", "gold.trips", "silver.signals"]


def test_bytes_lists_and_times_come_back_as_they_were(
    any_lake: LakeSettings, write_bronze: Callable[..., Any], bronze_row: Callable[..., Any]
) -> None:
    """Every column of bronze survives the way through Delta and DuckDB; times are UTC."""
    row = bronze_row(payload=b'{"v": 101.50}\xff\x00', rejected_signals=None)
    write_bronze(any_lake, [row])
    with Warehouse(any_lake) as warehouse:
        (read,) = answer(warehouse, "select * from bronze.events")
        assert read == row | dict.fromkeys(("received_time", "error", "error_detail"))
        sql = "select date_trunc('hour', event_time)::varchar as hour, ingest_date from bronze.events"
        assert answer(warehouse, sql) == [
            {"hour": "2025-10-27 12:00:00+00", "ingest_date": date(2025, 10, 27)}
        ]


def test_tables_before_their_first_write_have_columns_and_no_rows(lake_settings: LakeSettings) -> None:
    """A question to a new lake is answered with nothing, not with an error."""
    with Warehouse(lake_settings) as warehouse:
        assert answer(warehouse, "select vehicle_id, unnest(signals).value from bronze.events") == []
        silver = warehouse.query("select * from silver.signals").table().schema
        assert silver.field("event_time").type == pa.timestamp("us", tz="UTC")
        assert silver.field("value").type == pa.float64()


def test_a_table_that_gained_a_column_is_read_with_it(lake_settings: LakeSettings) -> None:
    """An open warehouse follows a gold table whose columns change."""
    store = storage(lake_settings)
    trips, options = store.table("gold.trips"), store.options()
    write_deltalake(trips, pa.table({"a": [1]}), storage_options=options)
    with Warehouse(lake_settings) as warehouse:
        assert answer(warehouse, "select * from gold.trips") == [{"a": 1}]
        changed = pa.table({"a": [2], "b": [3]})
        write_deltalake(trips, changed, mode="overwrite", schema_mode="overwrite", storage_options=options)
        assert answer(warehouse, "select * from gold.trips") == [{"a": 2, "b": 3}]


REFUSED = [
    "create table t as select 1",
    "drop view bronze.events",
    "insert into bronze.events select * from bronze.events",
    "with x as (select 1) delete from bronze.events",
    "copy (select 1) to '{lake}/stolen.csv'",
    "explain analyze copy (select 1) to '{lake}/stolen.csv'",
    "/* */ explain analyze copy (select 1) to '{lake}/stolen.csv'",
    "explain (/*) select 1 --*/ analyze) copy (select 1) to '{lake}/stolen.csv'",
    "explain (analyze/*) select 1; --*/) copy (select 1) to '{lake}/stolen.csv'",
    "explain /*) select 1 --*/ analyze copy (select 1) to '{lake}/stolen.csv'",
    "explain (analyze)/* */copy (select 1) to '{lake}/stolen.csv'",
    "attach '{lake}/x.db'",
    "install spatial",
    "load httpfs",
    "set threads = 1",
    "set enable_external_access = true",
    "call pragma_version()",
    "prepare p as select 1",
    "export database '{lake}/x'",
    "select 1; drop view bronze.events",
    "pivot bronze.events on topic using count(*)",
    "",
    "-- nothing",
]


@pytest.mark.local_lake
def test_a_mart_that_cannot_be_read_stops_no_other_question(lake_settings: LakeSettings) -> None:
    """It is named to whoever asks for it; one whose first commit is missing is not there yet."""
    gold = Path(lake_settings.uri, "gold")
    rows = pa.table({"n": [1]})
    for name in ("whole", "broken"):
        write_deltalake(gold / name, rows)
    (gold / "begun" / "_delta_log").mkdir(parents=True)
    (gold / "broken" / "_delta_log" / f"{0:020}.json").write_text("no JSON")
    with Warehouse(lake_settings) as warehouse:
        assert answer(warehouse, "select n from gold.whole") == [{"n": 1}]
        assert "gold.broken" not in warehouse.tables()
        with pytest.raises(QueryFailed, match=r"gold\.broken cannot be read: "):
            warehouse.query("select * from gold.broken")
        with pytest.raises(QueryFailed, match="begun does not exist"):
            warehouse.query("select * from gold.begun")
        shutil.rmtree(gold / "broken")
        write_deltalake(gold / "broken", rows)
        assert answer(warehouse, "select n from gold.broken") == [{"n": 1}]


@pytest.mark.parametrize("sql", REFUSED)
def test_only_one_reading_statement_is_taken(lake_settings: LakeSettings, sql: str) -> None:
    """Anything that is not one reading statement is refused before it runs, and leaves no file."""
    store = storage(lake_settings)
    with Warehouse(lake_settings) as warehouse, pytest.raises(QueryRefused):
        warehouse.query(sql.format(lake=store.locations.root))
    assert is_empty(store)


def is_empty(store: Storage) -> bool:
    """Whether the lake's folder or bucket has nothing in it."""
    if not store.locations.is_s3:
        return not list(Path(store.locations.root).iterdir())
    return int(store.client().list_objects_v2(Bucket=store.locations.bucket)["KeyCount"]) == 0


READ = [
    "select 1",
    "with a as (select 1) select * from a",
    "values (1)",
    "from bronze.events",
    "describe bronze.events",
    "show all tables",
    "summarize bronze.events",
    "explain select 1",
    "EXPLAIN (format json) select 1",
    "explain analyze select 1",
    "pivot bronze.events on topic in ('t') using count(*)",
    "select 1 ;",
]


@pytest.mark.parametrize("sql", READ)
def test_every_reading_statement_is_taken(lake_settings: LakeSettings, sql: str) -> None:
    """People may look at everything."""
    with Warehouse(lake_settings) as warehouse:
        assert warehouse.query(sql).table().num_columns


def test_files_beside_the_lake_cannot_be_read(lake_settings: LakeSettings, tmp_path: Path) -> None:
    """Neither as text, nor as a Delta table, nor as a variable of this process."""
    secret = tmp_path / "secret.txt"
    secret.write_text("secret")
    other = tmp_path / "lake-other"
    write_deltalake(other, pa.table({"a": [1]}))
    ours = pa.table({"a": [1]})
    with Warehouse(lake_settings) as warehouse:
        for source in (f"read_text('{secret}')", f"delta_scan('{other}')", f"'{secret}'", "ours"):
            with pytest.raises((QueryFailed, QueryRefused)):
                warehouse.query(f"from {source}").table()
    assert ours.num_rows


def test_an_error_names_its_place(lake_settings: LakeSettings) -> None:
    """One line, with line and column counted as an editor counts."""
    with Warehouse(lake_settings) as warehouse:
        with pytest.raises(QueryFailed) as failed:
            warehouse.query("select 'é' as a,\n  nope from bronze.events")
        assert (failed.value.line, failed.value.column) == (2, 3)
        assert "nope" in str(failed.value)
        assert "\n" not in str(failed.value)
        with pytest.raises(QueryFailed, match="line 1, column 8"):
            warehouse.query("select 'unfinished")


def test_an_error_about_a_missing_table_names_those_that_are_there(
    lake_settings: LakeSettings, write_bronze: Callable[..., Any], bronze_row: Callable[..., Any]
) -> None:
    """Instead of DuckDB's guess; and says where state is. What is not a table stays DuckDB's to explain."""
    write_bronze(lake_settings, [bronze_row()])
    with Warehouse(lake_settings) as warehouse:

        def problem(sql: str) -> str:
            with pytest.raises(QueryFailed) as failed:
                warehouse.query(sql)
            return str(failed.value)

        root = storage(lake_settings).locations.root
        there = f"the tables of {root} are bronze.events, silver.signals (not written yet)"
        assert problem("from nope") == f"line 1, column 6: Table with name nope does not exist; {there}"
        assert problem("from gold.trips").endswith(there)
        assert problem("from nowhere.trips").endswith(there)
        for name in ("vehicle_state", "vehicle_latest", "state.vehicle_state"):
            assert problem(f"from {name}").endswith(f"{there}; state is in MongoDB: `fleetlake state`")
        assert "bronze.events" not in problem("select nope(1)")
        assert "bronze.events" not in problem("from nope(1)")


def test_an_error_in_the_middle_of_an_answer_is_raised(lake_settings: LakeSettings) -> None:
    """Rows that cannot be computed end the reading; the rows before them are no complete answer."""
    with Warehouse(lake_settings) as warehouse:
        rows = warehouse.query("select if(i = 900000, error('broken row'), i) from range(1000000) t(i)")
        with pytest.raises(QueryFailed, match="broken row"):
            rows.table()


def test_an_error_that_duckdb_hides_behind_its_own_stop_is_found(
    lake_settings: LakeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DuckDB's thread that fails stops the others, and one of those may be the one that is heard."""
    asked: list[str] = []

    def stopped(*arguments: Any) -> pa.RecordBatchReader:
        reader = execute(*arguments)
        asked.append(arguments[1])
        return reader if len(asked) > 2 else pa.RecordBatchReader.from_batches(reader.schema, stop())

    def stop() -> Iterator[pa.RecordBatch]:
        said = '{"exception_type":"INTERRUPT","exception_message":"Interrupted!"}'
        raise OSError(said)
        yield

    execute = lake.query._execute
    monkeypatch.setattr(lake.query, "_execute", stopped)
    sql = "select if(i = ?, error('broken row' || i), i) from range(1000000) t(i)"
    with Warehouse(lake_settings) as warehouse:
        rows = warehouse.query(sql, [900000])
        with pytest.raises(QueryFailed, match="broken row900000"):
            rows.table()
    assert asked == [sql] * len(asked)
    assert 3 <= len(asked) <= 1 + ASKED_AGAIN  # DuckDB may hide it once more by itself


def test_values_are_bound(lake_settings: LakeSettings) -> None:
    """A parameter is a value, whatever it contains."""
    with Warehouse(lake_settings) as warehouse:
        rows = warehouse.query("select ? as a, ? as b", ["'; drop", datetime(2025, 1, 1, tzinfo=UTC)])
        assert rows.table().to_pylist() == [{"a": "'; drop", "b": datetime(2025, 1, 1, tzinfo=UTC)}]


def test_a_query_larger_than_memory_uses_the_disk(tmp_path: Path) -> None:
    """The memory limit holds; the spilled files are gone afterwards."""
    spill = tmp_path / "spill"
    spill.mkdir()
    query = QuerySettings(memory_limit="100MiB", threads=2, temp_dir=spill)
    with Warehouse(LakeSettings(uri=str(tmp_path / "lake"), query=query)) as warehouse:
        sql = "select count(*) as n from (select hash(i) h from range(8000000) t(i) order by h limit 7000000)"
        assert answer(warehouse, sql) == [{"n": 7_000_000}]
    assert not list(spill.iterdir())


def test_a_folder_with_odd_characters_is_a_lake_like_any_other(
    tmp_path: Path, write_bronze: Callable[..., Any], bronze_row: Callable[..., Any]
) -> None:
    """Blanks, quotes, signs of globs and addresses, accents in the path."""
    settings = LakeSettings(uri=str(tmp_path / "it's a läke, ?a=b&c #1 *{y}:😀"))
    write_bronze(settings, [bronze_row()])
    with Warehouse(settings) as warehouse:
        assert answer(warehouse, "select vehicle_id from bronze.events") == [{"vehicle_id": "981"}]


LONG_ROWS = """
import resource, sys
from lake.query import Warehouse
from lake.settings import LakeSettings, QuerySettings

settings = LakeSettings(uri=sys.argv[1], query=QuerySettings(memory_limit="200MB", threads=2))
with Warehouse(settings) as warehouse:
    at_first = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    rows = warehouse.query("select repeat('x', 20000) || range as text from range(60000)")
    read = sum(batch.nbytes for batch in rows.batches)
    print(read, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - at_first) * 1024)
"""


@pytest.mark.local_lake
def test_a_long_answer_does_not_wait_in_memory(lake_settings: LakeSettings) -> None:
    """Rows of 20 kB, 1.2 GB of them: in memory is what is on its way, a few vectors of DuckDB."""
    command = [sys.executable, "-c", LONG_ROWS, lake_settings.uri]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    read, grown = map(int, done.stdout.split())
    assert read > 1_200_000_000
    assert grown < 600_000_000

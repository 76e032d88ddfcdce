"""What people's SQL may not call: functions that reach beyond the lake's tables, and extensions."""

import shutil
from pathlib import Path

import duckdb
import pytest

from lake.duck import connection, extension_path, quoted
from lake.errors import QueryRefused
from lake.functions import is_refused
from lake.query import Warehouse
from lake.settings import LakeSettings
from lake.storage import storage, wait_ready
from tests.lake.test_query import is_empty


@pytest.fixture
def lake_settings(lake_settings: LakeSettings) -> LakeSettings:
    """A lake that a sink was started on: its folder or bucket is there."""
    wait_ready(lake_settings)
    return lake_settings


def test_no_extension_can_be_loaded_behind_the_closed_door(
    lake_settings: LakeSettings, tmp_path: Path
) -> None:
    """DuckDB takes unsigned ones of our own installation, and none once it is closed around the lake."""
    file = tmp_path / "other.duckdb_extension"
    shutil.copy(extension_path("httpfs"), file)
    with Warehouse(lake_settings) as warehouse, pytest.raises(duckdb.PermissionException, match="disabled"):
        warehouse._connection.execute(f"load {quoted(str(file))}")  # past the first gate


CALLING = [
    "select write_blob('{lake}/x', 'x'::blob)",
    "select \"write_blob\"/**/('/tmp/x', 'x'::blob)",
    "with x as (select 1) select system.main.write_blob('{lake}/x', 'x'::blob) from x",
    "select list_transform(['{lake}/x'], lambda f: write_blob(f, 'x'::blob))",
    "select f.write_blob('x'::blob) from (select '{lake}/x' as f) as t",
    "select Write_Blob('{lake}/x', 'x'::blob)",
    "explain analyze select write_blob('{lake}/x', 'x'::blob)",
    "from copy_dir('{lake}', '/tmp/copied')",
    "from query('select write' || '_blob(''{lake}/x'', ''x''::blob)')",
    "from json_execute_serialized_sql(json_serialize_sql('select 1'))",
    "from enable_logging(storage = 'file', storage_config = {{'path': '{lake}'}})",
    "describe from delta_scan('/tmp')",
    "from delta_list_files('/tmp')",
    "from delta_set_transaction_version('a', 'b', 1)",
    "from seq_scan(1)",
]


@pytest.mark.parametrize("sql", CALLING)
def test_functions_that_reach_beyond_the_tables_are_refused(lake_settings: LakeSettings, sql: str) -> None:
    """However they are named; nothing is written, in the lake or beside it."""
    store = storage(lake_settings)
    with Warehouse(lake_settings) as warehouse, pytest.raises(QueryRefused, match="is not for questions"):
        warehouse.query(sql.format(lake=store.locations.root))
    assert is_empty(store)


def test_no_function_of_an_extension_is_left_out(lake_settings: LakeSettings) -> None:
    """Whatever a later version of one brings has to be looked at."""
    names = "select distinct function_name from duckdb_functions()"
    with duckdb.connect() as plain, connection(lake_settings) as extended:
        brought = {name for (name,) in extended.execute(names).fetchall()}
        brought -= {name for (name,) in plain.execute(names).fetchall()}
    assert brought
    assert [name for name in sorted(brought) if not is_refused(name)] == []

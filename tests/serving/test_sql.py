"""SQL over the network: it answers, and whatever is tried ends in a clear refusal while others are
answered."""

import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import duckdb
import psutil
import pytest

from fleetlake.settings import Settings
from lake.errors import QueryFailed, QueryRefused
from lake.functions import OF_THE_INSIDE
from lake.query import Warehouse
from tests.serving.scene import PROMPT, Api, api
from transforms.live import signals_live

QUICK = PROMPT.model_copy(
    update={"sql_seconds": 30.0, "sql_memory_mib": 256, "sql_rows": 1000, "sql_at_once": 2}
)


@pytest.fixture(scope="module")
def asked(fleet_settings: Settings) -> Iterator[Api]:
    """The API with little room for SQL."""
    with api(fleet_settings.model_copy(update={"serving": QUICK})) as client:
        yield client


@pytest.fixture(scope="module")
def warehouse(fleet_settings: Settings) -> Iterator[Warehouse]:
    """As the process of a question has it."""
    with Warehouse(fleet_settings.lake, signals_live, tables_only=True) as opened:
        yield opened


def test_a_question_is_answered(asked: Api) -> None:
    """With the live tail; as JSON, CSV or Arrow."""
    sql = (
        "select vehicle_id, max(value) as top from silver.signals_live "
        "where signal = 'speed' group by all order by all"
    )
    answer = asked.post("/sql", json={"sql": sql})
    assert answer.status_code == 200, answer.text
    assert answer.json()["rows"][0] == {"vehicle_id": "N1", "top": 200.0}
    text = asked.post("/sql", json={"sql": "select 1 as a, 1 as a, null"}, headers={"accept": "text/csv"})
    assert text.text.splitlines() == ["a,a_2,NULL", "1,1,"]


def test_values_that_json_does_not_have_are_told_as_text(asked: Api) -> None:
    """Bytes, intervals, infinite times, numbers beyond a double's."""
    sql = """select '\\xFF'::blob as b, interval 1 month as i, 'infinity'::timestamp as t, 'nan'::double as n,
        170141183460469231731687303715884105727::hugeint as h, 1.10::decimal(4, 2) as d, map {'k': 1} as m"""
    answer = asked.post("/sql", json={"sql": sql})
    assert answer.status_code == 200, answer.text
    (row,) = answer.json()["rows"]
    assert row["b"] == "base64:/w=="
    assert (row["n"], row["d"]) == (None, 1.1)


ESCAPES = [
    "from read_csv('/etc/passwd')",
    "from read_text('/etc/passwd')",
    "from read_blob('/etc/passwd')",
    "from read_parquet('/etc/passwd')",
    "from read_json('/proc/self/environ')",
    "from '/etc/passwd'",
    "from glob('/*')",
    "from glob('{lake}/*')",
    "from sniff_csv('/etc/passwd')",
    "attach '/etc/passwd' as other",
    "attach 'http://127.0.0.1:1/x.db' as other",
    "copy (select 1) to '/tmp/stolen.csv'",
    "copy bronze.events from '/etc/passwd'",
    "install httpfs from 'http://127.0.0.1:1'",
    "load httpfs",
    "set enable_external_access = true",
    "set global allowed_directories = ['/']",
    "reset lock_configuration",
    "pragma database_list",
    "call pragma_version()",
    "from read_csv('https://127.0.0.1:1/x.csv')",
    "from read_parquet('s3://other/x.parquet')",
    "from delta_scan('/etc')",
    "from delta_scan('{lake}/../other')",
    "select getenv('HOME')",
    "select current_setting('temp_directory')",
    "from duckdb_settings()",
    "from duckdb_secrets()",
    "from duckdb_views()",
    "from duckdb_views",
    "summarize information_schema.views",
    "from (summarize duckdb_views)",
    "with views_now as (from duckdb_views()) from views_now",
    "select (select max(sql) from duckdb_views())",
    "select sql from sqlite_master",
    "select view_definition from information_schema.views",
    "select pg_get_viewdef(oid) from (values (1)) t(oid)",
    "from pg_settings",
    "from pg_catalog.pg_settings",
    "from system.main.duckdb_views",
    "explain analyze select count(*) from bronze.events",
    "explain (analyze, format json) select count(*) from bronze.events",
    "from read_json('{lake}/bronze/events/_delta_log/*.json')",
    "from '{lake}/bronze/events/_delta_log/00000000000000000000.json'",
    "from read_parquet('{lake}/bronze/events/**/*.parquet', filename = true)",
    "from parquet_metadata('{lake}/bronze/events/**/*.parquet')",
    "select json_serialize_plan('select current_setting(''allowed_directories'')', optimize := true)",
    "with duckdb_views as (from duckdb_views) from duckdb_views",
    "with a as (from duckdb_views), duckdb_views as (select 1) from a",
    "with recursive pg_settings as (from pg_settings union all select * from pg_settings) from pg_settings",
    "select (with pg_settings as (select 1 as a) select max(a) from pg_settings) from pg_settings",
    "select 1 where exists (from pg_settings)",
    "show databases",
    "from query('from duckdb_settings()')",
    "from query_table('duckdb_settings')",
    "select json_execute_serialized_sql(json_serialize_sql('select 1'))",
    "select * from arrow_scan(1, 2, 3)",
    "create table t as select 1",
    "drop view bronze.events",
    "insert into bronze.events select * from bronze.events",
    "select 1; select 2",
    "with x as (select 1) delete from bronze.events",
    "export database '{lake}/x'",
    "explain analyze copy (select 1) to '{lake}/stolen.csv'",
    "prepare p as select 1",
    "import database '/etc'",
    "create secret s (type s3, key_id 'x', secret 'y')",
    "create macro m(x) as x",
    "vacuum",
    "checkpoint",
    "use memory",
    "begin transaction",
    "select",
    ";",
    "--",
    "\x00",
]

BOMBS = [
    "select repeat('x', 2000000000)",
    "select repeat('x', 1000000000) || i from range(1000) t(i)",
    "with recursive t as (select 1 as n union all select n + 1 from t) select count(*) from t",
    "with recursive t as (select 'x' as n union all select n || n from t) select n from t",
    "select count(*) from range(100000) a, range(100000) b, range(100000) c",
    "from generate_series(1, 10000000000)",
    "select list(i) from range(10000000000) t(i)",
    "select string_agg(i::varchar, ',') from range(1000000000) t(i)",
    "select i from range(1000000000) t(i) order by hash(i)",
    "select * from range(2000)",
    "select " + " + ".join(["1"] * 5000),
    "select range(100000000), range(100000000), range(100000000)",
    "select lpad('', 2000000000, 'x')",
    "select array_agg(repeat('y', 1000000)) from range(1000000)",
]


@pytest.mark.parametrize("sql", ESCAPES)
def test_an_attempt_to_get_out_is_no_question(
    warehouse: Warehouse, fleet_settings: Settings, sql: str
) -> None:
    """What the process of a question is made of refuses it."""
    with pytest.raises((QueryRefused, QueryFailed)):
        warehouse.query(sql.format(lake=fleet_settings.lake.uri)).table()


QUESTIONS = [
    "with a as (select source from bronze.events), b as (from a) from b join a using (source) limit 1",
    "with recursive t as (select 1 as n union all select n + 1 from t where n < 5) select max(n) from t",
    "select (with b as (select 1 as x) select max(x) from b), unnest([1, 2]) from range(2)",
    'with "odd name.json" as (select 1 as x) from "odd name.json"',
    "from (values (1), (2)) as t(x) where exists (from silver.signals)",
    "from Bronze.events as e, unnest(e.signals) as s limit 1",
    "describe gold.trips",
    "from (summarize silver.signals_live)",
    "explain select * from bronze.events",
    "pivot (select source, 1 as n from bronze.events) on source in ('car') using sum(n)",
    "select 1 union all (with c as (select 2) from c)",
]


@pytest.mark.parametrize("sql", QUESTIONS)
def test_a_question_of_tables_and_of_its_own_names_is_one(
    warehouse: Warehouse, fleet_settings: Settings, sql: str
) -> None:
    """Whatever form it has; nothing in the answer says where the lake lies."""
    assert fleet_settings.lake.uri not in str(warehouse.query(sql).table().to_pylist())


def test_macros_that_ask_of_the_inside_are_refused() -> None:
    """All that this DuckDB has, so that a later one's have to be looked at."""
    sql = "select function_name, macro_definition from duckdb_functions() where function_type = 'macro'"
    with duckdb.connect() as plain:
        asking = {
            name for name, said in plain.execute(sql).fetchall() if re.search(r"\bselect\b", said.lower())
        }
    assert "pg_get_viewdef" in asking
    assert asking <= OF_THE_INSIDE


def test_a_refusal_of_what_is_no_table_has_its_place(warehouse: Warehouse) -> None:
    """Also behind `explain`."""
    with pytest.raises(QueryFailed, match="line 2, column 6: pg_settings is not a table here"):
        warehouse.query("explain select 1 as a\nfrom pg_settings")


@pytest.mark.slow
@pytest.mark.parametrize("sql", ESCAPES)
def test_an_attempt_to_get_out_is_refused(asked: Api, fleet_settings: Settings, sql: str) -> None:
    """With a reason, and nothing of the inside."""
    lake = fleet_settings.lake.uri
    answer = asked.post("/sql", json={"sql": sql.format(lake=lake)})
    assert 400 <= answer.status_code < 500, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert "root:" not in answer.text
    assert not Path("/tmp/stolen.csv").exists()  # noqa: S108 - where the attempt would write
    if lake not in sql.format(lake=lake):
        assert lake not in answer.text


@pytest.mark.slow
@pytest.mark.parametrize("sql", BOMBS, ids=range(len(BOMBS)))
def test_a_bomb_ends_in_its_own_process(asked: Api, sql: str) -> None:
    """In the time and memory that it may have; a question beside it is answered meanwhile."""
    with ThreadPoolExecutor(1) as pool:
        began = time.monotonic()
        bomb = pool.submit(asked.post, "/sql", json={"sql": sql})
        beside = asked.get("/vehicles/N1/state")
        assert beside.status_code == 200
        assert beside.elapsed.total_seconds() < 2.0
        answer = bomb.result()
    assert answer.status_code in (400, 408), answer.text
    assert time.monotonic() - began < QUICK.sql_seconds + 5


def test_two_bombs_of_each_kind_end_in_their_own_processes(asked: Api) -> None:
    """One of memory and one of time; nobody is left behind."""
    for sql, status in ((BOMBS[0], 400), (BOMBS[9], 400)):
        answer = asked.post("/sql", json={"sql": sql})
        assert answer.status_code == status, answer.text
        assert answer.json()["detail"]
    left = [
        each for each in psutil.Process().children(recursive=True) if "lake.query_child" in each.cmdline()
    ]
    assert left == []


def test_an_answer_that_grows_by_its_form_is_bound(fleet_settings: Settings) -> None:
    """It is written by the process of the question: names that each row says again, and values that are one
    byte each until they are text, are none of the memory of the API."""
    named = "select 1 as nnn from range(1000) a, range(90) b".replace("nnn", "n" * 19_000)
    wide = "select eee from (select 'xxx'::enum('xxx') as e from range(1000))"
    wide = wide.replace("eee", ", ".join("e" * 800)).replace("xxx", "x" * 5000)
    few = QUICK.model_copy(update={"sql_rows": 100_000, "sql_answer_mib": 8})
    before = psutil.Process().memory_info().rss
    with api(fleet_settings.model_copy(update={"serving": few})) as client:
        for sql in (named, wide):
            answer = client.post("/sql", json={"sql": sql})
            assert answer.status_code == 400, answer.text[:300]
    assert psutil.Process().memory_info().rss - before < 100 * 2**20


def test_a_question_that_takes_too_long_is_ended(fleet_settings: Settings) -> None:
    """By its deadline."""
    hasty = QUICK.model_copy(update={"sql_seconds": 3.0})
    with api(fleet_settings.model_copy(update={"serving": hasty})) as client:
        answer = client.post("/sql", json={"sql": BOMBS[4]})
    assert (answer.status_code, answer.json()["type"]) == (408, "urn:fleetlake:problem:timeout")


def test_an_error_of_the_question_names_its_place(asked: Api) -> None:
    """And the tables that there are, without saying where."""
    answer = asked.post("/sql", json={"sql": "select 1\nfrom nope"})
    assert answer.status_code == 400
    assert (answer.json()["line"], answer.json()["column"]) == (2, 6)
    assert "gold.trips" in answer.json()["detail"]


def test_sql_is_off_unless_enabled(fleet_settings: Settings) -> None:
    """The document says that there is such a route."""
    off = PROMPT.model_copy(update={"sql_enabled": False})
    with api(fleet_settings.model_copy(update={"serving": off})) as client:
        assert client.post("/sql", json={"sql": "select 1"}).status_code == 403


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[]",
        b'{"sql": 1}',
        b'{"sql": ""}',
        b'{"sql": "select 1", "x": 1}',
        b'{"sql": "\\ud800"}',
        b"[" * 100_000,
    ],
)
def test_a_body_that_is_no_question_is_refused(asked: Api, body: bytes) -> None:
    """By name, where a field is wrong."""
    answer = asked.post("/sql", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 400


def test_what_is_no_json_is_told_so(asked: Api) -> None:
    """By its type, and by the place where it ends to be any."""
    for kind in ("text/plain", "application/x-www-form-urlencoded", "application/jsonl", None):
        headers = {} if kind is None else {"content-type": kind}
        answer = asked.post("/sql", content=b'{"sql": "select 1"}', headers=headers)
        assert (answer.status_code, kind) == (415, kind)
    broken = asked.post("/sql", content=b"{", headers={"content-type": "application/json; charset=utf-8"})
    assert broken.status_code == 400
    assert broken.json()["detail"] == "the body cannot be taken as it is"
    (error,) = broken.json()["errors"]
    assert (error["in"], error["name"]) == ("body", "")
    assert "no JSON" in error["problem"]
    assert "character 1" in error["problem"]


def test_a_question_is_not_asked_by_get(asked: Api) -> None:
    """Which would put it into logs and histories."""
    answer = asked.get("/sql")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")

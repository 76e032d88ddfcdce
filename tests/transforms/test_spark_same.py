"""What DuckDB and Spark make of the same SQL is the same: each expression on values that tell them apart,
what must fail in both, and every example of every model."""

import gc
import math
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date
from itertools import zip_longest
from typing import Any

import pyarrow as pa
import pytest

from lake.errors import QueryFailed
from lake.settings import LakeSettings
from tests.transforms.spark_lake import on_spark, runs_spark
from transforms.engines import Engine, engine
from transforms.examples import run_example
from transforms.load import SOURCES, load_models
from transforms.model import Example, Model
from transforms.rows import table_of
from transforms.settings import TransformSettings

pytestmark = runs_spark

MODELS = load_models()
TABLES = {**SOURCES, **{model.name: model.columns for model in MODELS.values()}}
EXAMPLES = [
    pytest.param(model, example, id=f"{model.name}: {example.name}")
    for model in MODELS.values()
    for example in model.about.examples
]

COLUMNS = pa.schema(
    {
        "k": pa.int64(),
        "i": pa.int32(),
        "j": pa.int32(),
        "n": pa.int64(),
        "d": pa.float64(),
        "e": pa.float64(),
        "s": pa.string(),
        "ts": pa.timestamp("us", "UTC"),
        "b": pa.bool_(),
        "zone": pa.string(),
        "day": pa.date32(),
    }
)
INFINITY, NO_NUMBER = math.inf, math.nan


ROWS: list[list[Any]] = [
    [1, 7, 2, 2**53 + 1, 2.5, 0.0, "a", "2026-01-01T00:00:00.123456", True, "Europe/Berlin"],
    [2, -7, 2, -5, -2.5, -0.0, "B", "1969-12-31T23:59:59.999999", False, "America/New_York"],
    [3, 7, 0, 0, 3.5, 2.0, "", "2026-03-29T01:30:00", None, "Asia/Kolkata"],
    [4, None, None, None, None, None, None, None, None, None],
    [5, 0, -3, 12, NO_NUMBER, 1.0, "ä", "2026-07-05T12:34:56.789", True, "UTC"],
    [6, 8, 3, 1, INFINITY, 0.0, "zz", "1995-02-28T23:00:00.000001", False, "Europe/London"],
    [7, 9, -2, 2, -0.0, 0.0, "a", "2026-10-25T00:30:00", True, "Africa/Casablanca"],
    [8, 1, 1, 3, 1e16, 3.0, "10", "2030-01-07T00:00:00.999999", True, "Pacific/Auckland"],
    [9, 2, 5, 4, 1e-5, 7.0, "x y", "2026-01-05T00:00:00", False, "Europe/London"],
    [10, 2, 5, 5, 123456789.125, -1.0, "9", "2026-01-04T23:59:59.5", False, "Europe/London"],
]
"""All but `day`, which is that of the time."""

SELECTS = [
    "k, i / j, d / e, n / 3, i / 0.5, 1 / d, i / 0, 10 / 4.0",
    "k, i // j, n // j, i % j, n % 4",
    "k, round(d), round(d, 2), d * e, -d, abs(i), 0.1 + 0.2 = 0.3",
    "k, cast(2.5 as int), cast(3.5 as int), cast(i as double)",
    "k, cast(n as varchar), cast(b as varchar), cast(day as varchar)",
    "k, cast(d as varchar), concat_ws('|', s, n, d, b, day), sha256(concat_ws(chr(31), s, epoch_us(ts), d))",
    "k, try_cast(d as int), try_cast(n as smallint)",
    "k, epoch(ts), epoch_us(ts), epoch(ts) - epoch(ts - interval '3 seconds')",
    "k, date_trunc('hour', ts), date_trunc('week', ts), date_trunc('month', day), date_trunc('quarter', ts)",
    "k, time_bucket(interval '10 seconds', ts), time_bucket(interval '7 minutes', ts)",
    "k, time_bucket(interval '1 day', ts), time_bucket(interval '100 hours', ts)",
    "k, ts at time zone zone, cast(ts at time zone zone as date), extract(hour from ts at time zone zone)",
    "k, extract(year from ts), month(ts), day(day), hour(ts), minute(ts)",
    "k, isodow(ts), isodow(day), extract(quarter from ts)",
    "k, ts - to_seconds(e * 0.0000005), ts + interval '36 hours'",
    "k, ts - interval '1 month', ts + interval '1 day'",
    "k, day - 1, day - date '2026-01-01', cast(day as timestamptz), cast(ts as date), ts at time zone 'UTC'",
    "k, d > e, d = 'nan', d < 1, d = d, e = 0, s < 'a', s = '', not b",
    "k, ts > '2026-01-01', day >= '2026-01-01', s is distinct from 'a', b is not distinct from (i > 2)",
    "k, d between e and 5, i in (7, null), i not in (1, 2)",
    "k, greatest(d, e), least(d, e), greatest(i, j, 1), least(n, i), greatest(ts, cast(day as timestamptz))",
    "k, coalesce(d, 'infinity'), nullif(e, 0), nullif(d, 'nan'), coalesce(s, 'none')",
    "k, b and (i > 1), b or (j > 1)",
    "k, case when d > 1 then 'x' when d < 0 then 'y' end, case s when 'a' then 1 when 'B' then 2 else 3 end",
    "k, s || '-' || k, left(s, 1), pow(e, 2), radians(e), sin(e), cos(e), asin(e / 10), sqrt(e * e)",
    "k, {'a': i, 's': s} as x, {'a': i, 's': s}.s as y",
]
"""What is selected of the table, a query each: a session takes as long for one column as for ten."""

QUERIES = [
    "select k, cast(d as bigint) from silver.t where abs(d) < 100",
    "select b, arg_max(s, n), arg_min(s, n), arg_max(s, d) filter (where i > 0), count(*) filter (where b) "
    "from silver.t group by b",
    "select b, count(distinct s), sum(i), sum(d) filter (where abs(d) < 1000), min(d), max(d), bool_or(b), "
    "bool_and(b), avg(n), favg(e), any_value(s) is null from silver.t group by b",
    "select b, quantile_cont(e, 0.5), quantile_cont(e, 0.99), quantile_disc(e, 0.25), quantile_disc(e, 0.5), "
    "quantile_cont(d, 0.5) filter (where abs(d) < 100) from silver.t group by b",
    "with r as (select b, {'d': d, 's': s} as x from silver.t) "
    "select b, max(x).d as md, max(x).s as ms, min(x).s as ns, max(x) as m from r group by b",
    "select k, row_number() over (order by d, k), row_number() over (order by d desc, k), "
    "row_number() over (partition by b order by s, k), lag(i) over w, lead(i, 2, -1) over w - i, "
    "last_value(i ignore nulls) over w, first_value(i ignore nulls) over w, "
    "count(*) filter (where i > 2) over w, sum(i) filter (where b) over w, "
    "arg_max(s, n) filter (where i > 0) over w, "
    "max(ts) over (partition by b order by k rows between 1 following and unbounded following) "
    "from silver.t window w as (order by k)",
    "select k, sum(i) over (order by ts range between interval '2 hours' preceding and current row), "
    "count(*) over (order by k rows between unbounded preceding and 1 preceding) from silver.t",
    "select s, b, count(*) as c from silver.t group by all",
    "select d, count(*) from silver.t group by d",
    "select e, row_number() over (partition by e order by k) from silver.t",
    "select * exclude (zone) replace (i + 1 as i) from silver.t",
    "select k, s from silver.t union all by name select s, i from silver.t",
    "select k from silver.t where k in (select n from silver.t) or b",
    "select k from silver.t where not (k in (select n from silver.t)) and k > 0",
    "select k from silver.t where k not in (select n from silver.t where n is not null)",
    "select k, s from silver.t as t where not exists (select 1 from silver.t as o "
    "where o.s is not distinct from t.s and o.k < t.k and o.day in (select unnest($days::date[])))",
    "select k from silver.t where day in (select unnest($none::date[]))",
    "select k from silver.t order by d desc, s limit 3",
    "select k from silver.t order by d, k limit 9",
    "select t.k, o.k as other from silver.t as t left join silver.t as o on o.i = t.j and o.d < t.d",
    "select t.k, o.k as other from silver.t as t full outer join silver.t as o on o.i = t.j",
    "select k, $unknown is null or (k > 2) = $unknown, (k > 2) = $known from silver.t",
    "select item from (select unnest(xs) as item from silver.lists)",
    "select k, a, b from (select k, unnest(items, max_depth := 2) from silver.lists)",
]

FAILING = [
    "sqrt(d - 10)",
    "asin(e)",
    "sin(d)",
    "cast(d as int)",
    "cast(n as int)",
    "n * n * n",
    "i * 1000000000",
    "ts at time zone 'Nowhere/X'",
]
"""An error in DuckDB is one in Spark, and no null or wrong number."""

ITEM = pa.struct({"a": pa.int64(), "b": pa.string()})
LISTS = pa.schema({"k": pa.int64(), "xs": pa.list_(pa.int64()), "items": pa.list_(ITEM)})
IN_LISTS = [
    [1, [1, None, 2], [{"a": 1, "b": "x"}, None]],
    [2, [], []],
    [3, None, None],
    [4, [3], [{"a": None, "b": "y"}]],
]
PARAMETERS = {"days": [date(2026, 1, 1), date(2026, 1, 5)], "none": [], "unknown": None, "known": True}


@dataclass(frozen=True)
class Both:
    """The two engines, which hold the same tables."""

    duck: Engine
    spark: Engine

    def hold(self, table: str, rows: pa.Table) -> None:
        self.duck.hold(table, rows)
        self.spark.hold(table, rows)

    def tables(self, sql: str, parameters: dict[str, Any] | None = None) -> tuple[pa.Table, pa.Table]:
        """What each gives."""
        return self.duck.select(sql, parameters), self.spark.select(sql, parameters)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    lake = LakeSettings(uri=str(tmp_path_factory.mktemp("lake")))
    with ExitStack() as opened:
        opened.callback(gc.collect)  # of sockets, while their warnings are those of a test
        made = Both(opened.enter_context(engine(lake)), opened.enter_context(engine(on_spark(lake))))
        made.hold("silver.t", table_of([COLUMNS.names, *map(_with_day, ROWS)], COLUMNS))
        made.hold("silver.lists", table_of([LISTS.names, *IN_LISTS], LISTS))
        yield made


@pytest.mark.parametrize("sql", [*(f"select {each} from silver.t" for each in SELECTS), *QUERIES])  # noqa: S608 - the test's own
def test_a_query_gives_the_same(sql: str, both: Both) -> None:
    """On values that tell the engines apart: 0 below a line, no number, what is before 1970, null."""
    parameters = {name: value for name, value in PARAMETERS.items() if f"${name}" in sql}
    assert _differences(*both.tables(sql, parameters)) == []


@pytest.mark.parametrize("expression", FAILING)
def test_what_is_an_error_is_one_on_both(expression: str, both: Both) -> None:
    """Of some rows of the table."""
    for each in (both.duck, both.spark):
        with pytest.raises(QueryFailed):
            each.select(f"select {expression} as x from silver.t")  # noqa: S608 - the test's own


@pytest.mark.parametrize(("model", "example"), EXAMPLES)
def test_the_example_holds_on_spark_and_gives_the_rows_of_duckdb(
    model: Model, example: Example, both: Both
) -> None:
    """All columns, not only those that the example names."""
    settings = TransformSettings().parameters()
    for table in model.reads - example.given.keys():
        both.hold(table, TABLES[table].empty_table())
    for table, rows in example.given.items():
        both.hold(table, table_of(rows, TABLES[table]))
    given = {**settings, **example.parameters}
    by_duck, by_spark = both.tables(model.sql, {name: given.get(name) for name in model.parameters})
    assert by_duck.schema.names == by_spark.schema.names
    assert _differences(by_duck, by_spark) == []
    if example.steps:
        assert run_example(model, example, TABLES, both.spark, settings) == []


def _with_day(row: list[Any]) -> list[Any]:
    time = row[COLUMNS.names.index("ts")]
    return [*row, time and time[:10]]


def _differences(one: pa.Table, other: pa.Table) -> list[Any]:
    """Pairs of rows that are not the same, in order of what is exact of them."""
    rows = [zip(*(column.to_pylist() for column in each.columns), strict=True) for each in (one, other)]
    pairs = zip_longest(*(sorted(each, key=_place) for each in rows))
    return [pair for pair in pairs if not _same(*pair)]


def _place(row: tuple[Any, ...]) -> str:
    """Numbers to six digits: the last ones may differ, and 0 is 0 with either sign."""
    return repr([f"{value + 0.0:.6g}" if isinstance(value, float) else value for value in row])


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, tuple | list) and isinstance(other, tuple | list):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[name], other[name]) for name in one)
    if isinstance(one, float) and isinstance(other, float):
        return (math.isnan(one) and math.isnan(other)) or math.isclose(
            one, other, rel_tol=1e-9, abs_tol=1e-12
        )
    return bool(one == other)

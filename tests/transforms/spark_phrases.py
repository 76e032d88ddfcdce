"""DuckDB's SQL, and the same in Spark's words, or why it has none there."""

import pyarrow as pa

COLUMNS = pa.schema(
    {
        "k": pa.int64(),
        "i": pa.int32(),
        "n": pa.int64(),
        "d": pa.float64(),
        "f": pa.float32(),
        "s": pa.string(),
        "ts": pa.timestamp("us", "UTC"),
        "day": pa.date32(),
        "b": pa.bool_(),
        "zone": pa.string(),
        "xs": pa.list_(pa.int64()),
        "items": pa.list_(pa.struct({"a": pa.int64(), "b": pa.string()})),
    }
)
STRUCT = "STRUCT(n AS a, s AS b)"
EXPRESSIONS = {
    "d / d": "COALESCE(TRY_DIVIDE(d, d), (d * POWER(d, -1D)))",
    "n / 3": "CAST(n AS DOUBLE) / CAST(3 AS DOUBLE)",
    "d / nullif(n, 0)": "d / CAST(NULLIF(n, 0) AS DOUBLE)",
    "i // 3": "CAST(i DIV 3 AS INT)",
    "n // i": "n DIV NULLIF(i, 0)",
    "n % i": "n % NULLIF(i, 0)",
    "round(d)": "ROUND(d)",
    "round(d, 2)": "ROUND((d * 100D)) / 100D",
    "round(n)": "(n)",
    "-d": "-d",
    "n * 2": "n * 2",
    "abs(d)": "ABS(d)",
    "radians(d)": "RADIANS(d)",
    "sqrt(d)": "CASE WHEN d < 0 THEN RAISE_ERROR('square root of a negative number') ELSE SQRT(d) END",
    "asin(d)": "CASE WHEN NOT ISNAN(d) AND ABS(d) > 1 THEN RAISE_ERROR('arc sine beyond 1') ELSE ASIN(d) END",
    "sin(d)": (
        "CASE WHEN ABS(d) = CAST('infinity' AS DOUBLE) THEN RAISE_ERROR('sin of infinity') ELSE SIN(d) END"
    ),
    "cos(d)": (
        "CASE WHEN ABS(d) = CAST('infinity' AS DOUBLE) THEN RAISE_ERROR('cos of infinity') ELSE COS(d) END"
    ),
    "pow(d, 2)": "POWER(d, CAST(2 AS DOUBLE))",
    "n + 1": "n + 1",
    "day - 1": "day - 1",
    "day - day": "CAST(DATEDIFF(day, day) AS BIGINT)",
    "ts - interval '10 seconds'": "ts - INTERVAL '10' SECONDS",
    "ts - to_seconds($s)": "TIMESTAMP_MICROS(UNIX_MICROS(ts) - CAST(RINT((:s * 1000000D)) AS BIGINT))",
    "epoch(ts)": (
        "((CAST(UNIX_MILLIS(ts) AS DOUBLE) / 1000D) "
        "+ (CAST(PMOD(UNIX_MICROS(ts), 1000L) AS DOUBLE) / 1000000D))"
    ),
    "epoch_us(ts)": "UNIX_MICROS(ts)",
    "date_trunc('hour', ts)": "DATE_TRUNC('HOUR', ts)",
    "date_trunc('month', day)": "CAST(DATE_TRUNC('MONTH', day) AS TIMESTAMP_NTZ)",
    "time_bucket(interval '10 seconds', ts)": (
        "TIMESTAMP_MICROS(UNIX_MICROS(ts) - PMOD((UNIX_MICROS(ts) - 946857600000000L), 10000000L))"
    ),
    "ts at time zone 'UTC'": "CAST(ts AS TIMESTAMP_NTZ)",
    "ts at time zone zone": "CONVERT_TIMEZONE('UTC', zone, CAST(ts AS TIMESTAMP_NTZ))",
    "extract(hour from ts)": "CAST(HOUR(ts) AS BIGINT)",
    "hour(ts)": "CAST(HOUR(ts) AS BIGINT)",
    "minute(ts)": "CAST(MINUTE(ts) AS BIGINT)",
    "day(ts)": "CAST(DAY(ts) AS BIGINT)",
    "month(ts)": "CAST(MONTH(ts) AS BIGINT)",
    "year(ts)": "CAST(YEAR(ts) AS BIGINT)",
    "isodow(ts)": "CAST(WEEKDAY(ts) + 1 AS BIGINT)",
    "d = 'nan'": "d = CAST('nan' AS DOUBLE)",
    "day >= '2026-01-01'": "day >= CAST('2026-01-01' AS DATE)",
    "s is distinct from 'a'": "NOT (s IS NOT DISTINCT FROM 'a')",
    "s is not distinct from 'a'": "s IS NOT DISTINCT FROM 'a'",
    "s <> 'a'": "s <> 'a'",
    "d < 1": "d < 1",
    "d <= 1": "d <= 1",
    "d > 1": "d > 1",
    "d between 1 and 2": "d BETWEEN 1 AND 2",
    "coalesce(d, 'infinity')": "COALESCE(d, CAST('infinity' AS DOUBLE))",
    "nullif(d, 0)": "NULLIF(d, 0)",
    "greatest(d, 1)": "GREATEST(d, 1)",
    "least(d, 1)": "LEAST(d, 1)",
    "n in (1, 2)": "n IN (1, 2)",
    "case s when 'a' then 1 end": "CASE s WHEN 'a' THEN 1 END",
    "if(b, 1, 2)": "IF(b, 1, 2)",
    "cast(d as bigint)": "CAST(RINT(d) AS BIGINT)",
    "cast(0.5 as int)": "CAST(ROUND(0.5) AS INT)",
    "try_cast(d as int)": "TRY_CAST(RINT(d) AS INT)",
    "cast(d as varchar)": "FLEETLAKE_TEXT_OF_NUMBER(d)",
    "cast(n as double)": "CAST(n AS DOUBLE)",
    "cast(ts as date)": "CAST(ts AS DATE)",
    "cast('2026-01-01' as timestamptz)": "CAST('2026-01-01' AS TIMESTAMP)",
    "concat_ws('|', s, n, d)": "CONCAT_WS('|', s, CAST(n AS STRING), FLEETLAKE_TEXT_OF_NUMBER(d))",
    "s || 'a'": "CONCAT(s, 'a')",
    "left(s, 2)": "LEFT(s, 2)",
    "sha256(s)": "SHA2(s, 256)",
    "chr(31)": "CHR(31)",
    "count(*)": "COUNT(*)",
    "count(distinct n)": "COUNT(DISTINCT n)",
    "max(d)": "MAX(d)",
    "min(n)": "MIN(n)",
    "max({'a': n, 'b': s})": (
        f"MAX_BY({STRUCT}, CASE WHEN NOT ({STRUCT} IS NULL) THEN STRUCT(({STRUCT}).a IS NULL, ({STRUCT}).a, "
        f"({STRUCT}).b IS NULL, ({STRUCT}).b) END)"
    ),
    "arg_max(s, n)": "MAX_BY(s, n) FILTER(WHERE NOT (s IS NULL))",
    "arg_min(s, n) filter (where b)": "MIN_BY(s, n) FILTER(WHERE (b) AND NOT (s IS NULL))",
    "avg(d)": "AVG(d)",
    "favg(n)": "AVG(CAST(n AS DOUBLE))",
    "sum(n)": "SUM(n)",
    "quantile_cont(d, 0.5)": "PERCENTILE_CONT(0.5) WITHIN GROUP (ORDER BY d)",
    "quantile_disc(d, 0.5)": "PERCENTILE_DISC(0.5) WITHIN GROUP (ORDER BY d)",
    "any_value(s)": "ANY_VALUE(s, TRUE) IGNORE NULLS",
    "row_number() over (order by n)": "CAST(ROW_NUMBER() OVER (ORDER BY n NULLS LAST) AS BIGINT)",
    "count(*) filter (where b) over (order by n)": (
        "COUNT(CASE WHEN b THEN 1 END) OVER (ORDER BY n NULLS LAST)"
    ),
    "arg_max(s, n) over (order by k)": (
        "MAX_BY(CASE WHEN NOT (s IS NULL) THEN s END, CASE WHEN NOT (s IS NULL) THEN n END) "
        "OVER (ORDER BY k NULLS LAST)"
    ),
    "lag(n) over (order by k) - n": "(LAG(n) OVER (ORDER BY k NULLS LAST)) - n",
    "last_value(d ignore nulls) over (order by n desc)": "LAST_VALUE(d) IGNORE NULLS OVER (ORDER BY n DESC)",
    "$p": ":p",
}
"""What is selected of one table, and what of it in Spark, without the table's name and quotes."""
STATEMENTS = {
    "select distinct k from t": "SELECT DISTINCT t.k AS k FROM t AS t",
    "from t as o select o.k limit 3": "SELECT o.k AS k FROM t AS o LIMIT 3",
    "select s, count(*) as c from t group by all": (
        "SELECT t.s AS s, COUNT(*) AS c FROM t AS t GROUP BY ALL"
    ),
    "with a as (select k from t) select * replace (k + 1 as k) from a": (
        "WITH a AS (SELECT t.k AS k FROM t AS t) SELECT a.k + 1 AS k FROM a AS a"
    ),
    "select k from t union all by name select n, k from t": (
        "SELECT t.k AS k, NULL AS n FROM t AS t UNION ALL SELECT t.k AS k, t.n AS n FROM t AS t"
    ),
    "select k from t where day in (select unnest($days::date[]))": (
        "SELECT t.k AS k FROM t AS t WHERE CASE WHEN COALESCE(SIZE(CAST(:days AS ARRAY<DATE>)), 0) = 0 "
        "THEN FALSE ELSE ARRAY_CONTAINS(CAST(:days AS ARRAY<DATE>), t.day) END"
    ),
    "select k from t where k not in (select n from t)": (
        "SELECT t.k AS k FROM t AS t WHERE NOT t.k IN (SELECT t.n AS n FROM t AS t)"
    ),
    "select k from t where not (k in (select n from t)) and b": (
        "SELECT t.k AS k FROM t AS t WHERE NOT (t.k IN (SELECT t.n AS n FROM t AS t)) AND t.b"
    ),
    "select a.k from t as a left join t as b on a.k = b.n": (
        "SELECT a.k AS k FROM t AS a LEFT JOIN t AS b ON a.k = b.n"
    ),
    "select t.n from t join t as o using (k)": "SELECT t.n AS n FROM t AS t JOIN t AS o ON t.k = o.k",
    "select unnest(xs) as x from t": "SELECT EXPLODE(t.xs) AS x FROM t AS t",
    "select s from a.t": "SELECT t.s AS s FROM a.t AS t",
}
REFUSED = {
    "select k from t qualify row_number() over (order by n) = 1": "qualify",
    "select d // 2 from t": "// of other than whole numbers",
    "select d % 2 from t": "% of other than whole numbers",
    "select f / 2 from t": "division of 32-bit floats",
    "select f + s from t": "+ or - of these types",
    "select round(0.25, 1)": "round",
    "select pow(d, 0.5) from t": "a power",
    "select ts - ts from t": "the difference of two times",
    "select to_seconds(3)": "to_seconds",
    "select epoch(day) from t": "epoch of other",
    "select date_trunc('decade', ts) from t": "date_trunc",
    "select time_bucket(interval '1 month', ts) from t": "time_bucket",
    "select '2026-01-01 10:00:00'::timestamp at time zone 'Europe/Berlin'": "at time zone",
    "select extract(second from ts) from t": "this part",
    "select '-infinity'::timestamptz": "the text '-infinity' as TIMESTAMPTZ",
    "select s = n from t": "a comparison of numbers with text",
    "select coalesce(d, 'none') from t": "the text 'none' as DOUBLE",
    "select {'a': n} = {'a': k} from t": "a comparison of structs",
    "select case when b then 1 else s end from t": "numbers or text",
    "select if(b, 1, s) from t": "numbers or text",
    "select n from t union all select s from t": "numbers or text",
    "select cast(s as int) from t": "a cast to INT",
    "select try_cast(s as double) from t": "a cast to DOUBLE",
    "select cast(ts as varchar) from t": "a value of this type as text",
    "select left(s, -1) from t": "left",
    "select chr(228)": "chr",
    "select max(xs) from t": "several extremes, or one of lists",
    "select max(n, 2) from t": "several extremes",
    "select avg(0.5)": "avg",
    "select quantile_cont(n, 0.5) from t": "a quantile",
    "select count(distinct (n, s)) from t": "tuple",
    "select distinct on (t.n) t.n, t.s from t": "tuple",
    "select count(distinct n) filter (where b) over () from t": "filter of this aggregate",
    "select (k, s) in (select (n, s) from t) from t": "tuple",
    "select k in (select n from t) from t": "in of a subquery whose null is asked for",
    "select k from t where not (k in (select n from t) or b)": "in of a subquery whose null is asked for",
    "select list(n) from t": "arrayagg",
    "select mode(n) from t": "mode",
    "select list_transform(xs, x -> 1) from t": "lambda",
    "select s like 'a' from t": "like",
    "select hash(s) from t": "the function hash",
    "select * from range(3)": "",
    "select * from t asof join t as o on t.ts >= o.ts": "a join",
    "select unnest(items, recursive := true) from t": "unnest",
    "select unnest(xs), unnest(xs) from t": "unnest other than once",
    "with recursive r as (select 1 as a union all select a + 1 from r) select a from r": "",
    "select z from t": "a column whose type is not known",
    "select a from other": "a column whose type is not known",
}

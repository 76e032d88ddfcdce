"""Spark as the engine of the transforms: the same tables by the same names, one SELECT over them, and what it
gives as files that executors have written. Rows pass through this process only where few are asked for.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from typing import Any, TypeVar
from uuid import uuid4

import pyarrow as pa
import sqlglot
from deltalake import DeltaTable
from sqlglot import exp

from lake.bronze import store_errors
from lake.bronze_files import Gained, files_gained
from lake.bronze_meaning import DECIDES, Meaning
from lake.duck import interruptible
from lake.engine import Days
from lake.errors import FileGone, QueryFailed, plain
from lake.new_files import NewFiles, new_files
from lake.schemas import BRONZE_EVENTS, BRONZE_PARTITION, TableSchema
from lake.silver import ROW_GROUP, BronzeRead
from lake.spark_session import Session, SparkUnavailable
from lake.storage import Storage

T = TypeVar("T")

DIALECT = "duckdb"
Translate = Callable[[str, Mapping[str, pa.Schema]], str]
"""One SELECT as DuckDB reads it, as Spark does; the tables that it may name with their columns."""

KINDS: Mapping[pa.DataType, tuple[str, frozenset[str]]] = {
    pa.string(): ("string", frozenset({"string"})),
    pa.float64(): (
        "double",
        frozenset({"double", "float", "decimal", "bigint", "int", "smallint", "tinyint"}),
    ),
    pa.int64(): ("bigint", frozenset({"bigint", "int", "smallint", "tinyint", "decimal"})),
    pa.int32(): ("int", frozenset({"bigint", "int", "smallint", "tinyint"})),
    pa.bool_(): ("boolean", frozenset({"boolean"})),
    pa.date32(): ("date", frozenset({"date"})),
    pa.timestamp("us", "UTC"): ("timestamp", frozenset({"timestamp"})),
}
"""Of a column's type: Spark's name, and what is cast to it without a loss that goes unnoticed."""

PATTERN = re.compile(r"([{}*?\\])")
"""What Spark takes for a pattern in the path of a file."""


class SparkEngine:
    """Views of one session, with names of their own. Not for several threads."""

    def __init__(self, session: Session, store: Storage, translate: Translate, address: str) -> None:
        self._session, self._store, self._translate, self._address = session, store, translate, address
        self._prefix, self._number = f"fleetlake_{uuid4().hex}", 0
        self._views: dict[str, str] = {}
        self._columns: dict[str, pa.Schema] = {}
        self._kept: dict[str, list[Any]] = {}

    def hold(self, table: str, rows: pa.Table) -> None:
        """Makes rows readable as `<layer>.<table>`, in place of what was."""
        self._run(lambda: self._view(table, self._session.createDataFrame(rows)))

    def open_version(self, table: str, version: int, days: Days | None = None) -> None:
        """Makes one version of a Delta table readable under its name, or only some days of it."""
        only = "true" if days is None else days.condition.replace('"', "`")
        self._run(lambda: self._view(table, self._version(table, version).where(only)))

    def open_added(self, before: BronzeRead, now: BronzeRead, meaning: Meaning) -> Callable[[], bool]:
        """Makes what bronze gained between two reads readable under its name, older rows among it where a
        compaction has put them in one file: silver has those. Raises QueryFailed where the log does not tell.
        """
        with store_errors(self._store):
            uri, options = self._store.table(BRONZE_EVENTS.name), self._store.options()
            bronze = DeltaTable(uri, version=now.version, storage_options=options)
        gained = files_gained(self._store, bronze, before)
        if gained is None or (gained.is_mixed and meaning.is_needed):
            problem = "the log of bronze does not tell what it gained"
            raise QueryFailed(problem)
        self._run(lambda: self._view(BRONZE_EVENTS.name, self._rows_of(gained, now.version)))
        self._run(lambda: self._as_it_is(meaning))
        return lambda: True

    def open_whole(self, version: int, meaning: Meaning) -> None:
        """Makes one version of bronze readable under its name, as its messages count."""
        self.open_version(BRONZE_EVENTS.name, version)
        self._run(lambda: self._as_it_is(meaning))

    def keep(self, name: str, sql: str, parameters: Mapping[str, Any]) -> int:
        """Runs a SELECT and keeps its rows as a table of the engine's own; how many there are."""
        for former in self._kept.pop(name, []):
            former.unpersist()
        self._forget(name)
        return self.keep_more(name, sql, parameters)

    def keep_more(self, name: str, sql: str, parameters: Mapping[str, Any]) -> int:
        """Adds the rows of another SELECT of the same columns to those kept; how many."""
        return self._run(lambda: self._added(name, sql, parameters))

    def select(self, sql: str, parameters: Mapping[str, Any] | None = None) -> pa.Table:
        """All rows of one SELECT, which are few. Raises QueryFailed where it cannot be run."""
        found: pa.Table = self._run(lambda: self._frame(sql, parameters or {}).toArrow())
        return found

    def output(self, name: str, about: TableSchema, order: Sequence[str]) -> NewFiles:
        """Writes the rows that are kept as `name` into the table's folder, where no reader sees them yet."""
        folder = f"spark-{uuid4()}"
        self._run(lambda: self._write(name, about, order, f"{self._uri(about.name)}/{folder}"))
        return new_files(self._store, about, folder)

    def interrupt(self) -> None:
        """Ends what runs."""
        if self._address.startswith("sc://"):
            self._session.interruptAll()
        else:
            self._session.sparkContext.cancelAllJobs()

    def close(self) -> None:
        """Forgets what was kept and opened; the session goes on."""
        for rows in (each for kept in self._kept.values() for each in kept):
            rows.unpersist()
        for name in [*self._views]:
            self._forget(name)

    def _added(self, name: str, sql: str, parameters: Mapping[str, Any]) -> int:
        rows = self._frame(sql, parameters).persist()
        count = int(rows.count())
        kept = self._kept.setdefault(name, [])
        kept.append(rows)
        self._view(name, reduce(lambda one, other: one.unionByName(other), kept))
        return count

    def _write(self, name: str, about: TableSchema, order: Sequence[str], target: str) -> None:
        from pyspark.sql import functions

        rows = self._session.table(self._views[name])
        columns = [
            functions.col(f"`{field.name}`").cast(_kind(field, rows)).alias(field.name)
            for field in about.columns
        ]
        placed = [functions.col(f"`{column}`") for column in order]
        rows = rows.select(*columns)
        if placed:
            rows = rows.repartitionByRange(*placed).sortWithinPartitions(*placed)
        writer = rows.write.option("compression", "zstd").option("parquet.block.row.count.limit", ROW_GROUP)
        writer.partitionBy(*about.partition_by).parquet(target)

    def _version(self, table: str, version: int) -> Any:
        return self._session.read.format("delta").option("versionAsOf", version).load(self._uri(table))

    def _rows_of(self, gained: Gained, version: int) -> Any:
        """Files know no partition: each day's are read with it."""
        from pyspark.sql import functions
        from pyspark.sql.types import StructType

        whole = self._version(BRONZE_EVENTS.name, version)
        read = self._session.read.schema(
            StructType([each for each in whole.schema if each.name != BRONZE_PARTITION])
        )
        days = [
            read.parquet(*map(self._file, files)).withColumn(BRONZE_PARTITION, functions.lit(day))
            for day, files in gained.files.items()
        ]
        return reduce(lambda one, other: one.unionByName(other), days, whole.where("false"))

    def _as_it_is(self, meaning: Meaning) -> None:
        """Raises DecodedElsewhere where a message of bronze has to be decoded by another contract."""
        if meaning.is_needed:
            bronze = self._session.table(self._views[BRONZE_EVENTS.name])
            meaning.require_decoded(bronze.select(*DECIDES).distinct().toArrow().to_pylist())

    def _frame(self, sql: str, parameters: Mapping[str, Any]) -> Any:
        from pyspark.sql import functions

        given = {
            name: functions.array(*map(functions.lit, value)) if isinstance(value, list) else value
            for name, value in parameters.items()
        }
        return self._session.sql(self._translate(self._named(sql), self._columns), args=given or None)

    def _named(self, sql: str) -> str:
        """The statement with the views in place of the tables that are open."""
        tree = sqlglot.parse_one(sql, read=DIALECT)
        steps = {step.alias for step in tree.find_all(exp.CTE)}
        for table in [*tree.find_all(exp.Table)]:
            name = f"{table.db}.{table.name}" if table.db else table.name
            if name in self._views and name not in steps:
                alias = table.alias or table.name
                table.set("db", None)
                table.set("this", exp.to_identifier(self._views[name]))
                table.set("alias", exp.TableAlias(this=exp.to_identifier(alias)))
        return tree.sql(DIALECT)

    def _view(self, name: str, rows: Any) -> None:
        """Each time under another name: a Connect server looks views up when rows are asked for."""
        from pyspark.sql.pandas.types import to_arrow_schema

        self._forget(name)
        self._number += 1
        view = f"{self._prefix}_{self._number}"
        rows.createOrReplaceTempView(view)
        self._views[name], self._columns[view] = view, to_arrow_schema(rows.schema)

    def _forget(self, name: str) -> None:
        self._columns.pop(self._views.pop(name, ""), None)

    def _uri(self, table: str) -> str:
        return _address(self._store.table(table))

    def _file(self, address: str) -> str:
        return PATTERN.sub(r"\\\1", _address(address))

    def _run(self, work: Callable[[], T]) -> T:
        """What `work` returns; Ctrl-C ends it, and meets no exchange with Java half done."""
        from pyspark.errors import PySparkException

        try:
            return interruptible(self, work)
        except PySparkException as error:
            raise _failure(error) from error
        except (ConnectionError, EOFError) as error:  # the Java machine, or the server, has ended
            raise SparkUnavailable(self._address, plain(error)) from error


def _kind(field: pa.Field, rows: Any) -> str:
    """What a column is cast to; QueryFailed where its values are of another kind."""
    name, taken = KINDS[field.type]
    found = rows.schema[field.name].dataType.simpleString()
    if found.partition("(")[0] not in {*taken, "void"}:
        problem = f"column {field.name} is {found} on Spark, and {name} in the table"
        raise QueryFailed(problem)
    return name


def _address(uri: str) -> str:
    """As Hadoop's clients want it."""
    return f"s3a://{uri.removeprefix('s3://')}" if uri.startswith("s3://") else f"file://{uri}"


def _failure(error: Any) -> QueryFailed:
    condition = error.getCondition() or ""
    problem = plain(error).partition(" JVM stacktrace:")[0].partition(" == SQL ")[0]
    return FileGone(problem) if "FILE_NOT_EXIST" in condition else QueryFailed(problem)

"""SQL for people over the lake: read-only, always the newest version of every table, times in UTC. Views are
`bronze.events`, `silver.signals` and `gold.<table>`; the first two have their columns and no rows until they
are first written."""

import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import duckdb
import pyarrow as pa
from duckdb import DuckDBPyConnection, StatementType

from lake.duck import (
    BATCH_ROWS,
    connection,
    failure,
    interruptible,
    is_interruption,
    missing_table,
    quoted,
    scan,
)
from lake.errors import QueryFailed, QueryRefused
from lake.locations import LAYERS
from lake.schemas import TABLES
from lake.settings import LakeSettings
from lake.storage import Storage, storage
from lake.tables import exists, gold_tables

EXPLAIN = re.compile(r"\s*explain(\s+analyze)?(\s*\([^)]*\))?\s", re.IGNORECASE)
ASKED_AGAIN = 5
IN_MONGODB = ("vehicle_state", "vehicle_latest")


@dataclass(frozen=True, slots=True)
class Rows:
    """An answer: its columns, and its rows as they come. Reading on after the warehouse is closed fails."""

    schema: pa.Schema
    batches: Iterator[pa.RecordBatch]

    def table(self) -> pa.Table:
        """All rows at once."""
        return pa.Table.from_batches(list(self.batches), self.schema)


class Warehouse:
    """One in-memory DuckDB whose only reachable files are the lake's, and whose only statements are reads."""

    def __init__(self, settings: LakeSettings) -> None:
        self._storage: Storage = storage(settings)
        self._present: dict[str, bool] = {}
        self._refreshing = threading.Lock()
        with ExitStack() as resources:
            self._connection: DuckDBPyConnection = resources.enter_context(connection(settings))
            for layer in LAYERS:
                self._connection.execute(f"create schema {layer}")
            self._empty = {
                name: _empty_select(self._connection, known.columns) for name, known in TABLES.items()
            }
            self._close_around_the_lake()
            self._refresh()
            self._resources = resources.pop_all()

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> Rows:
        """Runs one reading statement: select, with, values, from, describe, show, summarize, explain.

        Raises QueryRefused for anything else, QueryFailed for what DuckDB cannot run. Ctrl-C ends it at once.
        """
        cursor = self._connection.cursor()
        try:
            _check_reads(cursor, sql)
            self._refresh()
            try:
                reader = _execute(cursor, sql, parameters)
            except duckdb.BinderException:  # a view whose table has changed its columns binds no more
                self._refresh(renew=True)
                reader = _execute(cursor, sql, parameters)
        except duckdb.Error as error:
            raise self._failure(_reason(error, cursor, sql, parameters), sql) from error
        return Rows(reader.schema, _translated(cursor, reader, sql, parameters))

    def tables(self) -> list[str]:
        """The names that can be queried, written or not."""
        self._refresh()
        return sorted(self._present)

    def close(self) -> None:
        """Ends the connection and removes what it spilled."""
        self._resources.close()

    def __enter__(self) -> "Warehouse":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _close_around_the_lake(self) -> None:
        root = quoted(self._storage.locations.root + "/")
        self._connection.execute(f"set global allowed_directories = [{root}]")
        self._connection.execute("set global enable_external_access = false")
        self._connection.execute("set global lock_configuration = true")

    def _failure(self, error: Exception, sql: str) -> QueryFailed:
        """DuckDB's error; where a table is missing, with those that are there."""
        failed, missing = failure(error, sql), missing_table(error)
        if missing is None:
            return failed
        there = ", ".join(
            name if is_written else f"{name} (not written yet)"
            for name, is_written in sorted(self._present.items())
        )
        state = "; state is in MongoDB: `fleetlake state`" if any(n in missing for n in IN_MONGODB) else ""
        return QueryFailed(f"{missing}; the tables are {there}{state}", failed.line, failed.column)

    def _refresh(self, *, renew: bool = False) -> None:
        """Views for tables that have come, and empty ones for known tables that have not."""
        with self._refreshing:
            gold = gold_tables(self._storage)
            for name in {*self._present} - {*TABLES, *gold}:
                self._connection.execute(f"drop view if exists {_identifier(name)}")
                del self._present[name]
            for name in (*TABLES, *gold):
                if renew or not self._present.get(name):
                    self._renew(name)

    def _renew(self, name: str) -> None:
        present = name not in TABLES or exists(self._storage, name)
        select = f"from {scan(self._storage.table(name))}" if present else self._empty[name]
        self._connection.execute(f"create or replace view {_identifier(name)} as {select}")
        self._present[name] = present


def connect(settings: LakeSettings) -> Warehouse:
    """The warehouse of the lake that the settings name."""
    return Warehouse(settings)


def _check_reads(cursor: DuckDBPyConnection, sql: str) -> None:
    statements = cursor.extract_statements(sql)
    if not statements:
        problem = "there is no statement"
        raise QueryRefused(problem)
    if statements[0].type == StatementType.CREATE and not statements[0].query:
        problem = "a pivot needs its values listed: pivot ... on column in ('a', 'b') ..."
        raise QueryRefused(problem)
    if len(statements) > 1:
        problem = f"one statement at a time, not {len(statements)}"
        raise QueryRefused(problem)
    explained = EXPLAIN.match(statements[0].query)
    if statements[0].type == StatementType.EXPLAIN and explained:
        _check_reads(cursor, statements[0].query[explained.end() :])  # explain analyze runs what it explains
    elif statements[0].type != StatementType.SELECT:
        problem = f"the lake is read-only here: {statements[0].type.name.lower()} is not a reading statement"
        raise QueryRefused(problem)


def _execute(cursor: DuckDBPyConnection, sql: str, parameters: Sequence[Any]) -> pa.RecordBatchReader:
    return interruptible(
        cursor, lambda: cursor.execute(sql, list(parameters) or None).to_arrow_reader(BATCH_ROWS)
    )


def _translated(
    cursor: DuckDBPyConnection, reader: pa.RecordBatchReader, sql: str, parameters: Sequence[Any]
) -> Iterator[pa.RecordBatch]:
    try:
        while (batch := interruptible(cursor, lambda: next(reader, None))) is not None:
            yield batch
    except (duckdb.Error, OSError) as error:  # Arrow's stream reports DuckDB's errors as OSError
        raise failure(_reason(error, cursor, sql, parameters), sql) from error


def _reason(error: Exception, cursor: DuckDBPyConnection, sql: str, parameters: Sequence[Any]) -> Exception:
    """What ended an answer. DuckDB stops its threads when one of them fails, and now and then tells only that
    they were stopped (DuckDB pull request 10337 mends one such race); then the statement is run again for its
    reason."""
    for _ in range(ASKED_AGAIN):
        if not is_interruption(error):
            break
        try:
            reader = _execute(cursor, sql, parameters)
            while interruptible(cursor, lambda: next(reader, None)) is not None:  # noqa: B023 - used up here
                pass
        except (duckdb.Error, OSError) as again:
            error = again
    return error


def _empty_select(connected: DuckDBPyConnection, columns: pa.Schema) -> str:
    """A query of the columns as DuckDB types them, without rows."""
    connected.register("columns_wanted", columns.empty_table())
    described = connected.execute("describe columns_wanted").to_arrow_table().to_pylist()
    connected.unregister("columns_wanted")
    typed = ", ".join(f'cast(null as {each["column_type"]}) as "{each["column_name"]}"' for each in described)
    return f"select {typed} where false"


def _identifier(table: str) -> str:
    layer, _, name = table.partition(".")
    return '{}."{}"'.format(layer, name.replace('"', '""'))

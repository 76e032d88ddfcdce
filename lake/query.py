"""SQL for people over the lake: read-only, always the newest version of every table, times in UTC. Views are
`bronze.events`, `silver.signals` and `gold.<table>`; the first two have their columns and no rows until they
are first written. `silver.signals_live` is silver as it would be if it were brought up to date now."""

import re
import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import duckdb
import pyarrow as pa
from duckdb import DuckDBPyConnection, StatementType

from lake.duck import (
    connection,
    empty_select,
    failure,
    identifier,
    interruptible,
    is_interruption,
    missing_table,
    quoted,
    scan,
)
from lake.errors import QueryFailed, QueryRefused
from lake.functions import check_functions
from lake.live import LIVE, LiveSelect, parts_now
from lake.locations import LAYERS
from lake.schemas import SILVER_SIGNALS, TABLES
from lake.settings import LakeSettings
from lake.storage import Storage, storage
from lake.tables import exists, gold_tables

EXPLAIN = re.compile(r"\s*explain(\s+analyze)?(\s*\([\w\s,]*\))?\s", re.IGNORECASE)
"""What stands before the statement that is explained. Options are words: a comment could hide their end."""
ASKED_AGAIN = 5
BATCH_ROWS = 2_048
"""Rows of a batch of an answer: a vector of DuckDB, the least it makes. People may ask for long ones."""
WAITING = "streaming_buffer_size"
"""What of an answer is computed before it is fetched. Of texts only the pointers count for it: at DuckDB's
own megabyte, rows of 20 kB wait in gigabytes."""
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

    def __init__(
        self, settings: LakeSettings, live: LiveSelect | None = None, *, tables_only: bool = False
    ) -> None:
        """With `tables_only`, questions are about the lake's tables, and told nothing of where they lie: for
        who asks over the network."""
        self._storage: Storage = storage(settings)
        self._live, self._tables_only = live, tables_only
        self._present: dict[str, bool] = {}
        self._unreadable: dict[str, str] = {}
        self._refreshing = threading.Lock()
        with ExitStack() as resources:
            self._connection: DuckDBPyConnection = resources.enter_context(connection(settings))
            for layer in LAYERS:
                self._connection.execute(f"create schema {layer}")
            self._empty = {
                name: empty_select(self._connection, known.columns) for name, known in TABLES.items()
            }
            self._close_around_the_lake()
            self._refresh()
            if live is not None:
                self._set_view(LIVE, self._empty[SILVER_SIGNALS.name])
            self._resources = resources.pop_all()

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> Rows:
        """Runs one reading statement: select, with, values, from, describe, show, summarize, explain.

        Raises QueryRefused for anything else, QueryFailed for what DuckDB cannot run. Ctrl-C ends it at once.
        """
        cursor = self._connection.cursor()
        try:
            cursor.execute(f"set {WAITING} = '1KB'")
            _check_reads(cursor, sql, [*self._names()] if self._tables_only else None)
            self._refresh(sql)
            try:
                reader = _execute(cursor, sql, parameters)
            except duckdb.BinderException:  # a view whose table has changed its columns binds no more
                self._refresh(sql, renew=True)
                reader = _execute(cursor, sql, parameters)
        except (duckdb.Error, OSError) as error:  # OSError: a type that Arrow does not know
            raise self._failure(_reason(error, cursor, sql, parameters), sql) from error
        return Rows(reader.schema, _translated(cursor, reader, sql, parameters))

    @property
    def is_written(self) -> bool:
        """Whether the lake has any table yet."""
        return any(self._present.values())

    def tables(self) -> list[str]:
        """The names that can be queried, written or not."""
        self._refresh()
        return sorted(self._names())

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
        self._connection.execute(f"set global allowed_configs = ['{WAITING}']")
        self._connection.execute("set global lock_configuration = true")

    def _failure(self, error: Exception, sql: str) -> QueryFailed:
        """DuckDB's error; where a table is missing, with those that are there."""
        failed, missing = failure(error, sql), missing_table(error)
        if missing is None:
            return failed
        for name, why in self._unreadable.items():
            if f" {name.partition('.')[2]} " in missing:
                return QueryFailed(f"{name} cannot be read: {why}", failed.line, failed.column)
        there = ", ".join(
            name if is_written else f"{name} (not written yet)"
            for name, is_written in sorted(self._names().items())
        )
        state = "; state is in MongoDB: `fleetlake state`" if any(n in missing for n in IN_MONGODB) else ""
        return QueryFailed(
            f"{missing}; the tables of {self._storage.locations.root} are {there}{state}",
            failed.line,
            failed.column,
        )

    def _names(self) -> dict[str, bool]:
        """What can be queried, and whether it was ever written."""
        live = {} if self._live is None else {LIVE: any(self._present[name] for name in TABLES)}
        return {**self._present, **live}

    def _refresh(self, sql: str = "", *, renew: bool = False) -> None:
        """Views for tables that have come, and empty ones for known tables that have not; what is live as of
        now, for a query that names it."""
        with self._refreshing:
            if self._live is not None and LIVE.partition(".")[2] in sql.lower():
                self._set_view(LIVE, self._live(parts_now(self._storage, self._empty)))
            gold = gold_tables(self._storage)
            for name in {*self._present} - {*TABLES, *gold}:
                self._leave_out(name)
            self._unreadable = {name: why for name, why in self._unreadable.items() if name in gold}
            for name in (*TABLES, *gold):
                if renew or not self._present.get(name):
                    self._renew(name)

    def _renew(self, name: str) -> None:
        """A table whose log cannot be read is left out, until it can: questions about others are answered."""
        present = name not in TABLES or exists(self._storage, name)
        select = f"from {scan(self._storage.table(name))}" if present else self._empty[name]
        try:
            self._set_view(name, select)
        except duckdb.Error as error:
            self._leave_out(name)
            self._unreadable[name] = failure(error, "").problem
            return
        self._present[name] = present
        self._unreadable.pop(name, None)

    def _leave_out(self, name: str) -> None:
        self._connection.execute(f"drop view if exists {identifier(name)}")
        self._present.pop(name, None)

    def _set_view(self, name: str, select: str) -> None:
        self._connection.execute(f"create or replace view {identifier(name)} as {select}")


def connect(settings: LakeSettings, live: LiveSelect | None = None) -> Warehouse:
    """The warehouse of the lake that the settings name; who brings its SELECT has `silver.signals_live`."""
    return Warehouse(settings, live)


def _check_reads(cursor: DuckDBPyConnection, sql: str, only: Collection[str] | None) -> None:
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
        if only is not None and "analyze" in explained[0].lower():
            problem = "explain analyze tells which files the lake is made of: explain without it"
            raise QueryRefused(problem)
        _check_explained(cursor, _blank(explained[0]) + statements[0].query[explained.end() :], only)
    elif statements[0].type != StatementType.SELECT:
        problem = f"the lake is read-only here: {statements[0].type.name.lower()} is not a reading statement"
        raise QueryRefused(problem)
    else:
        check_functions(cursor, statements[0].query, only)


def _check_explained(cursor: DuckDBPyConnection, sql: str, only: Collection[str] | None) -> None:
    """`explain analyze` runs what it explains."""
    try:
        _check_reads(cursor, sql, only)
    except duckdb.ParserException as error:
        problem = "explain takes one reading statement, with no comment before it"
        raise QueryRefused(problem) from error


def _blank(text: str) -> str:
    """As long, and with as many lines: what stands behind it keeps its place."""
    return re.sub(r"\S", " ", text)


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

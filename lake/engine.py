"""DuckDB as the engine of the transforms: tables of any layer by name, one SELECT over them, Arrow out."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from typing import Any

import duckdb
import pyarrow as pa
from duckdb import DuckDBPyConnection

from lake.bronze_changes import AddedRows
from lake.bronze_meaning import Meaning
from lake.bronze_rows import bronze_rows
from lake.duck import BATCH_ROWS, connection, failure, quoted, scan
from lake.locations import LAYERS
from lake.schemas import BRONZE_EVENTS, TableSchema
from lake.settings import LakeSettings
from lake.silver import BronzeRead
from lake.storage import Storage, storage

HELD = "reference"
"""A layer of tables that are held and never stored."""


@dataclass(frozen=True, slots=True)
class Days:
    """Partitions of a table by date, both ends included. `column` is one of the project's own names."""

    column: str
    first: date
    last: date

    @property
    def condition(self) -> str:
        first, last = quoted(self.first.isoformat()), quoted(self.last.isoformat())
        return f'"{self.column}" between date {first} and date {last}'


class Engine:
    """One in-memory DuckDB. Not for several threads."""

    def __init__(self, connected: DuckDBPyConnection, store: Storage) -> None:
        self._connection, self._store = connected, store
        for layer in (*LAYERS, HELD):
            connected.execute(f"create schema if not exists {layer}")

    def hold(self, table: str, rows: pa.Table) -> None:
        """Makes rows readable as `<layer>.<table>`, in place of what was."""
        self._connection.register("rows_held", rows)
        self._connection.execute(f"create or replace table {_identifier(table)} as from rows_held")
        self._connection.unregister("rows_held")

    def open_version(self, table: str, version: int, days: Days | None = None) -> None:
        """Makes one version of a Delta table readable under its name, or only some days of it."""
        source = scan(self._store.table(table), version)
        only = "" if days is None else f" where {days.condition}"
        view = f"create or replace view {_identifier(table)} as from {source}{only}"
        with _failures(view):
            self._connection.execute(view)

    def open_files(self, table: str, paths: Sequence[str]) -> None:
        """Makes some data files of a Delta table readable under its name, without its partition column."""
        uri = self._store.table(table)
        files = ", ".join(quoted(f"{uri}/{path}") for path in paths)
        source = f"read_parquet([{files}], hive_partitioning = false)"
        self._connection.execute(f"create or replace view {_identifier(table)} as from {source}")

    def open_kept(self, table: str, name: str, condition: str) -> None:
        """Makes rows that were kept as `name` readable as `<layer>.<table>`, those that meet a condition."""
        self._connection.execute(
            f'create or replace view {_identifier(table)} as from "{name}" where {condition}'
        )

    def open_stream(self, table: str, rows: pa.RecordBatchReader) -> None:
        """Makes rows readable under a name, once."""
        self._connection.register("rows_streamed", rows)
        self._connection.execute(f"create or replace view {_identifier(table)} as from rows_streamed")

    def open_added(self, before: BronzeRead, now: BronzeRead, meaning: Meaning) -> Callable[[], bool]:
        """Makes what bronze gained between two reads readable under its name, once; whether that was all of
        it, which is known when it was read."""
        changes = AddedRows(self._store, before.version, now.version)
        self.open_stream(BRONZE_EVENTS.name, meaning.read(changes.stream()))
        return lambda: changes.count == now.rows - before.rows

    def open_whole(self, version: int, meaning: Meaning) -> None:
        """Makes one version of bronze readable under its name, as its messages count."""
        if meaning.is_needed:
            self.open_stream(BRONZE_EVENTS.name, meaning.read(bronze_rows(self._store, version)))
        else:
            self.open_version(BRONZE_EVENTS.name, version)

    def keep(self, name: str, sql: str, parameters: Mapping[str, Any]) -> int:
        """Runs a SELECT and keeps its rows as a table of the engine's own; how many there are."""
        return self._count(f'create or replace temp table "{name}" as {sql}', parameters)

    def keep_more(self, name: str, sql: str, parameters: Mapping[str, Any]) -> int:
        """Adds the rows of another SELECT of the same columns to those kept; how many."""
        return self._count(f'insert into "{name}" by name {sql}', parameters)

    def _count(self, sql: str, parameters: Mapping[str, Any]) -> int:
        with _failures(sql):
            found = self._connection.execute(sql, dict(parameters)).fetchone()
        return int(found[0]) if found else 0

    def select(self, sql: str, parameters: Mapping[str, Any] | None = None) -> pa.Table:
        """All rows of one SELECT; QueryFailed names the line where it cannot be run."""
        with _failures(sql):
            return self.stream(sql, parameters).read_all()

    def stream(self, sql: str, parameters: Mapping[str, Any] | None = None) -> pa.RecordBatchReader:
        """The rows of one SELECT as they come."""
        with _failures(sql):
            return self._connection.execute(sql, dict(parameters or {})).to_arrow_reader(BATCH_ROWS)

    def output(self, name: str, about: TableSchema, order: Sequence[str]) -> pa.RecordBatchReader:
        """The rows that are kept as `name`, in an order, as the table stores them."""
        columns = ", ".join(f'"{column}"' for column in about.columns.names)
        ordered = ", ".join(f'"{column}"' for column in order)
        by = f" order by {ordered}" if order else ""
        return self.stream(f'select {columns} from "{name}"{by}').cast(about.columns)  # noqa: S608 - our names

    def batches(self, sql: str) -> Iterator[pa.RecordBatch]:
        """As `stream`; QueryFailed also where reading on fails."""
        with _failures(sql):
            yield from self.stream(sql)


@contextmanager
def engine(settings: LakeSettings) -> Iterator[Engine]:
    """An engine that can read the lake; it ends with the block."""
    with connection(settings) as connected:
        yield Engine(connected, storage(settings))


@contextmanager
def _failures(sql: str) -> Iterator[None]:
    try:
        yield
    except (duckdb.Error, OSError) as error:  # Arrow's stream reports DuckDB's errors as OSError
        raise failure(error, sql) from error


def _identifier(table: str) -> str:
    layer, _, name = table.partition(".")
    return f'{layer}."{name}"'

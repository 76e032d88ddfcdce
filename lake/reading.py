"""Our own questions to the lake, from a process that lives long and is asked by many: one DuckDB for all
of them, whose views are renewed at most every `snapshot_seconds`, so that a question costs neither a
connection nor a look at every table's log. An answer is no older than that.

The SQL that runs here is the project's own. People's SQL goes through `lake.query`, in a process of its own
where it comes over the network (`lake.query_child`)."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import date
from typing import Any

import duckdb
import pyarrow as pa
from deltalake import DeltaTable
from deltalake.exceptions import TableNotFoundError
from duckdb import DuckDBPyConnection

from lake.bronze import store_errors
from lake.duck import connection, empty_select, failure, identifier, is_interruption, scan
from lake.errors import QueryFailed
from lake.live import LIVE, LiveSelect, parts_now
from lake.locations import LAYERS
from lake.partition_rows import rows_by_partition
from lake.schemas import BRONZE_EVENTS, SILVER_SIGNALS, TABLES
from lake.settings import LakeSettings
from lake.storage import storage
from lake.tables import exists
from lake.warehouse import Description

HELD = "reference"
"""The layer of tables that are held and never stored."""


class QuestionEnded(Exception):
    """A question was ended by whoever asked it."""


@dataclass(frozen=True, slots=True)
class Mart:
    """A mart as its model describes it: a question about one that was never made is answered with no rows."""

    columns: pa.Schema
    about: Description


@dataclass(frozen=True, slots=True)
class Marts:
    """The marts there may be. `current_days` says which days of one are made of the silver of now, and is
    asked of those in `dated`."""

    tables: Mapping[str, Mart]
    current_days: Callable[[str], frozenset[date]]
    dated: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Outlook:
    """Where the newest of each day is. Days are those of event times."""

    silver_days: frozenset[date]
    tail_days: frozenset[date] | None
    """Of readings that have landed and that silver may not have; None: it may be any day."""
    current: Mapping[str, frozenset[date]]
    """By mart, the days that are made of all that silver has."""

    def has_tail(self, day: date) -> bool:
        """Whether silver may lack readings of the day."""
        return self.tail_days is None or day in self.tail_days

    def is_current(self, mart: str, day: date) -> bool:
        """Whether the mart has all there is of the day."""
        if self.has_tail(day):
            return False
        return day in self.current.get(mart, frozenset()) or day not in self.silver_days


class Question:
    """One question at a time on a cursor of its own. `end` may come from another thread."""

    def __init__(self, cursor: DuckDBPyConnection) -> None:
        self._cursor = cursor
        self._ended = False

    def end(self) -> None:
        """Ends it soon. DuckDB forgets an interruption that comes just before it begins: call it again until
        the question is over. One that was closed meanwhile is left alone."""
        self._ended = True
        with suppress(duckdb.ConnectionException):
            self._cursor.interrupt()

    def answer(self, sql: str, parameters: Mapping[str, Any]) -> pa.Table:
        """All rows. QuestionEnded where it was ended, QueryFailed where it cannot be answered."""
        if self._ended:
            raise QuestionEnded
        try:
            return self._cursor.execute(sql, dict(parameters)).to_arrow_table()
        except (duckdb.Error, OSError) as error:
            if self._ended or is_interruption(error):
                raise QuestionEnded from error
            raise failure(error, sql) from error

    def close(self) -> None:
        self._cursor.close()


class LakeReader:
    """Safe to share between threads."""

    def __init__(
        self,
        settings: LakeSettings,
        live: LiveSelect,
        marts: Marts,
        *,
        held: Mapping[str, pa.Table] | None = None,
        snapshot_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._storage, self._live, self._marts = storage(settings), live, marts
        self._seconds, self._clock = snapshot_seconds, clock
        self._renewing, self._opening = threading.Lock(), threading.Lock()
        self._handles: dict[str, DeltaTable] = {}
        self._seen: dict[str, int] = {}
        self._outlook: Outlook | None = None
        self._looked_at = float("-inf")
        with ExitStack() as resources:
            self._connection = resources.enter_context(connection(settings))
            for layer in (*LAYERS, HELD):
                self._connection.execute(f"create schema if not exists {layer}")
            columns = {name: known.columns for name, known in TABLES.items()}
            columns |= {name: mart.columns for name, mart in marts.tables.items()}
            self._empty = {name: empty_select(self._connection, each) for name, each in columns.items()}
            for name, select in {**self._empty, LIVE: self._empty[SILVER_SIGNALS.name]}.items():
                self._set_view(name, select)
            for name, rows in (held or {}).items():
                self._hold(name, rows)
            self._resources = resources.pop_all()

    def question(self) -> Question:
        """One to be asked; close it afterwards."""
        with self._opening:
            return Question(self._connection.cursor())

    def ask(self, question: Question, sql: str, parameters: Mapping[str, Any]) -> pa.Table:
        """The answer, no older than was promised. Where it fails because a table has changed meanwhile, the
        lake is looked at anew, and asked again."""
        self.outlook()
        try:
            return question.answer(sql, parameters)
        except QueryFailed:  # what is no passing trouble fails again
            self._look_anew()
            return question.answer(sql, parameters)

    def outlook(self) -> Outlook:
        """Where to find what, no older than was promised."""
        with self._renewing:
            if self._outlook is None or self._clock() - self._looked_at > self._seconds:
                began = self._clock()
                self._outlook = self._look(self._outlook)
                self._looked_at = began
            return self._outlook

    def close(self) -> None:
        """Ends the connection; questions that are under way fail."""
        self._resources.close()

    # -- looking at the lake, by one thread at a time --------------------------------------------------

    def _look_anew(self) -> None:
        with self._renewing:
            self._handles.clear()
            self._seen.clear()
            self._outlook = None
        self.outlook()

    def _look(self, before: Outlook | None) -> Outlook:
        versions = {name: self._version(name) for name in self._empty}
        changed = {name for name, version in versions.items() if self._seen.get(name, -1) != version}
        if before is not None and not changed:
            return before
        for name in sorted(changed - self._seen.keys()):
            self._set_view(name, f"from {scan(self._storage.table(name))}")
        found = self._looked(before, changed)
        self._seen = {name: version for name, version in versions.items() if version >= 0}
        return found

    def _looked(self, before: Outlook | None, changed: set[str]) -> Outlook:
        sources = {BRONZE_EVENTS.name, SILVER_SIGNALS.name}
        if before is None or changed & sources:
            silver, tail = self._renew_live()
        else:
            silver, tail = before.silver_days, before.tail_days
        made_anew = SILVER_SIGNALS.name in changed or before is None
        current = {
            name: self._current(name)
            if made_anew or name in changed or before is None
            else before.current[name]
            for name in self._marts.dated
        }
        return Outlook(silver, tail, current)

    def _current(self, name: str) -> frozenset[date]:
        return self._marts.current_days(name) if name in self._handles else frozenset()

    def _renew_live(self) -> tuple[frozenset[date], frozenset[date] | None]:
        parts = parts_now(self._storage, self._empty)
        self._set_view(LIVE, self._live(parts))
        silver = self._handles.get(SILVER_SIGNALS.name)
        if silver is None:
            return frozenset(), None
        days = rows_by_partition(silver, SILVER_SIGNALS.partition_by[0])
        rows = self._connection.execute(_days_of(parts.landed)).fetchall()
        return frozenset(map(date.fromisoformat, days)), frozenset(day for (day,) in rows if day is not None)

    def _version(self, name: str) -> int:
        """Of a table as it is now; -1 where it was never written. Of the marts whose days do not matter, that
        of the first look: their views read the newest by themselves."""
        handle = self._handles.get(name)
        if handle is not None and name in self._marts.tables.keys() - set(self._marts.dated):
            return handle.version()
        try:
            with store_errors(self._storage):
                if handle is not None:
                    handle.update_incremental()
                elif exists(self._storage, name):
                    handle = DeltaTable(self._storage.table(name), storage_options=self._storage.options())
                    self._handles[name] = handle
        except TableNotFoundError:
            return -1
        return -1 if handle is None else handle.version()

    def _set_view(self, name: str, select: str) -> None:
        self._connection.execute(f"create or replace view {identifier(name)} as {select}")

    def _hold(self, name: str, rows: pa.Table) -> None:
        self._connection.register("rows_held", rows)
        self._connection.execute(f"create or replace table {identifier(name)} as from rows_held")
        self._connection.unregister("rows_held")


def _days_of(landed: str) -> str:
    return (
        "select distinct cast(reading.event_time as date) from ("  # noqa: S608 - our own names
        f"select unnest(signals) as reading from {landed} where error is null)"
    )

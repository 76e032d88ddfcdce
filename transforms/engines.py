"""What runs the models' SQL: DuckDB in this process, or Apache Spark. Both read the same Delta tables, and
what they give is committed by the same code with the same record, so they may take turns on one lake."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import pyarrow as pa

from lake import engine as duckdb
from lake.bronze_meaning import Meaning
from lake.engine import Days
from lake.new_files import Output
from lake.schemas import TableSchema
from lake.settings import EngineKind, LakeSettings
from lake.silver import BronzeRead
from lake.storage import storage


class Engine(Protocol):
    """Tables of any layer by name, and one SELECT over them, as DuckDB reads it. Not for several threads."""

    def hold(self, table: str, rows: pa.Table) -> None:
        """Makes rows readable as `<layer>.<table>`, in place of what was."""

    def open_version(self, table: str, version: int, days: Days | None = None) -> None:
        """Makes one version of a Delta table readable under its name, or only some days of it."""

    def open_added(self, before: BronzeRead, now: BronzeRead, meaning: Meaning) -> Callable[[], bool]:
        """Makes what bronze gained between two reads readable under its name, once; whether that was all of
        it, to be asked when it was read."""

    def open_whole(self, version: int, meaning: Meaning) -> None:
        """Makes one version of bronze readable under its name, as its messages count."""

    def keep(self, name: str, sql: str, parameters: Mapping[str, Any]) -> int:
        """Runs a SELECT and keeps its rows as a table of the engine's own; how many there are."""

    def keep_more(self, name: str, sql: str, parameters: Mapping[str, Any]) -> int:
        """Adds the rows of another SELECT of the same columns to those kept; how many."""

    def select(self, sql: str, parameters: Mapping[str, Any] | None = None) -> pa.Table:
        """All rows of one SELECT, which are few."""

    def output(self, name: str, about: TableSchema, order: Sequence[str]) -> Output:
        """The rows that are kept as `name`, for a table, in the order in which they are to be written."""


@contextmanager
def engine(settings: LakeSettings) -> Iterator[Engine]:
    """The engine that the settings name; what it has open and keeps ends with the block."""
    if settings.engine is EngineKind.DUCKDB:
        with duckdb.engine(settings) as duck:
            yield duck
        return
    from lake.spark_engine import SparkEngine
    from lake.spark_session import session
    from transforms.spark_sql import register, to_spark

    started = session(settings)
    register(started)
    address = settings.spark.remote or settings.spark.master
    spark = SparkEngine(started, storage(settings), to_spark, address)
    try:
        yield spark
    finally:
        spark.close()

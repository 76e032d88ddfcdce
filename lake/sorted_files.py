"""Data files of one partition whose rows are in order from the first to the last, in row groups small enough
that one vehicle's day is a few of them. They are invisible until a commit adds them; a crash leaves orphans
that vacuum removes.

delta-rs' own writer is not used here: it hands the batches of a stream to several tasks, and what comes out
is in order only within a batch (1.6).
"""

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Any
from uuid import uuid4

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from deltalake.transaction import AddAction

from lake.bounds import high, low
from lake.durable import sync
from lake.errors import StoreUnavailable
from lake.room import naming_a_full_disk
from lake.silver import ROW_GROUP
from lake.storage import STORE, Storage


class SortedFiles:
    """Files of one partition of a table, each of about `file_bytes`. `partition` is its column and its value;
    `with_bounds` are columns that readers skip files by."""

    def __init__(
        self,
        storage: Storage,
        table: str,
        partition: tuple[str, str],
        file_bytes: int,
        with_bounds: Sequence[str],
    ) -> None:
        self._filesystem = storage.files(table)
        self._table_folder = None if storage.locations.is_s3 else storage.table(table)
        self._partition, self._file_bytes, self._with_bounds = partition, file_bytes, with_bounds
        self._written: list[str] = []
        self.rows = 0
        """How many were written."""
        if self._table_folder is not None:
            os.makedirs(os.path.join(self._table_folder, self._folder), exist_ok=True)

    @property
    def _folder(self) -> str:
        column, day = self._partition
        return f"{column}={day}"

    def write(self, rows: Iterable[pa.RecordBatch], columns: pa.Schema) -> list[AddAction]:
        """Writes all rows as they come; returns what a commit needs to add the files. After any exception,
        nothing of them is left where the store answers."""
        try:
            with naming_a_full_disk(self._table_folder):
                return list(self._files(_row_groups(rows, columns)))
        except BaseException:
            self.discard()
            raise

    def discard(self) -> None:
        """Removes what was written; what the store does not let go is an orphan."""
        for path in self._written:
            with suppress(OSError):
                self._filesystem.delete_file(path)

    def _files(self, groups: Iterator[pa.Table]) -> Iterator[AddAction]:
        for first in groups:
            yield self._file(first, groups)

    def _file(self, first: pa.Table, others: Iterator[pa.Table]) -> AddAction:
        """One file: row groups until it is large enough."""
        path = f"{self._folder}/part-{uuid4()}.zstd.parquet"
        bounds = _Bounds(self._with_bounds)
        self._written.append(path)
        with self._filesystem.open_output_stream(path) as sink:
            with _writer(sink, first.schema) as writer:
                group: pa.Table | None = first
                while group is not None:
                    writer.write_table(group, row_group_size=group.num_rows)
                    bounds.add(group)
                    self.rows += group.num_rows
                    group = next(others, None) if sink.tell() < self._file_bytes else None
            size = sink.tell()
        if self._table_folder is not None:
            sync(os.path.join(self._table_folder, path))
        return self._added(path, size, bounds)

    def _added(self, path: str, size: int, bounds: "_Bounds") -> AddAction:
        info = self._filesystem.get_file_info(path)
        if info.size != size:
            raise StoreUnavailable(STORE, path, f"it holds {info.size} bytes of {size} written")
        column, day = self._partition
        return AddAction(
            path=path,
            size=size,
            partition_values={column: day},
            modification_time=int(info.mtime_ns or 0) // 1_000_000,
            data_change=False,
            stats=bounds.statistics(),
        )


def _writer(sink: Any, schema: pa.Schema) -> pq.ParquetWriter:
    """Texts have few distinct values, or are few; times and offsets rise within a vehicle."""
    texts = [field.name for field in schema if pa.types.is_string(field.type)]
    rising = {
        field.name: "DELTA_BINARY_PACKED"
        for field in schema
        if pa.types.is_timestamp(field.type) or pa.types.is_int64(field.type)
    }
    return pq.ParquetWriter(
        sink,
        schema,
        compression="zstd",
        compression_level=1,
        use_dictionary=texts,
        column_encoding=rising,
    )


def _row_groups(rows: Iterable[pa.RecordBatch], columns: pa.Schema) -> Iterator[pa.Table]:
    """The rows in their order, in tables of ROW_GROUP."""
    waiting: list[pa.RecordBatch] = []
    count = 0
    for batch in rows:
        waiting.append(batch.cast(columns))
        count += batch.num_rows
        while count >= ROW_GROUP:
            table = pa.Table.from_batches(waiting, columns)
            yield table.slice(0, ROW_GROUP)
            waiting, count = table.slice(ROW_GROUP).to_batches(), count - ROW_GROUP
    if count:
        yield pa.Table.from_batches(waiting, columns)


class _Bounds:
    """Rows, and the least and greatest value of some columns, as Delta writes them."""

    def __init__(self, columns: Sequence[str]) -> None:
        self._rows = 0
        self._nulls = dict.fromkeys(columns, 0)
        self._low: dict[str, Any] = {}
        self._high: dict[str, Any] = {}

    def add(self, table: pa.Table) -> None:
        self._rows += table.num_rows
        for name in self._nulls:
            self._nulls[name] += table[name].null_count
            found = pc.min_max(table[name]).as_py()
            if found["min"] is not None:
                self._low[name] = min(self._low.get(name, found["min"]), found["min"])
                self._high[name] = max(self._high.get(name, found["max"]), found["max"])

    def statistics(self) -> str:
        return json.dumps(
            {
                "numRecords": self._rows,
                "minValues": {name: low(value) for name, value in self._low.items()},
                "maxValues": {name: high(value) for name, value in self._high.items()},
                "nullCount": self._nulls,
            }
        )

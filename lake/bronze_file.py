"""A Parquet file of bronze that grows row group by row group, so that memory never holds a whole commit.

The file is invisible until a commit adds it; a crash leaves an orphan that vacuum removes.
"""

import json
import os
from collections.abc import Mapping
from datetime import date
from typing import Any
from uuid import uuid4

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from deltalake.transaction import AddAction
from pyarrow.fs import FileSystem

from lake.durable import sync
from lake.errors import StoreUnavailable
from lake.room import naming_a_full_disk
from lake.schemas import BRONZE, BRONZE_PARTITION
from lake.storage import STORE

FILE_SCHEMA = pa.schema([column for column in BRONZE if column.name != BRONZE_PARTITION])

_SIGNALS = "signals.list.element"
_DICTIONARY = [
    *("topic_id", "topic", "partition", "key", "source", "vehicle_id", "error", "error_detail"),
    *("contract_hash", "ingest_time", "headers.list.element.key", "rejected_signals.list.element.signal"),
    *("rejected_signals.list.element.reason", f"{_SIGNALS}.signal", f"{_SIGNALS}.sensor"),
]
"""Columns of few distinct values. A dictionary of payloads would be built and thrown away for every page."""

_DELTA_PACKED = {
    column: "DELTA_BINARY_PACKED"
    for column in (
        *("offset", "kafka_time", "event_time", "received_time"),
        *(f"{_SIGNALS}.event_time", f"{_SIGNALS}.effective_time"),
    )
}
"""Rising numbers: a third of the size and less work than plain values under ZSTD."""

_STATISTICS = ["topic_id", "topic", "partition", "offset", "kafka_time"]
"""Columns that readers skip files by; kafka_time has whole milliseconds, as Delta's statistics do."""


class BronzeFile:
    """One growing file of one partition (`ingest_date`) of bronze.

    `table_folder` is the table's folder where it is a local one: such files are synced before a commit may
    name them.
    """

    def __init__(self, filesystem: FileSystem, table_folder: str | None, ingest_date: date) -> None:
        folder = f"{BRONZE_PARTITION}={ingest_date.isoformat()}"
        self.ingest_date = ingest_date
        self.path = f"{folder}/part-{uuid4()}.zstd.parquet"
        self.rows = 0
        self._filesystem, self._table_folder = filesystem, table_folder
        if table_folder is not None:
            os.makedirs(os.path.join(table_folder, folder), exist_ok=True)
        self._sink = filesystem.open_output_stream(self.path)
        self._writer = pq.ParquetWriter(
            self._sink,
            FILE_SCHEMA,
            compression="zstd",
            compression_level=1,
            use_dictionary=_DICTIONARY,
            column_encoding=_DELTA_PACKED,
            write_statistics=_STATISTICS,
        )
        self._low: dict[str, Any] = {}
        self._high: dict[str, Any] = {}
        self._nulls = dict.fromkeys(_STATISTICS, 0)

    def write(self, table: pa.Table) -> None:
        """Appends rows of FILE_SCHEMA as one row group."""
        with naming_a_full_disk(self._table_folder):
            self._writer.write_table(table, row_group_size=max(table.num_rows, 1))
        self.rows += table.num_rows
        for name in _STATISTICS:
            self._nulls[name] += table[name].null_count
            bounds = pc.min_max(table[name]).as_py()
            if bounds["min"] is not None:
                self._low[name] = min(self._low.get(name, bounds["min"]), bounds["min"])
                self._high[name] = max(self._high.get(name, bounds["max"]), bounds["max"])

    @property
    def size(self) -> int:
        """Bytes written so far."""
        return int(self._sink.tell())

    def close(self, *, is_new_data: bool = True) -> AddAction:
        """Finishes the file and makes it durable; returns what a commit needs to add it.

        Rows that another file had before are no new data: readers of changes are not to see them again.
        """
        with naming_a_full_disk(self._table_folder):
            self._writer.close()
            size = self._sink.tell()
            self._sink.close()
            if self._table_folder is not None:
                sync(os.path.join(self._table_folder, self.path))
        info = self._filesystem.get_file_info(self.path)
        if info.size != size:
            raise StoreUnavailable(STORE, self.path, f"it holds {info.size} bytes of {size} written")
        return AddAction(
            path=self.path,
            size=size,
            partition_values={BRONZE_PARTITION: self.ingest_date.isoformat()},
            modification_time=int(info.mtime_ns or 0) // 1_000_000,
            data_change=is_new_data,
            stats=self._statistics(),
        )

    def discard(self) -> None:
        """Ends the file unused and removes it, also from a disk that is full; safe after `close` too."""
        try:
            self._writer.close()
            self._sink.close()
        except OSError:
            if self._table_folder is None:
                raise  # an S3 store has no half of a file
        self._filesystem.delete_file(self.path)

    def _statistics(self) -> str:
        return json.dumps(
            {
                "numRecords": self.rows,
                "minValues": _as_json(self._low),
                "maxValues": _as_json(self._high),
                "nullCount": self._nulls,
            }
        )


def _as_json(values: Mapping[str, Any]) -> dict[str, Any]:
    """Statistics as the Delta protocol writes them: timestamps as ISO text with milliseconds."""
    return {
        name: value
        if isinstance(value, int | str)
        else value.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        for name, value in values.items()
    }

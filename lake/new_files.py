"""Data files that somebody else has written into a table's folder, Spark's executors for one, and that one
commit adds. Until then no reader sees them; a crash leaves orphans that vacuum removes.

What a commit has to say of a file is read from the file itself: how many rows it has, by which the days of
silver are told apart, and between which values they are.
"""

import json
import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from deltalake import CommitProperties, DeltaTable
from deltalake.exceptions import CommitFailedError
from deltalake.transaction import AddAction, RemoveAction
from pyarrow.fs import FileInfo, FileSelector, FileType

from lake.after_commit import AFTER_COMMIT
from lake.bounds import high, low
from lake.durable import sync
from lake.schemas import TableSchema
from lake.storage import Storage

LONGEST_BOUND = 64
"""Characters: of a longer text no bounds are recorded."""


@dataclass(frozen=True, slots=True)
class NewFiles:
    """All files of one folder below a table's."""

    storage: Storage
    about: TableSchema
    folder: str
    added: Sequence[AddAction]

    def discard(self) -> None:
        """Removes them; what the store does not let go is an orphan."""
        with suppress(OSError):
            self.storage.files(self.about.name).delete_dir(self.folder)

    def rows(self) -> pa.RecordBatchReader:
        """All rows, for who cannot take the files as they are."""
        files, partition = self.storage.files(self.about.name), self.about.partition_by
        kinds = pa.schema([self.about.columns.field(name) for name in partition])
        found = ds.dataset(
            [unquote(each.path) for each in self.added],
            schema=self.about.columns,
            filesystem=files,
            format="parquet",
            partitioning=ds.HivePartitioning(kinds) if partition else None,
        )
        return found.scanner(columns=self.about.columns.names).to_reader()


Output = pa.RecordBatchReader | NewFiles
"""Rows for a table: as a stream, to be written by who commits them, or as files that are there already."""


def new_files(storage: Storage, about: TableSchema, folder: str) -> NewFiles:
    """The Parquet files of a folder. What else a writer has left there is removed."""
    files = storage.files(about.name)
    found = files.get_file_info(FileSelector(folder, recursive=True, allow_not_found=True))
    added = []
    for each in sorted((info for info in found if info.type is FileType.File), key=lambda info: info.path):
        if each.extension != "parquet":
            files.delete_file(each.path)
            continue
        if not storage.locations.is_s3:
            sync(os.path.join(storage.table(about.name), each.path))
        with files.open_input_file(each.path) as opened:
            added.append(_added(each, pq.read_metadata(opened), about))
    return NewFiles(storage, about, folder, [each for each in added if each is not None])


def commit(
    table: DeltaTable,
    new: NewFiles,
    properties: CommitProperties,
    instead_of: Iterable[str] | None = None,
) -> None:
    """Adds the files in one commit, in place of all those of the partitions that are named, if any are; the
    one partition of a table that has no column for it is called anything."""
    removed = [] if instead_of is None else _of_partitions(table, new.about, set(instead_of))
    try:
        table.create_write_transaction(
            [*new.added, *removed],
            mode="append",
            schema=new.about.columns,
            partition_by=list(new.about.partition_by),
            commit_properties=properties,
            post_commithook_properties=AFTER_COMMIT,
        )
    except CommitFailedError:  # refused, which is certain; after any other error they may have landed
        new.discard()
        raise


def _of_partitions(table: DeltaTable, about: TableSchema, partitions: set[str]) -> list[RemoveAction]:
    found = []
    now = int(datetime.now(UTC).timestamp() * 1000)
    column = about.partition_by[0] if about.partition_by else None
    for file in pa.table(table.get_add_actions(flatten=True)).to_pylist():
        value = None if column is None else file[f"partition.{column}"]
        if column is None or str(value) in partitions:
            found.append(
                RemoveAction(
                    path=file["path"],
                    data_change=True,
                    deletion_timestamp=now,
                    size=file["size_bytes"],
                    partition_values={} if column is None else {column: str(value)},
                )
            )
    return found


def _added(info: FileInfo, footer: pq.FileMetaData, about: TableSchema) -> AddAction | None:
    """None of a file without rows: a writer with nothing to write leaves one."""
    if footer.num_rows == 0:
        return None
    folders = dict(part.split("=", 1) for part in info.path.split("/") if "=" in part)
    return AddAction(
        path=info.path,
        size=info.size,
        partition_values={name: unquote(folders[name]) for name in about.partition_by},
        modification_time=int(info.mtime_ns or 0) // 1_000_000,
        data_change=True,
        stats=json.dumps({"numRecords": footer.num_rows, **_bounds(footer)}),
    )


def _bounds(footer: pq.FileMetaData) -> dict[str, Any]:
    """Of each column the least and the greatest value, and how many are null, where the footer tells."""
    lows: dict[str, Any] = {}
    highs: dict[str, Any] = {}
    nulls: dict[str, int] = {}
    for index in range(footer.num_columns):
        groups = [footer.row_group(number).column(index) for number in range(footer.num_row_groups)]
        name = groups[0].path_in_schema
        known = [group.statistics for group in groups]
        if "." in name or not all(each is not None and each.has_null_count for each in known):
            continue
        nulls[name] = sum(each.null_count for each in known)
        bounded = [each for each in known if each.has_min_max]
        if all(each.has_min_max or each.num_values == 0 for each in known) and bounded:
            least, most = min(each.min for each in bounded), max(each.max for each in bounded)
            if _is_bound(least) and _is_bound(most):
                lows[name], highs[name] = low(least), high(most)
    return {"minValues": lows, "maxValues": highs, "nullCount": nulls}


def _is_bound(value: Any) -> bool:
    """Numbers that may be NaN have no bounds here."""
    if isinstance(value, str):
        return len(value) <= LONGEST_BOUND
    return isinstance(value, int | date) and not isinstance(value, bool)

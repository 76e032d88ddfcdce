"""What a table is stored in: the files of one version, which of its partitions are in too many small ones,
and what else lies in its folder. For maintenance, which says it before and after."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import Any

import pyarrow as pa
from deltalake import DeltaTable
from pyarrow.fs import FileInfo, FileSelector, FileType

from lake.bronze import store_errors
from lake.settings import MaintenanceSettings
from lake.storage import Storage

LOG = "_delta_log"
MIB = 1024 * 1024
BY = "vehicle_id"
"""What silver is in order of."""


@dataclass(frozen=True, slots=True)
class TableFiles:
    """In numbers. What is stored beyond `files` was replaced or never committed, and stays for a while; a
    reader asks for every entry of the log behind the last checkpoint, `entries_to_read`."""

    version: int
    rows: int
    files: int
    bytes: int
    median_bytes: int
    log_entries: int
    entries_to_read: int
    stored_files: int
    stored_bytes: int


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A data file that a version has. `low` and `high` are vehicles, where its writer recorded them."""

    partition: str | None
    path: str
    size: int
    rows: int
    written_ms: int
    low: str | None
    high: str | None


@dataclass(frozen=True, slots=True)
class Fragments:
    """Files of one partition that are worth being written anew, in order of age."""

    partition: str
    files: tuple[StoredFile, ...]

    @property
    def rows(self) -> int:
        return sum(file.rows for file in self.files)


def table_files(storage: Storage, name: str, table: DeltaTable) -> TableFiles:
    """Of the version at which the handle stands."""
    with store_errors(storage):
        files = stored_files(table)
        found = storage.files(name).get_file_info(FileSelector("", recursive=True))
    here = [each for each in found if each.type is FileType.File]
    data = [each.size for each in here if not _is_of_log(each)]
    entries, checkpoint = _log(each.base_name for each in here if _is_of_log(each))
    return TableFiles(
        version=table.version(),
        rows=sum(file.rows for file in files),
        files=len(files),
        bytes=sum(file.size for file in files),
        median_bytes=int(median(file.size for file in files)) if files else 0,
        log_entries=len(entries),
        entries_to_read=sum(entry > checkpoint for entry in entries),
        stored_files=len(data),
        stored_bytes=sum(data),
    )


def stored_files(table: DeltaTable) -> list[StoredFile]:
    """Of the version at which the handle stands, in order of age."""
    actions = pa.table(table.get_add_actions(flatten=True))
    column = next((name for name in actions.column_names if name.startswith("partition.")), "")
    found = [_file(row, column) for row in actions.to_pylist()]
    return sorted(found, key=lambda file: (file.written_ms, file.path))


def small_files(
    table: DeltaTable, settings: MaintenanceSettings, since: str, *, in_order: bool
) -> Iterator[Fragments]:
    """The partitions from `since` on, by their names, that have more small files than the settings allow.

    What is `in_order` of vehicles is to be so from one file to the next as well: of such a partition all
    files are given, and also where only large ones overlap.
    """
    smaller_than = settings.file_mib * MIB / 2
    for day, files in sorted(_by_partition(stored_files(table), since).items()):
        small = [file for file in files if file.size < smaller_than]
        are_many = len(small) > settings.small_files
        if in_order and (are_many or _overlap(file for file in files if file.size >= smaller_than)):
            yield Fragments(day, tuple(files))
        elif are_many:
            yield Fragments(day, tuple(small))


def _by_partition(files: Iterable[StoredFile], since: str) -> dict[str, list[StoredFile]]:
    found: dict[str, list[StoredFile]] = {}
    for file in files:
        if file.partition is not None and file.partition >= since:
            found.setdefault(file.partition, []).append(file)
    return found


def _overlap(files: Iterable[StoredFile]) -> bool:
    """Whether a vehicle between two others has to be looked for in several of the files."""
    bounds = sorted((file.low, file.high) for file in files if file.low is not None and file.high is not None)
    return any(following[0] < high for (_, high), following in pairwise(bounds))


def _file(row: dict[str, Any], column: str) -> StoredFile:
    partition = row.get(column)
    return StoredFile(
        partition=None if partition is None else str(partition),
        path=row["path"],
        size=row["size_bytes"],
        rows=row["num_records"] or 0,
        written_ms=row["modification_time"],
        low=row.get(f"min.{BY}"),
        high=row.get(f"max.{BY}"),
    )


def _log(names: Iterable[str]) -> tuple[list[int], int]:
    """The versions that have an entry, and the newest one that has a checkpoint."""
    entries, checkpoint = [], -1
    for name in names:
        number, *kind = name.split(".")
        if number.isdecimal() and kind == ["json"]:
            entries.append(int(number))
        elif number.isdecimal() and kind[:1] == ["checkpoint"]:
            checkpoint = max(checkpoint, int(number))
    return entries, checkpoint


def _is_of_log(file: FileInfo) -> bool:
    return f"/{LOG}/" in f"/{file.path}"

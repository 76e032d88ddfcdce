"""Small files of bronze as large ones: the rows of each as they are, in their order, in files of the kind
that history writes. delta-rs would write them half as large again: it does not pack times within `signals`.
"""

from collections.abc import Iterator
from contextlib import suppress
from datetime import date

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake.transaction import AddAction

from lake.bronze import store_errors
from lake.bronze_file import FILE_SCHEMA, BronzeFile
from lake.errors import RewriteDiffers
from lake.schemas import BRONZE_EVENTS
from lake.settings import LakeSettings
from lake.storage import Storage, storage
from lake.table_files import MIB, Fragments

GROUP_ROWS = 65_536
GROUP_BYTES = 32 * MIB
"""A row group is held in memory until it has one of them; another one is being read."""


def joined(settings: LakeSettings, old: Fragments) -> list[AddAction]:
    """The files that hold the rows of `old`; invisible until a commit adds them. After any exception nothing
    of them is left where the store answers."""
    store = storage(settings)
    files: list[BronzeFile] = []
    try:
        with store_errors(store):
            added = list(_files(store, old, settings.maintenance.file_mib * MIB, files))
        written = sum(file.rows for file in files)
        if written != old.rows:
            raise RewriteDiffers(BRONZE_EVENTS.name, old.partition, old.rows, written)
    except BaseException:
        for file in files:
            with suppress(OSError):
                file.discard()
        raise
    return added


def _files(store: Storage, old: Fragments, file_bytes: int, files: list[BronzeFile]) -> Iterator[AddAction]:
    """`files` get each one as it is begun."""
    groups = _gathered(_row_groups(store, old))
    folder = None if store.locations.is_s3 else store.table(BRONZE_EVENTS.name)
    for first in groups:
        file = BronzeFile(store.files(BRONZE_EVENTS.name), folder, date.fromisoformat(old.partition))
        files.append(file)
        group: pa.Table | None = first
        while group is not None:
            file.write(group)
            group = next(groups, None) if file.size < file_bytes else None
        yield file.close(is_new_data=False)


def _row_groups(store: Storage, old: Fragments) -> Iterator[pa.Table]:
    files = store.files(BRONZE_EVENTS.name)
    for file in old.files:
        with files.open_input_file(file.path) as opened, pq.ParquetFile(opened) as parquet:
            for number in range(parquet.num_row_groups):
                yield parquet.read_row_group(number).cast(FILE_SCHEMA)


def _gathered(groups: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """Small tables as larger ones."""
    waiting: list[pa.Table] = []
    rows = size = 0
    for group in groups:
        waiting.append(group)
        rows, size = rows + group.num_rows, size + group.nbytes
        if rows >= GROUP_ROWS or size >= GROUP_BYTES:
            yield pa.concat_tables(waiting)
            waiting, rows, size = [], 0, 0
    if waiting:
        yield pa.concat_tables(waiting)

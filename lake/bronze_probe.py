"""Whether bronze's newest files can be opened, for `fleetlake doctor`: a table whose log is whole may name
files that a lifecycle rule or a person has removed. Older ones are the audit's business."""

from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable
from deltalake.exceptions import TableNotFoundError
from deltalake.fs import DeltaStorageHandler
from pyarrow.fs import FileSystem, PyFileSystem

from lake.bronze import store_errors
from lake.errors import TableMissing
from lake.schemas import BRONZE_EVENTS
from lake.storage import Storage

NEWEST = 20
"""Files that are opened: a few requests each on S3."""


@dataclass(frozen=True, slots=True)
class BrokenFile:
    """A data file that the table names and nobody can read."""

    path: str
    problem: str


@dataclass(frozen=True, slots=True)
class Probed:
    """The table's version, the files that were opened, and those of them that could not be."""

    version: int
    opened: int
    broken: list[BrokenFile]


def probe(store: Storage) -> Probed:
    """Opens the table and its newest files. Raises TableMissing or StoreUnavailable."""
    uri = store.table(BRONZE_EVENTS.name)
    try:
        with store_errors(store):
            table = DeltaTable(uri, storage_options=store.options())
            paths = _newest(table)
            files = PyFileSystem(DeltaStorageHandler.from_table(table._table, store.options()))
    except TableNotFoundError as error:
        raise TableMissing(BRONZE_EVENTS.name, uri) from error
    return Probed(table.version(), len(paths), list(_broken(files, paths)))


def _newest(table: DeltaTable) -> list[str]:
    actions = pa.table(table.get_add_actions()).select(["modification_time", "path"])
    newest = actions.sort_by([("modification_time", "descending")]).slice(0, NEWEST)
    return [str(path) for path in newest["path"].to_pylist()]


def _broken(files: FileSystem, paths: list[str]) -> Iterator[BrokenFile]:
    for path in paths:
        try:
            with files.open_input_file(path) as opened:
                pq.read_metadata(opened)
        except (OSError, pa.ArrowInvalid) as error:
            yield BrokenFile(path, str(error).splitlines()[0])

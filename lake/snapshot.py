"""One version of a table, and a number for each of its partitions that changes whenever its rows do. Whoever
builds from a table notes the numbers: the same ones again mean that there is nothing new."""

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa
from deltalake import DeltaTable
from deltalake.exceptions import TableNotFoundError

from lake.bronze import store_errors
from lake.errors import TableMissing
from lake.gold import built
from lake.schemas import TABLES
from lake.storage import Storage


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A table at one version. The names of partitions are ISO dates, or `all` where a table has none."""

    table: str
    version: int
    marks: Mapping[str, int]


def snapshot(storage: Storage, name: str) -> Snapshot:
    """The newest version of a table. Raises TableMissing where it was never written.

    Bronze and silver only grow, so the rows of a day are its number. A mart's partitions have the numbers
    that their builder recorded.
    """
    uri = storage.table(name)
    try:
        with store_errors(storage):
            table = DeltaTable(uri, storage_options=storage.options())
            known = TABLES.get(name)
            if known is None:
                marks = built(storage, name, table.version())
            else:
                marks = _rows(table, known.partition_by[0])
    except TableNotFoundError as error:
        raise TableMissing(name, uri) from error
    return Snapshot(name, table.version(), marks)


def _rows(table: DeltaTable, partition: str) -> dict[str, int]:
    files = pa.table(table.get_add_actions(flatten=True))
    day = f"partition.{partition}"
    counted = files.group_by(day).aggregate([("num_records", "sum")])
    return {str(row[day]): row["num_records_sum"] for row in counted.to_pylist()}

"""One version of a table, and a number for each of its partitions that changes whenever its rows do. Whoever
builds from a table notes the numbers: the same ones again mean that there is nothing new."""

from collections.abc import Mapping
from dataclasses import dataclass

from deltalake import DeltaTable
from deltalake.exceptions import TableNotFoundError

from lake.bronze import store_errors
from lake.errors import TableMissing
from lake.gold import built
from lake.partition_rows import rows_by_partition
from lake.schemas import SILVER_SIGNALS, TABLES
from lake.silver import replaced
from lake.storage import Storage

DAY_ROWS = 1 << 40
"""More than any day has, so that rows and the number of a replacement stand side by side in one."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A table at one version. The names of partitions are ISO dates, or `all` where a table has none."""

    table: str
    version: int
    marks: Mapping[str, int]


def snapshot(storage: Storage, name: str) -> Snapshot:
    """The newest version of a table. Raises TableMissing where it was never written.

    Days of bronze only grow, so their rows are their number; so do those of silver, between two times at
    which a day is replaced: then it has that number as well. A mart's partitions have the numbers that their
    builder recorded.
    """
    uri = storage.table(name)
    try:
        with store_errors(storage):
            table = DeltaTable(uri, storage_options=storage.options())
            known = TABLES.get(name)
            if known is None:
                marks = built(storage, name, table.version())
            else:
                marks = rows_by_partition(table, known.partition_by[0])
            if name == SILVER_SIGNALS.name:
                marks = _told_apart(marks, replaced(storage, table.version()))
    except TableNotFoundError as error:
        raise TableMissing(name, uri) from error
    return Snapshot(name, table.version(), marks)


def _told_apart(rows: Mapping[str, int], replacements: Mapping[str, int]) -> dict[str, int]:
    return {day: count + replacements.get(day, 0) * DAY_ROWS for day, count in rows.items()}

"""silver.signals as its writer needs it: readings are appended, and how far each lane has read bronze is
recorded in the same Delta commit.

Every commit carries the transactions of both lanes, so delta-rs refuses one that was made without knowing
what another writer of either lane has added meanwhile: no two writers can add the same reading.
"""

from collections.abc import Iterator
from enum import StrEnum
from typing import NamedTuple

import pyarrow as pa
from deltalake import CommitProperties, Transaction, WriterProperties, write_deltalake
from deltalake.exceptions import CommitFailedError

from lake.bronze import open_or_create, store_errors
from lake.errors import Transient
from lake.schemas import SILVER_SIGNALS
from lake.storage import Storage

NOT_READ = -1
"""Of a lane that has not begun, so that its first increment has something to collide with."""

WRITTEN = WriterProperties(compression="ZSTD", compression_level=1, max_row_group_size=32_768)


class Lane(StrEnum):
    """Which readings of a message: those of the day before it was landed and later, or older ones."""

    HOT = "hot"
    LATE = "late"

    @property
    def transaction(self) -> str:
        return f"bronze:{self}"

    @property
    def rows_transaction(self) -> str:
        return f"bronze_rows:{self}"


class BronzeRead(NamedTuple):
    """How far a lane has read bronze: the version, and the rows that this version had."""

    version: int
    rows: int


class SilverMoved(Transient):
    """Another writer has committed to silver meanwhile; nothing was added. Read again, and repeat."""

    def __init__(self, version: int) -> None:
        self.version = version
        super().__init__(f"silver.signals has a commit after version {version}, of another writer")


class Silver:
    """A handle at one version. It moves by its own commits only."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._table = open_or_create(storage, SILVER_SIGNALS)

    @property
    def version(self) -> int:
        """The table version this handle stands at."""
        return self._table.version()

    @property
    def uri(self) -> str:
        return self._storage.table(SILVER_SIGNALS.name)

    def read_up_to(self, lane: Lane) -> BronzeRead | None:
        """How far a lane has read bronze; None before its first increment."""
        with store_errors(self._storage):
            version = self._table.transaction_version(lane.transaction)
            rows = self._table.transaction_version(lane.rows_transaction)
        return None if version in (None, NOT_READ) or rows is None else BronzeRead(version, rows)

    def append(self, rows: pa.RecordBatchReader, lane: Lane, read: BronzeRead) -> None:
        """Adds readings that silver has not at this handle's version, and records how far the lane has read.

        Raises SilverMoved where another writer was first.
        """
        try:
            write_deltalake(
                self._table,
                rows,
                mode="append",
                writer_properties=WRITTEN,
                commit_properties=CommitProperties(app_transactions=list(self._marks(lane, read))),
            )
        except CommitFailedError as error:
            raise SilverMoved(self.version) from error

    def _marks(self, lane: Lane, read: BronzeRead) -> Iterator[Transaction]:
        """Of both lanes, see above."""
        for each in Lane:
            known = read if each is lane else self.read_up_to(each) or BronzeRead(NOT_READ, 0)
            yield Transaction(each.transaction, known.version)
            yield Transaction(each.rows_transaction, known.rows)

"""silver.signals as its writers need it: readings are appended, or a day is replaced whole. How far each lane
has read bronze, and by which contracts messages were read, is recorded in the same Delta commit.

Every commit carries the transactions of both lanes, so delta-rs refuses one that was made without knowing
what another writer has done meanwhile: no two writers can add the same reading, and no day that is replaced
loses what came while it was made.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from enum import IntEnum, StrEnum
from typing import NamedTuple

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Transaction, WriterProperties, write_deltalake
from deltalake.exceptions import CommitFailedError

from lake.after_commit import AFTER_COMMIT
from lake.bronze import open_or_create, store_errors
from lake.errors import Transient
from lake.new_files import NewFiles, Output, commit
from lake.schemas import SILVER_SIGNALS
from lake.storage import Storage
from lake.tables import exists
from lake.transactions import transactions

NOT_READ = -1
"""Of a lane that has not begun, so that its first increment has something to collide with."""

ROW_GROUP = 32_768
"""Rows: one vehicle's day is a few groups."""

WRITTEN = WriterProperties(compression="ZSTD", compression_level=1, max_row_group_size=ROW_GROUP)


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


REPLACED = "replaced:"
"""Of a day that was replaced: a number that is another one after each time."""

CONTRACT, EXTENT = "contract:", "contract_extent:"
"""Of a source whose messages were decoded anew: by which contract, and how much of them."""


class Extent(IntEnum):
    """How much of a source's readings is by the contract that is recorded."""

    PARTLY = 0
    WHOLE = 1
    UNDER_WAY = 2
    """A derivation brings them all to it; a reading by another contract meanwhile makes this PARTLY."""


class Decoding(NamedTuple):
    """By which contract a source's messages count; a source without one counts as bronze has it."""

    contract: int
    """The number of its hash."""
    extent: Extent


class SilverMoved(Transient):
    """Another writer has committed to silver meanwhile; nothing was changed. Read again, and repeat."""

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
        return read_up_to(self._storage, self._table, lane)

    def decodings(self) -> dict[str, Decoding]:
        """By source, of those whose messages were ever decoded anew."""
        return _decodings(transactions(self._storage, SILVER_SIGNALS.name, self.version))

    def append(
        self,
        rows: Output,
        lane: Lane,
        read: BronzeRead,
        decodings: Mapping[str, Decoding] | None = None,
    ) -> None:
        """Adds readings that silver has not at this handle's version, and records how far the lane has read,
        and the decodings that are others now.

        Raises SilverMoved where another writer was first.
        """
        reads = {**self._reads(), lane: read}
        self._write(rows, [*_marks(reads), *_decoded(decodings or {})])

    def replace(self, day: date, rows: pa.RecordBatchReader) -> None:
        """Puts `rows` in place of all readings of a day, which may be none; the lanes stay where they are.

        Raises SilverMoved where another writer was first.
        """
        number = Transaction(f"{REPLACED}{day.isoformat()}", self.version + 1)
        marks = [*_marks(self._reads()), number]
        self._write(rows, marks, instead_of=f"event_date = '{day.isoformat()}'")

    def record(self, decodings: Mapping[str, Decoding], read_at_most: BronzeRead | None = None) -> None:
        """Changes no reading: records decodings, and sends lanes that have read more of bronze back to
        `read_at_most`: they read on from there, and add what is missing.

        Raises SilverMoved where another writer was first.
        """
        reads = self._reads()
        if read_at_most is not None:
            reads = {lane: min(read, read_at_most) for lane, read in reads.items()}
        nothing = pa.RecordBatchReader.from_batches(SILVER_SIGNALS.columns, [])
        self._write(nothing, [*_marks(reads), *_decoded(decodings)])

    def _reads(self) -> dict[Lane, BronzeRead]:
        return {lane: self.read_up_to(lane) or BronzeRead(NOT_READ, 0) for lane in Lane}

    def _write(self, rows: Output, marks: list[Transaction], *, instead_of: str | None = None) -> None:
        """Adds rows, or puts them in place of those that meet a condition."""
        marked = CommitProperties(app_transactions=marks)
        with store_errors(self._storage), self._moved():
            if isinstance(rows, NewFiles):
                commit(self._table, rows, marked)
                return
            if instead_of is None:
                write_deltalake(
                    self._table,
                    rows,
                    mode="append",
                    writer_properties=WRITTEN,
                    commit_properties=marked,
                    post_commithook_properties=AFTER_COMMIT,
                )
                return
            write_deltalake(
                self._table,
                rows,
                mode="overwrite",
                predicate=instead_of,
                writer_properties=WRITTEN,
                commit_properties=marked,
                post_commithook_properties=AFTER_COMMIT,
            )

    @contextmanager
    def _moved(self) -> Iterator[None]:
        try:
            yield
        except CommitFailedError as error:
            raise SilverMoved(self.version) from error


def read_up_to(storage: Storage, silver: DeltaTable, lane: Lane) -> BronzeRead | None:
    """How far a lane has read bronze, at this version of silver; None before its first increment."""
    with store_errors(storage):
        version = silver.transaction_version(lane.transaction)
        rows = silver.transaction_version(lane.rows_transaction)
    return None if version in (None, NOT_READ) or rows is None else BronzeRead(version, rows)


def decodings(storage: Storage) -> dict[str, Decoding]:
    """As the newest version records them; none of a table that is not there."""
    if not exists(storage, SILVER_SIGNALS.name):
        return {}
    with store_errors(storage):
        table = DeltaTable(storage.table(SILVER_SIGNALS.name), storage_options=storage.options())
    return _decodings(transactions(storage, SILVER_SIGNALS.name, table.version()))


def _decodings(recorded: Mapping[str, int]) -> dict[str, Decoding]:
    sources = [name.removeprefix(CONTRACT) for name in recorded if name.startswith(CONTRACT)]
    return {
        source: Decoding(recorded[f"{CONTRACT}{source}"], Extent(recorded[f"{EXTENT}{source}"]))
        for source in sources
    }


def replaced(storage: Storage, version: int) -> dict[str, int]:
    """The number of each day that was ever replaced."""
    recorded = transactions(storage, SILVER_SIGNALS.name, version)
    return {
        name.removeprefix(REPLACED): number for name, number in recorded.items() if name.startswith(REPLACED)
    }


def _marks(reads: Mapping[Lane, BronzeRead]) -> Iterator[Transaction]:
    """Of both lanes, see above."""
    for lane, read in reads.items():
        yield Transaction(lane.transaction, read.version)
        yield Transaction(lane.rows_transaction, read.rows)


def _decoded(decodings: Mapping[str, Decoding]) -> Iterator[Transaction]:
    for source, decoding in decodings.items():
        yield Transaction(f"{CONTRACT}{source}", decoding.contract)
        yield Transaction(f"{EXTENT}{source}", int(decoding.extent))

"""The bronze table as the history sink needs it: files are added and offsets recorded in one Delta commit.

Each commit carries an application transaction `<topic_id>/<partition> = next offset` for every partition
its writer owns. delta-rs refuses a commit when a version of the table that this handle has not seen carries
a transaction of the same name; that is what keeps two owners of a partition from both landing it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import CommitProperties, DeltaTable, Transaction
from deltalake.exceptions import DeltaError, TableNotFoundError
from deltalake.fs import DeltaStorageHandler
from deltalake.transaction import AddAction
from pyarrow.dataset import Scanner
from pyarrow.fs import PyFileSystem

from lake.bronze_file import BronzeFile
from lake.errors import StoreUnavailable
from lake.schemas import BRONZE, BRONZE_EVENTS, BRONZE_PARTITION
from lake.storage import STORE, Storage

START_PREFIX = "start:"
"""A second transaction per partition records the offset its history began at, where that was chosen."""

VERSION_READERS = 8
"""Versions are read side by side: on S3 each costs a few requests."""


class BronzePartition(NamedTuple):
    """A Kafka partition as bronze names it: by its topic's identity, so a recreated topic is another."""

    topic_id: str
    partition: int

    @property
    def transaction(self) -> str:
        return f"{self.topic_id}/{self.partition}"


@dataclass
class Bronze:
    """One process's handle on bronze. It advances only through `reload`, never inside `commit`."""

    storage: Storage
    _table: DeltaTable = field(init=False)

    def __post_init__(self) -> None:
        self._table = open_or_create(self.storage)

    @property
    def version(self) -> int:
        """The table version this handle stands at."""
        return self._table.version()

    def reload(self) -> int:
        """Moves the handle to the newest version; returns how many versions it moved."""
        before = self.version
        with store_errors(self.storage):
            self._table.update_incremental()
        return self.version - before

    def reopen(self) -> None:
        """A fresh handle at the newest version, with none of the memory the old one has gathered."""
        with store_errors(self.storage):
            self._table = DeltaTable(self._uri, storage_options=self.storage.options())

    def checkpoints(self, partitions: Iterable[BronzePartition]) -> dict[BronzePartition, int | None]:
        """The next offset recorded for each partition at this handle's version; None where there is none."""
        wanted = list(partitions)
        names = [partition.transaction for partition in wanted]
        return dict(zip(wanted, self._transactions(names), strict=True))

    def starts(self, partitions: Iterable[BronzePartition]) -> dict[BronzePartition, int | None]:
        """The offset at which a partition's history began, where a start other than earliest was chosen."""
        wanted = list(partitions)
        names = [START_PREFIX + partition.transaction for partition in wanted]
        return dict(zip(wanted, self._transactions(names), strict=True))

    def new_file(self, ingest_date: date) -> BronzeFile:
        """A growing file for rows of one ingest date; invisible until `commit` adds it."""
        with store_errors(self.storage):
            handler = DeltaStorageHandler.from_table(self._table._table, self.storage.options())
            folder = None if self.storage.locations.is_s3 else self._uri
            return BronzeFile(PyFileSystem(handler), folder, ingest_date)

    def commit(
        self,
        files: Sequence[AddAction],
        checkpoints: Mapping[BronzePartition, int],
        starts: Mapping[BronzePartition, int] | None = None,
        note: Mapping[str, str] | None = None,
    ) -> None:
        """Adds `files` and records `checkpoints` in one commit on top of the version this handle stands at.

        After *any* exception the commit may or may not have landed: reload and compare before anything else.
        """
        transactions = [Transaction(key.transaction, offset) for key, offset in checkpoints.items()]
        transactions += [
            Transaction(START_PREFIX + key.transaction, offset) for key, offset in (starts or {}).items()
        ]
        self._table.create_write_transaction(
            list(files),
            mode="append",
            schema=BRONZE,
            partition_by=[BRONZE_PARTITION],
            commit_properties=CommitProperties(
                app_transactions=transactions, custom_metadata=dict(note) if note else None
            ),
        )

    def has_rows(self, partition: BronzePartition) -> bool:
        """Whether any row of this partition is in bronze at this handle's version."""
        with store_errors(self.storage):
            return bool(self._offsets(partition).head(1).num_rows)

    def last_offset(self, partition: BronzePartition) -> int | None:
        """The greatest offset of this partition in bronze at this handle's version; None without rows."""
        with store_errors(self.storage):
            found = [pc.max(batch["offset"]).as_py() for batch in self._offsets(partition).to_batches()]
            return max((offset for offset in found if offset is not None), default=None)

    def _offsets(self, partition: BronzePartition) -> Scanner:
        return self._table.to_pyarrow_dataset().scanner(
            columns=["offset"],
            filter=(pc.field("topic_id") == partition.topic_id)
            & (pc.field("partition") == pa.scalar(partition.partition, pa.int32())),
        )

    def _transactions(self, names: Sequence[str]) -> list[int | None]:
        with store_errors(self.storage), ThreadPoolExecutor(VERSION_READERS) as pool:
            return list(pool.map(self._table.transaction_version, names))

    @property
    def _uri(self) -> str:
        return self.storage.table(BRONZE_EVENTS.name)


def open_or_create(storage: Storage) -> DeltaTable:
    """The bronze table, created where it is missing; several processes may try at once."""
    uri, options = storage.table(BRONZE_EVENTS.name), storage.options()
    with store_errors(storage):
        try:
            return DeltaTable(uri, storage_options=options)
        except TableNotFoundError:
            pass  # the first start on this lake
        try:
            return DeltaTable.create(
                uri,
                schema=BRONZE_EVENTS.columns,
                partition_by=list(BRONZE_EVENTS.partition_by),
                configuration=dict(BRONZE_EVENTS.properties),
                storage_options=options,
            )
        except DeltaError:  # another process was first
            return DeltaTable(uri, storage_options=options)


@contextmanager
def store_errors(storage: Storage) -> Iterator[None]:
    """Turns what delta-rs raises for a store that does not answer into StoreUnavailable."""
    try:
        yield
    except TableNotFoundError:
        raise
    except (DeltaError, OSError) as error:
        raise StoreUnavailable(STORE, storage.locations.root, str(error)) from error

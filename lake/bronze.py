"""The bronze table as the history sink needs it: files are added and offsets recorded in one Delta commit.

Each commit carries an application transaction `<topic_id>/<partition> = next offset` for every partition
its writer owns. delta-rs refuses a commit when a version of the table that this handle has not seen carries
a transaction of the same name; that is what keeps two owners of a partition from both landing it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import CommitProperties, DeltaTable, PostCommitHookProperties, Transaction
from deltalake.exceptions import DeltaError, TableNotFoundError
from deltalake.transaction import AddAction
from pyarrow.dataset import Dataset, Expression, Scanner

from lake.bronze_file import BronzeFile
from lake.errors import StoreFull, StoreUnavailable, TableWentBack, plain
from lake.room import NO_ROOM, free_bytes, is_full
from lake.schemas import BRONZE, BRONZE_EVENTS, BRONZE_PARTITION, TableSchema
from lake.storage import STORE, Storage

START_PREFIX = "start:"
"""A second transaction per partition records the offset its history began at, where that was chosen."""

KEEPS_ITS_LOG = PostCommitHookProperties(cleanup_expired_logs=False)
"""Maintenance removes old entries of the log: who lands rows needs no right to delete anything."""

VERSION_READERS = 8
"""Versions are read side by side: on S3 each costs a few requests."""


class LandedMessage(NamedTuple):
    """A message as bronze has it, its time in UTC."""

    key: bytes | None
    payload: bytes | None
    kafka_time: datetime | None


class BronzePartition(NamedTuple):
    """A Kafka partition as bronze names it: by its topic's identity, so a recreated topic is another."""

    topic_id: str
    partition: int

    @property
    def transaction(self) -> str:
        return f"{self.topic_id}/{self.partition}"

    @classmethod
    def of(cls, transaction: str) -> "BronzePartition | None":
        """Whose checkpoint a transaction is; None of what else the table keeps, which has a prefix."""
        topic_id, _, number = transaction.rpartition("/")
        return None if ":" in topic_id or not number.isdecimal() else cls(topic_id, int(number))


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

    @property
    def rows(self) -> int:
        """How many rows this version has, as its log says."""
        with store_errors(self.storage):
            counts = pa.table(self._table.get_add_actions(flatten=True))["num_records"]
        return int(pc.sum(counts).as_py() or 0)

    def reload(self) -> int:
        """Moves the handle to the newest version; returns how many versions it moved."""
        before = self.version
        with self._reading():
            self._table.update_incremental()
        return self.version - before

    def reopen(self) -> None:
        """A fresh handle at the newest version, with none of the memory the old one has gathered."""
        with self._reading():
            fresh = self._fresh()
        self._raise_if_older(fresh.version())
        self._table = fresh

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

    def marks(self, names: Iterable[str]) -> dict[str, int | None]:
        """The numbers that commits recorded under these names, at this handle's version."""
        wanted = list(names)
        return dict(zip(wanted, self._transactions(wanted), strict=True))

    def new_file(self, ingest_date: date) -> BronzeFile:
        """A growing file for rows of one ingest date; invisible until `commit` adds it."""
        with store_errors(self.storage):
            folder = None if self.storage.locations.is_s3 else self._uri
            return BronzeFile(self.storage.files(BRONZE_EVENTS.name), folder, ingest_date)

    def commit(
        self,
        files: Sequence[AddAction],
        checkpoints: Mapping[BronzePartition, int],
        starts: Mapping[BronzePartition, int] | None = None,
        note: Mapping[str, str] | None = None,
        *,
        marks: Mapping[str, int] | None = None,
    ) -> None:
        """Adds `files` and records `checkpoints` in one commit on top of the version this handle stands at.

        `marks` stay as long as the table, like checkpoints; a `note` goes with the log's entry.
        After *any* exception the commit may or may not have landed: reload and compare before anything else.
        """
        transactions = [Transaction(key.transaction, offset) for key, offset in checkpoints.items()]
        transactions += [
            Transaction(START_PREFIX + key.transaction, offset) for key, offset in (starts or {}).items()
        ]
        transactions += [Transaction(name, number) for name, number in (marks or {}).items()]
        properties = CommitProperties(
            app_transactions=transactions, custom_metadata=dict(note) if note else None
        )
        try:
            self._table.create_write_transaction(
                list(files),
                mode="append",
                schema=BRONZE,
                partition_by=[BRONZE_PARTITION],
                commit_properties=properties,
                post_commithook_properties=KEEPS_ITS_LOG,
            )
        except (DeltaError, OSError) as error:
            raise_if_full(self.storage, error)
            raise

    def with_rows(self, partitions: Iterable[BronzePartition]) -> set[BronzePartition]:
        """Those of the partitions of which bronze has any row at this handle's version.

        One look for all of them, though it may be at every file: a file has the rows of many topics.
        """
        wanted, found = set(partitions), set[BronzePartition]()
        if not wanted:
            return found
        ids = sorted({partition.topic_id for partition in wanted})
        with store_errors(self.storage):
            rows = self._dataset().scanner(
                columns=["topic_id", "partition"], filter=pc.field("topic_id").isin(ids)
            )
            for batch in rows.to_batches():
                seen = pa.table(batch).group_by(["topic_id", "partition"]).aggregate([]).to_pylist()
                found |= wanted.intersection(BronzePartition(**row) for row in seen)
                if found == wanted:
                    break
        return found

    def first_and_last(self, partition: BronzePartition) -> tuple[int, int] | None:
        """The least and the greatest offset of this partition at this handle's version; None without rows."""
        with store_errors(self.storage):
            ends = [pc.min_max(batch["offset"]).as_py() for batch in self._offsets(partition).to_batches()]
        found = [(each["min"], each["max"]) for each in ends if each["min"] is not None]
        return (min(first for first, _ in found), max(last for _, last in found)) if found else None

    def message(self, partition: BronzePartition, offset: int) -> LandedMessage:
        """What was landed at a place that has a row."""
        columns = ["key", "payload", "kafka_time"]
        with store_errors(self.storage):
            rows = self._dataset().to_table(columns, filter=_of(partition) & (pc.field("offset") == offset))
        return LandedMessage(**rows.to_pylist()[0])

    def _offsets(self, partition: BronzePartition) -> Scanner:
        return self._dataset().scanner(columns=["offset"], filter=_of(partition))

    def _dataset(self) -> Dataset:
        """Through Arrow's file system, see `Storage.files`."""
        return self._table.to_pyarrow_dataset(filesystem=self.storage.files(BRONZE_EVENTS.name))

    def _transactions(self, names: Sequence[str]) -> list[int | None]:
        with self._reading(), ThreadPoolExecutor(VERSION_READERS) as pool:
            return list(pool.map(self._table.transaction_version, names))

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """As `store_errors`; TableWentBack where the store answers, and has an older table or none."""
        try:
            with store_errors(self.storage):
                yield
        except (StoreUnavailable, TableNotFoundError) as error:
            self._raise_if_older(self._newest_version(), error)
            raise

    def _raise_if_older(self, found: int | None, cause: Exception | None = None) -> None:
        if found is None or found < self.version:
            raise TableWentBack(BRONZE_EVENTS.name, self._uri, self.version, found) from cause

    def _newest_version(self) -> int | None:
        """As the store has it; None where it has no table."""
        try:
            with store_errors(self.storage):
                return self._fresh().version()
        except TableNotFoundError:
            return None

    def _fresh(self) -> DeltaTable:
        return DeltaTable(self._uri, storage_options=self.storage.options())

    @property
    def _uri(self) -> str:
        return self.storage.table(BRONZE_EVENTS.name)


def open_or_create(storage: Storage, table: TableSchema = BRONZE_EVENTS) -> DeltaTable:
    """The table, bronze by default, created where it is missing; several processes may try at once."""
    uri, options = storage.table(table.name), storage.options()
    with store_errors(storage):
        try:
            return DeltaTable(uri, storage_options=options)
        except TableNotFoundError:
            pass  # the first start on this lake
        try:
            return DeltaTable.create(
                uri,
                schema=table.columns,
                partition_by=list(table.partition_by),
                configuration=dict(table.properties),
                storage_options=options,
            )
        except DeltaError:  # another process was first
            return DeltaTable(uri, storage_options=options)


@contextmanager
def store_errors(storage: Storage) -> Iterator[None]:
    """Turns what delta-rs raises for a store that does not answer into StoreUnavailable, or StoreFull."""
    try:
        yield
    except TableNotFoundError:
        raise
    except (DeltaError, OSError) as error:
        raise_if_full(storage, error)
        raise StoreUnavailable(STORE, storage.locations.root, plain(error)) from error


def _of(partition: BronzePartition) -> Expression:
    number = pa.scalar(partition.partition, pa.int32())
    return (pc.field("topic_id") == partition.topic_id) & (pc.field("partition") == number)


def raise_if_full(storage: Storage, error: Exception) -> None:
    """StoreFull where a local folder's disk has no room: that is why it failed."""
    root = storage.locations.root
    if storage.locations.is_s3:
        return
    if (isinstance(error, OSError) and error.errno in NO_ROOM) or is_full(root):
        raise StoreFull(root, free_bytes(root)) from error

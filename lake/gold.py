"""A mart as its builder needs it: partitions are replaced whole, and what each was made from is recorded in
the same Delta commit.

The record is an application transaction per partition, so delta-rs refuses the commit of a handle that has
not seen a newer build of one of its partitions: an older result never replaces a newer one.
"""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager

import pyarrow as pa
from deltalake import CommitProperties, Transaction, WriterProperties, write_deltalake
from deltalake.exceptions import CommitFailedError

from lake.after_commit import AFTER_COMMIT
from lake.bronze import open_or_create, store_errors
from lake.errors import Transient
from lake.new_files import NewFiles, Output, commit
from lake.partition_rows import rows_by_partition
from lake.schemas import TableSchema
from lake.storage import Storage
from lake.transactions import transactions

WHOLE = "all"
"""The one partition of a mart that has no partition column."""

BUILT = "built:"
FORGOTTEN = -1
"""In place of what a partition was made from: its rows went with the columns that the table had."""

WRITTEN = WriterProperties(compression="ZSTD", compression_level=1, max_row_group_size=32_768)
"""Groups small enough that one vehicle's day is a few of them: 6-26 ms over 100 M rows."""


class GoldMoved(Transient):
    """Another writer has replaced a partition of this mart meanwhile; nothing was changed. Build again."""

    def __init__(self, table: str, version: int) -> None:
        self.table, self.version = table, version
        super().__init__(f"{table} has a commit after version {version}, of another writer")


class Gold:
    """A handle on one mart at one version. It moves by its own commits only.

    It is opened before what the mart is made from is read: what another writer commits from then on is seen.
    """

    def __init__(self, storage: Storage, table: TableSchema) -> None:
        self._storage, self._about = storage, table
        self._table = self._shown = open_or_create(storage, table)

    @property
    def version(self) -> int:
        """The table version this handle stands at, or one with what it has replaced."""
        return self._shown.version()

    def built(self) -> dict[str, int]:
        """What each partition was made from, as its builder recorded it, at this handle's version."""
        return built(self._storage, self._about.name, self.version)

    def rows(self) -> dict[str, int]:
        """How many rows each partition has, of a mart that has partitions."""
        with store_errors(self._storage):
            return rows_by_partition(self._shown, self._about.partition_by[0])

    def replace(self, rows: Output, made_from: Mapping[str, int]) -> None:
        """Puts `rows` in place of all rows of the partitions that `made_from` names, which may be none.

        Raises GoldMoved where another writer was first. A table whose columns are not those of the mart any
        more begins anew with these rows: its other partitions count as not built, for the builder of the
        columns of before, too.
        """
        columns = self._about.columns
        is_same = pa.schema(self._table.schema().to_arrow()).equals(columns)
        recorded = {**({} if is_same else dict.fromkeys(self.built(), FORGOTTEN)), **made_from}
        properties = CommitProperties(
            app_transactions=[Transaction(f"{BUILT}{name}", made) for name, made in recorded.items()],
        )
        with store_errors(self._storage), self._moved():
            if isinstance(rows, NewFiles) and is_same:
                commit(self._table, rows, properties, instead_of=made_from)
                # The handle itself stays: moved to the newest version, it would pass by others' commits.
                self._shown = open_or_create(self._storage, self._about)
                return
            if isinstance(
                rows, NewFiles
            ):  # a table that begins anew is written by what can change its columns
                rows = rows.rows()
            write_deltalake(
                self._table,
                rows.cast(columns),
                mode="overwrite",
                predicate=self._only(made_from) if is_same else None,
                schema_mode=None if is_same else "overwrite",
                writer_properties=WRITTEN,
                commit_properties=properties,
                post_commithook_properties=AFTER_COMMIT,
            )
            self._shown = self._table

    @contextmanager
    def _moved(self) -> Iterator[None]:
        try:
            yield
        except CommitFailedError as error:
            raise GoldMoved(self._about.name, self.version) from error

    def _only(self, partitions: Collection[str]) -> str | None:
        """The condition that holds for the rows of these partitions, which are ISO dates."""
        if not self._about.partition_by:
            return None
        days = ", ".join(f"'{day}'" for day in sorted(partitions))
        return f"{self._about.partition_by[0]} in ({days})"


def built(storage: Storage, table: str, version: int) -> dict[str, int]:
    """By partition, what a mart's builder recorded: a number that stands for all it was made from."""
    recorded = transactions(storage, table, version)
    return {
        name.removeprefix(BUILT): made
        for name, made in recorded.items()
        if name.startswith(BUILT) and made != FORGOTTEN
    }

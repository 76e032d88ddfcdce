"""Files of a table replaced by others that hold the same rows, so that each row is there once whatever else
happens to the table.

delta-rs' own compaction is not used: since it lets moved rows pass every check of a commit, two of them at
once leave all rows there twice (1.6, also with application transactions). Here a commit is made on top of one
version only:

1. The newest version is opened.
2. The files to be replaced must all be there.
3. The commit becomes the very next version, or nothing: then again from 1.

Readers of changes see nothing of it, and appends of others neither stop it nor are stopped.
"""

import time
from collections.abc import Sequence

from deltalake import CommitProperties, DeltaTable
from deltalake.exceptions import CommitFailedError, DeltaError
from deltalake.transaction import AddAction, RemoveAction

from lake.after_commit import AFTER_COMMIT
from lake.bronze import raise_if_full, store_errors
from lake.errors import StoreUnavailable, Transient, plain
from lake.storage import STORE, Storage
from lake.table_files import Fragments

TRIES = 50
"""Sinks commit every few seconds, and a commit takes a fraction of one."""

NOTE = "fleetlake.rewritten"
"""Of the commit, for people who read the table's history."""


class FilesMoved(Transient):
    """Another writer has replaced the same files meanwhile; nothing was changed. Look again, and repeat."""

    def __init__(self, table: str, partition: str) -> None:
        self.table, self.partition = table, partition
        super().__init__(f"{table}, {partition}: another writer has replaced some of its files")


def open_table(storage: Storage, name: str) -> DeltaTable:
    """The newest version of a table that exists."""
    with store_errors(storage):
        return DeltaTable(storage.table(name), storage_options=storage.options())


def swap(storage: Storage, name: str, old: Fragments, new: Sequence[AddAction]) -> None:
    """Puts files in place of others. Raises FilesMoved where somebody else was faster.

    After any other exception the commit may have landed: the new files are not to be deleted.
    """
    for _ in range(TRIES):
        table = open_table(storage, name)  # 1
        present = _paths(table)
        if all(file.path in present for file in new):
            return  # a commit that seemed to fail had landed
        if not all(file.path in present for file in old.files):  # 2
            raise FilesMoved(name, old.partition)
        try:
            _commit(table, old, new)  # 3
        except CommitFailedError:
            continue
        except (DeltaError, OSError) as error:
            raise_if_full(storage, error)
            raise StoreUnavailable(STORE, storage.table(name), plain(error)) from error
        return
    problem = f"{TRIES} commits were overtaken, one after the other"
    raise StoreUnavailable(STORE, storage.table(name), problem)


def _commit(table: DeltaTable, old: Fragments, new: Sequence[AddAction]) -> None:
    metadata = table.metadata()
    now = int(time.time() * 1000)
    table.create_write_transaction(
        [
            *new,
            *(
                RemoveAction(
                    path=file.path,
                    data_change=False,
                    deletion_timestamp=now,
                    size=file.size,
                    partition_values={metadata.partition_columns[0]: file.partition},
                )
                for file in old.files
            ),
        ],
        mode="append",
        schema=table.schema(),
        partition_by=metadata.partition_columns,
        commit_properties=CommitProperties(custom_metadata={NOTE: old.partition}, max_commit_retries=0),
        post_commithook_properties=AFTER_COMMIT,
    )


def _paths(table: DeltaTable) -> set[str]:
    return set(table.get_add_actions()["path"].to_pylist())

"""Keeps a table quick to read and its store small, and says what it found and what it left.

1. Small files are written anew as large ones (lake/rewriting.py).
2. What no version has any more is removed once nobody needs it (lake/vacuum.py).
3. The log is summed up in a Delta checkpoint.
4. Entries of the log that a checkpoint holds are removed after `delta.logRetentionDuration`:
   commits leave that to us (lake/after_commit.py). Where one is gone that silver had not read, silver
   notices, and reads bronze whole.

Each step is whole by itself: whoever is ended between or in them leaves a table as true as it was, and the
next one goes on. A second run finds nothing to do. Application transactions stay as they are.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime

from lake.bronze import store_errors
from lake.errors import TableMissing
from lake.file_swap import open_table
from lake.rewriting import Rewritten, rewrite, to_rewrite
from lake.schemas import TABLES
from lake.settings import LakeSettings
from lake.storage import Storage, wait_ready
from lake.table_files import Fragments, TableFiles, table_files
from lake.tables import exists, gold_tables
from lake.vacuum import hours_kept, removable, vacuum

Clock = Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class Maintained:
    """What was done to a table. `hours_kept` is how old a file had to be to be removed."""

    table: str
    before: TableFiles
    after: TableFiles
    rewritten: Rewritten
    removed: int
    hours_kept: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Preview:
    """What would be done to a table now."""

    table: str
    found: TableFiles
    rewritten: tuple[Fragments, ...]
    removed: tuple[str, ...]
    hours_kept: int


def maintained_tables(store: Storage) -> list[str]:
    """The tables that the lake has."""
    return [*(name for name in TABLES if exists(store, name)), *gold_tables(store)]


def maintain(settings: LakeSettings, name: str, now: Clock = lambda: datetime.now(UTC)) -> Maintained:
    """All four steps. Raises TableMissing where there is no such table."""
    began = time.monotonic()
    store = _store(settings, name)
    before = _look(store, name)
    rewritten = rewrite(settings, name)  # 1
    removed = vacuum(settings, name, now())  # 2
    has_entries = _look(store, name).entries_to_read > 0
    table = open_table(store, name)
    with store_errors(store):
        if has_entries:
            table.create_checkpoint()  # 3
        table.cleanup_metadata()  # 4
    kept = hours_kept(settings, name, now())
    after = _look(store, name)
    return Maintained(name, before, after, rewritten, len(removed), kept, time.monotonic() - began)


def tidy(settings: LakeSettings, name: str, since: date) -> Maintained:
    """The first step only, of the partitions from a day on, and of these the small files only: cheap enough
    to be done all day long. Raises TableMissing where there is no such table."""
    began = time.monotonic()
    store = _store(settings, name)
    before = _look(store, name)
    rewritten = rewrite(settings, name, since.isoformat(), whole=False)
    kept = settings.maintenance.keep_hours
    return Maintained(name, before, _look(store, name), rewritten, 0, kept, time.monotonic() - began)


def preview(settings: LakeSettings, name: str, now: Clock = lambda: datetime.now(UTC)) -> Preview:
    """What `maintain` would do; it changes nothing. What step 1 replaces is not counted as removed: it stays
    for as long as any other file."""
    store = _store(settings, name, writes=False)
    return Preview(
        name,
        _look(store, name),
        tuple(to_rewrite(settings, name)),
        tuple(removable(settings, name, now())),
        hours_kept(settings, name, now()),
    )


def _store(settings: LakeSettings, name: str, *, writes: bool = True) -> Storage:
    store = wait_ready(settings, writes=writes)
    if not exists(store, name):
        raise TableMissing(name, store.table(name))
    return store


def _look(store: Storage, name: str) -> TableFiles:
    return table_files(store, name, open_table(store, name))

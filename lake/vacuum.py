"""Removes files that no version has any more, and those that a killed writer never committed.

A file stays at least as long as somebody may still read it:

- Queries, audits, exports, builds of marts and `fleetlake state rebuild` read the files of the version at
  which they began. They are given `keep_hours`; one that takes longer is told so (`FileGone`), and is done
  again.
- The lanes of silver read what bronze has gained by its change feed, from files that may have been replaced
  meanwhile: what was added after the version that the slower lane has read stays. A lane that is farther
  behind than the log's entries reach reads bronze whole anyway (lake/bronze_changes.py), and holds nothing.
- Sinks hold a table for long, but read its log only; data files they read when they are assigned partitions,
  of the version that they have opened then.
- Writers name a file in the log only after they have written it, the history sink up to
  `store_patience_seconds` after: files that no version has are left alone for `keep_hours` as well.
"""

import math
from collections.abc import Iterator
from datetime import datetime, timedelta

from pyarrow.fs import FileSelector, FileType

from lake.bronze import Bronze, store_errors
from lake.file_swap import open_table
from lake.schemas import BRONZE_EVENTS, SILVER_SIGNALS
from lake.settings import LakeSettings
from lake.silver import Lane, Silver
from lake.storage import Storage, storage
from lake.table_files import LOG
from lake.tables import exists

MARGIN = timedelta(hours=1)
"""A log's entry has the time of the store, what it replaces that of its writer."""


def hours_kept(settings: LakeSettings, name: str, now: datetime) -> int:
    """How long files of a table stay: as the settings say, longer for a lane of silver that is behind."""
    least = settings.maintenance.keep_hours
    if name != BRONZE_EVENTS.name:
        return least
    waiting = [now - since + MARGIN for since in _unread_since(storage(settings))]
    return max([least, *(math.ceil(each / timedelta(hours=1)) for each in waiting)])


def removable(settings: LakeSettings, name: str, now: datetime) -> list[str]:
    """The files that `vacuum` would remove. delta-rs names those of before again, as long as its log does."""
    named = _vacuum(settings, name, now, dry_run=True)
    if not named:
        return []
    store = storage(settings)
    with store_errors(store):
        stored = store.files(name).get_file_info(FileSelector("", recursive=True))
    return sorted({*named} & {each.path for each in stored if each.type is FileType.File})


def vacuum(settings: LakeSettings, name: str, now: datetime) -> list[str]:
    """Removes files; which. Nothing is committed where there are none."""
    found = removable(settings, name, now)
    if found:
        _vacuum(settings, name, now, dry_run=False)
    return found


def _vacuum(settings: LakeSettings, name: str, now: datetime, *, dry_run: bool) -> list[str]:
    store = storage(settings)
    hours = hours_kept(settings, name, now)
    with store_errors(store):
        return open_table(store, name).vacuum(
            retention_hours=hours, enforce_retention_duration=False, dry_run=dry_run, full=True
        )


def _unread_since(store: Storage) -> Iterator[datetime]:
    """For each lane of silver that lacks rows, when the first version was committed that it has not read;
    none where the entry is gone."""
    if not exists(store, SILVER_SIGNALS.name):
        return
    silver, rows, files = Silver(store), Bronze(store).rows, store.files(BRONZE_EVENTS.name)
    for lane in Lane:
        read = silver.read_up_to(lane)
        if read is not None and read.rows != rows:
            entry = files.get_file_info(f"{LOG}/{read.version + 1:020}.json")
            if entry.type is FileType.File:
                yield entry.mtime

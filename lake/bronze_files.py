"""Which files bronze has gained since a version, by its log: all rows landed since are in them. Who reads
them reads as much as has landed, however long the history.

The log is not relied on alone: its entries are cleaned up, and a table may have been put in the place of
another. The rows of the files found are compared with those by which the table has grown, as silver does.
"""

import json
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import partial
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable
from pyarrow.fs import FileSystem

from lake.bronze import store_errors
from lake.schemas import BRONZE_EVENTS, BRONZE_PARTITION
from lake.silver import BronzeRead
from lake.storage import Storage
from lake.transactions import LOG

READERS = 8
"""Entries are read side by side: on S3 each is a request."""

Actions = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Gained:
    """Files that hold every row of a while."""

    files: Mapping[date, list[str]]
    """Addresses by ingest date, which is not in them."""
    is_mixed: bool
    """Whether they have older rows as well: a compaction has put some in one file with new ones."""


def files_gained(store: Storage, bronze: DeltaTable, read: BronzeRead) -> Gained | None:
    """Those with the rows added after `read`, all of them there at the version of `bronze`; None where the
    log does not tell."""
    versions = range(read.version + 1, bronze.version() + 1)
    files = store.files(BRONZE_EVENTS.name)
    with store_errors(store), ThreadPoolExecutor(READERS) as pool:
        commits = list(pool.map(partial(_entry, files), versions))
        rows = int(pc.sum(pa.table(bronze.get_add_actions(flatten=True))["num_records"]).as_py() or 0)
    known = [commit for commit in commits if commit is not None]
    if len(known) < len(commits) or _rows_added(known) != rows - read.rows:
        return None
    left, is_mixed = _left(known)
    found: dict[date, list[str]] = {}
    for path, day in left.items():
        address = f"{store.table(BRONZE_EVENTS.name)}/{unquote(path)}"
        found.setdefault(date.fromisoformat(day), []).append(address)
    return Gained(found, is_mixed)


def dated(store: Storage, version: int) -> date | None:
    """The first day that a commit to bronze is of, by its time and its rows; None where its entry is gone."""
    with store_errors(store):
        actions = _entry(store.files(BRONZE_EVENTS.name), version) or []
    times = [each["commitInfo"]["timestamp"] for each in actions if "timestamp" in each.get("commitInfo", {})]
    days = [datetime.fromtimestamp(time / 1000, UTC).date() for time in times]
    adds = [each["add"] for each in actions if "add" in each]
    days += [date.fromisoformat(add["partitionValues"][BRONZE_PARTITION]) for add in adds]
    return min(days, default=None)


def _rows_added(commits: Iterable[Actions]) -> int:
    adds = (each["add"] for commit in commits for each in commit if "add" in each)
    return sum(json.loads(add["stats"])["numRecords"] for add in adds if _brings_rows(add))


def _left(commits: Iterable[Actions]) -> tuple[dict[str, str], bool]:
    """The paths of files with new rows, and of those that a compaction has put in the place of one: they are
    said to bring none. Whether there are any of those."""
    gained: dict[str, str] = {}
    is_mixed = False
    for actions in commits:
        replaced = {each["remove"]["path"] for each in actions if "remove" in each}
        is_moved = not replaced.isdisjoint(gained)
        is_mixed |= is_moved
        gained = {path: day for path, day in gained.items() if path not in replaced}
        for add in (each["add"] for each in actions if "add" in each):
            if _brings_rows(add) or is_moved:
                gained[add["path"]] = add["partitionValues"][BRONZE_PARTITION]
    return gained, is_mixed


def _brings_rows(add: dict[str, Any]) -> bool:
    return bool(add.get("dataChange", True))


def _entry(files: FileSystem, version: int) -> Actions | None:
    """What one commit did; None where its entry was cleaned up."""
    try:
        with files.open_input_stream(f"{LOG}/{version:020d}.json") as entry:
            return [json.loads(line) for line in entry.readall().splitlines()]
    except FileNotFoundError:
        return None

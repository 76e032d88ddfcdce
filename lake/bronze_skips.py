"""Offsets that an operator gave up with `fleetlake checkpoint skip`, for as long as there is a table.

They are application transactions of the commit that moved the checkpoint: Delta checkpoints keep them, while
log entries and their notes are cleaned up. delta-rs answers for a transaction by its name only, so the names
can be counted: `skips:<partition>` is how many there are, `skip:<n>:first:<partition>` and
`skip:<n>:last:<partition>` are the offsets of the n-th.
"""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property, partial
from math import inf
from typing import Any, NamedTuple

from pyarrow.fs import FileSelector, FileSystem

from lake.bronze import Bronze, BronzePartition, store_errors
from lake.schemas import BRONZE_EVENTS

NOTE = "fleetlake.skipped"
"""Of the commit, for people who read the table's history."""

LONGEST_ENTRY_BYTES = 900
"""Of a log entry of a skip that was only noted: it names no file, and its topic twice at most."""

READERS = 8


class Skip(NamedTuple):
    """Offsets `first` to `last`, both included."""

    first: int
    last: int


@dataclass
class Skips:
    """What was given up, at the version of a handle."""

    bronze: Bronze

    def of(self, partition: BronzePartition) -> list[Skip]:
        """In rising order."""
        return sorted({*recorded(self.bronze, partition), *self._noted.get(partition, ())})

    @cached_property
    def _noted(self) -> dict[BronzePartition, list[Skip]]:
        """Skips of before they were recorded, as long as their log entries are there."""
        found: dict[BronzePartition, list[Skip]] = {}
        for partition, skip in _noted(self.bronze):
            found.setdefault(partition, []).append(skip)
        return found


def recorded(bronze: Bronze, partition: BronzePartition) -> list[Skip]:
    """The skips of one partition."""
    counter = _counter(partition)
    count = bronze.marks([counter])[counter] or 0
    names = [_names(partition, number) for number in range(1, count + 1)]
    offsets = bronze.marks(name for pair in names for name in pair)
    return [Skip(offsets[first] or 0, offsets[last] or 0) for first, last in names]


def marks_of(bronze: Bronze, partition: BronzePartition, skip: Skip) -> dict[str, int]:
    """What the commit that moves the checkpoint over `skip` has to record."""
    counter = _counter(partition)
    number = (bronze.marks([counter])[counter] or 0) + 1
    first, last = _names(partition, number)
    return {counter: number, first: skip.first, last: skip.last}


def _counter(partition: BronzePartition) -> str:
    return f"skips:{partition.transaction}"


def _names(partition: BronzePartition, number: int) -> tuple[str, str]:
    return f"skip:{number}:first:{partition.transaction}", f"skip:{number}:last:{partition.transaction}"


def _noted(bronze: Bronze) -> Iterator[tuple[BronzePartition, Skip]]:
    """From the log's entries up to the handle's version. delta-rs numbers them by the newest version that a
    handle knows, and returns newer ones as well: under the wrong numbers."""
    files = bronze.storage.files(BRONZE_EVENTS.name)
    with store_errors(bronze.storage), ThreadPoolExecutor(READERS) as pool:
        short = [
            entry.path
            for entry in files.get_file_info(FileSelector("_delta_log"))
            if entry.size <= LONGEST_ENTRY_BYTES and _version(entry.base_name) <= bronze.version
        ]
        for actions in pool.map(partial(_actions, files), short):
            note = next((each["commitInfo"].get(NOTE) for each in actions if "commitInfo" in each), None)
            if note is not None:
                first, last = note.rpartition(" ")[2].split("-")
                yield from ((moved, Skip(int(first), int(last))) for moved in _moved(actions))


def _version(name: str) -> float:
    """Of a log entry; later than any where it is none."""
    stem, _, ending = name.partition(".")
    return int(stem) if stem.isdecimal() and ending == "json" else inf


def _actions(files: FileSystem, path: str) -> list[dict[str, Any]]:
    """What one entry says; nothing where it was cleaned up meanwhile."""
    try:
        with files.open_input_stream(path) as entry:
            return [json.loads(line) for line in entry.readall().splitlines()]
    except FileNotFoundError:
        return []


def _moved(actions: list[dict[str, Any]]) -> Iterator[BronzePartition]:
    """The partitions whose checkpoints a commit moved: their identity is not in its note."""
    for name in (each["txn"]["appId"] for each in actions if "txn" in each):
        partition = BronzePartition.of(name)
        if partition is not None:
            yield partition

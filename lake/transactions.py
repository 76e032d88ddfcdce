"""Every application transaction of a Delta table at one version. delta-rs answers for one name at a time, and
reads the log for each; who wants a thousand of them reads it once."""

import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pyarrow.parquet as pq
from pyarrow.fs import FileSelector, FileSystem

from lake.bronze import store_errors
from lake.errors import StoreUnavailable
from lake.storage import STORE, Storage

LOG = "_delta_log"
READERS = 8
"""Entries are read side by side: on S3 each is a request."""


def transactions(storage: Storage, table: str, version: int) -> dict[str, int]:
    """The number that the newest commit up to `version` recorded for each name.

    Source: https://github.com/delta-io/delta/blob/master/PROTOCOL.md (Transaction Identifiers, Checkpoints).
    """
    files = storage.files(table)
    with store_errors(storage), ThreadPoolExecutor(READERS) as pool:
        checkpoints, entries = _log(files, version)
        start = max(checkpoints, default=-1)
        missing = set(range(start + 1, version + 1)) - entries.keys()
        if missing:
            problem = f"version {min(missing)} is missing from its log"
            raise StoreUnavailable(STORE, storage.table(table), problem)
        found = dict(_of_checkpoint(files, checkpoints.get(start, [])))
        after = [entries[number] for number in range(start + 1, version + 1)]
        for recorded in pool.map(partial(_of_entry, files), after):
            found |= recorded
    return found


def _log(files: FileSystem, version: int) -> tuple[dict[int, list[str]], dict[int, str]]:
    """The files of each whole checkpoint, and of each commit, up to a version."""
    checkpoints: dict[int, list[str]] = {}
    entries: dict[int, str] = {}
    parts: dict[int, int] = {}
    for file in files.get_file_info(FileSelector(LOG)):
        number, *kind = file.base_name.split(".")
        if not number.isdecimal() or int(number) > version:
            continue
        match kind:
            case ["json"]:
                entries[int(number)] = file.path
            case ["checkpoint", *part, "parquet"]:  # <version>.checkpoint.<part>.<of>.parquet where in parts
                checkpoints.setdefault(int(number), []).append(file.path)
                parts[int(number)] = int(part[-1]) if part[-1:] and part[-1].isdecimal() else 1
    whole = {number: paths for number, paths in checkpoints.items() if len(paths) == parts[number]}
    return whole, entries


def _of_checkpoint(files: FileSystem, paths: list[str]) -> Iterator[tuple[str, int]]:
    for path in paths:
        recorded = pq.read_table(path, columns=["txn"], filesystem=files)["txn"].combine_chunks()
        for row in recorded.filter(recorded.is_valid()).to_pylist():
            yield row["appId"], row["version"]


def _of_entry(files: FileSystem, path: str) -> Mapping[str, int]:
    with files.open_input_stream(path) as entry:
        actions = [json.loads(line) for line in entry.readall().splitlines()]
    return {each["txn"]["appId"]: each["txn"]["version"] for each in actions if "txn" in each}

"""The warehouse: a DuckDB file with a copy of the marts, for tools that want a file. It is replaced as a
whole: who has the old one open goes on reading it, and nobody ever sees half of one."""

import errno
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import duckdb
from duckdb import DuckDBPyConnection

from lake.duck import connection, failure, quoted, scan
from lake.durable import sync
from lake.settings import LakeSettings
from lake.storage import storage

UNFINISHED = ".unfinished"
FORGOTTEN_SECONDS = 86_400.0
"""Of a file that a killed process has left: no copy takes that long."""


@dataclass(frozen=True, slots=True)
class Description:
    """What the warehouse says of a table, and how its rows lie in it."""

    text: str
    columns: Mapping[str, str]
    order: Sequence[str]


def publish(settings: LakeSettings, file: Path, tables: Mapping[str, Description]) -> dict[str, int]:
    """Copies the newest version of each table into a new file, and puts it in the place of `file`.

    Returns the rows of each table. QueryFailed where one cannot be read; `file` is then as it was.
    IsADirectoryError where `file` is a folder, before anything is copied.
    """
    if file.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(file))
    file.parent.mkdir(parents=True, exist_ok=True)
    _remove_forgotten(file)
    new = file.with_name(f"{file.name}.{uuid4()}{UNFINISHED}")
    try:
        with connection(settings) as connected:
            rows = _fill(connected, new, tables, settings)
        sync(new)
        os.replace(new, file)
    finally:
        new.unlink(missing_ok=True)
        new.with_name(f"{new.name}.wal").unlink(missing_ok=True)
    return rows


def _fill(
    connected: DuckDBPyConnection, new: Path, tables: Mapping[str, Description], settings: LakeSettings
) -> dict[str, int]:
    store = storage(settings)
    rows: dict[str, int] = {}
    connected.execute(f"attach {quoted(str(new))} as warehouse")
    for name, about in tables.items():
        layer, _, table = name.partition(".")
        target = f'warehouse.{layer}."{table}"'
        connected.execute(f"create schema if not exists warehouse.{layer}")
        order = ", ".join(f'"{column}"' for column in about.order) or "all"
        copy = f"create table {target} as from {scan(store.table(name))} order by {order}"
        try:
            found = connected.execute(copy).fetchone()
        except duckdb.Error as error:
            raise failure(error, copy) from error
        rows[name] = int(found[0]) if found else 0
        _describe(connected, target, about)
    connected.execute("detach warehouse")
    return rows


def _describe(connected: DuckDBPyConnection, target: str, about: Description) -> None:
    connected.execute(f"comment on table {target} is {quoted(about.text)}")
    for column, text in about.columns.items():
        connected.execute(f'comment on column {target}."{column}" is {quoted(text)}')


def _remove_forgotten(file: Path) -> None:
    for left in file.parent.glob(f"{file.name}.*{UNFINISHED}*"):
        if time.time() - left.stat().st_mtime > FORGOTTEN_SECONDS:
            left.unlink(missing_ok=True)

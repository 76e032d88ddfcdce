"""Tables with rows that are right, and with those that are wrong: planted.yml, and what every table is
checked for."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import yaml
from deltalake import write_deltalake

from lake.bronze import open_or_create
from lake.settings import LakeSettings
from lake.storage import wait_ready
from transforms.checks import REQUIRED, UNIQUE
from transforms.model import ColumnType, Model
from transforms.rows import typed

PLAIN: Mapping[ColumnType, Any] = {
    ColumnType.TEXT: "x",
    ColumnType.NUMBER: 1.0,
    ColumnType.INTEGER: 1,
    ColumnType.BOOL: True,
    ColumnType.DATE: "2026-03-10",
    ColumnType.TIME: "2026-03-10T12:00:00",
}
PLANTED: Mapping[str, Mapping[str, Any]] = yaml.safe_load(Path(__file__).with_name("planted.yml").read_text())

Row = Mapping[str, Any]


def right(model: Model) -> Row:
    """A row that no check finds."""
    plain = {name: PLAIN[column.type] for name, column in model.about.columns.items()}
    return {**plain, **PLANTED[model.name].get("right", {})}


def planted(model: Model) -> Iterator[tuple[str, list[Row], int]]:
    """By check: rows that are wrong, as they differ from one that is right, and how many it has to find."""
    required = [name for name, column in model.about.columns.items() if column.required]
    yield UNIQUE, [{}], 1  # a second row of the same key
    yield REQUIRED, [{name: None} for name in required], len(required)
    for check, rows in PLANTED[model.name].get("wrong", {}).items():
        yield check, rows, len(rows)


def write(lake: LakeSettings, model: Model, rows: Sequence[Row]) -> None:
    """Puts rows in place of what the table has, as somebody who may do anything."""
    columns = model.table.columns
    values = {field.name: [typed(row[field.name], field.type) for row in rows] for field in columns}
    table = open_or_create(wait_ready(lake), model.table)
    write_deltalake(table, pa.table(values, schema=columns), mode="overwrite")

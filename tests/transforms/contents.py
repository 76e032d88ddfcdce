"""What tables contain, and whether that is the same."""

import math
from collections.abc import Collection
from typing import Any

from lake.query import Warehouse
from lake.settings import LakeSettings
from transforms.model import Model

Row = tuple[Any, ...]


def what_happened(lake: LakeSettings, model: Model) -> list[Row]:
    """The distinct rows of a table, without the columns that describe the delivery."""
    return contents(
        lake, model, [name for name, column in model.about.columns.items() if not column.delivery]
    )


def contents(lake: LakeSettings, model: Model, columns: Collection[str]) -> list[Row]:
    """The distinct rows of these columns, in order."""
    with Warehouse(lake) as warehouse:
        named = ", ".join(f'"{name}"' for name in columns)
        rows = warehouse.query(f"select distinct {named} from {model.name} order by all").table()  # noqa: S608
    return [tuple(row.values()) for row in rows.to_pylist()]


def differences(expected: list[Row], found: list[Row]) -> list[tuple[Row | None, Row | None]]:
    """Pairs of rows that are not the same. The last digits of a sum depend on the order of adding."""
    longer = max(len(expected), len(found))
    pairs = zip(_filled(expected, longer), _filled(found, longer), strict=True)
    return [(one, other) for one, other in pairs if one is None or other is None or not _same(one, other)]


def _filled(rows: list[Row], length: int) -> list[Row | None]:
    return [*rows, *[None] * (length - len(rows))]


def _same(one: Row, other: Row) -> bool:
    return all(
        math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-9)
        if isinstance(a, float) and isinstance(b, float)
        else a == b
        for a, b in zip(one, other, strict=True)
    )

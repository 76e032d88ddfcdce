"""Rows as people write them in YAML, as typed columns: a line of names, and a line of values each."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa

Row = Sequence[Any]


class BadRows(Exception):
    """Rows of an example do not fit the table they are of."""


def table_of(rows: Sequence[Row], columns: pa.Schema) -> pa.Table:
    """All columns of the table; those that the first row does not name are null."""
    names = header(rows, columns)
    values = {name: [row[index] for row in rows[1:]] for index, name in enumerate(names)}
    arrays = [_array(values.get(field.name, [None] * (len(rows) - 1)), field) for field in columns]
    return pa.table(arrays, schema=pa.schema(field.with_nullable(True) for field in columns))


def header(rows: Sequence[Row], columns: pa.Schema) -> list[str]:
    """The columns that rows name, in their order; BadRows where they are none of the table's."""
    if not rows:
        problem = "the first row names the columns; there is none"
        raise BadRows(problem)
    names = [str(name) for name in rows[0]]
    unknown = [name for name in names if name not in columns.names]
    if unknown:
        problem = f"there is no column {', '.join(unknown)}; there are {', '.join(columns.names)}"
        raise BadRows(problem)
    for number, row in enumerate(rows[1:], 1):
        if len(row) != len(names):
            problem = f"row {number} has {len(row)} values for {len(names)} columns"
            raise BadRows(problem)
    return names


def _array(values: Sequence[Any], field: pa.Field) -> pa.Array:
    try:
        return pa.array([typed(value, field.type) for value in values], field.type)
    except (ValueError, TypeError, pa.ArrowException) as error:
        problem = f"column {field.name}: {error}"
        raise BadRows(problem) from error


def typed(value: Any, kind: pa.DataType) -> Any:
    """A value of YAML as Arrow wants it: times and dates are ISO 8601, UTC unless they say otherwise."""
    if value is None:
        return None
    if pa.types.is_timestamp(kind):
        return _time(value)
    if pa.types.is_date(kind):
        return value if isinstance(value, date) else date.fromisoformat(value)
    if pa.types.is_binary(kind):
        return str(value).encode()
    if pa.types.is_list(kind):
        return [typed(item, kind.value_type) for item in value]
    if pa.types.is_struct(kind):
        return _struct(value, kind)
    if pa.types.is_floating(kind):
        return float(value)
    return value


def _struct(value: Mapping[str, Any], kind: pa.StructType) -> dict[str, Any]:
    names = [kind.field(index).name for index in range(kind.num_fields)]
    unknown = value.keys() - set(names)
    if unknown:
        problem = f"there is no field {', '.join(sorted(unknown))}; there are {', '.join(names)}"
        raise ValueError(problem)
    return {name: typed(value.get(name), kind.field(name).type) for name in names}


def _time(value: Any) -> datetime:
    found = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)

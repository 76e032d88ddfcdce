"""Runs the examples of a model: the rows given, through its SELECT and its steps, against the rows expected.
Rows are compared in any order, numbers to nine digits."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

from transforms.engines import Engine
from transforms.model import Example, Model
from transforms.rows import BadRows, Row, header, table_of, typed
from transforms.statement import parse

RELATIVE = 1e-9


def run_example(
    model: Model,
    example: Example,
    tables: Mapping[str, pa.Schema],
    engine: Engine,
    settings: Mapping[str, Any],
) -> list[str]:
    """What differs, a line each; nothing where the example holds. Its own parameters come before `settings`;
    one that neither gives is null."""
    for table in model.reads - example.given.keys():
        engine.hold(table, tables[table].empty_table())
    for table, rows in example.given.items():
        engine.hold(table, table_of(rows, tables[table]))
    given = {**settings, **example.parameters}
    parameters = {name: given.get(name) for name in model.parameters}
    statement = parse(model.sql)
    found: list[str] = []
    for step, expected in example.steps.items():
        rows = engine.select(statement.step(step), _used(statement.step(step), parameters))
        found += [f"step {step}: {line}" for line in _differences(rows, expected)]
    return found + list(_differences(engine.select(model.sql, parameters), example.expect))


def _used(sql: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    return {name: parameters[name] for name in parse(sql).parameters}


def _differences(found: pa.Table, expected: Sequence[Row]) -> Iterator[str]:
    try:
        names = header(expected, found.schema)
        kinds = [found.schema.field(name).type for name in names]
        wanted = [tuple(map(typed, row, kinds)) for row in expected[1:]]
    except (BadRows, ValueError, TypeError) as error:
        yield str(error)
        return
    left = [tuple(row[name] for name in names) for row in found.select(names).to_pylist()]
    for row in wanted:
        match = next((other for other in left if _is_same(row, other)), None)
        if match is None:
            yield f"missing {_shown(names, row)}"
        else:
            left.remove(match)
    for row in left:
        yield f"unexpected {_shown(names, row)}"


def _is_same(wanted: Any, found: Any) -> bool:
    if isinstance(wanted, tuple):
        return all(map(_is_same, wanted, found))
    if isinstance(wanted, float) and isinstance(found, float):
        return math.isclose(wanted, found, rel_tol=RELATIVE, abs_tol=RELATIVE)
    return bool(wanted == found)


def _shown(names: Sequence[str], row: Row) -> str:
    return ", ".join(f"{name}={value}" for name, value in zip(names, row, strict=True))

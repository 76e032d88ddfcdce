"""The tables that a statement asks of, where it came over the network: those of the lake's layers, and what
it names itself. Everything else that can stand behind `from` (files, DuckDB's own views and functions,
whatever a later version of it adds) tells of the inside, and is refused without being listed anywhere.

A name without a schema is allowed only where a `with` around it gives it a meaning: where none does, DuckDB
would look for one of its own views, or for a file, of that name.
"""

import re
from collections.abc import Collection, Iterator
from typing import Any, Final, NamedTuple

from lake.errors import QueryFailed
from lake.locations import LAYERS

TABLE_FUNCTIONS: Final = frozenset({"generate_series", "range", "unnest"})
SIMPLE: Final = re.compile(r"\w+")
"""Anything else may be the end of a path."""


class Outside(NamedTuple):
    """What a statement asks of and may not, and where that stands, in bytes; None where DuckDB cannot say."""

    name: str
    position: int | None


def check_tables(tree: Any, sql: str, tables: Collection[str]) -> None:
    """Raises QueryFailed for the first relation of a statement (DuckDB's tree of it) that is not the lake's,
    with the names of its `tables`."""
    for name, position in outside(tree):
        problem = f"{name} is not a table here: the tables are {', '.join(sorted(tables))}"
        if position is None or position >= len(sql.encode()):
            raise QueryFailed(problem)
        before = sql.encode()[:position].decode(errors="replace")
        raise QueryFailed(problem, before.count("\n") + 1, len(before) - before.rfind("\n"))


def outside(node: Any, known: frozenset[str] = frozenset()) -> Iterator[Outside]:
    """Relations that are none of the lake's, nor of the names that a `with` has given: each is known behind
    its own definition only, and a recursive one also in the part of it that recurs."""
    if isinstance(node, list):
        for each in node:
            yield from outside(each, known)
    if not isinstance(node, dict):
        return
    yield from _itself(node, known)
    parts = dict(node)
    for entry in (parts.pop("cte_map", None) or {}).get("map", ()):
        yield from outside(entry["value"], known)
        known |= {entry["key"].lower()}
    if node.get("type") == "RECURSIVE_CTE_NODE":
        yield from outside(parts.pop("right"), known | {node["cte_name"].lower()})
    for each in parts.values():
        yield from outside(each, known)


def _itself(node: dict[str, Any], known: frozenset[str]) -> Iterator[Outside]:
    position = node.get("query_location")
    match node.get("type"):
        case "BASE_TABLE" if not _is_table(node, known):
            path = (node.get(part) for part in ("catalog_name", "schema_name", "table_name"))
            yield Outside(".".join(filter(None, path)), position)
        case "TABLE_FUNCTION":
            name = node.get("function", {}).get("function_name", "")
            if name.lower() not in TABLE_FUNCTIONS:
                yield Outside(f"{name}()", position)
        case "SHOW_REF" if not node.get("query"):
            yield Outside("show", position)


def _is_table(node: dict[str, Any], known: frozenset[str]) -> bool:
    catalog, schema, name = (node.get(f"{part}_name") or "" for part in ("catalog", "schema", "table"))
    if catalog or not SIMPLE.fullmatch(name):
        return not catalog and not schema and name.lower() in known
    return schema.lower() in LAYERS if schema else name.lower() in known

"""Functions that people's SQL may not call. DuckDB's sandbox binds its own readers and writers; these go past
it: into files of other folders, into its settings and logs, or into memory by an address. Some carry text
that is run as SQL, in which the others could be named. What is called is read from DuckDB's own tree of the
statement, in which comments, quotes and schemas hide nothing.
"""

import json
from collections.abc import Collection, Iterator
from typing import Any, Final

from duckdb import DuckDBPyConnection

from lake.asked_tables import check_tables
from lake.errors import QueryRefused

WRITING: Final = {
    "checkpoint",
    "copy_dir",
    "disable_logging",
    "disable_profiling",
    "enable_logging",
    "enable_profiling",
    "force_checkpoint",
    "truncate_duckdb_logs",
    "write_blob",
    "write_log",
}
PAST_THE_SANDBOX: Final = {
    "arrow_scan",
    "arrow_scan_dumb",
    "get_delta_test_expression",
    "load_aws_credentials",
    "pandas_scan",
    "parse_delta_filter_logline",
    "python_map_function",
    "seq_scan",
}
CARRYING_SQL: Final = {"json_execute_serialized_sql", "query", "query_table"}
REFUSED: Final = WRITING | PAST_THE_SANDBOX | CARRYING_SQL
OF_THE_INSIDE: Final = frozenset(
    {
        "current_setting",
        "format_type",
        "get_block_size",
        "getenv",
        "getvariable",
        "json_serialize_plan",
        "pg_get_constraintdef",
        "pg_get_viewdef",
    }
)
"""Functions of values that tell where the lake lies, how it is reached and what this process is: for those
who run it, and not for who asks over the network, of the lake's tables alone (`lake/asked_tables.py`).
Every macro of DuckDB's that has a SELECT of its own is one."""
OF_DELTA: Final = "delta_"
"""How the extension's own functions begin, which read any folder and ask any host."""


def is_refused(name: str) -> bool:
    """Whether people's SQL may not call it."""
    return name.lower() in REFUSED or name.lower().startswith(OF_DELTA)


def check_functions(cursor: DuckDBPyConnection, sql: str, only: Collection[str] | None = None) -> None:
    """Raises QueryRefused where a reading statement, which DuckDB has parsed already, calls one of them, or
    cannot be looked through; where it may ask `only` about tables, whose names are for the message, also
    where it tells of the inside, and QueryFailed where it reads anything but the lake's tables."""
    (text,) = cursor.execute("select json_serialize_sql(?)", [sql]).fetchone() or ("{}",)
    tree = json.loads(text)
    if tree.get("error", True):
        problem = f"the statement cannot be looked through: {tree.get('error_message')}"
        raise QueryRefused(problem)
    for name in _named(tree, "function_name"):
        if is_refused(name) or (only is not None and name.lower() in OF_THE_INSIDE):
            problem = f"{name}() is not for questions: it reads or writes what is not the lake's tables"
            raise QueryRefused(problem)
    if only is not None:
        check_tables(tree, sql, only)


def _named(node: Any, key: str) -> Iterator[str]:
    """What the tree has under a key, wherever it is."""
    if isinstance(node, dict):
        name = node.get(key)
        if isinstance(name, str):
            yield name
        for each in node.values():
            yield from _named(each, key)
    elif isinstance(node, list):
        for each in node:
            yield from _named(each, key)

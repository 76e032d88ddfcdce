"""Functions that people's SQL may not call. DuckDB's sandbox binds its own readers and writers; these go past
it: into files of other folders, into its settings and logs, or into memory by an address. Some carry text
that is run as SQL, in which the others could be named. What is called is read from DuckDB's own tree of the
statement, in which comments, quotes and schemas hide nothing.
"""

import json
from collections.abc import Iterator
from typing import Any, Final

from duckdb import DuckDBPyConnection

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
OF_DELTA: Final = "delta_"
"""How the extension's own functions begin, which read any folder and ask any host."""


def is_refused(name: str) -> bool:
    """Whether people's SQL may not call it."""
    return name.lower() in REFUSED or name.lower().startswith(OF_DELTA)


def check_functions(cursor: DuckDBPyConnection, sql: str) -> None:
    """Raises QueryRefused where a reading statement, which DuckDB has parsed already, calls one of them or
    cannot be looked through."""
    (text,) = cursor.execute("select json_serialize_sql(?)", [sql]).fetchone() or ("{}",)
    tree = json.loads(text)
    if tree.get("error", True):
        problem = f"the statement cannot be looked through: {tree.get('error_message')}"
        raise QueryRefused(problem)
    for name in _called(tree):
        if is_refused(name):
            problem = f"{name}() is not for questions: it reads or writes what is not the lake's tables"
            raise QueryRefused(problem)


def _called(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        name = node.get("function_name")
        if isinstance(name, str):
            yield name
        for each in node.values():
            yield from _called(each)
    elif isinstance(node, list):
        for each in node:
            yield from _called(each)

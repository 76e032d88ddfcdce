"""Functions that people's SQL may not call. DuckDB's sandbox binds its own readers and writers; these go past
it: into files of other folders, into its settings and logs, or into memory by an address. Some carry text
that is run as SQL, in which the others could be named. What is called is read from DuckDB's own tree of the
statement, in which comments, quotes and schemas hide nothing.
"""

import json
from collections.abc import Collection, Iterator
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
OF_THE_INSIDE: Final = frozenset(
    {
        "current_setting",
        "duckdb_connection_count",
        "duckdb_connections",
        "duckdb_databases",
        "duckdb_extensions",
        "duckdb_external_file_cache",
        "duckdb_log_contexts",
        "duckdb_logs",
        "duckdb_logs_parsed",
        "duckdb_prepared_statements",
        "duckdb_secret_types",
        "duckdb_secrets",
        "duckdb_settings",
        "duckdb_temporary_files",
        "duckdb_variables",
        "duckdb_views",
        "getenv",
        "getvariable",
        "glob",
        "pragma_database_list",
        "pragma_last_profiling_output",
        "pragma_platform",
        "pragma_user_agent",
        "pg_views",
        "read_blob",
        "read_text",
        "sniff_csv",
        "sqlite_master",
        "sqlite_schema",
        "sqlite_temp_master",
        "sqlite_temp_schema",
        "views",
        "which_secret",
    }
)
"""What tells where the lake lies, how it is reached and what this process is: for those who run it, and
not for who asks over the network."""
OF_DELTA: Final = "delta_"
"""How the extension's own functions begin, which read any folder and ask any host."""


def is_refused(name: str) -> bool:
    """Whether people's SQL may not call it."""
    return name.lower() in REFUSED or name.lower().startswith(OF_DELTA)


def check_functions(cursor: DuckDBPyConnection, sql: str, refused: Collection[str] = ()) -> None:
    """Raises QueryRefused where a reading statement, which DuckDB has parsed already, calls one of them,
    or of those that are `refused` besides, or cannot be looked through."""
    (text,) = cursor.execute("select json_serialize_sql(?)", [sql]).fetchone() or ("{}",)
    tree = json.loads(text)
    if tree.get("error", True):
        problem = f"the statement cannot be looked through: {tree.get('error_message')}"
        raise QueryRefused(problem)
    for name in _named(tree, "function_name"):
        if is_refused(name) or name.lower() in refused:
            problem = f"{name}() is not for questions: it reads or writes what is not the lake's tables"
            raise QueryRefused(problem)
    for name in _named(tree, "table_name"):
        if name.lower() in refused:
            problem = f"{name} is not for questions: it tells of the platform, not of the fleet"
            raise QueryRefused(problem)


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

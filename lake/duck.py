"""DuckDB over the lake: extensions from the installed wheels (never from the internet), times in UTC, the
lake's credential, memory and disk within the settings. For code of this package; people's SQL goes through
`lake.query`, which closes the connection around the lake first."""

import importlib.util
import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pyarrow as pa
from duckdb import DuckDBPyConnection

from lake.errors import QueryFailed
from lake.settings import LakeSettings
from lake.storage import Storage, storage

BATCH_ROWS = 20_000


class ExtensionMissing(Exception):
    """DuckDB's extension wheel of this DuckDB version is not installed.

    Operator action: `make setup`, which installs the pinned versions.
    """

    def __init__(self, name: str, path: str) -> None:
        self.name, self.path = name, path
        super().__init__(f"DuckDB's extension {name} is not installed (expected {path})")


@contextmanager
def connection(settings: LakeSettings) -> Iterator[DuckDBPyConnection]:
    """An in-memory DuckDB that can read the lake, and the folder it spills to; both end with the block."""
    query, store = settings.query, storage(settings)
    with (
        tempfile.TemporaryDirectory(
            prefix="fleetlake-", dir=query.temp_dir, ignore_cleanup_errors=True
        ) as spill,
        duckdb.connect(
            config={
                "autoinstall_known_extensions": False,
                "autoload_known_extensions": False,
                "errors_as_json": True,
                "max_temp_directory_size": query.temp_limit,
                "memory_limit": query.memory_limit,
                "python_enable_replacements": False,  # a name is never a Python variable
                "temp_directory": spill,
                **({} if query.threads is None else {"threads": query.threads}),
            }
        ) as connected,
    ):
        connected.execute("set global TimeZone = 'UTC'")
        _give_access(connected, store)
        yield connected


def _give_access(connected: DuckDBPyConnection, store: Storage) -> None:
    names = ("httpfs", "aws", "delta") if store.locations.is_s3 else ("delta",)
    for name in names:
        connected.execute(f"load {quoted(extension_path(name))}")
    secret = store.duckdb_secret()
    if secret is not None:
        connected.execute(secret)


def extension_path(name: str) -> str:
    """The extension's file in its wheel, for this version of DuckDB."""
    package = f"duckdb_extension_{name}"
    found = importlib.util.find_spec(package)
    folders = list(found.submodule_search_locations or []) if found else []
    file = Path(*folders[:1]) / "extensions" / f"v{duckdb.__version__}" / f"{name}.duckdb_extension"
    if not folders or not file.exists():
        raise ExtensionMissing(name, f"{package}=={duckdb.__version__}")
    return str(file)


def batches(result: DuckDBPyConnection, rows: int = BATCH_ROWS) -> pa.RecordBatchReader:
    """The result of the last `execute`, streamed."""
    return result.to_arrow_reader(rows)


def scan(uri: str, version: int | None = None) -> str:
    """The table function that reads a Delta table, at one version where given."""
    at = "" if version is None else f", version => {int(version)}"
    return f"delta_scan({quoted(uri)}{at})"


def quoted(text: str) -> str:
    """An SQL text literal."""
    return "'" + text.replace("'", "''") + "'"


def failure(error: Exception, sql: str) -> QueryFailed:
    """DuckDB's error about `sql` as one line, with the place where DuckDB names it."""
    text = str(error)
    try:
        details = json.loads(text[text.index("{") :])
    except ValueError:
        return QueryFailed(_one_line(text))
    problem = _one_line(details.get("exception_message", text))
    if "position" not in details:
        return QueryFailed(problem)
    before = sql.encode()[: int(details["position"])].decode(errors="replace")
    line = before.count("\n") + 1
    return QueryFailed(problem, line, len(before) - (before.rfind("\n") + 1) + 1)


def _one_line(text: str) -> str:
    return " ".join(text.split())

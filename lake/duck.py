"""DuckDB over the lake: extensions from the installed wheels (never from the internet), times in UTC, the
lake's credential, memory and disk within the settings. For code of this package; people's SQL goes through
`lake.query`, which closes the connection around the lake first."""

import errno
import importlib.util
import json
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, TypeVar

import duckdb
import pyarrow as pa
from duckdb import DuckDBPyConnection

from lake.errors import FileGone, QueryFailed
from lake.settings import LakeSettings
from lake.storage import Storage, no_key, storage

T = TypeVar("T")

BATCH_ROWS = 20_000
NOT_FOUND = "404"
HEAR_AGAIN_S = 0.1
INTERRUPT_AGAIN_S = 0.05
"""DuckDB forgets an interruption that comes just before it begins."""


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
                # Before it loads an extension, DuckDB hashes the whole file for its signature: half a second
                # for delta, each time. pip has compared the wheels with the hashes of the lock file, and who
                # can exchange what it installed can exchange this code.
                "allow_unsigned_extensions": True,
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
        # Data files are never changed: what was read of one stays true. Asking each file of the table whether
        # it has changed was two thirds of a repeated query's time.
        connected.execute("set global parquet_metadata_cache = true")
        connected.execute("set global validate_external_file_cache = 'NO_VALIDATION'")
        yield connected


def _give_access(connected: DuckDBPyConnection, store: Storage) -> None:
    names = ("httpfs", "aws", "delta") if store.locations.is_s3 else ("delta",)
    for name in names:
        connected.execute(f"load {quoted(extension_path(name))}")
    secret = store.duckdb_secret()
    if secret is None:
        return
    try:
        connected.execute(secret)
    except duckdb.Error as error:
        if _details(error).get("exception_type") != "Invalid Configuration":
            raise
        raise no_key(store) from error  # the environment has none either


def extension_path(name: str) -> str:
    """The extension's file in its wheel, for this version of DuckDB."""
    package = f"duckdb_extension_{name}"
    found = importlib.util.find_spec(package)
    folders = list(found.submodule_search_locations or []) if found else []
    file = Path(*folders[:1]) / "extensions" / f"v{duckdb.__version__}" / f"{name}.duckdb_extension"
    if not folders or not file.exists():
        raise ExtensionMissing(name, f"{package}=={duckdb.__version__}")
    return str(file)


class Interruptible(Protocol):
    """What runs something that can be ended."""

    def interrupt(self) -> None:
        """Ends it."""


def interruptible(cursor: Interruptible, work: Callable[[], T]) -> T:
    """What `work` returns, which uses `cursor`; Ctrl-C ends it within a moment, as KeyboardInterrupt.

    It runs on a thread of its own: a main thread that waits for a batch in Arrow's code hears no signal. Nor
    does one that waits without end where polars is imported, whose handler lets such a wait go on (2.1).
    """
    with ThreadPoolExecutor(1, "duckdb") as thread:
        running = thread.submit(work)
        try:
            while not running.done():
                wait([running], HEAR_AGAIN_S)
            return running.result()
        except KeyboardInterrupt:
            while not running.done():
                cursor.interrupt()
                wait([running], INTERRUPT_AGAIN_S)
            raise


def scan(uri: str, version: int | None = None) -> str:
    """The table function that reads a Delta table, at one version where given."""
    at = "" if version is None else f", version => {int(version)}"
    return f"delta_scan({quoted(uri)}{at})"


def empty_select(connected: DuckDBPyConnection, columns: pa.Schema) -> str:
    """A query of the columns as DuckDB types them, without rows."""
    connected.register("columns_wanted", columns.empty_table())
    described = connected.execute("describe columns_wanted").to_arrow_table().to_pylist()
    connected.unregister("columns_wanted")
    typed = ", ".join(f'cast(null as {each["column_type"]}) as "{each["column_name"]}"' for each in described)
    return f"select {typed} where false"


def identifier(table: str) -> str:
    """The name `<layer>.<table>` in SQL."""
    layer, _, name = table.partition(".")
    return '{}."{}"'.format(layer, name.replace('"', '""'))


def quoted(text: str) -> str:
    """An SQL text literal."""
    return "'" + text.replace("'", "''") + "'"


def failure(error: Exception, sql: str) -> QueryFailed:
    """DuckDB's error about `sql` as one line, with the place where DuckDB names it."""
    details = _details(error)
    problem = _one_line(details.get("exception_message", str(error)))
    if _is_file_gone(error, details):
        return FileGone(problem)
    if "position" not in details:
        return QueryFailed(problem)
    before = sql.encode()[: int(details["position"])].decode(errors="replace")
    line = before.count("\n") + 1
    return QueryFailed(problem, line, len(before) - (before.rfind("\n") + 1) + 1)


def _is_file_gone(error: Exception, details: dict[str, Any]) -> bool:
    """As the file system says it, or an S3 store."""
    if isinstance(error, duckdb.HTTPException):
        return str(details.get("status_code", "")) == NOT_FOUND
    return isinstance(error, duckdb.IOException) and details.get("errno") == str(errno.ENOENT)


def is_interruption(error: Exception) -> bool:
    """DuckDB's word for an answer that was ended, which is not why it was."""
    return _details(error).get("exception_type") == "INTERRUPT"


def missing_table(error: Exception) -> str | None:
    """What DuckDB says of a table that is not there, without its guess at another name; None for any other
    error."""
    details = _details(error)
    is_table = details.get("type", "Table") == "Table"  # a schema that is missing has no type
    if not isinstance(error, duckdb.CatalogException) or "position" not in details or not is_table:
        return None
    return str(details["exception_message"]).partition("\n")[0].rstrip("!.")


def _details(error: Exception) -> dict[str, Any]:
    text = str(error)
    try:
        return dict(json.loads(text[text.index("{") :]))
    except ValueError:
        return {}


def _one_line(text: str) -> str:
    return " ".join(text.split())

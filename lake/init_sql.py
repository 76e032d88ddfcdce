"""The lake as views of a DuckDB that somebody else opens, such as Metabase's: the statements that make them.
They name no key unless asked to, write nothing, and may be run again on the same DuckDB."""

from collections.abc import Iterator, Mapping

from lake.duck import connection, empty_select, identifier, quoted, scan
from lake.live import LIVE, LiveSelect, parts_at_any_time
from lake.locations import LAYERS
from lake.schemas import TABLES
from lake.settings import LakeSettings
from lake.storage import Storage, storage
from lake.warehouse import Description

FOR_S3 = ("httpfs", "aws", "delta")
FOR_A_FOLDER = ("delta",)

FAST = (
    "set global parquet_metadata_cache = true",
    "set global validate_external_file_cache = 'NO_VALIDATION'",
)
"""As for our own queries: data files are never changed."""


def init_sql(
    settings: LakeSettings,
    seen: LakeSettings,
    tables: Mapping[str, Description],
    live: LiveSelect,
    *,
    names_keys: bool = False,
) -> str:
    """Statements for views of these tables, all of which are there; what is live needs bronze only.

    `seen` says how the lake is reached by who runs them.
    """
    as_seen = storage(seen)
    views = {name: f"from {scan(as_seen.table(name))}" for name in tables if name != LIVE}
    if LIVE in tables:
        with connection(settings) as connected:
            empty = {name: empty_select(connected, table.columns) for name, table in TABLES.items()}
        views[LIVE] = live(parts_at_any_time(storage(settings), as_seen.locations, empty))
    statements = [*_opening(as_seen, names_keys=names_keys)]
    for name, select in views.items():
        statements += [
            f"create or replace view {identifier(name)} as {select}",
            *_comments(name, tables[name]),
        ]
    return "".join(f"{statement};\n" for statement in statements)


def _opening(seen: Storage, *, names_keys: bool) -> Iterator[str]:
    for extension in FOR_S3 if seen.locations.is_s3 else FOR_A_FOLDER:
        yield f"install {extension}"
        yield f"load {extension}"
    yield from FAST
    secret = seen.duckdb_secret(names_keys=names_keys)
    if secret is not None:
        yield secret
    yield from (f"create schema if not exists {layer}" for layer in LAYERS)


def _comments(name: str, about: Description) -> Iterator[str]:
    view = identifier(name)
    yield f"comment on view {view} is {quoted(' '.join(about.text.split()))}"
    for column, text in about.columns.items():
        yield f'comment on column {view}."{column}" is {quoted(text)}'

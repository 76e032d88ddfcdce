"""How Metabase reaches the lake: by a DuckDB in its memory, which its driver opens with views on the newest
version of every table. There is no file that could be locked or old."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fleetlake.settings import Settings
from lake.init_sql import init_sql
from lake.live import LIVE
from lake.schemas import BRONZE_COLUMNS, BRONZE_EVENTS, BRONZE_TEXT, SILVER_SIGNALS
from lake.settings import LakeSettings
from lake.storage import wait_ready
from lake.tables import exists
from lake.warehouse import Description
from transforms.document import description
from transforms.live import signals_live
from transforms.load import load_models

LIVE_TEXT = "silver.signals as it would be now: with what has landed since it was last brought up to date. "


@dataclass(frozen=True, slots=True)
class Connection:
    """What Metabase is told, and the tables left out because they were never written."""

    init_sql: str
    memory_limit: str
    missing: list[str]

    def details(self, extensions: Path | None) -> dict[str, Any]:
        """The body of a request to Metabase's `/api/database`. `extensions` is DuckDB's folder of extensions,
        as Metabase sees it, where they are not to come from the internet."""
        details: dict[str, Any] = {
            "database_file": ":memory:",
            "read_only": False,  # DuckDB opens nothing in memory that may not be written
            "old_implicit_casting": True,
            "allow_unsigned_extensions": False,
            "memory_limit": self.memory_limit,
            "init_sql": self.init_sql,
        }
        if extensions is not None:
            details["additional-options"] = f"extension_directory={extensions}"
        return {"name": "Fleetlake", "engine": "duckdb", "details": details}


def metabase_connection(
    settings: Settings, *, endpoint: str | None = None, lake: str | None = None, names_keys: bool = False
) -> Connection:
    """Views of all tables that are there. `endpoint` and `lake` are the addresses as Metabase sees them."""
    store = wait_ready(settings.lake, writes=False)
    known = _descriptions()
    present = {name: about for name, about in known.items() if name == LIVE or exists(store, name)}
    if BRONZE_EVENTS.name not in present:
        present.pop(LIVE)
    seen = _as_seen(settings.lake, endpoint, lake)
    text = init_sql(settings.lake, seen, present, signals_live, names_keys=names_keys)
    missing = [name for name in known if name not in present]
    return Connection(text, settings.lake.query.memory_limit, missing)


def _descriptions() -> dict[str, Description]:
    """Of everything that can be asked, in an order in which people read it."""
    models = {name: description(model) for name, model in load_models().items()}
    silver = models.pop(SILVER_SIGNALS.name)
    live = Description(LIVE_TEXT + silver.text, silver.columns, silver.order)
    bronze = Description(BRONZE_TEXT, BRONZE_COLUMNS, [])
    return {BRONZE_EVENTS.name: bronze, SILVER_SIGNALS.name: silver, LIVE: live, **models}


def _as_seen(lake: LakeSettings, endpoint: str | None, uri: str | None) -> LakeSettings:
    s3 = lake.s3 if endpoint is None else lake.s3.model_copy(update={"endpoint_url": endpoint})
    return lake.model_copy(update={"s3": s3, "uri": uri or lake.uri})

"""How fresh each layer is, from the tables' logs alone: the newest time in it, and how many rows it has. No
data file is read."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable
from deltalake.exceptions import TableNotFoundError

from lake.bronze import store_errors
from lake.settings import LakeSettings
from lake.storage import storage

LAYERS: Mapping[str, tuple[str, str]] = {
    "bronze": ("bronze.events", "ingest_time"),
    "silver": ("silver.signals", "event_time"),
    "gold": ("gold.signal_minute", "minute_time"),
}
"""By layer, the table that tells for it, and the column whose newest value counts."""


@dataclass(frozen=True, slots=True)
class Layer:
    """None where nothing was ever written, or the log does not say."""

    layer: str
    newest: datetime | None
    rows: int | None


def freshness(settings: LakeSettings) -> list[Layer]:
    """Of every layer, as of now."""
    return [_layer(settings, layer, *about) for layer, about in LAYERS.items()]


def _layer(settings: LakeSettings, layer: str, table: str, column: str) -> Layer:
    store = storage(settings)
    try:
        with store_errors(store):
            opened = DeltaTable(store.table(table), storage_options=store.options())
            files = pa.table(opened.get_add_actions(flatten=True))
    except TableNotFoundError:
        return Layer(layer, None, None)
    rows = pc.sum(files["num_records"]).as_py() if files.num_rows else 0
    statistic = f"max.{column}"
    newest = pc.max(files[statistic]).as_py() if statistic in files.column_names else None
    return Layer(layer, _in_utc(newest), rows)


def _in_utc(moment: Any) -> datetime | None:
    if not isinstance(moment, datetime):
        return None
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)

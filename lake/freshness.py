"""How fresh each layer is, from the tables' logs alone: the newest time in it, and how many rows it has. No
data file is read.

Bronze and silver are as fresh as the newest message that they have read, by Kafka's time: no clock of a
vehicle has a part in it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable
from deltalake.exceptions import TableNotFoundError

from lake.bronze import store_errors
from lake.errors import StoreUnavailable
from lake.schemas import BRONZE_EVENTS, SILVER_SIGNALS
from lake.settings import LakeSettings
from lake.silver import Lane, read_up_to
from lake.storage import Storage, storage

GOLD = "gold.signal_minute"
"""The mart that tells for all of them."""

KAFKA_TIME, MINUTE_TIME = "kafka_time", "minute_time"


@dataclass(frozen=True, slots=True)
class Layer:
    """`newest` is None where nothing was ever written, or the log does not say."""

    layer: str
    newest: datetime | None
    rows: int | None


@dataclass(frozen=True, slots=True)
class _Table:
    """A table at one version, and what its log says of each file."""

    opened: DeltaTable
    files: pa.Table

    @property
    def rows(self) -> int:
        return int(pc.sum(self.files["num_records"]).as_py() or 0) if self.files.num_rows else 0

    def newest(self, column: str) -> datetime | None:
        statistic = f"max.{column}"
        if statistic not in self.files.column_names:
            return None
        return _in_utc(pc.max(self.files[statistic]).as_py())


def freshness(settings: LakeSettings) -> list[Layer]:
    """Of every layer, as of now."""
    store = storage(settings)
    silver = _open(store, SILVER_SIGNALS.name)  # before bronze, which is at no older version then
    bronze, gold = _open(store, BRONZE_EVENTS.name), _open(store, GOLD)
    return [
        _layer("bronze", bronze, lambda table: table.newest(KAFKA_TIME)),
        _layer("silver", silver, lambda table: _newest_read(store, table, bronze)),
        _layer("gold", gold, lambda table: table.newest(MINUTE_TIME)),
    ]


def _layer(name: str, table: _Table | None, newest: Callable[[_Table], datetime | None]) -> Layer:
    return Layer(name, None, None) if table is None else Layer(name, newest(table), table.rows)


def _newest_read(store: Storage, silver: _Table, bronze: _Table | None) -> datetime | None:
    """The newest message of bronze as silver has read it, in the lane of what has just happened."""
    read = read_up_to(store, silver.opened, Lane.HOT)
    if read is None or bronze is None:
        return None
    if read.version == bronze.opened.version():
        return bronze.newest(KAFKA_TIME)
    try:
        earlier = _open(store, BRONZE_EVENTS.name, read.version)
    except StoreUnavailable:  # bronze has just answered: its log begins behind this version by now
        return None
    return None if earlier is None else earlier.newest(KAFKA_TIME)


def _open(store: Storage, table: str, version: int | None = None) -> _Table | None:
    """None of a table that was never written."""
    try:
        with store_errors(store):
            opened = DeltaTable(store.table(table), version=version, storage_options=store.options())
            return _Table(opened, pa.table(opened.get_add_actions(flatten=True)))
    except TableNotFoundError:
        return None


def _in_utc(moment: Any) -> datetime | None:
    if not isinstance(moment, datetime):
        return None
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)

"""Tables in many small files, and what lies in them."""

from datetime import timedelta
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable

from lake.bronze import Bronze
from lake.file_swap import open_table
from lake.query import Warehouse
from lake.schemas import SILVER_SIGNALS
from lake.silver import BronzeRead, Lane, Silver
from lake.storage import storage
from lake.transactions import transactions
from tests.transforms.small_lake import NOON, Lake, Reading

DAY = NOON.date().isoformat()
VINS = [f"LRWYGCEK1PC{number:06}" for number in range(40)]
"""Alike in more than the first fourteen characters."""


def fragment(lake: Lake, increments: int = 6, days_before: int = 0) -> None:
    """As many commits of bronze and of silver, each with a reading of every vehicle."""
    for number in range(increments):
        readings = [reading(vin, number, days_before) for vin in VINS]
        lake.land(*[[each] for each in reversed(readings)])
        append(lake, readings)


def append(lake: Lake, readings: list[Reading]) -> None:
    """What an increment of the hot lane commits; of the columns those that a test looks at."""
    names = ("vehicle_id", "signal", "event_time", "value")
    found = [dict(zip(names, each, strict=True)) for each in readings]
    table = pa.Table.from_pylist(
        [
            {**row, "effective_time": row["event_time"], "event_date": row["event_time"].date()}
            for row in found
        ],
        SILVER_SIGNALS.columns,
    )
    bronze = Bronze(storage(lake.settings))
    Silver(storage(lake.settings)).append(
        table.to_reader(), Lane.HOT, BronzeRead(bronze.version, bronze.rows)
    )


def reading(vehicle: str, number: int, days_before: int = 0) -> Reading:
    time = NOON - timedelta(days=days_before) + timedelta(seconds=number, microseconds=7)
    return (vehicle, "speed", time, float(number))


def rows(lake: Lake, table: str) -> list[tuple[Any, ...]]:
    with Warehouse(lake.settings) as warehouse:
        found = warehouse.query(f"select * from {table} order by all").table()  # noqa: S608
    return [tuple(row.values()) for row in found.to_pylist()]


def open_(lake: Lake, table: str) -> DeltaTable:
    return open_table(storage(lake.settings), table)


def recorded(lake: Lake, table: str) -> dict[str, int]:
    """All application transactions."""
    return transactions(storage(lake.settings), table, open_(lake, table).version())


def read_file(lake: Lake, table: str, path: str) -> pq.ParquetFile:
    return pq.ParquetFile(storage(lake.settings).files(table).open_input_file(path))

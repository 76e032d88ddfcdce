"""Rows of bronze for the tests of the lake."""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from lake.bronze import open_or_create
from lake.schemas import BRONZE
from lake.settings import LakeSettings
from lake.storage import wait_ready

Rows = Iterable[Mapping[str, Any]]
BronzeWriter = Callable[[LakeSettings, Rows], DeltaTable]

NOON = datetime(2025, 10, 27, 12, 0, 0, 123456, tzinfo=UTC)


def bronze_row(**columns: Any) -> dict[str, Any]:
    """A row of bronze of which the test names only what matters."""
    row = {
        "topic_id": "life.topic",
        "topic": "topic",
        "partition": 0,
        "offset": 0,
        "kafka_time": NOON,
        "key": b"981",
        "headers": [{"key": "trace", "value": b"\x00\xff"}],
        "payload": b'{"speed": 101.50}',
        "source": "tcu",
        "vehicle_id": "981",
        "event_time": NOON,
        "signals": [signal_of("speed", 101.5)],
        "rejected_signals": [],
        "contract_hash": "hash",
        "ingest_time": NOON,
        "ingest_date": date(2025, 10, 27),
    }
    return row | columns


def signal_of(
    name: str, value: float | str, time: datetime = NOON, sensor: str | None = None
) -> dict[str, Any]:
    """One decoded signal."""
    number, text = (None, value) if isinstance(value, str) else (value, None)
    return {
        "signal": name,
        "sensor": sensor,
        "event_time": time,
        "effective_time": time,
        "value": number,
        "text": text,
    }


@pytest.fixture(name="bronze_row")
def bronze_row_fixture() -> Callable[..., dict[str, Any]]:
    """Makes a row of bronze."""
    return bronze_row


@pytest.fixture(name="signal_of")
def signal_of_fixture() -> Callable[..., dict[str, Any]]:
    """Makes a decoded signal."""
    return signal_of


@pytest.fixture
def write_bronze() -> BronzeWriter:
    """Appends rows to bronze in one commit, creating it where it is missing."""

    def write(settings: LakeSettings, rows: Rows) -> DeltaTable:
        store = wait_ready(settings)
        table = open_or_create(store)
        write_deltalake(table, pa.Table.from_pylist(list(rows), schema=BRONZE), mode="append")
        return table

    return write

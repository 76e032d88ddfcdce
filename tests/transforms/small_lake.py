"""A lake small enough to read: messages of a few readings each, landed commit by commit."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake

from lake.bronze import BronzePartition, open_or_create
from lake.query import Warehouse
from lake.schemas import BRONZE
from lake.settings import LakeSettings
from lake.silver import Lane
from lake.storage import wait_ready
from transforms.increment import increment
from transforms.live import signals_live
from transforms.load import load_models

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
SIGNALS = load_models()["silver.signals"]
KEY = ", ".join(SIGNALS.about.key)

Reading = tuple[str, str, datetime, float | str]
"""Vehicle, signal, event time and value."""


class Lake:
    """A lake of one test: messages land in it one commit after the other."""

    def __init__(self, settings: LakeSettings) -> None:
        self.settings, self.sent = settings, 0
        self.bronze: DeltaTable = open_or_create(wait_ready(settings))

    def land(self, *messages: Sequence[Reading], at: datetime = NOON) -> None:
        """One commit; each message has readings of one vehicle."""
        rows = [self._row(readings, at) for readings in messages]
        checkpoint = Transaction(BronzePartition("life", 0).transaction, self.sent + 1)
        write_deltalake(
            self.bronze,
            pa.Table.from_pylist(rows, BRONZE),
            mode="append",
            commit_properties=CommitProperties(app_transactions=[checkpoint]),
        )

    def _row(self, readings: Sequence[Reading], at: datetime) -> dict[str, Any]:
        self.sent += 1
        return {
            "topic_id": "life",
            "topic": "topic",
            "partition": 0,
            "offset": self.sent,
            "kafka_time": at,
            "vehicle_id": readings[0][0],
            "signals": [_signal(*reading[1:]) for reading in readings],
            "ingest_time": at,
            "ingest_date": at.date(),
        }

    def increment(self, *lanes: Lane) -> list[int]:
        """How many readings each lane added; both lanes by default."""
        return [increment(self.settings, SIGNALS, lane).added for lane in lanes or Lane]

    def silver(self, columns: str = KEY) -> list[tuple[Any, ...]]:
        """Its rows."""
        return self._rows("silver.signals", columns)

    def live(self, columns: str = KEY) -> list[tuple[Any, ...]]:
        """Those that silver would have."""
        return self._rows("silver.signals_live", columns)

    def _rows(self, table: str, columns: str) -> list[tuple[Any, ...]]:
        with Warehouse(self.settings, signals_live) as warehouse:
            rows = warehouse.query(f"select {columns} from {table} order by all").table()  # noqa: S608
        return [tuple(row.values()) for row in rows.to_pylist()]


def _signal(name: str, time: datetime, value: float | str) -> Mapping[str, Any]:
    number, text = (None, value) if isinstance(value, str) else (value, None)
    return {"signal": name, "event_time": time, "effective_time": time, "value": number, "text": text}


def speed(value: float = 50, *, days_before: int = 0, vehicle: str = "V1") -> Reading:
    return (vehicle, "speed", NOON - timedelta(days=days_before), value)

"""A lake whose messages have payloads, each decoded by the contract that its sink had when it was landed."""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
from deltalake import DeltaTable, write_deltalake

from contracts.decode import RawBatch
from contracts.load import load_registry
from contracts.registry import Registry
from lake.bronze import open_or_create
from lake.query import Warehouse
from lake.schemas import BRONZE
from lake.settings import LakeSettings
from lake.silver import Lane
from lake.storage import wait_ready
from tests.transforms.small_lake import KEY, NOON, SIGNALS
from transforms.increment import increment

CONTRACT = """\
name: {name}
shape: wide
topics: {{{name}.v1: {{}}}}
vehicle: {{field: id}}
event_time: {{field: {time}}}
received_time: {{field: {received}}}
ignore: [{ignored}]
signals: {{v: {{signal: speed, unit: {unit}}}, s: soc, c: charge_power, p: pressure}}
"""
TIMES = ("at", "then", "got", "got_later")
TOPICS = {"environment": "vehicle.environment"}
Message = dict[str, Any]
Row = tuple[Any, ...]


def contracts(
    folder: Path, name: str = "mine", *, unit: str = "km/h", time: str = "at", received: str = "got"
) -> Registry:
    """The built-in contracts, and one whose speed and times may be read in other ways."""
    file = folder / f"{name}.yml"
    ignored = ", ".join(each for each in TIMES if each not in (time, received))
    file.write_text(CONTRACT.format(name=name, unit=unit, time=time, received=received, ignored=ignored))
    return load_registry([file])


def message(
    value: float, *, days_before: int = 0, minute: int = 0, vehicle: str = "V1", **more: Any
) -> Message:
    """A speed; a second time, `then`, lies a day before `at`; two say when it was received."""
    at = NOON - timedelta(days=days_before) + timedelta(minutes=minute)
    times = {"at": at, "then": at - timedelta(days=1), "got": at, "got_later": at + timedelta(seconds=9)}
    return {"id": vehicle, "v": value, **{name: time.isoformat() for name, time in times.items()}, **more}


class PayloadLake:
    """A lake of one test: messages land in it as a sink of some contracts lands them."""

    def __init__(self, settings: LakeSettings) -> None:
        self.settings, self.sent = settings, 0
        self.bronze: DeltaTable = open_or_create(wait_ready(settings))

    def land(self, registry: Registry, *messages: Message, name: str = "mine", at: datetime = NOON) -> None:
        """One commit."""
        rows = list(self._rows(registry, messages, name, at))
        write_deltalake(self.bronze, pa.Table.from_pylist(rows, BRONZE), mode="append")

    def _rows(
        self, registry: Registry, messages: tuple[Message, ...], name: str, at: datetime
    ) -> Iterator[dict[str, Any]]:
        payloads: list[bytes | None] = [json.dumps(each).encode() for each in messages]
        times = [int(at.timestamp() * 1000)] * len(payloads)
        nothing: list[None] = [None] * len(payloads)
        topic = TOPICS.get(name, f"{name}.v1")
        decoded = registry.decoder(topic).decode(RawBatch(payloads, times, nothing, nothing))
        for payload, row in zip(payloads, decoded.to_pylist(), strict=True):
            self.sent += 1
            place = {"topic_id": f"life.{name}", "topic": topic, "partition": 0, "offset": self.sent}
            landed = {"kafka_time": at, "ingest_time": at, "ingest_date": at.date(), "payload": payload}
            yield row | place | landed

    def increment(self, registry: Registry, *lanes: Lane) -> list[int]:
        """How many readings each lane added; both lanes by default."""
        return [increment(self.settings, SIGNALS, lane, registry=registry).added for lane in lanes or Lane]

    def silver(self, columns: str = KEY) -> list[Row]:
        """Its rows."""
        return self.rows(f"select {columns} from silver.signals order by all")  # noqa: S608 - a test's own

    def rows(self, sql: str) -> list[Row]:
        """Of one question."""
        with Warehouse(self.settings) as warehouse:
            return [tuple(row.values()) for row in warehouse.query(sql).table().to_pylist()]

"""Anomalies as messages: readings that crossed a threshold, keyed by vehicle, under an id that never changes.

The same reading has the same id wherever it is found again (after a restart, in a redelivery, in the marts),
so readers who want each once need no more than the id.
"""

from collections.abc import Iterator

import msgspec

from contracts.anomalies import anomaly_id, find_anomalies
from contracts.catalog import Catalog
from contracts.model import Contract
from contracts.times import iso_text
from ingest.decoding import DecodedRun
from ingest.outgoing import Outgoing


class Anomaly(msgspec.Struct, frozen=True, kw_only=True):
    """The value of an anomaly message; the coordinates are those of the message that carried the reading."""

    id: str
    source: str
    vehicle_id: str
    signal: str
    sensor: str | None
    kind: str
    value: float
    threshold: float
    event_time: str
    source_topic: str
    partition: int
    offset: int


_encode = msgspec.json.Encoder().encode


def anomaly_messages(run: DecodedRun, contract: Contract, catalog: Catalog) -> Iterator[Outgoing]:
    """One message for every threshold that a reading of the run crossed, in the order of the run."""
    found = find_anomalies(run.decoded, catalog, contract)
    if not found.num_rows:
        return
    partitions = run.partitions()
    times = found["event_time"].cast("int64").to_pylist()
    names = ("row", "vehicle_id", "signal", "sensor", "kind", "value", "threshold")
    columns = (found[name].to_pylist() for name in names)
    for time, row, vehicle, signal, sensor, kind, value, threshold in zip(times, *columns, strict=True):
        anomaly = Anomaly(
            id=anomaly_id(contract.name, vehicle, signal, sensor, kind, time, value),
            source=contract.name,
            vehicle_id=vehicle,
            signal=signal,
            sensor=sensor,
            kind=kind,
            value=value,
            threshold=threshold,
            event_time=iso_text(time),
            source_topic=run.records.topic,
            partition=partitions[row],
            offset=run.records.offsets[row],
        )
        yield Outgoing("anomaly", contract.anomaly_topic, vehicle.encode(), _encode(anomaly))

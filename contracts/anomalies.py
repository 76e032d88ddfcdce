"""Accepted values that cross a threshold of the catalog. Routes and marts find the same, by the same ids."""

import hashlib
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from contracts.catalog import Catalog, Threshold
from contracts.model import Contract
from contracts.schema import TIME

ANOMALIES: Final = pa.schema(
    [
        pa.field("row", pa.int64()),
        pa.field("vehicle_id", pa.string()),
        pa.field("signal", pa.string()),
        pa.field("sensor", pa.string()),
        pa.field("kind", pa.string()),
        pa.field("value", pa.float64()),
        pa.field("threshold", pa.float64()),
        pa.field("event_time", TIME),
        pa.field("effective_time", TIME),
    ]
)
"""One row an anomaly; `row` is the message's row in the decoded batch."""

_COMPARE: Final = {">": pc.greater, ">=": pc.greater_equal, "<": pc.less, "<=": pc.less_equal}
_SEPARATOR: Final = "\x1f"


def thresholds(contract: Contract, catalog: Catalog) -> list[tuple[str, Threshold]]:
    """What the contract's signals are compared with: its own thresholds, else the catalog's."""
    known = dict.fromkeys(
        part.signal
        for field in contract.fields.values()
        for part in (field.parts.values() or [field])
        if part.signal
    )
    own = contract.thresholds
    return [
        (signal, threshold) for signal in known for threshold in own.get(signal, catalog[signal].anomalies)
    ]


def find_anomalies(decoded: pa.RecordBatch, catalog: Catalog, contract: Contract) -> pa.RecordBatch:
    """Schema `ANOMALIES`, in the order of the messages."""
    lists = decoded.column("signals")
    flat = pc.list_flatten(lists)
    names, values = pc.struct_field(flat, "signal"), pc.struct_field(flat, "value")
    found: list[pa.RecordBatch] = []
    for signal, threshold in thresholds(contract, catalog):
        crossed = np.flatnonzero(pc.fill_null(_COMPARE[threshold.op](values, threshold.limit), False))
        if not len(crossed):
            continue
        hits = pa.array(crossed).filter(pc.equal(names.take(crossed), signal))
        if len(hits):
            found.append(_anomalies(decoded, flat.take(hits), _rows(lists, hits), threshold))
    if not found:
        return pa.RecordBatch.from_pylist([], schema=ANOMALIES)
    together = pa.Table.from_batches(found).combine_chunks().to_batches()[0]
    return together.take(pc.sort_indices(together.column("row")))


def _rows(lists: pa.ListArray, hits: pa.Array) -> pa.Array:
    return pc.list_parent_indices(lists).take(hits)


def _anomalies(
    decoded: pa.RecordBatch, readings: pa.StructArray, rows: pa.Array, threshold: Threshold
) -> pa.RecordBatch:
    columns = {
        "row": rows,
        "vehicle_id": decoded.column("vehicle_id").take(rows),
        "kind": pa.repeat(threshold.kind, len(rows)),
        "threshold": pa.repeat(threshold.limit, len(rows)),
    }
    for name in ("signal", "sensor", "value", "event_time", "effective_time"):
        columns[name] = pc.struct_field(readings, name)
    return pa.RecordBatch.from_arrays([columns[name] for name in ANOMALIES.names], schema=ANOMALIES)


def anomaly_id(
    source: str, vehicle: str, signal: str, sensor: str | None, kind: str, event_time_us: int, value: float
) -> str:
    """The same reading has the same id wherever and however often it is found.

    In DuckDB: left(sha256(concat_ws(chr(31), source, vehicle, signal, coalesce(sensor, ''), kind,
    epoch_us(event_time), value)), 32).
    """
    parts = (source, vehicle, signal, sensor or "", kind, str(event_time_us), repr(float(value)))
    return hashlib.sha256(_SEPARATOR.join(parts).encode()).hexdigest()[:32]

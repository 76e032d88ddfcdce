"""Decoded messages and readings as arrays, and how they become the columns of `DECODED`."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from contracts.model import Contract
from contracts.schema import DECODED, REJECTED_SIGNAL, SIGNAL, TIME

Mask = NDArray[np.bool_]
Micros = NDArray[np.int64]
Positions = NDArray[np.int64]


_SIGNAL_LISTS: Final = DECODED.field("signals").type
_SIGNAL_FIELDS: Final = list(SIGNAL)
_REJECTED_LISTS: Final = DECODED.field("rejected_signals").type
_NOTHING_REJECTED: Final = pa.array([], REJECTED_SIGNAL)


@dataclass(slots=True)
class Facts:
    """The envelopes of messages. `judged`: false where the reference must look."""

    vehicle: pa.Array
    sensor: pa.Array | None
    event_time: Micros
    received_time: Micros
    has_received: Mask
    judged: Mask


@dataclass(slots=True)
class Readings:
    """Accepted readings in the order of their messages; `message` is the row that each belongs to."""

    message: Positions
    name: pa.Array
    number: NDArray[np.float64]
    has_number: Mask
    text: pa.Array | None


def record_batch(contract: Contract, facts: Facts, chosen: Positions, readings: Readings) -> pa.RecordBatch:
    """The `chosen` messages, whose readings these are."""
    rows = len(chosen)
    every = rows == len(facts.judged)
    events = facts.event_time if every else facts.event_time[chosen]
    received = facts.received_time if every else facts.received_time[chosen]
    has_received = facts.has_received if every else facts.has_received[chosen]
    columns = {
        "source": pa.repeat(contract.name, rows),
        "vehicle_id": facts.vehicle if every else facts.vehicle.take(chosen),
        "event_time": _times(events),
        "received_time": _times(received, ~has_received),
        "signals": _signals(facts, readings, rows, chosen),
        "rejected_signals": _empty_lists(rows),
        "error": pa.nulls(rows, pa.string()),
        "error_detail": pa.nulls(rows, pa.string()),
        "contract_hash": pa.repeat(contract.hash, rows),
    }
    return pa.RecordBatch.from_arrays([columns[name] for name in DECODED.names], schema=DECODED)


def _signals(facts: Facts, readings: Readings, rows: int, chosen: Positions) -> pa.Array:
    message = readings.message
    single = (
        len(message) == rows == len(facts.judged) and rows > 0 and bool((message == np.arange(rows)).all())
    )
    event = facts.event_time if single else facts.event_time[message]
    received = facts.received_time if single else facts.received_time[message]
    has_received = facts.has_received if single else facts.has_received[message]
    effective = np.where(has_received, np.minimum(event, received), event)
    sensor = pa.nulls(len(message), pa.string())
    if facts.sensor is not None:
        sensor = facts.sensor if single else facts.sensor.take(pa.array(message))
    without_number = None if readings.has_number.all() else ~readings.has_number
    fields = [
        readings.name,
        sensor,
        _times(event),
        _times(effective),
        pa.array(readings.number, mask=without_number),
        pa.nulls(len(message), pa.string()) if readings.text is None else readings.text,
    ]
    structs = pa.StructArray.from_arrays(fields, fields=_SIGNAL_FIELDS)
    ends = np.zeros(rows + 1, np.int32)
    if single:
        ends = np.arange(rows + 1, dtype=np.int32)
    else:
        counts = np.bincount(message, minlength=len(facts.judged))[chosen]
        np.cumsum(counts, out=ends[1:])
    return pa.ListArray.from_arrays(pa.array(ends), structs, type=_SIGNAL_LISTS)


def _empty_lists(rows: int) -> pa.Array:
    ends = pa.array(np.zeros(rows + 1, np.int32))
    return pa.ListArray.from_arrays(ends, _NOTHING_REJECTED, type=_REJECTED_LISTS)


def _times(micros: Micros, missing: Mask | None = None) -> pa.Array:
    mask = None if missing is None or not missing.any() else missing
    return pa.array(micros, mask=mask).view(TIME)

"""Columns of vehicles, times and sensors, read as `contracts.envelope` reads each message's."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from contracts.envelope import NO_KAFKA_TIME, Headers
from contracts.limits import Limits
from contracts.model import Contract
from contracts.parts import TimeSource
from contracts.paths import steps
from contracts.times import read_columns
from contracts.vector.layout import Path, Role, Rows
from contracts.vector.rows import Facts, Mask
from contracts.vector.times import Times, read_times

MAX_INTEGER: Final = 10**15
"""A longer one may have been read as a double, or by another parser not."""


class EnvelopeColumns:
    """Reads the envelopes of one contract's messages."""

    def __init__(self, contract: Contract, limits: Limits) -> None:
        self._contract, self._limits = contract, limits
        self._vehicle = steps(contract.vehicle.field) if contract.vehicle.field else None
        self._sensor = steps(contract.sensor.field) if contract.sensor else None

    def leaves(self) -> dict[Path, Role]:
        """The fields that are read here."""
        found: dict[Path, Role] = {}
        for name in filter(None, (self._vehicle, self._sensor)):
            found[name] = "name"
        for source in filter(None, (*self._contract.event_time, self._contract.received_time)):
            found |= dict.fromkeys(_places(source), "time")
        return found

    def read(
        self,
        rows: Rows,
        kafka_times_ms: NDArray[np.int64],
        keys: Sequence[bytes | None],
        headers: Sequence[Headers],
    ) -> Facts:
        """Facts of each message."""
        if self._vehicle is None:
            vehicle, judged = _names_of_keys(keys, self._limits.vehicle_chars)
        else:
            vehicle, judged = _names(rows.column(self._vehicle), len(rows), self._limits.vehicle_chars)
        event = self._event_times(rows, headers)
        judged &= event.read & self._plausible(event)
        # A timestamp in another unit would overflow, and no plausible time is later than this one.
        latest_ms = self._limits.latest_us // 1000
        limit = np.minimum(kafka_times_ms, latest_ms) * 1000 + self._limits.max_future_us
        judged &= (kafka_times_ms <= NO_KAFKA_TIME) | (event.micros <= limit)
        received = self._received_times(rows, headers)
        judged &= received.absent | (received.read & self._plausible(received))
        sensor = None
        if self._sensor is not None and self._contract.sensor:
            sensor, fits = _names(rows.column(self._sensor), len(rows), self._limits.name_chars)
            judged &= fits if self._contract.sensor.required else fits | ~_valid(sensor)
        return Facts(vehicle, sensor, event.micros, received.micros, ~received.absent, judged)

    def _plausible(self, times: Times) -> Mask:
        fits: Mask = (times.micros >= self._limits.earliest_us) & (times.micros < self._limits.latest_us)
        return fits

    def _event_times(self, rows: Rows, headers: Sequence[Headers]) -> Times:
        """The first place that has a time."""
        first, *others = self._contract.event_time
        times = _times(first, rows, headers)
        for source in others:
            if not times.absent.any():
                break
            more = _times(source, rows, headers)
            micros = np.where(times.absent, more.micros, times.micros)
            read = np.where(times.absent, more.read, times.read)
            times = Times(micros, read, times.absent & more.absent)
        return times

    def _received_times(self, rows: Rows, headers: Sequence[Headers]) -> Times:
        if self._contract.received_time is None:
            return _no_times(len(rows))
        return _times(self._contract.received_time, rows, headers)


def _places(source: TimeSource) -> list[Path]:
    if source.columns:
        return [steps(source.columns.date), steps(source.columns.time)]
    return [steps(source.field)] if source.field else []


def _times(source: TimeSource, rows: Rows, headers: Sequence[Headers]) -> Times:
    if source.columns:
        date, clock = (rows.column(path) for path in _places(source))
        if date is None or clock is None:
            return _no_times(len(rows))
        both = [read_columns(*pair, source.columns) for pair in zip(date, clock, strict=True)]
        read = np.array([time is not None for time in both], bool)
        micros = np.array([0 if time is None else time for time in both], np.int64)
        return Times(micros, read, np.zeros(len(rows), bool))
    if source.header:
        if not any(headers):
            return _no_times(len(rows))
        return read_times([_last(pairs, source.header) for pairs in headers], source.format[0])
    values = rows.column(steps(source.field or ""))
    return _no_times(len(rows)) if values is None else read_times(values, source.format[0])


def _no_times(rows: int) -> Times:
    return Times(np.zeros(rows, np.int64), np.zeros(rows, bool), np.ones(rows, bool))


def _last(headers: Headers, name: str) -> str | None:
    for key, value in reversed(headers or ()):
        if key == name:
            return value.decode("utf-8", "replace") if value is not None else None
    return None


def _names(values: list[Any] | None, rows: int, limit: int) -> tuple[pa.Array, Mask]:
    """Texts, and integers in digits; which of them are names within the limit."""
    if values is None:
        return pa.nulls(rows, pa.string()), np.zeros(rows, bool)
    try:
        column = pa.array(values, pa.string())
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        column = pa.array(list(map(_name, values)), pa.string())
    lengths = np.asarray(pc.fill_null(pc.binary_length(column), 0))
    fits = (lengths > 0) & (lengths <= limit)
    return (column if fits.all() else pc.if_else(pa.array(lengths > 0), column, None)), fits


def _name(value: str | int | None) -> str | None:
    """Of a long integer, nothing: the reference must look."""
    if isinstance(value, int):
        return str(value) if abs(value) <= MAX_INTEGER else None
    return value


def _names_of_keys(keys: Sequence[bytes | None], limit: int) -> tuple[pa.Array, Mask]:
    try:
        column = pa.array(keys, pa.binary()).cast(pa.string())
    except pa.ArrowInvalid:
        texts = [key.decode("utf-8", "replace") if key is not None else None for key in keys]
        bad = np.array([text is not None and "\ufffd" in text for text in texts], bool)
        column, fits = _names(texts, len(keys), limit)
        return column, fits & ~bad
    return _names(column, len(keys), limit)


def _valid(column: pa.Array) -> Mask:
    return np.asarray(column.is_valid())

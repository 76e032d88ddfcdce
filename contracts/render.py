"""Documents as a source's own users know them: a vehicle's state, and the maximum of a signal."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from contracts.model import Contract
from contracts.parts import DocumentField, MaximumOutput
from contracts.times import iso_text, read_time
from contracts.write_times import time_writer


@dataclass(frozen=True, slots=True)
class SignalState:
    """The latest value of one signal."""

    effective_time_us: int
    value: float | str


@dataclass(frozen=True, slots=True)
class MaximumReading:
    """A reading of the signal whose maximum is kept, with further signals of the same message."""

    vehicle_id: str
    value: float
    event_time_us: int
    sensor: str | None
    companions: Mapping[str, float]


class NoDocument(ValueError):
    """The contract does not say how a state is shown."""

    def __init__(self, source: str) -> None:
        self.source = source
        super().__init__(f"contract {source} has no `document:`, so there is no such view of a state")


def render_state(
    contract: Contract, vehicle_id: str, state: Mapping[str, SignalState], ingestion_time_us: int
) -> dict[str, Any]:
    """The contract's `document`. Event time is the newest of its signals; what is not known is null."""
    if not contract.document:
        raise NoDocument(contract.name)
    signals = [field.signal for field in contract.document.values() if field.signal]
    shown = [state[signal] for signal in signals if signal in state]
    newest = max((one.effective_time_us for one in shown), default=None)

    def content(field: DocumentField) -> Any:
        if field.vehicle:
            return vehicle_id
        if field.event_time:
            return None if newest is None else iso_text(newest)
        if field.ingestion_time:
            return iso_text(ingestion_time_us)
        found = state.get(field.signal or "")
        return plain_number(found.value) if found else None

    return {name: content(field) for name, field in contract.document.items()}


def plain_number(value: float | str) -> float | int | str:
    """Whole numbers without a fraction: 100, not 100.0."""
    if isinstance(value, str):
        return value
    return int(value) if value.is_integer() and abs(value) < 2**53 else value


class MaximumDocuments:
    """Writes and reads the documents of a contract's maximum; reading back restores what was written."""

    def __init__(self, contract: Contract, output: MaximumOutput) -> None:
        self._output = output
        self._time = contract.event_time[0]
        self._write_time = time_writer(self._time)

    def write(self, reading: MaximumReading) -> bytes:
        """The document of one reading."""

        def content(field: DocumentField) -> Any:
            if field.value:
                return plain_number(reading.value)
            if field.vehicle:
                return reading.vehicle_id
            if field.sensor:
                return reading.sensor
            if field.event_time:
                return self._write_time(reading.event_time_us)
            found = reading.companions.get(field.signal or "")
            return None if found is None else plain_number(found)

        return msgspec.json.encode({name: content(field) for name, field in self._output.document.items()})

    def read(self, payload: bytes | None) -> MaximumReading | None:
        """The reading of a document, or None if it is no such document."""
        try:
            fields = msgspec.json.decode(payload or b"", type=dict[str, float | str | None])
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None
        found: dict[str, Any] = {}
        companions: dict[str, float] = {}
        for name, field in self._output.document.items():
            content = fields.get(name)
            if field.signal and isinstance(content, float):
                companions[field.signal] = content
            for fact in ("vehicle", "value", "event_time", "sensor"):
                if getattr(field, fact):
                    found[fact] = content
        time = read_time(found["event_time"], self._time.format, self._time.zone)
        if time is None or not isinstance(found["vehicle"], str) or not isinstance(found["value"], float):
            return None
        return MaximumReading(found["vehicle"], found["value"], time, found.get("sensor"), companions)

"""The fields of a message in the source's own order, beginning with everything but the readings."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from contracts.check_contract import used_fields
from contracts.events import Event, Reading
from contracts.model import Contract
from contracts.parts import TimeSource
from contracts.paths import steps
from contracts.write_times import TimeWriter, time_writer, write_columns

_ABSENT: Final = object()
"""Keeps a key's place in the order until it is known whether the message has it."""


class Fields:
    """A message under construction. Keys of the contract's template come first, in its order."""

    __slots__ = ("_root", "_template")

    def __init__(self, start: dict[str, Any], template: Mapping[str, Any]) -> None:
        self._root, self._template = start, template

    def set(self, path: Sequence[str], value: Any) -> None:
        """A text where the template has a text, else the value itself."""
        *objects, leaf = path
        node: dict[str, Any] = self._root
        filler = self._template
        for step in objects:
            inner = node.get(step)
            if not isinstance(inner, dict):
                inner = node[step] = {}
            node = inner
            below = filler.get(step)
            filler = below if isinstance(below, dict) else {}
        node[leaf] = _as_text(value) if isinstance(filler.get(leaf), str) else value

    def put(self, path: Sequence[str], value: Any) -> None:
        """The value itself, whatever the template's filler is."""
        node = self._root
        for step in path[:-1]:
            node = node.setdefault(step, {})
        node[path[-1]] = value

    def payload(self) -> bytes:
        """As JSON."""
        return msgspec.json.encode({key: value for key, value in self._root.items() if value is not _ABSENT})


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


class EnvelopeWriter:
    """Writes vehicle, times and sensor of one contract's messages."""

    def __init__(self, contract: Contract) -> None:
        self._contract, self._template = contract, contract.template
        variable = dict.fromkeys(steps(path)[0] for path in used_fields(contract))
        fillers = set()
        if contract.long_shape:
            fillers = set(map(str, contract.long_shape.value_fields))
        self._start = {
            key: _ABSENT if key in variable and key not in fillers else filler
            for key, filler in contract.template.items()
        }
        for key in variable:
            self._start.setdefault(key, _ABSENT)
        self._times = [
            (source, time_writer(source))
            for index, source in enumerate(contract.event_time)
            if index == 0 or source.field in contract.template
        ]
        received = contract.received_time
        self._received = (received, time_writer(received)) if received else None
        self._vehicle = steps(contract.vehicle.field) if contract.vehicle.field else None
        self._sensor = steps(contract.sensor.field) if contract.sensor else None

    def fields(self, event: Event, reading: Reading) -> Fields:
        """A message without readings, at the reading's time."""
        fields = Fields(self._start.copy(), self._template)
        if self._vehicle:
            fields.set(self._vehicle, event.vehicle_id)
        for source, write in self._times:
            _set_time(fields, source, write, reading.event_time_us)
        if self._received and event.received_time_us is not None:
            _set_time(fields, *self._received, event.received_time_us)
        if self._sensor and reading.sensor is not None:
            fields.set(self._sensor, reading.sensor)
        return fields

    def headers(self, event: Event) -> tuple[tuple[str, bytes], ...]:
        """The time of receipt, where the contract has it in a header."""
        if self._received is None or self._received[0].header is None or event.received_time_us is None:
            return ()
        source, write = self._received
        return ((str(source.header), str(write(event.received_time_us)).encode()),)


def _set_time(fields: Fields, source: TimeSource, write: TimeWriter, time_us: int) -> None:
    if source.columns:
        date, clock = write_columns(time_us, source.columns)
        fields.set(steps(source.columns.date), date)
        fields.set(steps(source.columns.time), clock)
    elif source.field:
        fields.set(steps(source.field), write(time_us))

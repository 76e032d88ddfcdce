"""Puts readings into messages: the inverse of `contracts.shapes`."""

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

from contracts.catalog import Catalog
from contracts.events import CannotEncode, Event, Reading
from contracts.meaning import Meaning, meanings
from contracts.model import Contract
from contracts.names import wire_path
from contracts.parts import ListShape, LongShape, WrittenTypes
from contracts.paths import steps
from contracts.write_fields import Fields
from contracts.write_times import time_writer_of

Group = Sequence[Reading]


class Wire(NamedTuple):
    """Where a signal goes: a name or field, and a key if the value is an object of several signals."""

    name: str
    part: str | None
    meaning: Meaning | None


class WireNames:
    """Canonical name -> wire name, for one contract. Unknown signals go by the name they came with."""

    def __init__(self, contract: Contract, catalog: Catalog) -> None:
        self._source, self._catalog = contract.name, catalog
        self._wires: dict[str, Wire] = {}
        for wire, meaning in meanings(contract, catalog).items():
            parts = {None: meaning} if isinstance(meaning, Meaning) else meaning
            for part, one in parts.items():
                self._wires.setdefault(one.signal, Wire(wire, part, one))

    def wire(self, signal: str) -> Wire:
        """Raises CannotEncode for a catalogued signal that the source does not have."""
        found = self._wires.get(signal)
        if found is None:
            if signal in self._catalog:
                raise CannotEncode(self._source, signal, "no wire name means it")
            name, *inner = wire_path(signal)
            found = self._wires[signal] = Wire(name, inner[0] if inner else None, None)
        return found

    def value(self, wire: Wire, reading: Reading) -> Any:
        """The value in the source's unit or words; whole numbers without a fraction."""
        if isinstance(reading.value, str):
            return self._text(wire, reading, reading.value)
        meaning = wire.meaning
        value = meaning.conversion.to_wire(reading.value) if meaning else float(reading.value)
        return int(value) if value.is_integer() and abs(value) < 2**53 else value

    def _text(self, wire: Wire, reading: Reading, text: str) -> str:
        if wire.meaning is None or not wire.meaning.values:
            return text
        for written, canonical in wire.meaning.values:
            if canonical == text:
                return written
        raise CannotEncode(self._source, reading.signal, f"{text!r} is none of its values")


class ShapeWriter(Protocol):
    """Which readings share a message, and how they stand in it."""

    def groups(self, event: Event) -> list[Group]: ...

    def write(self, fields: Fields, group: Group) -> None: ...


def shape_writer(contract: Contract, wires: WireNames) -> ShapeWriter:
    if contract.long_shape:
        return LongWriter(contract.name, contract.long_shape, wires)
    if contract.list_shape:
        return ListWriter(contract.list_shape, wires)
    return WideWriter(wires)


class LongWriter:
    """One reading a message."""

    def __init__(self, source: str, shape: LongShape, wires: WireNames) -> None:
        self._source, self._shape, self._wires = source, shape, wires
        self._name = steps(shape.name)
        self._type = steps(shape.value_type) if shape.value_type else None
        self._value = steps(shape.value) if shape.value else None
        self._choices = {kind: steps(path) for kind, path in shape.values.items()}

    def groups(self, event: Event) -> list[Group]:
        return [(reading,) for reading in event.readings]

    def write(self, fields: Fields, group: Group) -> None:
        wire = self._wires.wire(group[0].signal)
        value = self._wires.value(wire, group[0])
        fields.set(self._name, wire.name)
        if self._value:
            fields.set(self._value, value if wire.part is None else {wire.part: value})
            return
        if self._shape.written_types is None:
            raise CannotEncode(self._source, group[0].signal, "the contract has no `written_types`")
        kind = _kind(value, self._shape.written_types)
        if self._type:
            fields.set(self._type, kind)
        fields.put(self._choices[kind], value)


def _kind(value: Any, written: WrittenTypes) -> str:
    if isinstance(value, str):
        return written.text
    return written.integer if isinstance(value, int) else written.number


class WideWriter:
    """All readings of one time and sensor in one message."""

    def __init__(self, wires: WireNames) -> None:
        self._wires = wires

    def groups(self, event: Event) -> list[Group]:
        return _by_time_and_sensor(event)

    def write(self, fields: Fields, group: Group) -> None:
        for reading in group:
            wire = self._wires.wire(reading.signal)
            path = steps(wire.name) if wire.meaning else wire_path(reading.signal)
            fields.set(path, self._wires.value(wire, reading))


class ListWriter:
    """All readings of one time and sensor in one array; of any time, if items have their own."""

    def __init__(self, shape: ListShape, wires: WireNames) -> None:
        self._shape, self._wires = shape, wires
        self._items = steps(shape.items)
        self._time = time_writer_of(shape.time_format[0], None)

    def groups(self, event: Event) -> list[Group]:
        return _by_time_and_sensor(event)

    def write(self, fields: Fields, group: Group) -> None:
        items: list[dict[str, Any]] = []
        objects: dict[str, dict[str, Any]] = {}
        for reading in group:
            wire = self._wires.wire(reading.signal)
            value = self._wires.value(wire, reading)
            if wire.part is not None:
                if wire.name in objects:
                    objects[wire.name][wire.part] = value
                    continue
                value = objects[wire.name] = {wire.part: value}
            items.append(self._item(wire, value, reading))
        fields.set(self._items, items)

    def _item(self, wire: Wire, value: Any, reading: Reading) -> dict[str, Any]:
        shape = self._shape
        item: dict[str, Any] = {shape.name: wire.name, shape.value: value}
        if shape.wrappers:
            bool_meant = wire.meaning is not None and wire.meaning.kind == "bool"
            if isinstance(value, dict):
                wrapper = shape.wrappers.parts
            elif isinstance(value, str):
                wrapper = shape.wrappers.text
            else:
                wrapper = shape.wrappers.bool if bool_meant else shape.wrappers.number
            item[shape.value] = {wrapper: bool(value) if bool_meant else value}
        if shape.time:
            item[shape.time] = self._time(reading.event_time_us)
        return item


def _by_time_and_sensor(event: Event) -> list[Group]:
    groups: dict[tuple[int, str | None], list[Reading]] = {}
    for reading in event.readings:
        groups.setdefault((reading.event_time_us, reading.sensor), []).append(reading)
    return list(groups.values())

"""Finds the readings in a message: one for shape long, fields for wide, items of an array for list."""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple, Protocol

from contracts.catalog import Catalog
from contracts.check_contract import used_fields
from contracts.envelope import NO_ZONE, Fields, field_at
from contracts.limits import Limits
from contracts.meaning import Meaning, Meanings
from contracts.model import Contract
from contracts.names import safe_path
from contracts.parse import kind_of
from contracts.parts import ListShape, LongShape
from contracts.paths import steps
from contracts.reasons import Reason
from contracts.result import Refused
from contracts.times import lacks_only_a_zone, read_time

FILLERS: Final = (None, "", 0, 0.0, "0", "0.0")
"""What value fields hold that a message does not use. Only looked at where no type field chooses."""


class Candidate(NamedTuple):
    """A reading as found: the signal's name, what it means (None: unknown), its raw value."""

    name: str
    meaning: Meaning | None
    raw: Any
    refused: Refused | None = None
    time: int | None = None


class ShapeReader(Protocol):
    """Readings of a message, or why it as a whole cannot hold any."""

    def read(self, fields: Fields) -> list[Candidate] | Refused: ...


class Names:
    """Looks wire names up; unknown ones get a safe name, and too long ones are refused."""

    def __init__(self, found: Meanings, catalog: Catalog, limits: Limits) -> None:
        self._meanings, self._catalog, self._limit = found, catalog, limits.name_chars

    def candidates(self, wire: str, raw: Any, time: int | None = None) -> Iterator[Candidate]:
        """One for a signal, one per part for an object with several signals in it."""
        meaning = self._meanings.get(wire)
        if meaning is None:
            yield self.unknown((wire,), raw)._replace(time=time)
        elif isinstance(meaning, Meaning):
            yield Candidate(meaning.signal, meaning, raw, None, time)
        else:
            yield from self._parts(wire, meaning, raw, time)

    def unknown(self, path: tuple[str, ...], raw: Any) -> Candidate:
        length = sum(map(len, path))
        if length <= self._limit:
            return Candidate(safe_path(path, self._catalog), None, raw)
        detail = f"a signal name of {length} characters, at most {self._limit}"
        name = safe_path((path[-1][: self._limit],), self._catalog)
        return Candidate(name, None, raw, Refused(Reason.TOO_LARGE, detail))

    def refused(self, wire: str, raw: Any, why: Refused) -> Iterator[Candidate]:
        """The same signals, none of which can be read."""
        meaning = self._meanings.get(wire)
        if meaning is None:
            unknown = self.unknown((wire,), raw)
            yield unknown._replace(refused=unknown.refused or why)
        else:
            parts = [meaning] if isinstance(meaning, Meaning) else meaning.values()
            yield from (Candidate(part.signal, part, raw, why) for part in parts)

    def _parts(self, wire: str, parts: dict[str, Meaning], raw: Any, time: int | None) -> Iterator[Candidate]:
        if not isinstance(raw, dict):
            if raw is not None:
                yield from self.refused(wire, raw, _not_an_object(wire, raw))
            return
        for key, part in parts.items():
            yield Candidate(part.signal, part, raw.get(key), None, time)
        for key, value in raw.items():
            if key not in parts:
                yield self.unknown((wire, key), value)._replace(time=time)


def _not_an_object(place: str, raw: Any) -> Refused:
    return Refused(Reason.BAD_TYPE, f"{place}: {kind_of(raw)} is not an object")


class LongReader:
    """One signal a message; the value in one field, or in one that a type field chooses."""

    def __init__(self, shape: LongShape, names: Names, limits: Limits) -> None:
        self._shape, self._names, self._limits = shape, names, limits
        self._name = steps(shape.name)
        self._value = steps(shape.value) if shape.value else None
        self._type = steps(shape.value_type) if shape.value_type else None
        self._choices = {kind: steps(path) for kind, path in shape.values.items()}

    def read(self, fields: Fields) -> list[Candidate] | Refused:
        name = field_at(fields, self._name)
        if name is None or name == "":
            return Refused(Reason.MISSING_FIELD, f"field {self._shape.name} names no signal")
        if not isinstance(name, str):
            return Refused(Reason.BAD_TYPE, f"field {self._shape.name}: {kind_of(name)} is no name")
        path = self._value or self._chosen(fields)
        if isinstance(path, Refused):
            return path
        raw = field_at(fields, path)
        if raw is None:
            return Refused(Reason.MISSING_FIELD, f"field {'.'.join(path)} holds no value")
        return list(self._names.candidates(name, raw))

    def _chosen(self, fields: Fields) -> tuple[str, ...] | Refused:
        kind = field_at(fields, self._type or ())
        if kind is None or kind == "":
            return self._only(fields)
        path = None if isinstance(kind, (bool, list, dict)) else self._choices.get(str(kind))
        if path is None:
            detail = f"field {self._shape.value_type}: {kind!s:.40} is none of {', '.join(self._choices)}"
            return Refused(Reason.BAD_TYPE, detail)
        return path

    def _only(self, fields: Fields) -> tuple[str, ...] | Refused:
        """Without a type: the field that is there; of several, the one that holds no filler."""
        there = [path for path in self._choices.values() if field_at(fields, path) is not None]
        if len(there) > 1:
            there = [path for path in there if field_at(fields, path) not in FILLERS] or there[:1]
        if len(there) == 1:
            return there[0]
        options = ", ".join(map(".".join, self._choices.values()))
        if there:
            return Refused(Reason.BAD_TYPE, f"several of {options} hold a value, and no type chooses")
        return Refused(Reason.MISSING_FIELD, f"none of {options} holds a value")


class WideReader:
    """Many signals a message. Fields that the contract does not name are unknown signals."""

    def __init__(self, contract: Contract, found: Meanings, names: Names) -> None:
        self._names = names
        self._mapped = [
            (steps(wire), meaning) for wire, meaning in found.items() if isinstance(meaning, Meaning)
        ]
        self._required = [(wire, steps(wire), found[wire]) for wire in contract.required]
        self._tree: dict[str, Any] = {}
        for path in (*used_fields(contract), *contract.ignore):
            *objects, leaf = steps(path)
            node = self._tree
            for step in objects:
                node = node.setdefault(step, {})
            node[leaf] = None

    def read(self, fields: Fields) -> list[Candidate] | Refused:
        for _, problem in self.missing(fields):
            return problem
        return self.candidates(fields)

    def missing(self, fields: Fields) -> Iterator[tuple[str, Refused]]:
        """Fields that the contract requires and the message does not have."""
        for wire, path, meaning in self._required:
            raw = field_at(fields, path)
            if raw is None or (raw == "" and isinstance(meaning, Meaning) and meaning.kind != "text"):
                yield wire, Refused(Reason.MISSING_FIELD, f"field {wire} is missing")

    def candidates(self, fields: Fields) -> list[Candidate]:
        """Every reading that is there, required or not."""
        candidates = []
        for path, meaning in self._mapped:
            raw = field_at(fields, path)
            if raw is not None:
                candidates.append(Candidate(meaning.signal, meaning, raw))
        candidates.extend(self._others(fields, self._tree, ()))
        return candidates

    def _others(self, fields: Fields, known: dict[str, Any], prefix: tuple[str, ...]) -> Iterator[Candidate]:
        """Unknown fields, and values that stand where an object with known fields should."""
        for key, raw in fields.items():
            if key not in known:
                yield self._names.unknown((*prefix, key), raw)
            elif known[key] is None or raw is None:
                continue
            elif isinstance(raw, dict):
                yield from self._others(raw, known[key], (*prefix, key))
            else:
                yield from self._misplaced((*prefix, key), raw)

    def _misplaced(self, place: tuple[str, ...], raw: Any) -> Iterator[Candidate]:
        refused = _not_an_object(".".join(place), raw)
        for path, meaning in self._mapped:
            if path[: len(place)] == place:
                yield Candidate(meaning.signal, meaning, raw, refused)


class ListReader:
    """An array of objects with name and value; the value may be wrapped in an object that tells its type."""

    def __init__(self, shape: ListShape, names: Names, limits: Limits) -> None:
        self._shape, self._names, self._limits = shape, names, limits
        self._items = steps(shape.items)

    def read(self, fields: Fields) -> list[Candidate] | Refused:
        items = field_at(fields, self._items)
        if items is None:
            return Refused(Reason.MISSING_FIELD, f"field {self._shape.items} is missing")
        if not isinstance(items, list):
            return Refused(Reason.BAD_TYPE, f"field {self._shape.items}: {kind_of(items)} is not an array")
        if len(items) > self._limits.signals:
            return Refused(Reason.TOO_LARGE, f"{len(items)} signals, at most {self._limits.signals}")
        return [candidate for item in items for candidate in self._item(item)]

    def _item(self, item: Any) -> Iterator[Candidate]:
        shape = self._shape
        name = item.get(shape.name) if isinstance(item, dict) else None
        if not isinstance(name, str) or not name:
            refused = Refused(Reason.BAD_TYPE, f"an item of {shape.items} has no text {shape.name}")
            yield self._names.unknown(self._items, item)._replace(refused=refused)
            return
        raw = item.get(shape.value)
        if raw is None:
            return
        inner, time = self._unwrapped(raw), self._time(item)
        if isinstance(inner, Refused):
            yield from self._names.refused(name, raw, inner)
        elif isinstance(time, Refused):
            yield from self._names.refused(name, raw, time)
        else:
            yield from self._names.candidates(name, inner, time)

    def _unwrapped(self, raw: Any) -> Any:
        """The value in its wrapper; a bare value is one too."""
        if self._shape.wrappers is None or not isinstance(raw, dict):
            return raw
        entries = {key: value for key, value in raw.items() if key != self._shape.invalid}
        if len(entries) < len(raw) and raw[self._shape.invalid] is not False:
            return Refused(Reason.BAD_TYPE, "the vehicle reports that it has no valid value")
        if len(entries) != 1:
            return Refused(Reason.BAD_TYPE, f"a value of {len(entries)} types")
        return next(iter(entries.values()))

    def _time(self, item: Fields) -> int | Refused | None:
        raw = item.get(self._shape.time) if self._shape.time else None
        if raw in (None, ""):
            return None
        time = read_time(raw, self._shape.time_format, None)
        if time is None:
            problem = NO_ZONE if lacks_only_a_zone(raw, self._shape.time_format, None) else "is no time"
            return Refused(Reason.BAD_TIME, f"{self._shape.time}: {raw!s:.60} {problem}")
        return time

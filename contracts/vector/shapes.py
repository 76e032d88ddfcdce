"""Readings of many messages at once, for each shape; the counterpart of `contracts.shapes`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from contracts.catalog import Catalog
from contracts.limits import Limits
from contracts.meaning import Meaning
from contracts.meaning import Meanings as ByWireName
from contracts.model import Contract, ListShape, LongShape
from contracts.names import safe_path
from contracts.paths import steps
from contracts.vector.layout import Path, Role, Rows
from contracts.vector.names import UNREADABLE, NameCodes
from contracts.vector.rows import Mask, Positions, Readings
from contracts.vector.values import Codes, Meanings, Values


@dataclass(slots=True)
class Found:
    """Readings of messages, in their order. `judged` is per message: false where the reference must look.
    `keys` counts what the items of a message account for."""

    values: Values
    message: Positions
    codes: Codes
    names: pa.Array
    judged: Mask
    keys: NDArray[np.int64] | int = 0

    def readings(self, taken: Mask) -> Readings:
        """Those that are present, of the messages that are taken."""
        values = self.values
        chosen = values.present & taken[self.message]
        if chosen.all():
            names = self.names.take(pa.array(self.codes))
            return Readings(self.message, names, values.number, values.has_number, values.text)
        where = np.flatnonzero(chosen)
        text = None if values.text is None else values.text.take(pa.array(where))
        names = self.names.take(pa.array(self.codes[where]))
        return Readings(self.message[where], names, values.number[where], values.has_number[where], text)


class ShapeColumns(Protocol):
    """Reads the readings of parsed messages."""

    def leaves(self) -> dict[Path, Role]:
        """The fields that are read here."""

    def read(self, rows: Rows, extra: Sequence[Path]) -> Found:
        """`extra`: fields of the layout that the contract does not name."""


class LongColumns:
    """One reading a message."""

    def __init__(self, shape: LongShape, found: ByWireName, catalog: Catalog, limits: Limits) -> None:
        self._names = NameCodes(found, catalog, limits)
        self._name = steps(shape.name)
        self._type = steps(shape.value_type) if shape.value_type else None
        self._value = steps(shape.value) if shape.value else None
        self._choices = {kind: steps(path) for kind, path in shape.values.items()}

    def leaves(self) -> dict[Path, Role]:
        values = [self._value] if self._value else self._choices.values()
        found: dict[Path, Role] = dict.fromkeys(values, "value")
        found |= dict.fromkeys(filter(None, (self._name, self._type)), "name")
        return found

    def read(self, rows: Rows, extra: Sequence[Path]) -> Found:
        del extra  # fields beside a long message's own are no signals
        codes = self._names.codes(_column(rows, self._name))
        values = self._names.meanings.read(self._values(rows), codes)
        judged = values.judged & values.present & (codes != UNREADABLE)
        return Found(values, np.arange(len(rows)), codes, self._names.names, judged)

    def _values(self, rows: Rows) -> list[Any]:
        """The value of each message; None, which is no value, where the reference must choose."""
        if self._value:
            return _column(rows, self._value)
        kinds = _column(rows, self._type or ())
        values: list[Any] | None = None
        for kind in set(kinds):
            if kind is None or kind == "":
                column = _only_ones([_column(rows, path) for path in set(self._choices.values())])
            else:
                column = _column(rows, self._choices.get(str(kind), ()))
            if values is None:
                values = column
            else:
                triples = zip(kinds, column, values, strict=True)
                values = [new if own == kind else old for own, new, old in triples]
        return values or []


def _only_ones(columns: list[list[Any]]) -> list[Any]:
    """Of each row, the only value that is there."""
    found = []
    for row in zip(*columns, strict=True):
        there = [value for value in row if value is not None]
        found.append(there[0] if len(there) == 1 else None)
    return found


class WideColumns:
    """Many readings a message, one a field."""

    def __init__(self, contract: Contract, found: ByWireName, catalog: Catalog, limits: Limits) -> None:
        self._catalog, self._limits = catalog, limits
        self._mapped = {steps(wire): one for wire, one in found.items() if isinstance(one, Meaning)}
        self._required = [steps(wire) for wire in contract.required]
        self._unknown: dict[Path, str] = {}

    def leaves(self) -> dict[Path, Role]:
        return dict.fromkeys(self._mapped, "value")

    def read(self, rows: Rows, extra: Sequence[Path]) -> Found:
        paths = [path for path in (*self._mapped, *extra) if rows.column(path) is not None]
        meanings = Meanings([self._mapped.get(path) for path in paths], self._limits)
        each = [meanings.read(_column(rows, path), code) for code, path in enumerate(paths)]
        judged = np.ones(len(rows), bool)
        for one in each:
            judged &= one.judged
        for path in self._required:
            judged &= each[paths.index(path)].present if path in paths else False
        values = _interleaved(each, len(rows))
        message = np.repeat(np.arange(len(rows)), len(paths))
        judged &= np.bincount(message[values.present], minlength=len(rows)) > 0
        names = pa.array([self._name(path) for path in paths], pa.string())
        return Found(values, message, np.tile(np.arange(len(paths)), len(rows)), names, judged)

    def _name(self, path: Path) -> str:
        meaning = self._mapped.get(path)
        return meaning.signal if meaning else safe_path(path, self._catalog)


def _interleaved(each: Sequence[Values], rows: int) -> Values:
    """Values of fields as values of messages: all of the first message, then all of the next."""
    nothing = np.zeros(0, bool)
    if not each:
        return Values(np.zeros(0), nothing, None, nothing, nothing)
    text = None
    if any(one.text is not None for one in each):
        texts = [pa.nulls(rows, pa.string()) if one.text is None else one.text for one in each]
        order = np.arange(rows * len(each)).reshape(len(each), rows).T.ravel()
        text = pa.concat_arrays(texts).take(pa.array(order))
    return Values(
        np.stack([one.number for one in each], axis=1).ravel(),
        np.stack([one.has_number for one in each], axis=1).ravel(),
        text,
        np.stack([one.has_text for one in each], axis=1).ravel(),
        nothing,
    )


class ListColumns:
    """An array of readings a message."""

    def __init__(self, shape: ListShape, found: ByWireName, catalog: Catalog, limits: Limits) -> None:
        self._names = NameCodes(found, catalog, limits)
        self._items, self._invalid, self._wrapped = steps(shape.items), shape.invalid, bool(shape.wrappers)
        self._parts = {wire: list(parts) for wire, parts in found.items() if isinstance(parts, dict)}
        self._limits = limits

    def leaves(self) -> dict[Path, Role]:
        return {self._items: "items"}

    def read(self, rows: Rows, extra: Sequence[Path]) -> Found:
        del extra  # fields beside the array are no signals
        judged, keys = np.ones(len(rows), bool), np.zeros(len(rows), np.int64)
        names: list[Any] = []
        raws: list[Any] = []
        message: list[int] = []
        for index, items in enumerate(_column(rows, self._items)):
            begin = len(names)
            count = self._collect(items, names, raws)
            if count is None:
                judged[index] = False
                del names[begin:], raws[begin:]
            else:
                keys[index] = count
                message.extend([index] * (len(names) - begin))
        codes = self._names.codes(names)
        values = self._names.meanings.read(raws, codes)
        of_message = np.array(message, np.int64)
        fine = values.judged & (codes != UNREADABLE)
        judged[of_message[~fine]] = False
        judged &= np.bincount(of_message[values.present], minlength=len(rows)) > 0
        return Found(values, of_message, codes, self._names.names, judged, keys)

    def _collect(self, items: list[Any] | None, names: list[Any], raws: list[Any]) -> int | None:
        """Appends the readings of one message; returns how many keys they have, None if that is not clear."""
        if items is None or len(items) > self._limits.signals // 2:
            return None
        keys = 2 * len(items)
        for item in items:
            name, value = item.name, item.value
            if type(value) is dict:
                if len(value) != 1 or not self._wrapped or self._invalid in value:
                    return None
                keys += 1
                (value,) = value.values()
                if type(value) is dict:
                    parts = self._parts.get(name)
                    if parts is None or not value.keys() <= set(parts):
                        return None
                    keys += len(value)
                    there = [part for part in parts if part in value]
                    names += [(name, part) for part in there]
                    raws += [value[part] for part in there]
                    continue
            names.append(name)
            raws.append(value)
        return keys


def _column(rows: Rows, path: Path) -> list[Any]:
    return rows.column(path) or [None] * len(rows)

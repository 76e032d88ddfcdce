"""Readings of many messages at once, for each shape; the counterpart of `contracts.shapes`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from contracts.catalog import Catalog
from contracts.limits import Limits
from contracts.meaning import Meaning
from contracts.meaning import Meanings as ByWireName
from contracts.model import Contract
from contracts.names import safe_path
from contracts.parts import LongShape
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
    """Reads the readings of parsed messages. `wrapper`: the type of objects around values."""

    wrapper: type[msgspec.Struct] | None

    def leaves(self) -> dict[Path, Role]:
        """The fields that are read here."""

    def read(self, rows: Rows, extra: Sequence[Path]) -> Found:
        """`extra`: fields of the layout that the contract does not name."""


class LongColumns:
    """One reading a message."""

    wrapper: type[msgspec.Struct] | None = None

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
        codes = self._names.codes(column(rows, self._name))
        values = self._names.meanings.read(self._values(rows), codes)
        judged = values.judged & values.present & (codes != UNREADABLE)
        return Found(values, np.arange(len(rows)), codes, self._names.names, judged)

    def _values(self, rows: Rows) -> list[Any]:
        """The value of each message; None, which is no value, where the reference must choose."""
        if self._value:
            return column(rows, self._value)
        kinds = column(rows, self._type or ())
        values: list[Any] | None = None
        for kind in set(kinds):
            if kind is None or kind == "":
                chosen = _only_ones([column(rows, path) for path in set(self._choices.values())])
            else:
                chosen = column(rows, self._choices.get(str(kind), ()))
            if values is None:
                values = chosen
            else:
                triples = zip(kinds, chosen, values, strict=True)
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

    wrapper: type[msgspec.Struct] | None = None

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
        each = [meanings.read(column(rows, path), code) for code, path in enumerate(paths)]
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


def column(rows: Rows, path: Path) -> list[Any]:
    """Values at the path, None where the layout has no such field."""
    return rows.column(path) or [None] * len(rows)

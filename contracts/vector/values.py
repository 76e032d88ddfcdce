"""Columns of values, read as `contracts.meaning.read_value` reads each of them.

What the vector operations cannot judge is handed to that function one by one; what it refuses is left to the
reference, which words the refusal.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from contracts.limits import Limits
from contracts.meaning import Meaning, Reading, read_value
from contracts.result import Refused
from contracts.units import IDENTITY

Mask = NDArray[np.bool_]
Codes = NDArray[np.intp]

_TEXT, _NUMBER, _BOOL, _UNKNOWN = range(4)
_KINDS: Final = {"text": _TEXT, "number": _NUMBER, "bool": _BOOL}


@dataclass(slots=True)
class Values:
    """A reading has a number, a text, or neither (absent). `judged`: false where the reference must look."""

    number: NDArray[np.float64]
    has_number: Mask
    text: pa.Array | None
    has_text: Mask
    judged: Mask

    def take(self, order: NDArray[np.int64]) -> "Values":
        """The readings in another order."""
        text = None if self.text is None else self.text.take(pa.array(order))
        masks = (self.has_text[order], self.judged[order])
        return Values(self.number[order], self.has_number[order], text, *masks)

    @property
    def present(self) -> Mask:
        return self.has_number | self.has_text


class Meanings:
    """Meanings by code, as parallel arrays; None is an unknown signal."""

    def __init__(self, meanings: Sequence[Meaning | None], limits: Limits) -> None:
        self.limits, self.of = limits, meanings
        self._kind = np.array([_KINDS[one.kind] if one else _UNKNOWN for one in meanings], np.int8)
        self._scale = np.array([one.conversion.scale if one else 1.0 for one in meanings])
        self._offset = np.array([one.conversion.offset if one else 0.0 for one in meanings])
        self._minimum = np.array([one.minimum if one else -np.inf for one in meanings])
        self._maximum = np.array([one.maximum if one else np.inf for one in meanings])
        self._converts = any(one is not None and one.conversion != IDENTITY for one in meanings)

    def read(self, values: list[Any], codes: Codes | int) -> Values:
        """`codes` tells the meaning of each value, or of all."""
        column, texts = _columns(values)
        kind = np.broadcast_to(self._kind[codes], len(values))
        found = _numbers(column)
        odd = np.zeros(len(values), bool)
        if texts is not None:
            odd = self._texts(found, texts, kind, codes)
        found.judged &= ~(found.has_number & (kind == _TEXT))
        self._judge(found, kind, codes)
        for index in np.flatnonzero(odd).tolist():
            code = codes if isinstance(codes, int) else int(codes[index])
            _keep(found, index, read_value(values[index], self.of[code], self.limits))
        return found

    def _texts(self, found: Values, texts: pa.Array, kind: NDArray[np.int8], codes: Codes | int) -> Mask:
        """Numbers that came as text, and texts. Returns which numbers are written in an odd way."""
        is_text = np.array(texts.is_valid())
        numeric = is_text & ((kind == _NUMBER) | (kind == _BOOL))
        odd = np.zeros(len(kind), bool)
        if numeric.any():
            parsed = pl.Series(texts).cast(pl.Float64, strict=False).to_numpy()
            fine = numeric & np.isfinite(parsed)
            found.number[fine] = parsed[fine]
            found.has_number |= fine
            odd = numeric & ~fine & _true(pc.not_equal(texts, ""))
        found.has_text = is_text & ~numeric
        if found.has_text.any():
            short = _true(pc.less_equal(pc.binary_length(texts), self.limits.text_chars))
            found.judged &= short | ~found.has_text
            found.text = self._translated(found, texts, codes)
        return odd

    def _translated(self, found: Values, texts: pa.Array, codes: Codes | int) -> pa.Array:
        """Texts of signals whose texts have a canonical form, in that form; others as they are."""
        for code in [codes] if isinstance(codes, int) else np.unique(codes[found.has_text]).tolist():
            meaning = self.of[code]
            if meaning is None or not meaning.values:
                continue
            known = dict(reversed(meaning.values))
            encoded = texts.dictionary_encode()
            canonical = pa.array([known.get(text) for text in encoded.dictionary.to_pylist()], pa.string())
            mine = found.has_text & (codes == code)
            texts = pc.if_else(pa.array(mine), canonical.take(encoded.indices), texts)
            found.judged &= np.array(texts.is_valid()) | ~mine
        return texts if found.has_text.all() else pc.if_else(pa.array(found.has_text), texts, None)

    def _judge(self, found: Values, kind: NDArray[np.int8], codes: Codes | int) -> None:
        """Into canonical units, and whether that can be."""
        if self._converts:
            with np.errstate(over="ignore"):  # infinity is judged below
                found.number = found.number * self._scale[codes] + self._offset[codes]
        found.number += 0.0
        fits = (found.number >= self._minimum[codes]) & (found.number <= self._maximum[codes])
        fits &= np.isfinite(found.number)
        is_bool = kind == _BOOL
        if is_bool.any():
            fits &= ~is_bool | (found.number == 0.0) | (found.number == 1.0)
        found.judged &= fits | ~found.has_number


def _columns(values: list[Any]) -> tuple[pa.Array, pa.Array | None]:
    """Numbers (true is 1) and texts, each null where the other or nothing is."""
    try:
        return pa.array(values, pa.float64()), None
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        pass
    try:
        return pa.nulls(len(values), pa.float64()), pa.array(values, pa.string())
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        texts = [value if type(value) is str else None for value in values]
        numbers = [None if type(value) is str else value for value in values]
        return pa.array(numbers, pa.float64()), pa.array(texts, pa.string())


def _numbers(column: pa.Array) -> Values:
    nothing = np.zeros(len(column), bool)
    has = np.ones(len(column), bool)
    if column.null_count:
        has = np.array(column.is_valid())
        column = column.fill_null(0.0)
    return Values(np.array(column), has, None, nothing, np.ones(len(column), bool))


def _keep(found: Values, index: int, outcome: Reading | Refused | None) -> None:
    if isinstance(outcome, Reading) and outcome.value is not None:
        found.number[index] = outcome.value
        found.has_number[index] = True
    elif outcome is not None:
        found.judged[index] = False


def _true(column: pa.Array) -> Mask:
    """Where a comparison holds; null is no."""
    return np.asarray(pc.fill_null(column, False))

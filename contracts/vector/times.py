"""Columns of times, read as `contracts.times` reads each of them; what is unusual is left for it."""

from collections.abc import Sequence
from functools import cache
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from contracts.parts import TimeFormat
from contracts.schema import TIME

Micros = NDArray[np.int64]
Mask = NDArray[np.bool_]

_TICK_US: Final[dict[TimeFormat, int]] = {"epoch_s": 1_000_000, "epoch_ms": 1_000, "epoch_us": 1}
_MAX_EPOCH_DIGITS: Final = 18
_SECONDS: Final = len("2000-01-01T00:00:00")
_FRACTION: Final = len(".123456789012")
_LONGEST: Final = _SECONDS + _FRACTION + len("+00:00")
_WITH_NANOS: Final = _SECONDS + len(".123456789Z")
_NANOS: Final = pa.timestamp("ns", "UTC")
_DIGITS_AT: Final = [index for index, char in enumerate("2000-01-01T00:00:00") if char == "0" or char in "12"]


class Times(NamedTuple):
    """Microseconds; `read` says where they are valid, `absent` where there is no time at all."""

    micros: Micros
    read: Mask
    absent: Mask


def read_times(values: Sequence[Any], form: TimeFormat) -> Times:
    """A column of texts or numbers in one format."""
    if form == "iso":
        return _iso_column(values)
    micros, read = _epoch_column(values, _TICK_US[form])
    absent = np.zeros(len(values), bool)
    if not read.all():
        absent = np.fromiter((value is None or value == "" for value in values), bool, len(values))
    return Times(micros, read, absent)


def _iso_column(values: Sequence[Any]) -> Times:
    try:
        column = pa.array(values, pa.string())
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        texts = [value if value is None or isinstance(value, str) else "not a text" for value in values]
        column = pa.array(texts, pa.string())
    offsets = np.frombuffer(column.buffers()[1], np.int32, len(column) + 1)
    lengths = np.diff(offsets)
    data = column.buffers()[2]
    text = np.frombuffer(data, np.uint8) if data is not None else np.zeros(0, np.uint8)
    all_at_once = _cast(column, text, offsets, lengths)
    if all_at_once is not None:
        return Times(all_at_once, np.ones(len(column), bool), np.zeros(len(column), bool))
    micros, read = np.zeros(len(column), np.int64), np.zeros(len(column), bool)
    for length in np.unique(lengths) if len(lengths) and lengths.min() != lengths.max() else lengths[:1]:
        if _SECONDS < length <= _LONGEST:
            chosen = np.flatnonzero(lengths == length)
            micros[chosen], read[chosen] = _iso(_fixed_width(text, offsets, chosen, int(length)))
    return Times(micros, read, lengths == 0)


def _cast(
    column: pa.Array, text: NDArray[np.uint8], offsets: NDArray[np.int32], lengths: NDArray[np.int32]
) -> Micros | None:
    """By Arrow's own parser, if every text has seconds (it would do without) and is a time to Arrow."""
    if len(lengths) == 0 or lengths.min() <= _SECONDS or (text[offsets[:-1] + 16] != ord(":")).any():
        return None
    try:
        if lengths.max() < _WITH_NANOS:
            return np.asarray(column.cast(TIME).view(pa.int64()))
        return np.asarray(column.cast(_NANOS).view(pa.int64())) // 1000
    except pa.ArrowInvalid:
        return None


def _fixed_width(text: NDArray[np.uint8], offsets: NDArray[np.int32], chosen: Micros, length: int) -> Any:
    """Characters by place: element [k] holds the k-th character of every text."""
    if len(chosen) == len(offsets) - 1:
        return np.ascontiguousarray(text[: offsets[-1]].reshape(len(chosen), length).T)
    return text[offsets[chosen][None, :] + np.arange(length)[:, None]]


def _iso(chars: NDArray[np.uint8]) -> tuple[Micros, Mask]:
    """Texts of one length: date, time, fraction, and `Z` or an offset."""
    digits = chars - np.uint8(48)
    length = len(chars)
    zulu = (chars[-1] | 32) == ord("z")
    good = _separators_fit(chars) & (digits[_DIGITS_AT] <= 9).all(axis=0)
    micros = _civil(digits, good)
    fraction, fits = _fraction(chars, digits, length - 1)
    if zulu.all():
        return micros + fraction, good & fits
    ahead, offset_fits = _offset(chars, digits)
    offset_fraction, fraction_fits = _fraction(chars, digits, length - len("+00:00"))
    micros += np.where(zulu, fraction, offset_fraction - ahead)
    return micros, good & np.where(zulu, fits, offset_fits & fraction_fits)


def _separators_fit(chars: NDArray[np.uint8]) -> Mask:
    between = (chars[10] == ord("T")) | (chars[10] == ord(" ")) | (chars[10] == ord("t"))
    dashes = (chars[4] == ord("-")) & (chars[7] == ord("-"))
    colons = (chars[13] == ord(":")) & (chars[16] == ord(":"))
    fits: Mask = between & dashes & colons
    return fits


def _civil(digits: NDArray[np.uint8], good: Mask) -> Micros:
    """Microseconds of the whole seconds; `good` loses what the calendar does not have."""

    def number(*places: int) -> NDArray[np.int32]:
        value: NDArray[np.int32] = digits[places[0]].astype(np.int32)
        for place in places[1:]:
            value = value * 10 + digits[place]
        return value

    year, month, day = number(0, 1, 2, 3), number(5, 6), number(8, 9)
    hour, minute, second = number(11, 12), number(14, 15), number(17, 18)
    good &= (year >= 1) & (month >= 1) & (month <= 12) & (hour <= 23) & (minute <= 59) & (second <= 59)
    begins = _month_begins()
    index = np.where(good, year * 12 + month - 13, 0)
    first = begins[index]
    good &= (day >= 1) & (first + day <= begins[index + 1])
    seconds = (first + day - 1) * 86_400 + (hour * 3_600 + minute * 60 + second)
    return seconds * 1_000_000


@cache
def _month_begins() -> Micros:
    """Days since the epoch at which the months of the years 1 to 9999 begin, and the one after."""
    months = np.arange("0001-01", "10000-02", dtype="datetime64[M]")
    return months.astype("datetime64[D]").astype(np.int64)


def _fraction(chars: NDArray[np.uint8], digits: NDArray[np.uint8], end: int) -> tuple[Micros, Mask]:
    """Between the seconds and `end`: nothing, or a point and digits, of which six count."""
    micros = np.zeros(chars.shape[1], np.int64)
    if end == _SECONDS:
        return micros, np.ones(len(micros), bool)
    if not _SECONDS + 2 <= end <= _SECONDS + _FRACTION:
        return micros, np.zeros(len(micros), bool)
    for place in range(_SECONDS + 1, min(end, _SECONDS + 7)):
        micros = micros * 10 + digits[place]
    micros *= 10 ** max(0, _SECONDS + 7 - end)
    point = (chars[_SECONDS] == ord(".")) | (chars[_SECONDS] == ord(","))
    fits = point & (digits[_SECONDS + 1 : end] <= 9).all(axis=0)
    return micros, fits


def _offset(chars: NDArray[np.uint8], digits: NDArray[np.uint8]) -> tuple[Micros, Mask]:
    """The last six characters as an offset; how far local time is ahead."""
    hours = digits[-5].astype(np.int64) * 10 + digits[-4]
    minutes = digits[-2].astype(np.int64) * 10 + digits[-1]
    fits = (digits[[-5, -4, -2, -1]] <= 9).all(axis=0) & (chars[-3] == ord(":"))
    behind = chars[-6] == ord("-")
    fits &= (behind | (chars[-6] == ord("+"))) & (hours <= 23) & (minutes <= 59)
    ahead = (hours * 60 + minutes) * 60_000_000
    return np.where(behind, -ahead, ahead), fits


def _epoch_column(values: Sequence[Any], tick_us: int) -> tuple[Micros, Mask]:
    """Whole numbers, or texts of digits."""
    whole = [
        value
        if type(value) is int
        else int(value)
        if type(value) is str and len(value) <= _MAX_EPOCH_DIGITS and value.isascii() and value.isdigit()
        else -1
        for value in values
    ]
    bound = 2**62 // tick_us
    ticks = np.array([value if 0 <= value < bound else -1 for value in whole], np.int64)
    return ticks * tick_us, ticks >= 0

"""Times in the form a source writes them: the inverse of `contracts.times`, down to the form's resolution."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from contracts.parts import TimeColumns, TimeFormat, TimeSource

TimeWriter = Callable[[int], str | int]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_PLAIN: Final = "2000-01-01T00:00:00.000Z"
_TICKS_US: Final = {"epoch_s": 1_000_000, "epoch_ms": 1_000, "epoch_us": 1}


def time_writer(source: TimeSource) -> TimeWriter:
    """Microseconds -> ISO text in the manner of `like`, or a whole number of the contract's ticks."""
    return time_writer_of(source.format[0], source.like)


def time_writer_of(form: TimeFormat, like: str | None) -> TimeWriter:
    """The same for one format."""
    if form != "iso":
        tick = _TICKS_US[form]
        return lambda time_us: time_us // tick
    like = like or _PLAIN
    suffix = "Z" if like.endswith("Z") else "+00:00"
    digits = max(len(like.removesuffix(suffix)) - len("2000-01-01T00:00:00."), 0)
    pattern = f"%Y-%m-%d{like[10]}%H:%M:%S"

    def write(time_us: int) -> str:
        seconds, micros = divmod(time_us, 1_000_000)
        return f"{_second(seconds, pattern)}{_fraction(micros, digits)}{suffix}"

    return write


@lru_cache(maxsize=4096)
def _second(seconds: int, pattern: str) -> str:
    return (_EPOCH + timedelta(seconds=seconds)).strftime(pattern)


def write_columns(time_us: int, columns: TimeColumns) -> tuple[str, str]:
    """Local date and time of day."""
    moment = (_EPOCH + timedelta(microseconds=time_us)).astimezone(ZoneInfo(columns.zone))
    parts = {"Y": f"{moment:%Y}", "M": f"{moment:%m}", "D": f"{moment:%d}"}
    date = "/".join(parts[letter] for letter in columns.order)
    return date, f"{moment:%H:%M:%S}{_fraction(moment.microsecond, 0)}"


def _fraction(micros: int, digits: int) -> str:
    """At least `digits` digits, and as many more as the time needs."""
    text = f"{micros:06d}".rstrip("0").ljust(digits, "0")
    return f".{text}" if text else ""

"""Times as sources write them, read to microseconds since the epoch; finer digits are cut off."""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any, Final
from zoneinfo import ZoneInfo

from contracts.parts import TimeColumns, TimeFormat

_ISO: Final = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ](?:[01][0-9]|2[0-3]):[0-9]{2}:[0-9]{2})(?:[.,]([0-9]{1,12}))?"
    r"(?:([Zz])|([+-])([01][0-9]|2[0-3])(?::?([0-5][0-9]))?)?",
)
_DATE: Final = re.compile(r"([0-9]{1,4})[/.-]([0-9]{1,2})[/.-]([0-9]{1,4})")
_LONGEST_DATE: Final = len("0000/00/0000")
_CLOCK: Final = re.compile(r"([0-9]{1,2}):([0-9]{2}):([0-9]{2})(?:[.,]([0-9]{1,12}))?")
_DECIMAL: Final = re.compile(r"[+-]?[0-9]{1,30}(?:\.[0-9]{0,30})?(?:[eE][+-]?[0-9]{1,3})?")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_DAY: Final = _EPOCH.toordinal()
_MICROSECOND: Final = timedelta(microseconds=1)
_TICK_US: Final[dict[TimeFormat, int]] = {"epoch_s": 1_000_000, "epoch_ms": 1_000, "epoch_us": 1}


def read_time(raw: Any, formats: tuple[TimeFormat, ...], zone: str | None) -> int | None:
    """The first format that reads `raw`, or None. Booleans, arrays and objects are no times."""
    if isinstance(raw, bool) or not isinstance(raw, (str, int, float)):
        return None
    for form in formats:
        if form == "iso":
            time = _iso(raw, zone) if isinstance(raw, str) else None
        else:
            time = _epoch(raw, _TICK_US[form])
        if time is not None:
            return time
    return None


def lacks_only_a_zone(raw: Any, formats: tuple[TimeFormat, ...], zone: str | None) -> bool:
    """Whether `raw`, which no format reads, would be a time if it named its zone."""
    return zone is None and "iso" in formats and isinstance(raw, str) and _iso(raw, "UTC") is not None


def read_columns(date: Any, clock: Any, columns: TimeColumns) -> int | None:
    """A local date and time of day; None where the calendar has no such day."""
    if not isinstance(date, str) or not isinstance(clock, str) or len(date) > _LONGEST_DATE:
        return None  # what is remembered below is never as long as a message
    match = _CLOCK.fullmatch(clock)
    if match is None:
        return None
    hour, minute, second, fraction = match.groups()
    begin = _local_minute(date, int(hour), int(minute), columns.order, columns.zone)
    if begin is None or int(second) > 59:
        return None
    return begin + int(second) * 1_000_000 + _micros(fraction)


@lru_cache(maxsize=8192)
def _local_minute(date: str, hour: int, minute: int, order: str, zone: str) -> int | None:
    """Clocks change at whole minutes, so the minute's offset holds for all its seconds."""
    match = _DATE.fullmatch(date)
    if match is None:
        return None
    year, month, day = (match[order.index(part) + 1] for part in "YMD")
    if len(year) != 4:
        return None
    try:
        local = datetime(int(year), int(month), int(day), hour, minute)  # noqa: DTZ001 - the zone comes next
        return _micros_of(local) - _ahead(local, zone)
    except (ValueError, OverflowError):
        return None


def _iso(text: str, zone: str | None) -> int | None:
    match = _ISO.fullmatch(text)
    if match is None:
        return None
    second, fraction, zulu, sign, hours, minutes = match.groups()
    if not zulu and not sign and zone is None:
        return None
    try:
        moment = datetime.fromisoformat(second)
    except ValueError:
        return None
    time = _micros_of(moment) + _micros(fraction)
    if zulu:
        return time
    if sign:
        ahead = (int(hours) * 60 + int(minutes or 0)) * 60_000_000
        return time - ahead if sign == "+" else time + ahead
    return time - _ahead(moment, str(zone))


def _micros_of(moment: datetime) -> int:
    """A time without a zone, counted as if in UTC."""
    of_day = (moment.hour * 60 + moment.minute) * 60 + moment.second
    return ((moment.toordinal() - _EPOCH_DAY) * 86_400 + of_day) * 1_000_000


def _ahead(moment: datetime, zone: str) -> int:
    """How far the zone's clocks are ahead of UTC; in a gap as before it, in a fold as in its first pass."""
    offset = ZoneInfo(zone).utcoffset(moment)
    return offset // _MICROSECOND if offset else 0


def _micros(fraction: str | None) -> int:
    return int(fraction[:6].ljust(6, "0")) if fraction else 0


def _epoch(raw: str | int | float, tick_us: int) -> int | None:
    """Decimal, not double: 1690000000.123 s must not lose its last microsecond."""
    if isinstance(raw, int):
        return raw * tick_us
    text = raw if isinstance(raw, str) else repr(raw)
    if _DECIMAL.fullmatch(text) is None:
        return None
    try:
        return int(Decimal(text) * tick_us)
    except (InvalidOperation, OverflowError):
        return None


def iso_text(time_us: int) -> str:
    """UTC with `Z`, in milliseconds, or microseconds where it has any."""
    moment = _EPOCH + timedelta(microseconds=time_us)
    precision = "microseconds" if time_us % 1000 else "milliseconds"
    return moment.isoformat(timespec=precision).replace("+00:00", "Z")

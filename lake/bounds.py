"""The least and greatest value of a file's column, as a Delta log writes them. Readers skip files by them."""

from datetime import date, datetime, timedelta
from typing import Any

MILLISECOND = timedelta(milliseconds=1)


def low(value: Any) -> Any:
    """Times are written in whole milliseconds, and are not later than they were."""
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return value.isoformat() if isinstance(value, date) else value


def high(value: Any) -> Any:
    """A bound must not be less than what it bounds."""
    if isinstance(value, datetime) and value.microsecond % 1000:
        return low(value + MILLISECOND)
    return low(value)

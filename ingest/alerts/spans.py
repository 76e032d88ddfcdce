"""Lengths of time as people write them in a rules file: `30s`, `5m`, `12h`, `7d`."""

import re
from typing import Annotated, Final

from pydantic import BeforeValidator, Field

SECOND_US: Final = 1_000_000
LONGEST_US: Final = 366 * 86_400 * SECOND_US

_UNITS_US: Final = {"s": SECOND_US, "m": 60 * SECOND_US, "h": 3600 * SECOND_US, "d": 86_400 * SECOND_US}
_SPAN: Final = re.compile(r"([0-9]{1,6}(?:\.[0-9]{1,3})?)([smhd])")


def _microseconds(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        msg = f"{value!r} is no duration, write one such as 30s, 5m or 12h"
        raise ValueError(msg)
    match = _SPAN.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        msg = f"{value!r} is no duration, write one such as 30s, 5m or 12h"
        raise ValueError(msg)
    return round(float(match[1]) * _UNITS_US[match[2]])


Span = Annotated[int, BeforeValidator(_microseconds), Field(ge=0, le=LONGEST_US)]
"""In microseconds."""


def span_text(span_us: int) -> str:
    """As a person would have written it."""
    for unit, size_us in reversed(_UNITS_US.items()):
        if span_us and span_us % size_us == 0:
            return f"{span_us // size_us}{unit}"
    return f"{span_us / SECOND_US:g}s"

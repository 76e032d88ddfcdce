"""Bounds on what one message may cost every layer behind the decoder, each with its reason.

One frozen object for all contracts: the sinks must decide alike, so a bound is never a matter of settings.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

MICROSECONDS: Final = 1_000_000


def _micros(year: int) -> int:
    return int(datetime(year, 1, 1, tzinfo=UTC).timestamp()) * MICROSECONDS


@dataclass(frozen=True, slots=True)
class Limits:
    """What is refused as `too_large`, `bad_time` or `future_time`."""

    message_bytes: int = 256 * 1024
    """A snapshot of 1,000 signals is about 60 KiB; what is four times larger is no telemetry."""
    depth: int = 32
    """Nesting of objects and arrays. Known formats need 4; parsers recurse, and a bomb must not."""
    signals: int = 2_000
    """Signals a message, rejected ones included: keeps a row of bronze below a page of Parquet."""
    name_chars: int = 128
    """Signal names on the wire and sensor ids. VSS paths, the longest in use, stay below 100."""
    vehicle_chars: int = 256
    """A vehicle id is a document key in the state store and a Kafka key."""
    text_chars: int = 4_096
    """A text value; longer is a log or a blob, and would sit in the vehicle's document for ever."""
    raw_chars: int = 256
    """Of a rejected value, kept beside its reason; the whole is in bronze's payload."""
    detail_chars: int = 512
    """Of a readable reason."""
    max_future_us: int = 5 * 60 * MICROSECONDS
    """A car that wakes up may be this far ahead of the broker's clock; more is a broken clock."""
    earliest_us: int = _micros(2000)
    """Clocks that lost their battery restart at 1970, 1980 (GPS) or 2000-01-01 itself: before is no time."""
    latest_us: int = _micros(2262)
    """Where nanosecond timestamps of other engines end; nothing behind is representable everywhere."""


DEFAULT_LIMITS: Final = Limits()

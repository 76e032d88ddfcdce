"""What one message became. Bad input is a value: `Rejected` says why, and keeps what could be read."""

from dataclasses import dataclass
from typing import NamedTuple

from contracts.reasons import Reason


class Refused(NamedTuple):
    """A part of a message that cannot be accepted, and why in words."""

    reason: Reason
    detail: str


@dataclass(frozen=True, slots=True)
class Signal:
    """An accepted reading; times in microseconds since the epoch; either `value` or `text` is set."""

    signal: str
    sensor: str | None
    event_time: int
    effective_time: int
    value: float | None
    text: str | None


@dataclass(frozen=True, slots=True)
class RejectedSignal:
    """A reading that was refused; `raw` is its value as JSON, cut at a limit."""

    signal: str
    reason: Reason
    raw: str


@dataclass(frozen=True, slots=True)
class Decoded:
    """A message with at least one accepted signal. `note` tells of something odd that was overcome."""

    vehicle_id: str
    event_time: int
    received_time: int | None
    signals: tuple[Signal, ...]
    rejected_signals: tuple[RejectedSignal, ...] = ()
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Rejected:
    """A message none of whose signals count: a dead letter."""

    reason: Reason
    detail: str
    vehicle_id: str | None = None
    event_time: int | None = None
    received_time: int | None = None
    rejected_signals: tuple[RejectedSignal, ...] = ()

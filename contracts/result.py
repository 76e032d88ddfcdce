"""What one message became. Bad input is a value: `Rejected` says why, and keeps what could be read."""

from typing import NamedTuple

import msgspec

from contracts.reasons import Reason


class Refused(NamedTuple):
    """A part of a message that cannot be accepted, and why in words."""

    reason: Reason
    detail: str


class Signal(msgspec.Struct, frozen=True, gc=False):
    """An accepted reading; times in microseconds since the epoch; either `value` or `text` is set."""

    signal: str
    sensor: str | None
    event_time: int
    effective_time: int
    value: float | None
    text: str | None


class RejectedSignal(msgspec.Struct, frozen=True, gc=False):
    """A reading that was refused; `raw` is its value as JSON, cut at a limit."""

    signal: str
    reason: Reason
    raw: str


class Decoded(msgspec.Struct, frozen=True):
    """A message with at least one accepted signal. `note` tells of something odd that was overcome."""

    vehicle_id: str
    event_time: int
    received_time: int | None
    signals: tuple[Signal, ...]
    rejected_signals: tuple[RejectedSignal, ...] = ()
    note: str | None = None


class Rejected(msgspec.Struct, frozen=True):
    """A message none of whose signals count: a dead letter."""

    reason: Reason
    detail: str
    vehicle_id: str | None = None
    event_time: int | None = None
    received_time: int | None = None
    rejected_signals: tuple[RejectedSignal, ...] = ()

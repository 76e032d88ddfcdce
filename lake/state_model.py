"""What one vehicle's state looks like, and the one order that decides which of two values it keeps.

MongoDB compares embedded documents field by field in the order they are written. `Entry` is written as
{t, v, p, o} and a maximum as {v, t, p, o}: the newest, or the greatest, value wins whatever the order of
arrival; equal ones are told apart by their coordinates, so a replay changes nothing. BSON sorts every number
before every text, texts by their UTF-8 bytes, and 0.0 equal to -0.0 (written as 0.0). `state_order` and
`maximum_order` are that comparison for everyone who reduces readings elsewhere."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from bson.int64 import Int64

from lake.errors import StateUnreadable

Value = float | str
Order = tuple[int, bool, Value, str, int]

EARLIEST_US, LATEST_US = -62_135_596_800_000_000, 253_402_300_799_999_999
"""The years 1 to 9999, in microseconds since the epoch."""

UNSAFE = re.compile(rb"[^A-Za-z0-9_:-]")


class Entry(NamedTuple):
    """One value and where it came from. `t` is the effective time in microseconds since the epoch, `p` is
    `topic/partition`, `o` the offset."""

    t: int
    v: Value
    p: str
    o: int


@dataclass(frozen=True, slots=True)
class VehicleState:
    """The state of one vehicle: what a write adds, and what a read returns.

    `signals` and `maxima` are keyed by `state_key`; `written_us` is when people were told (wall clock, in
    microseconds), the latest one wins.
    """

    vehicle_id: str
    signals: Mapping[str, Entry]
    maxima: Mapping[str, Entry] = field(default_factory=dict)
    written_us: int = 0


def state_key(signal: str, sensor: str | None = None) -> str:
    """The field that holds a signal: its name, or `<signal>@<sensor>` where a contract keeps sensors apart.

    Catalogued names are safe as they are. A sensor may be any text: every byte outside [A-Za-z0-9_:-] is
    percent-encoded, so the key has no dot and no dollar, and different sensors have different keys.
    """
    if sensor is None:
        return signal
    safe = UNSAFE.sub(lambda found: f"%{found[0][0]:02X}".encode(), sensor.encode())
    return f"{signal}@{safe.decode()}"


def state_order(entry: Entry) -> Order:
    """Sorts entries as MongoDB's `$max` does: by time, then numbers before texts, value, coordinates."""
    return (entry.t, isinstance(entry.v, str), entry.v, entry.p, entry.o)


def maximum_order(entry: Entry) -> tuple[bool, Value, int, str, int]:
    """Sorts candidates for a maximum as `$max` does: by value; of equal ones the latest stays."""
    return (isinstance(entry.v, str), entry.v, entry.t, entry.p, entry.o)


def update_fields(update: VehicleState) -> dict[str, Any]:
    """The operand of the one `$max` that writes this vehicle."""
    fields: dict[str, Any] = {f"s.{key}": _latest(entry) for key, entry in update.signals.items()}
    for key, entry in update.maxima.items():
        fields[f"m.{key}"] = _maximum(entry)
    fields["u"] = Int64(update.written_us)
    return fields


def from_document(document: Mapping[str, Any]) -> VehicleState:
    """The state that a stored document holds. StateUnreadable for one that was not written here."""
    vehicle = document.get("_id")
    if not isinstance(vehicle, str):
        raise StateUnreadable(vehicle, "its id is not a text")
    try:
        return VehicleState(
            vehicle_id=vehicle,
            signals=_entries(document.get("s", {})),
            maxima=_entries(document.get("m", {})),
            written_us=int(document.get("u", 0)),
        )
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError) as error:
        raise StateUnreadable(vehicle, f"{type(error).__name__} {error}") from error


def _latest(entry: Entry) -> dict[str, Any]:
    return {"t": Int64(entry.t), "v": _normal(entry.v), "p": entry.p, "o": Int64(entry.o)}


def _maximum(entry: Entry) -> dict[str, Any]:
    return {"v": _normal(entry.v), "t": Int64(entry.t), "p": entry.p, "o": Int64(entry.o)}


def _normal(value: Value) -> Value:
    return value if isinstance(value, str) else value + 0.0


def _entries(fields: Mapping[str, Mapping[str, Any]]) -> dict[str, Entry]:
    return {
        key: Entry(_time(value["t"]), _value(value["v"]), _place(value["p"]), int(value["o"]))
        for key, value in fields.items()
    }


def _time(value: Any) -> int:
    time = int(value)
    if not EARLIEST_US <= time <= LATEST_US:
        msg = f"{time} is no time between the years 1 and 9999"
        raise ValueError(msg)
    return time


def _place(value: Any) -> str:
    if not isinstance(value, str):
        msg = f"{value!r} is no topic/partition"
        raise TypeError(msg)
    return value


def _value(value: Any) -> Value:
    return value if isinstance(value, str) else float(value)

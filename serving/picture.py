"""A vehicle on the map: where it is, and the few values that are shown beside it. What the list of the
fleet and the stream of changes say of a vehicle is made here, once."""

from collections.abc import Mapping
from typing import Any

from contracts.times import iso_text
from lake.state_model import Entry, VehicleState

SHOWN = ("latitude", "longitude", "speed", "soc", "ignition", "charge_state")
"""The signals that a map needs."""


def place(signals: Mapping[str, Entry]) -> tuple[float, float] | None:
    """Longitude and latitude; (0, 0) is what a receiver without satellites says."""
    longitude, latitude = _number(signals.get("longitude")), _number(signals.get("latitude"))
    if longitude is None or latitude is None or (longitude == 0 and latitude == 0):
        return None
    return longitude, latitude


def values(state: VehicleState, fleet: str | None) -> dict[str, Any]:
    """Of one vehicle; null where unknown."""
    signals = state.signals
    ignition = _number(signals.get("ignition"))
    newest = max((entry.t for entry in signals.values()), default=None)
    return {
        "vehicle_id": state.vehicle_id,
        "fleet": fleet,
        "time": None if newest is None else iso_text(newest),
        "speed": _number(signals.get("speed")),
        "soc": _number(signals.get("soc")),
        "ignition": None if ignition is None else ignition != 0,
        "charge_state": _text(signals.get("charge_state")),
    }


def feature(state: VehicleState, fleet: str | None, at: tuple[float, float] | None) -> dict[str, Any]:
    """As GeoJSON."""
    return {
        "type": "Feature",
        "geometry": None if at is None else {"type": "Point", "coordinates": at},
        "properties": values(state, fleet),
    }


def change(state: VehicleState, fleet: str | None) -> dict[str, Any]:
    """As an event of the stream: all that is known of the vehicle now."""
    longitude, latitude = place(state.signals) or (None, None)
    signals = {key: {"value": each.v, "time": iso_text(each.t)} for key, each in state.signals.items()}
    return {**values(state, fleet), "latitude": latitude, "longitude": longitude, "signals": signals}


def _number(entry: Entry | None) -> float | None:
    return None if entry is None or isinstance(entry.v, str) else entry.v


def _text(entry: Entry | None) -> str | None:
    return entry.v if entry is not None and isinstance(entry.v, str) else None

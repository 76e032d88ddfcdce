"""The id of a trip: its key, in a form that fits into an address. It stays the same for as long as the
trip begins at the same moment."""

import base64
import binascii
from typing import NamedTuple


class TripKey(NamedTuple):
    """A vehicle, and the moment in microseconds since the epoch at which the trip begins."""

    vehicle_id: str
    start_us: int


def trip_id(key: TripKey) -> str:
    """As clients know it."""
    vehicle = base64.urlsafe_b64encode(key.vehicle_id.encode()).decode().rstrip("=")
    return f"{key.start_us:x}.{vehicle}"


def trip_key(text: str) -> TripKey | None:
    """The inverse; None for what is no id of a trip."""
    start, dot, vehicle = text.partition(".")
    if not dot or not start or not set(start) <= set("0123456789abcdef"):
        return None
    try:
        raw = base64.b64decode(vehicle + "=" * (-len(vehicle) % 4), altchars=b"-_", validate=True)
        key = TripKey(raw.decode(), int(start, 16))
    except (binascii.Error, ValueError):
        return None
    return key if trip_id(key) == text else None

"""Unit conversion between the wire and the catalog: canonical = wire * scale + offset, in doubles."""

import math
from typing import Final, NamedTuple


class Conversion(NamedTuple):
    """A linear conversion. The vectorised decoder does the same two operations, so results are equal bits."""

    scale: float = 1.0
    offset: float = 0.0

    def to_canonical(self, wire: float) -> float:
        """`+ 0.0` turns -0.0 into 0.0, so that equal values are one row."""
        return wire * self.scale + self.offset + 0.0

    def to_wire(self, canonical: float) -> float:
        """A double that converts back to `canonical`, or the nearest where no double does."""
        wire = (canonical - self.offset) / self.scale
        for candidate in (wire, math.nextafter(wire, math.inf), math.nextafter(wire, -math.inf)):
            if self.to_canonical(candidate) == canonical:
                return candidate
        return wire


IDENTITY: Final = Conversion()

_CONVERSIONS: Final[dict[tuple[str, str], Conversion]] = {
    ("mph", "km/h"): Conversion(1.609344),
    ("m/s", "km/h"): Conversion(3.6),
    ("mi", "km"): Conversion(1.609344),
    ("m", "km"): Conversion(0.001),
    ("km", "m"): Conversion(1000.0),
    ("ft", "m"): Conversion(0.3048),
    ("degF", "°C"): Conversion(5.0 / 9.0, -160.0 / 9.0),
    ("K", "°C"): Conversion(1.0, -273.15),
    ("kPa", "Pa"): Conversion(1000.0),
    ("hPa", "Pa"): Conversion(100.0),
    ("bar", "Pa"): Conversion(100_000.0),
    ("psi", "Pa"): Conversion(6894.757293168),
    ("W", "kW"): Conversion(0.001),
    ("Wh", "kWh"): Conversion(0.001),
    ("ratio", "%"): Conversion(100.0),
    ("mV", "V"): Conversion(0.001),
    ("mA", "A"): Conversion(0.001),
    ("min", "s"): Conversion(60.0),
    ("h", "s"): Conversion(3600.0),
}


def conversion(wire_unit: str | None, canonical_unit: str) -> Conversion | None:
    """How to convert, or None if the units do not fit. No wire unit: the wire speaks the catalog's."""
    if wire_unit is None or wire_unit == canonical_unit:
        return IDENTITY
    return _CONVERSIONS.get((wire_unit, canonical_unit))


def units_into(canonical_unit: str) -> list[str]:
    """Wire units that can become `canonical_unit`, for error messages."""
    return [canonical_unit, *(wire for wire, canonical in _CONVERSIONS if canonical == canonical_unit)]

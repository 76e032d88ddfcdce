"""Areas of the earth, in degrees: a circle, or a polygon. Its border belongs to an area, the antimeridian
cuts none in two, and (0, 0), which receivers say that have no fix, is no position."""

from collections.abc import Sequence
from itertools import pairwise
from math import asin, cos, radians, sin, sqrt
from typing import Final, NamedTuple

from pydantic import Field, model_validator

from contracts.catalog import Frozen

EARTH_RADIUS_M: Final = 6_371_008.8
TURN: Final = 360.0
ON_BORDER: Final = 1e-9
"""Degrees, a tenth of a millimetre: what doubles make of a point on an edge."""


class Position(NamedTuple):
    """Where something is, in degrees."""

    latitude: float
    longitude: float

    @property
    def is_known(self) -> bool:
        """Whether a receiver meant it."""
        return self != (0.0, 0.0)


class Point(Frozen):
    """A corner of a polygon, or part of a circle."""

    latitude: float = Field(ge=-90, le=90)
    longitude: float = Field(ge=-180, le=180)


class Circle(Point):
    """What lies at most `radius_m` from the centre, along the ground."""

    radius_m: float = Field(gt=0, le=20_000_000)

    def holds(self, position: Position) -> bool:
        """Whether the position is in it."""
        return distance_m(Position(self.latitude, self.longitude), position) <= self.radius_m


class Polygon(Frozen):
    """What lies within the corners; between two of them the shorter way around the earth is meant."""

    corners: tuple[Point, ...] = Field(max_length=1000)

    @model_validator(mode="after")
    def _closes(self) -> "Polygon":
        if len(self.corners) < 3:
            msg = f"a polygon has three corners and more, not {len(self.corners)}"
            raise ValueError(msg)
        if abs(self._ring[-1][1] - self._ring[0][1]) > ON_BORDER:
            msg = "the corners go around a pole: use a circle, or leave the pole out"
            raise ValueError(msg)
        return self

    def holds(self, position: Position) -> bool:
        """Whether the position is in it, whichever way its longitude is counted."""
        ring = self._ring
        west, east = min(x for _, x in ring), max(x for _, x in ring)
        x = position.longitude - TURN * ((position.longitude - west) // TURN)
        candidates = (x, x - TURN) if x - TURN >= west - ON_BORDER else (x,)
        return any(
            _is_inside(ring, position.latitude, each) for each in candidates if each <= east + ON_BORDER
        )

    @property
    def _ring(self) -> list[tuple[float, float]]:
        """(latitude, longitude) of each corner and the first one again; longitudes never jump."""
        first = self.corners[0]
        ring = [(first.latitude, first.longitude)]
        for corner in (*self.corners[1:], first):
            before = ring[-1][1]
            step = (corner.longitude - before + TURN / 2) % TURN - TURN / 2
            ring.append((corner.latitude, before + step))
        return ring


def distance_m(one: Position, other: Position) -> float:
    """Along the ground of a sphere."""
    up, across = radians(other.latitude - one.latitude), radians(other.longitude - one.longitude)
    bent = sin(up / 2) ** 2
    bent += cos(radians(one.latitude)) * cos(radians(other.latitude)) * sin(across / 2) ** 2
    return 2 * EARTH_RADIUS_M * asin(min(1.0, sqrt(bent)))


def _is_inside(ring: Sequence[tuple[float, float]], y: float, x: float) -> bool:
    inside = False
    for (y1, x1), (y2, x2) in pairwise(ring):
        if _is_on(y, x, y1, x1, y2, x2):
            return True
        if (y1 > y) != (y2 > y) and x < x1 + (x2 - x1) * (y - y1) / (y2 - y1):
            inside = not inside
    return inside


def _is_on(y: float, x: float, y1: float, x1: float, y2: float, x2: float) -> bool:
    """Whether a point is on an edge."""
    length = max(abs(x2 - x1), abs(y2 - y1))
    across = abs((x - x1) * (y2 - y1) - (y - y1) * (x2 - x1))
    return (
        across <= ON_BORDER * max(length, ON_BORDER)
        and min(y1, y2) - ON_BORDER <= y <= max(y1, y2) + ON_BORDER
        and min(x1, x2) - ON_BORDER <= x <= max(x1, x2) + ON_BORDER
    )

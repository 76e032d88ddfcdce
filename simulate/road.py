"""A road as a driver meets it: stretch after stretch with a bend, a speed limit and what waits at its end.
Endless, bounded to the region around the vehicle's home, and drawn from the vehicle's own random numbers."""

from dataclasses import dataclass
from enum import Enum
from math import atan2, hypot, pi
from random import Random
from typing import NamedTuple

from simulate.physics import bend_speed

KMH = 1.0 / 3.6
REGION_RADIUS_M = 12_000.0
"""Distance from home at which a driver turns back at the next chance."""
TURN_BACK_RADIUS_M = 60.0


class Stretch(NamedTuple):
    """A piece of road of one curvature (1/m, positive turns right) and one speed, with or without a stop at
    its end."""

    length: float
    curvature: float
    speed: float
    stop: bool


@dataclass(frozen=True, slots=True)
class Style:
    """How a kind of road looks; lengths in metres, speeds in m/s."""

    limits: tuple[float, ...]
    length: tuple[float, float]
    corner_share: float
    stop_share: float
    bend_radius: tuple[float, float]


class Area(Enum):
    """Kinds of road; a trip passes from one to the other."""

    CITY = Style((30 * KMH, 50 * KMH, 50 * KMH), (90.0, 420.0), 0.35, 0.40, (60.0, 200.0))
    COUNTRY = Style((70 * KMH, 80 * KMH, 100 * KMH), (300.0, 1500.0), 0.08, 0.10, (120.0, 500.0))
    MOTORWAY = Style((110 * KMH, 120 * KMH, 130 * KMH), (900.0, 3000.0), 0.0, 0.0, (700.0, 2500.0))


class Road:
    """Gives the next stretch of one vehicle's way."""

    __slots__ = ("_area", "_area_left", "_rng", "_turning")

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._area = Area.CITY
        self._area_left = rng.uniform(800.0, 3000.0)
        self._turning = False

    def next_stretch(self, x: float, y: float, heading: float) -> Stretch:
        """The stretch that begins at (x, y) metres from home, entered with `heading` (radians from north)."""
        if hypot(x, y) > REGION_RADIUS_M:
            home = _angle_between(heading, atan2(-x, -y))
            if abs(home) > pi / 3:
                return self._turn_back(home)
        stretch = self._turn() if self._turning else self._straight()
        self._turning = not self._turning
        self._pass_on(stretch.length)
        return stretch

    def _straight(self) -> Stretch:
        style = self._area.value
        length = self._rng.uniform(*style.length)
        return Stretch(
            length, 0.0, self._rng.choice(style.limits), stop=self._rng.random() < style.stop_share
        )

    def _turn(self) -> Stretch:
        """A corner of about 90 degrees, or a bend of the road."""
        style, rng = self._area.value, self._rng
        if rng.random() < style.corner_share:
            radius, angle = rng.uniform(12.0, 20.0), rng.uniform(1.3, 1.8)
        else:
            radius, angle = rng.uniform(*style.bend_radius), rng.uniform(0.1, 0.8)
        side = 1.0 if rng.random() < 0.5 else -1.0
        speed = min(max(style.limits), bend_speed(radius))
        return Stretch(radius * angle, side / radius, speed, stop=False)

    def _turn_back(self, angle: float) -> Stretch:
        curvature = (1.0 if angle > 0.0 else -1.0) / TURN_BACK_RADIUS_M
        return Stretch(abs(angle) * TURN_BACK_RADIUS_M, curvature, bend_speed(TURN_BACK_RADIUS_M), stop=False)

    def _pass_on(self, length: float) -> None:
        """Leaves the area when enough of it was driven; country roads join city and motorway."""
        self._area_left -= length
        if self._area_left > 0.0:
            return
        if self._area is Area.COUNTRY:
            self._area = Area.MOTORWAY if self._rng.random() < 0.4 else Area.CITY
        else:
            self._area = Area.COUNTRY
        self._area_left = self._rng.uniform(1500.0, 6000.0)


def _angle_between(from_heading: float, to_heading: float) -> float:
    """The signed turn from one heading to the other, within ±pi."""
    return (to_heading - from_heading + pi) % (2.0 * pi) - pi

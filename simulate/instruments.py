"""Measuring subjects that are no cars: a rig of pressure sensors on one vehicle, and a station that measures
its surroundings. Both are functions of time and of their own random numbers."""

from math import gcd, pi, sin
from random import Random

from simulate.climate import Climate

SPIKE_SHARE = 0.05
BASE_PA = 820_000.0
SPREAD_PA = 60_000.0
SPIKE_PA = (60_000.0, 180_000.0)


class Rig:
    """A vehicle with `sensors` pressure sensors that report one after the other, 5 % of them a spike."""

    __slots__ = ("_at", "_rng", "_sensors", "_stride", "climate", "now", "pressure", "sensor", "temperature")

    def __init__(self, sensors: int, start_s: float, rng: Random) -> None:
        self.climate = Climate.around(rng)
        self._sensors, self._rng = sensors, rng
        self._at = rng.randrange(sensors)
        self._stride = _coprime_stride(sensors)
        self.advance(start_s)

    def advance(self, now: float) -> None:
        """Takes the next sensor's reading at `now`."""
        rng = self._rng
        self.now = now
        self.sensor = self._at = (self._at + self._stride) % self._sensors
        own = SPREAD_PA * (self.sensor * 7919 % 1000) / 1000.0
        spike = rng.uniform(*SPIKE_PA) if rng.random() < SPIKE_SHARE else 0.0
        wave = 8_000.0 * sin(2.0 * pi * now / 5400.0 + self.sensor)
        self.pressure = round(BASE_PA + own + wave + spike + rng.uniform(-500.0, 500.0))
        self.temperature = self.climate.temperature(now) + 6.0 + spike / 20_000.0


class Station:
    """A place with a thermometer and a hygrometer."""

    __slots__ = ("climate", "home", "now")

    def __init__(self, home: tuple[float, float], start_s: float, rng: Random) -> None:
        self.climate, self.home, self.now = Climate.around(rng), home, start_s

    def advance(self, now: float) -> None:
        self.now = now


def _coprime_stride(count: int) -> int:
    """A step that visits every sensor before it visits one twice, and not in the order of their numbers."""
    stride = 389
    while gcd(stride, count) != 1:
        stride += 1
    return stride

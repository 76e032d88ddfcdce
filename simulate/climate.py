"""Weather around a vehicle as a function of time and place, so that it needs no state and never jumps."""

from dataclasses import dataclass
from math import pi, sin
from random import Random

DAY_S = 86_400.0
YEAR_S = 365.25 * DAY_S


@dataclass(frozen=True, slots=True)
class Climate:
    """Air temperature (°C) and relative humidity (%) at one place."""

    mean: float
    phase: float
    ripple_s: float

    @classmethod
    def around(cls, rng: Random) -> "Climate":
        """A place of its own: some are warmer, each has its own passing clouds."""
        return cls(rng.uniform(11.0, 19.0), rng.uniform(0.0, 2.0 * pi), rng.uniform(1500.0, 4000.0))

    def temperature(self, unix_s: float) -> float:
        """Warmest in July and in the afternoon (UTC)."""
        year = sin(2.0 * pi * (unix_s / YEAR_S - 0.30))
        return self.mean + 9.0 * year + self._day(unix_s)

    def humidity(self, unix_s: float) -> float:
        """Falls when the day warms up; always within 5..98 %."""
        return min(98.0, max(5.0, 62.0 - 4.0 * self._day(unix_s)))

    def _day(self, unix_s: float) -> float:
        daily = 5.0 * sin(2.0 * pi * (unix_s / DAY_S - 0.375))
        return daily + 0.8 * sin(self.phase + 2.0 * pi * unix_s / self.ripple_s)

"""When to send what is due. Measured against one beginning, so that pauses never add up to a drift, and a
sender that fell behind catches up."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

SHORTEST_PAUSE_S: Final = 0.002
"""Shorter pauses cost more than they are worth: what becomes due meanwhile is sent at once."""
LONGEST_PAUSE_S: Final = 0.2
"""So that acknowledgements are served and a request to stop is seen."""


@dataclass(frozen=True, slots=True)
class Clock:
    """The outside world's time, as parameters: a monotonic clock, a pause that ends early when a stop is
    requested, and whether one was."""

    monotonic: Callable[[], float]
    pause: Callable[[float], object]
    stopped: Callable[[], bool]


class Pacer:
    """Waits until messages are due."""

    def __init__(self, clock: Clock, seconds_per_unit: float) -> None:
        """`seconds_per_unit` of the clock for one second of what is played; 0 does not wait at all."""
        self._clock, self._scale = clock, seconds_per_unit
        self._begin: float | None = None

    def until(self, due: float, meanwhile: Callable[[], None]) -> bool:
        """Returns when `due` is reached: True, or False as soon as a stop is requested."""
        clock = self._clock
        if not self._scale:
            return not clock.stopped()
        if self._begin is None:
            self._begin = clock.monotonic()
        while not clock.stopped():
            left = self._begin + due * self._scale - clock.monotonic()
            if left <= 0.0:
                return True
            meanwhile()
            clock.pause(min(max(left, SHORTEST_PAUSE_S), LONGEST_PAUSE_S))
        return False

"""Rates from counters: what the sinks did between two looks at them."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from fleetlake.stack.observe import SinkNumbers, read_sinks


@dataclass(frozen=True, slots=True)
class Reading:
    """The numbers of all sinks at one moment, and messages a second since the moment before."""

    sinks: dict[str, SinkNumbers] = field(default_factory=dict)
    rates: dict[str, float] = field(default_factory=dict)


class Meter:
    """Looks at the sinks of one run folder, again and again."""

    def __init__(
        self,
        run: Path,
        *,
        clock: Callable[[], float] = time.monotonic,
        look: Callable[[Path], dict[str, SinkNumbers]] = read_sinks,
    ) -> None:
        self._run, self._clock, self._look = run, clock, look
        self._before: dict[str, int] = {}
        self._looked_at = clock()

    def read(self) -> Reading:
        """A reading of now. A counter that fell belongs to a new process, which began at 0."""
        sinks, now = self._look(self._run), self._clock()
        seconds = max(now - self._looked_at, 1e-3)
        rates = {}
        for name, numbers in sinks.items():
            before = self._before.get(name)
            if before is not None:
                rates[name] = (numbers.records - (before if before <= numbers.records else 0)) / seconds
        self._before = {name: numbers.records for name, numbers in sinks.items()}
        self._looked_at = now
        return Reading(sinks, rates)

"""When which vehicle reports, in simulated seconds since the start."""

from collections.abc import Iterator
from itertools import count
from typing import Final, Protocol

from simulate.reporters import Reporter

GOLDEN: Final = 0.6180339887498949
Slots = Iterator[tuple[float, Reporter]]


class Vehicles(Protocol):
    """Those vehicles of a fleet that take part."""

    indexes: range

    def at(self, index: int, offset_s: float) -> Reporter | None:
        """The vehicle at that time; None while it sleeps."""


def at_own_times(vehicles: Vehicles, interval_s: float, end_s: float) -> Slots:
    """Every vehicle at every interval, each at a moment of its own that does not depend on how many there
    are. One that sleeps is silent."""
    phases = sorted((index * GOLDEN % 1.0, index) for index in vehicles.indexes)
    for turn in count():
        for phase, index in phases:
            offset = (turn + phase) * interval_s
            if offset >= end_s:
                return
            reporter = vehicles.at(index, offset)
            if reporter is not None:
                yield offset, reporter


def in_turn(vehicles: Vehicles, interval_s: float, end_s: float) -> Slots:
    """The fleet at a constant rate: in place of a vehicle that sleeps the next one reports."""
    size, turn = len(vehicles.indexes), 0
    for slot in count():
        offset = slot * interval_s / size
        if offset >= end_s:
            return
        for _ in range(size):
            reporter = vehicles.at(vehicles.indexes[turn], offset)
            turn = (turn + 1) % size
            if reporter is not None:
                yield offset, reporter
                break

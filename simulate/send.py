"""Sends parcels, each when it is due, until they end or a stop is requested. What was handed over by then is
acknowledged or counted as failed when `send_all` returns."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from simulate.outlets import Outlet
from simulate.pacing import Pacer
from simulate.parcel import Parcel

PROGRESS_EVERY: Final = 256
"""Messages between two reports of progress; whoever listens decides which to show."""


@dataclass(slots=True)
class Progress:
    """What has been handed over so far."""

    messages: int = 0
    bytes: int = 0


def send_all(
    parcels: Iterable[Parcel],
    outlet: Outlet,
    pacer: Pacer,
    report: Callable[[Progress], None],
) -> Progress:
    """The path of every simulated and replayed message."""
    progress = Progress()
    try:
        for parcel in parcels:
            if not pacer.until(parcel.due, outlet.breathe):
                break
            outlet.send(parcel)
            progress.messages += 1
            progress.bytes += len(parcel.payload or b"")
            if progress.messages % PROGRESS_EVERY == 0:
                report(progress)
    finally:
        outlet.close()
    return progress

"""Sinks that are told to stop under load, as every rolling upgrade does."""

import math
import time
from dataclasses import dataclass
from functools import partial

from tests.faults.case import Outcome, case
from tests.faults.rig.background import background
from tests.faults.rig.parallel import side_by_side
from tests.faults.rig.sinks import SINKS, SinkProcess
from tests.faults.rig.site import Plan, Site, eventually

RATE = 1_500.0
SECONDS = 60.0
STOPS = 20
SHUTDOWN_SECONDS = 30
"""Three times the default: the case shares its two cores with the servers that must answer meanwhile."""

STOP_SECONDS = SHUTDOWN_SECONDS + 10.0
"""And what the end of a process takes."""

START_SECONDS = 120.0


@dataclass(frozen=True)
class Stopped:
    """One stop: what the process held and ended with, and after what time its successor had committed."""

    sink: str
    held: int
    code: int
    seconds: float
    back_s: float

    @property
    def is_clean(self) -> bool:
        return self.code == 0 and self.seconds <= STOP_SECONDS


@case(
    "Processes",
    "each sink is stopped with SIGTERM while it holds uncommitted messages, 20 times in a row, and started "
    "again: it ends with exit code 0 within its time, nothing is lost or doubled",
    Plan(settings={"FLEETLAKE_INGEST__SHUTDOWN_SECONDS": str(SHUTDOWN_SECONDS)}),
)
def sinks_stopped_under_load(site: Site, scale: float) -> Outcome:
    """All three side by side; recovery is the longest from a start to its first commit."""
    site.start_sinks()
    rounds = max(4, math.ceil(STOPS * min(1.0, scale)))
    stops: list[Stopped] = []
    with background(site, RATE, SECONDS * scale):
        side_by_side(partial(_stop_in_a_row, site, sink, rounds, stops) for sink in SINKS)
    slowest = {sink: max(stop.seconds for stop in stops if stop.sink == sink) for sink in SINKS}
    return Outcome(
        max(stop.back_s for stop in stops),
        {
            "stops": len(stops),
            "held when stopped, in all": f"{sum(stop.held for stop in stops):,}",
            **{f"slowest of {sink}": f"{seconds} s" for sink, seconds in slowest.items()},
        },
        tuple(str(stop) for stop in stops if not stop.is_clean),
    )


def _stop_in_a_row(site: Site, sink: str, rounds: int, stops: list[Stopped]) -> None:
    process = site.sinks.of(sink)[0]
    _await_commit(process)
    for _ in range(rounds):
        held = _await_held(process)
        began = time.monotonic()
        code = site.sinks.remove(process)
        seconds = round(time.monotonic() - began, 2)
        process = site.sinks.add(sink)
        stops.append(Stopped(sink, held, code, seconds, _await_commit(process)))


def _await_held(process: SinkProcess) -> int:
    """Waits until it says that it holds something uncommitted; how much."""
    held = 0

    def is_holding() -> bool:
        nonlocal held
        held = int(process.metric("fleetlake_uncommitted_records") or 0)
        return held > 0

    eventually(is_holding, START_SECONDS, f"{process.sink} holds something")
    return held


def _await_commit(process: SinkProcess) -> float:
    return eventually(
        lambda: process.metric("fleetlake_batches_total"), START_SECONDS, f"{process.sink} commits"
    )

"""What one client is told when it comes back, and what that costs the others."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import bson
from bson.raw_bson import RawBSONDocument

from lake.state_reader import StateReader, Written
from serving.asking import Asking
from serving.changes import Changes
from serving.settings import ServingSettings

NOW_US = 1_790_000_000_000_000


class Asked:
    """In place of MongoDB and the threads that ask it: states that were written a second ago."""

    def __init__(self, *vehicles: str) -> None:
        self.found = [_written(each) for each in vehicles]
        self.pool = ThreadPoolExecutor(1)

    def ensure_index(self) -> None: ...

    def newest_us(self) -> int:
        return NOW_US - 1_000_000

    def changed(self, after_us: int, limit: int) -> list[Written]:
        del after_us
        return self.found[:limit]

    async def state(self, ask: Callable[[], Any]) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self.pool, ask)


def _written(vehicle: str) -> Written:
    entry = {"t": NOW_US, "v": 1.0, "p": "car.telemetry.v1/0", "o": 1}
    return RawBSONDocument(bson.encode({"_id": vehicle, "u": NOW_US - 1_000_000, "s": {"speed": entry}}))


def _changes(asked: Asked, fleet: Callable[[str], str | None]) -> Changes:
    reader, asking = cast("StateReader", asked), cast("Asking", asked)
    return Changes(reader, asking, ServingSettings(), fleet, lambda: NOW_US, lambda: False)


def test_what_was_missed_is_made_beside_the_loop_and_of_wanted_vehicles_only() -> None:
    """So that who comes back stops nobody else."""
    made: list[tuple[str, bool]] = []

    def fleet(vehicle: str) -> str | None:
        made.append((vehicle, threading.current_thread() is threading.main_thread()))
        return None

    found = asyncio.run(_changes(Asked("N1", "S1", "S2"), fleet).since(0, {"N1"}.__contains__))
    assert found is not None
    assert [vehicle for vehicle, _ in found] == ["N1"]
    assert made == [("N1", False)]


def test_where_to_go_on_is_told_by_the_clock_and_not_by_what_others_wrote() -> None:
    """Less the overlap, so that nothing is missed."""

    async def looked_us(*vehicles: str) -> int:
        changes = _changes(Asked(*vehicles), lambda vehicle: None)
        await changes._once()
        return changes.looked_us

    expected = NOW_US - ServingSettings().stream_overlap_ms * 1000
    assert asyncio.run(looked_us("S1")) == asyncio.run(looked_us()) == expected

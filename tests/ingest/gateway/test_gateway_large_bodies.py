"""A large body is read beside the others, and what waits to be read is bounded."""

import asyncio
import json
import threading
from functools import partial

import pytest

from contracts.access import ANYBODY
from contracts.load import load_registry
from contracts.problem import Kind, Problem
from ingest.gateway.bodies import AT_ONCE_BYTES, Asked, Bodies
from ingest.gateway.settings import GatewaySettings
from ingest.gateway.validate import Validated, Validator
from tests.ingest.gateway.site import FLEETS, NORTH, NOW, reading, snapshot

REGISTRY = load_registry()
PATIENCE_S = 10.0
SMALL = json.dumps(reading("small")).encode()
EVENTS = [*[snapshot("CAR_001"), snapshot("CAR_002"), {"a": 1}] * 100]
LARGE = json.dumps(EVENTS).encode().ljust(AT_ONCE_BYTES + 1)


async def read(bodies: Bodies, body: bytes) -> tuple[Validated, bool]:
    return await bodies.read(Asked(ANYBODY, body), FLEETS)


def test_nobody_waits_for_a_large_body() -> None:
    """A small one that comes later is read while the large one is."""
    small_is_read = threading.Event()
    waited: list[bool] = []

    def rejected(source: str, reason: str) -> None:
        """Of the large body's first bad event."""
        if not waited:
            waited.append(small_is_read.wait(PATIENCE_S))

    async def both() -> None:
        large = asyncio.create_task(read(bodies, LARGE))
        await asyncio.sleep(0)  # it has begun
        await read(bodies, SMALL)
        small_is_read.set()
        await large

    with Bodies(GatewaySettings(), partial(Validator, REGISTRY, lambda: NOW, rejected)) as bodies:
        asyncio.run(both())
    assert waited == [True]


def test_what_waits_to_be_read_is_bounded() -> None:
    """Who comes too late is told to come again, and there is room again when the others are read."""
    may_go_on = threading.Event()
    settings = GatewaySettings(max_unpacked_bytes=2 * len(LARGE), in_flight_bytes=2 * len(LARGE))

    def rejected(source: str, reason: str) -> None:
        may_go_on.wait(PATIENCE_S)
        may_go_on.set()  # once, where this holds up everything

    async def three() -> Problem:
        first, second = (asyncio.create_task(read(bodies, LARGE)) for _ in range(2))
        await asyncio.sleep(0)
        with pytest.raises(Problem) as refused:
            await read(bodies, LARGE)
        may_go_on.set()
        await asyncio.gather(first, second)
        await read(bodies, LARGE)
        return refused.value

    with Bodies(settings, partial(Validator, REGISTRY, lambda: NOW, rejected)) as bodies:
        assert asyncio.run(three()).kind == Kind.TOO_MANY_REQUESTS


def test_a_large_body_is_read_as_its_events_are_alone() -> None:
    """In the order of the request, and for whom the key may send."""
    with Bodies(GatewaySettings(), partial(Validator, REGISTRY, lambda: NOW)) as bodies:
        found, is_single = asyncio.run(bodies.read(Asked(NORTH, LARGE), FLEETS))
        with pytest.raises(Problem, match="the array is no JSON"):
            asyncio.run(read(bodies, b"[" + LARGE))
    assert not is_single
    assert [event.index for event in found.events] == list(range(0, 300, 3))
    assert [problem.reason for problem in found.problems] == ["forbidden_vehicle", "unknown_source"] * 100

"""Look-ups that come together are one question, and each gets its own answer."""

import asyncio
from collections.abc import Sequence
from typing import Any, cast

import pytest

from lake.errors import StoreUnavailable
from lake.state_model import VehicleState
from lake.state_reader import StateReader
from serving.asking import Asking
from serving.lookups import AT_ONCE, LookUps


class Script:
    """In place of the store and the threads: answers each question, or raises what stands in the script."""

    def __init__(self, *script: Exception | None) -> None:
        self.script, self.asked = list(script), list[tuple[str, ...]]()

    async def state(self, ask: Any) -> Any:
        await asyncio.sleep(0)
        return ask()

    def some(self, names: Sequence[str]) -> dict[str, VehicleState]:
        self.asked.append(tuple(names))
        error = self.script.pop(0) if self.script else None
        if error is not None:
            raise error
        return {name: VehicleState(name, {}) for name in names if name.startswith("V")}


def look_ups(script: Script) -> LookUps:
    return LookUps(cast("StateReader", script), cast("Asking", script))


def test_those_that_wait_are_asked_together() -> None:
    """Each vehicle once; one that has no state is none."""

    async def work() -> None:
        script = Script()
        found = look_ups(script)
        names = ["V1", "V2", "V1", "nobody", *(f"V{number}" for number in range(AT_ONCE))]
        states = await asyncio.gather(*(found.state(name) for name in names))
        assert [state and state.vehicle_id for state in states] == [
            None if name == "nobody" else name for name in names
        ]
        assert [len(asked) for asked in script.asked] == [AT_ONCE, 1]
        assert (await found.state("V9")) is not None

    asyncio.run(work())


def test_a_store_that_is_away_is_told_to_each_who_waits() -> None:
    """The next question is a new one; who has left disturbs nobody."""

    async def work() -> None:
        found = look_ups(Script(StoreUnavailable("MongoDB", "x", "away")))
        leaving = asyncio.ensure_future(found.state("V1"))
        staying = asyncio.ensure_future(found.state("V2"))
        await asyncio.sleep(0)
        leaving.cancel()
        with pytest.raises(StoreUnavailable):
            await staying
        assert (await found.state("V2")) is not None

    asyncio.run(work())

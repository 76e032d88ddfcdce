"""Look-ups of single vehicles, together: those that come while a question to MongoDB is under way are the
next question. Many at once cost little more than one, and one that comes alone waits for nobody."""

import asyncio
from functools import partial

from lake.state_model import VehicleState
from lake.state_reader import StateReader
from serving.asking import Asking

AT_ONCE = 100
"""Vehicles a question."""

Found = VehicleState | None


class LookUps:
    """Those of one application."""

    def __init__(self, reader: StateReader, asking: Asking) -> None:
        self._reader, self._asking = reader, asking
        self._waiting: dict[str, asyncio.Future[Found]] = {}
        self._working: asyncio.Task[None] | None = None

    async def state(self, vehicle_id: str) -> Found:
        """The state of a vehicle, as it is when this is asked or later; None where it has none."""
        answer = self._waiting.get(vehicle_id)
        if answer is None:
            answer = self._waiting[vehicle_id] = asyncio.get_running_loop().create_future()
        if self._working is None or self._working.done():
            self._working = asyncio.get_running_loop().create_task(self._work())
        return await asyncio.shield(answer)

    async def _work(self) -> None:
        while self._waiting:
            taken = {key: self._waiting.pop(key) for key in list(self._waiting)[:AT_ONCE]}
            try:
                found = await self._asking.state(partial(self._reader.some, tuple(taken)))
            except Exception as error:  # noqa: BLE001 - raised by each who waits for it
                for answer in taken.values():
                    answer.set_exception(error)
                    answer.exception()  # who waited may be gone
            else:
                for key, answer in taken.items():
                    answer.set_result(found.get(key))

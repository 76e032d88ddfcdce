"""State changes as they are written to MongoDB, found by one look for all clients, `stream_poll_ms` apart,
while anybody listens.

1. A look asks for the states that were written after the newest known moment, less an overlap: clocks of the
   state sinks differ, and a write takes its time.
2. What was sent before with the same content is left out.
3. Each client gets the changes of vehicles that it asked for and may see. A vehicle that changes again
before a slow client took the last change has one change waiting, the newest: what waits is bounded by the
fleet.

A state is all that is known of a vehicle, so an event that is sent twice changes nothing, and one that a
later event has overtaken is not missed.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import suppress

import structlog

from lake.errors import LakeError
from lake.state_reader import StateReader, Written, decoded
from serving.answers import ENCODER
from serving.asking import Asking
from serving.picture import change
from serving.settings import ServingSettings

INDEX_SECONDS = 30.0
"""A rebuild puts a collection without our index in place of the one that has it."""

RETRY_SECONDS = 1.0
RESET = b"event: reset\ndata: {}\n\n"
"""What was missed is more than is sent: fetch anew, then go on."""


class Client:
    """One listener. What waits for it is the newest change of each vehicle."""

    def __init__(self, wants: Callable[[str], bool], most: int) -> None:
        self.wants, self._most = wants, most
        self._waiting: dict[str, bytes] = {}
        self._first: list[bytes] = []
        self.something = asyncio.Event()
        self.is_over = False

    def offer(self, vehicle: str, event: bytes) -> None:
        """Puts a change in place of an older one of the vehicle."""
        if not self.wants(vehicle):
            return
        self._waiting.pop(vehicle, None)
        self._waiting[vehicle] = event
        if len(self._waiting) > self._most:
            self.reset()
        self.something.set()

    def reset(self) -> None:
        """Tells it to fetch anew, instead of what waits."""
        self._waiting.clear()
        self._first = [RESET]
        self.something.set()

    def end(self) -> None:
        """No more changes come: it may connect to another process."""
        self.is_over = True
        self.something.set()

    def take(self) -> bytes:
        """Everything that waits."""
        found = b"".join([*self._first, *self._waiting.values()])
        self._first, self._waiting = [], {}
        self.something.clear()
        return found


class Changes:
    """The look for changes of one process, and its clients."""

    def __init__(
        self,
        reader: StateReader,
        asking: Asking,
        settings: ServingSettings,
        fleet: Callable[[str], str | None],
        now_us: Callable[[], int],
        stopping: Callable[[], bool],
    ) -> None:
        self._reader, self._asking, self._settings = reader, asking, settings
        self._fleet, self._now_us, self._stopping = fleet, now_us, stopping
        self._clients: set[Client] = set()
        self._looking: asyncio.Task[None] | None = None
        self._sent: dict[int, int] = {}
        """Content of a state that was sent -> when it was written."""
        self._overlap_us = settings.stream_overlap_ms * 1000
        self.newest_us = 0
        self.looked_us = 0
        """Where a client goes on that has had nothing: behind the last look, by the clock. The newest write
        would tell it of vehicles that it may not see."""
        self._resuming = asyncio.Lock()

    def __len__(self) -> int:
        return len(self._clients)

    async def join(self, client: Client) -> None:
        """Sends it changes from now on. The first one starts the looking; StoreUnavailable where MongoDB is
        away then."""
        if self._looking is None or self._looking.done():
            began_us = self._now_us()
            known = await self._asking.state(self._start)
            if self._looking is None or self._looking.done():  # another one may have come first
                self._note(known, began_us)
                self._looking = asyncio.get_running_loop().create_task(self._look())
        self._clients.add(client)

    def leave(self, client: Client) -> None:
        """It hears no more."""
        self._clients.discard(client)

    async def close(self) -> None:
        """Ends the looking and all clients."""
        for client in self._clients:
            client.end()
        if self._looking is not None:
            self._looking.cancel()
            with suppress(asyncio.CancelledError):
                await self._looking

    async def since(self, after_us: int, wants: Callable[[str], bool]) -> list[tuple[str, bytes]] | None:
        """The states of vehicles that are wanted, written after a moment, as events; None where those of all
        are too many. They are made on a thread, for one client after the other: a restart of a process
        brings all of its clients at once."""
        async with self._resuming:
            return await self._asking.state(lambda: self._missed(after_us, wants))

    def _missed(self, after_us: int, wants: Callable[[str], bool]) -> list[tuple[str, bytes]] | None:
        most = self._settings.stream_burst
        found = self._reader.changed(after_us - self._overlap_us, most)
        if len(found) >= most:
            return None
        ids = ((each, each.get("_id")) for each in found)
        return list(self._events([each for each, name in ids if isinstance(name, str) and wants(name)]))

    def _start(self) -> list[Written]:
        """What was written last, and is no change for who comes now."""
        self._reader.ensure_index()
        newest_us = min(self._reader.newest_us(), self._now_us())
        return self._reader.changed(newest_us - self._overlap_us - 1, self._settings.stream_burst)

    async def _look(self) -> None:
        """Until nobody listens any more, or the process is told to stop."""
        loop = asyncio.get_running_loop()
        indexed_at = loop.time()
        while self._clients and not self._stopping():
            pause = self._settings.stream_poll_ms / 1000
            try:
                if loop.time() - indexed_at > INDEX_SECONDS:
                    await self._asking.state(self._reader.ensure_index)
                    indexed_at = loop.time()
                await self._once()
            except LakeError as error:
                structlog.get_logger().warning("stream_waits_for_mongodb", reason=str(error))
                pause = RETRY_SECONDS
            await asyncio.sleep(pause)
        for client in self._clients:
            client.end()

    async def _once(self) -> None:
        most, began_us = self._settings.stream_burst, self._now_us()
        found = await self._asking.state(
            lambda: self._reader.changed(self.newest_us - self._overlap_us, most)
        )
        if len(found) >= most:
            self.newest_us = await self._asking.state(self._reader.newest_us)
            self.looked_us = began_us - self._overlap_us
            self._sent.clear()
            for client in self._clients:
                client.reset()
            return
        fresh = [each for each in found if hash(each.raw) not in self._sent]
        for vehicle, event in self._events(fresh):
            for client in self._clients:
                client.offer(vehicle, event)
        self._note(found, began_us)

    def _note(self, found: list[Written], began_us: int) -> None:
        """What the next looks will find again, and when this one began."""
        self.looked_us = began_us - self._overlap_us
        self._sent = {hash(each.raw): int(each["u"]) for each in found}
        newest_us = max(self._sent.values(), default=self.newest_us)
        self.newest_us = min(newest_us, self._now_us())  # a clock that is ahead must not hide the others

    def _events(self, found: list[Written]) -> Iterator[tuple[str, bytes]]:
        for each in found:
            state = decoded(each)
            if state is not None:
                told = ENCODER.encode(change(state, self._fleet(state.vehicle_id)))
                written_us = min(state.written_us, self._now_us())
                yield state.vehicle_id, b"id: %d\nevent: state\ndata: %b\n\n" % (written_us, told)

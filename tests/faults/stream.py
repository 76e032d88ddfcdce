"""A connection's two directions, and the gate that everything between client and server goes through."""

import asyncio
from dataclasses import dataclass, field

from tests.faults.faults import Plan
from tests.faults.http_messages import HEAD_BYTES, PIECE_BYTES


class Cut(Exception):
    """A fault ends this connection, without a word to either side."""


@dataclass(frozen=True, slots=True)
class Stream:
    """One TCP connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def write(self, data: bytes) -> None:
        """Sends, and waits while the other side does not read: nothing piles up here."""
        self.writer.write(data)
        await self.writer.drain()

    def close(self) -> None:
        """Ends the connection after what was written."""
        self.writer.close()

    def abort(self) -> None:
        """Ends the connection now."""
        self.writer.transport.abort()


async def connect(host: str, port: int) -> Stream:
    """A connection to the server."""
    return Stream(*await asyncio.open_connection(host, port, limit=HEAD_BYTES))


@dataclass
class Passage:
    """What every request passes: delays, and the gate that closes while all is frozen."""

    plan: Plan
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def changed(self) -> None:
        """The faults are others now: who waits at the gate looks again."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def delay(self, request: str) -> None:
        """Waits as long as a request is to wait."""
        if self.plan.faults.delay_s and self.plan.matches(request):
            self.plan.count(delayed=1)
            await asyncio.sleep(self.plan.faults.delay_s)

    async def thaw(self, request: str) -> None:
        """Waits while nothing may pass."""
        if self.plan.freezes(request):
            self.plan.count(frozen=1)
        while self.plan.freezes(request):
            await self._changed.wait()


async def relay(client: Stream, server: Stream, passage: Passage) -> None:
    """Plain TCP both ways, until both sides have ended or one breaks."""

    async def forward() -> None:
        while piece := await client.reader.read(PIECE_BYTES):
            passage.plan.count(requests=1)
            await passage.delay("")
            await passage.thaw("")
            if passage.plan.fate("", has_body=True).name.startswith("CUT"):
                await server.write(piece[: len(piece) // 2])
                passage.plan.count(cut=1)
                raise Cut
            await server.write(piece)
        server.writer.write_eof()

    async def back() -> None:
        while piece := await server.reader.read(PIECE_BYTES):
            await passage.thaw("")
            await client.write(piece)
        client.writer.write_eof()

    directions = [asyncio.create_task(forward()), asyncio.create_task(back())]
    try:
        await asyncio.gather(*directions)
    finally:
        for direction in directions:
            direction.cancel()
        await asyncio.gather(*directions, return_exceptions=True)

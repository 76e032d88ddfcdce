"""A proxy between a client and a server that breaks what passes, as a test says: before S3 it knows HTTP,
before Kafka and MongoDB it passes TCP. It runs in a thread of its own; any other may call its methods."""

import asyncio
import socket
import threading
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import TypeVar

from tests.faults.faults import Counts, Faults, Plan
from tests.faults.http_exchange import HttpExchange
from tests.faults.http_messages import HEAD_BYTES
from tests.faults.stream import Cut, Passage, Stream, connect, relay

__all__ = ["Counts", "FaultProxy", "Faults"]

HOST = "127.0.0.1"
ANSWER_SECONDS = 10.0
BROKEN = (Cut, ConnectionError, asyncio.IncompleteReadError, OSError)
"""How connections end when a side goes away; the other side is told by closing its connection too."""

Result = TypeVar("Result")


class FaultProxy:
    """Passes everything on unchanged until `set` or `lose_acknowledgement` says otherwise."""

    def __init__(self, upstream: tuple[str, int], *, http: bool = False) -> None:
        self._upstream, self._http = upstream, http
        self._passage = Passage(Plan())
        self._reserved = _bound(0)  # never listens: the port stays ours while connections are refused
        self.port = int(self._reserved.getsockname()[1])
        self._server: asyncio.Server | None = None
        self._connections: dict[asyncio.Task[None], Stream] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="fault-proxy", daemon=True)

    @property
    def address(self) -> str:
        """Where clients connect to; stays the same for the proxy's life."""
        return f"{HOST}:{self.port}"

    @property
    def counts(self) -> Counts:
        """What has happened so far."""
        return self._ask(lambda: self._passage.plan.counts)

    def set(self, faults: Faults) -> None:
        """From now on these faults and no others; requests under way keep their fate."""
        self._ask(lambda: self._set(faults))
        if faults.refuse:
            self._await(self._close_connections())
        else:
            self._await(self._listen())

    def heal(self) -> None:
        """From now on everything passes."""
        self._ask(self._passage.plan.forget_losses)
        self.set(Faults())

    def lose_acknowledgement(self, matching: str, times: int = 1) -> None:
        """The next successful answers to requests that match `METHOD /path` are read to their end and thrown
        away, and the client's connection is closed: done, and not acknowledged."""
        self._ask(lambda: self._passage.plan.lose(matching, times))

    def retarget(self, upstream: tuple[str, int]) -> None:
        """New connections go to another address: a server has come back on another port."""
        self._upstream = upstream

    def __enter__(self) -> "FaultProxy":
        self._thread.start()
        self._await(self._listen())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._await(self._close_connections())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._reserved.close()

    # -- in the proxy's thread ----------------------------------------------------------------------------

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()

    def _set(self, faults: Faults) -> None:
        self._passage.plan.set(faults)
        self._passage.changed()

    async def _listen(self) -> None:
        if self._server is None:
            self._server = await asyncio.start_server(
                self._accept, sock=_bound(self.port), limit=HEAD_BYTES, backlog=128
            )

    async def _close_connections(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        connections = dict(self._connections)
        self._passage.plan.count(closed=len(connections))
        for task, client in connections.items():
            task.cancel()
            client.abort()
        await asyncio.gather(*connections, return_exceptions=True)
        await asyncio.sleep(0)  # lets the aborted sockets close

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        client = Stream(reader, writer)
        task = self._loop.create_task(self._serve(client))
        self._connections[task] = client
        task.add_done_callback(self._connections.pop)

    async def _serve(self, client: Stream) -> None:
        try:
            if self._http:
                await HttpExchange(client, self._dial, self._passage).serve()
            else:
                await self._relay(client)
            client.close()
        except BROKEN:
            client.abort()

    async def _relay(self, client: Stream) -> None:
        server = await self._dial()
        try:
            await relay(client, server, self._passage)
        finally:
            server.abort()

    async def _dial(self) -> Stream:
        return await connect(*self._upstream)

    # -- from other threads -------------------------------------------------------------------------------

    def _ask(self, action: Callable[[], Result]) -> Result:
        async def answer() -> Result:
            return action()

        return asyncio.run_coroutine_threadsafe(answer(), self._loop).result(ANSWER_SECONDS)

    def _await(self, work: Coroutine[object, object, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(ANSWER_SECONDS)


def _bound(port: int) -> socket.socket:
    """A socket on the port that does not listen yet: connecting to it is refused."""
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind((HOST, port))
    return bound

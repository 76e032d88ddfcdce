"""One client's HTTP connection through the proxy: request by request, each to its fate.

Heads pass unchanged, but for a header that is to be forgotten, so signatures over the Host header stay valid;
bodies are streamed; a `100 Continue` passes before the body that waits for it.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

from tests.faults.faults import Fate
from tests.faults.http_messages import Framing, Head, body, read_head
from tests.faults.stream import Cut, Passage, Stream

DENIED = ("403 Forbidden", "AccessDenied", "Access Denied.")
SLOW_DOWN = ("503 Slow Down", "SlowDown", "Please reduce your request rate.")
INTERNAL_ERROR = ("500 Internal Server Error", "InternalError", "We encountered an internal error.")


class HttpExchange:
    """Serves one client until one side closes or a fault cuts."""

    def __init__(self, client: Stream, dial: Callable[[], Awaitable[Stream]], passage: Passage) -> None:
        self._client, self._dial, self._passage = client, dial, passage
        self._server: Stream | None = None

    async def serve(self) -> None:
        """Request after request."""
        try:
            while (head := await read_head(self._client.reader)) is not None:
                if not await self._exchange(head):
                    return
        finally:
            if self._server is not None:
                self._server.abort()

    async def _exchange(self, head: Head) -> bool:
        """One request and its answer; returns whether the connection goes on."""
        plan, framing = self._passage.plan, head.framing_of_request()
        plan.count(requests=1)
        fate = plan.fate(head.request, has_body=framing != 0)
        await self._passage.delay(head.request)
        await self._passage.thaw(head.request)
        if fate is Fate.FAILS_BEFORE:
            return await self._fail(head, SLOW_DOWN)
        if fate is Fate.IS_DENIED:
            return await self._fail(head, DENIED)
        server = await self._connected()
        await server.write(self._forwarded(head))
        if fate is Fate.CUT_IN_REQUEST:
            await self._cut_request(head, server)
        sending = asyncio.create_task(self._send(head, framing, server))
        try:
            return await self._answer(head, server, sending, fate)
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)

    def _forwarded(self, head: Head) -> bytes:
        plan = self._passage.plan
        if plan.faults.forget not in head.headers or not plan.matches(head.request):
            return head.raw
        plan.count(forgotten=1)
        return head.without(plan.faults.forget)

    async def _connected(self) -> Stream:
        """The connection to the server, a new one where the server has closed the last."""
        if self._server is not None and self._server.reader.at_eof():
            self._server.abort()
            self._server = None
        if self._server is None:
            self._server = await self._dial()
        return self._server

    async def _answer(self, head: Head, server: Stream, sending: "asyncio.Task[None]", fate: Fate) -> bool:
        answer = await self._final_head(head, server)
        framing = answer.framing_of_answer(head.method)
        if fate is Fate.FAILS_AFTER or self._passage.plan.loses(head.request, answer.status):
            async for _ in body(server.reader, framing):
                pass
            await sending
            await self._withhold(head, fate)
            return not (head.closes or answer.closes)
        await self._passage.thaw(head.request)
        if fate is Fate.CUT_IN_ANSWER:
            await self._cut_answer(answer, framing, server)
        await self._client.write(answer.raw)
        await self._pass(head, server.reader, framing, self._client)
        if head.closes or answer.closes or framing == "until close":
            return False
        if not sending.done() and head.waits_for_continue:
            return False  # the server has answered without asking for the body
        await sending
        return True

    async def _final_head(self, head: Head, server: Stream) -> Head:
        """The answer's head; interim ones, which ask for the body, are passed on."""
        while True:
            answer = await read_head(server.reader)
            if answer is None:
                raise ConnectionResetError
            if answer.status >= 200:
                return answer
            await self._passage.thaw(head.request)
            await self._client.write(answer.raw)

    async def _send(self, head: Head, framing: Framing, server: Stream) -> None:
        """The request's body; a client that goes away in the middle of it takes the server's side along."""
        try:
            await self._pass(head, self._client.reader, framing, server)
        except (ConnectionError, asyncio.IncompleteReadError):
            server.abort()
            raise

    async def _pass(
        self, head: Head, reader: asyncio.StreamReader, framing: Framing, receiver: Stream
    ) -> None:
        async for piece in body(reader, framing):
            await self._passage.thaw(head.request)
            await receiver.write(piece)

    # -- faults -------------------------------------------------------------------------------------------

    async def _fail(self, head: Head, error: tuple[str, str, str]) -> bool:
        """Answers for the server, which never hears of the request."""
        self._passage.plan.count(failed=1)
        if not head.waits_for_continue:
            async for _ in body(self._client.reader, head.framing_of_request()):
                pass
        await self._client.write(_refusal(error, head))
        return not (head.waits_for_continue or head.closes)

    async def _withhold(self, head: Head, fate: Fate) -> None:
        """The server has done it; the client hears of an error, or of nothing."""
        if fate is not Fate.FAILS_AFTER:
            self._passage.plan.count(lost=1)
            raise Cut
        self._passage.plan.count(failed=1)
        await self._client.write(_refusal(INTERNAL_ERROR, head))

    async def _cut_request(self, head: Head, server: Stream) -> None:
        framing = head.framing_of_request()
        if head.waits_for_continue:
            await self._client.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        await _pass_half(body(self._client.reader, framing), framing, server)
        self._passage.plan.count(cut=1)
        raise Cut

    async def _cut_answer(self, answer: Head, framing: Framing, server: Stream) -> None:
        if framing == 0:
            await self._client.write(answer.raw[: len("HTTP/1.1")])  # a client may believe any more of it
        else:
            await self._client.write(answer.raw)
            await _pass_half(body(server.reader, framing), framing, self._client)
        self._passage.plan.count(cut=1)
        raise Cut


async def _pass_half(pieces: AsyncIterator[bytes], framing: Framing, receiver: Stream) -> None:
    """Half of a body whose length is known, one byte of any other."""
    left = framing // 2 if isinstance(framing, int) else 1
    async for piece in pieces:
        await receiver.write(piece[:left])
        left -= len(piece[:left])
        if left <= 0:
            return


def _refusal(error: tuple[str, str, str], head: Head) -> bytes:
    status, code, text = error
    content = (
        f"<?xml version='1.0' encoding='UTF-8'?><Error><Code>{code}</Code><Message>{text}</Message></Error>"
    )
    ends = "Connection: close\r\n" if head.closes or head.waits_for_continue else ""
    start = (
        f"HTTP/1.1 {status}\r\nContent-Type: application/xml\r\nContent-Length: {len(content)}\r\n{ends}\r\n"
    )
    return (start + ("" if head.method == "HEAD" else content)).encode()

"""A request's body, bounded in size and in time. An application that reads too much, or waits too long, is
told that the client is gone; what it then answers is replaced by the Problem that is kept here."""

import asyncio
from typing import NoReturn

from starlette.types import Message, Receive

from contracts.problem import Kind, Problem

LINGER_SECONDS = 2.0
LINGER_BYTES = 16 * 1024 * 1024
"""Of a body that nobody wants: a client reads its answer only when it has sent."""


class BodyRefused(Exception):
    """Whoever waits for more of this body waits in vain."""


class Body:
    """What a request sends after its headers."""

    def __init__(self, receive: Receive, most_bytes: int, seconds: float) -> None:
        self._receive, self._most_bytes, self._seconds = receive, most_bytes, seconds
        self._bytes = 0
        self._deadline: float | None = None
        self.is_whole = False
        self.refusal: Problem | None = None
        self.sender_left = False

    def require_length(self, declared: str | None) -> None:
        """A Problem for a body that says that it is too long, before any of it is read."""
        if declared is not None and declared.isdecimal() and int(declared[:20]) > self._most_bytes:
            raise self._too_large()

    async def receive(self) -> Message:
        """The next part, for the application."""
        if self.refusal is not None:
            return {"type": "http.disconnect"}
        if self.is_whole:
            return await self._receive()
        message = await self._in_time()
        if message["type"] == "http.request":
            self._bytes += len(message.get("body", b""))
            self.is_whole = not message.get("more_body", False)
            if self._bytes > self._most_bytes:
                self._refuse(self._too_large())
        else:
            self.sender_left = True
        return message

    async def drain(self) -> None:
        """Reads on for a while, into nothing."""
        left = LINGER_BYTES
        try:
            async with asyncio.timeout(LINGER_SECONDS):
                while not self.is_whole and left > 0:
                    message = await self._receive()
                    left -= len(message.get("body", b""))
                    self.is_whole = not message.get("more_body", False)
        except TimeoutError:
            return

    async def _in_time(self) -> Message:
        if self._deadline is None:
            self._deadline = asyncio.get_running_loop().time() + self._seconds
        try:
            async with asyncio.timeout_at(self._deadline):
                return await self._receive()
        except TimeoutError:
            self._refuse(Problem(Kind.TIMEOUT, f"the body did not come whole within {self._seconds:g} s"))

    def _too_large(self) -> Problem:
        detail = f"the body is larger than {self._most_bytes} bytes"
        return Problem(Kind.TOO_LARGE, detail, limit_bytes=self._most_bytes)

    def _refuse(self, problem: Problem) -> NoReturn:
        self.refusal = problem
        raise BodyRefused

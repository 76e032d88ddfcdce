"""The answer to one request on its way out: its headers made safe, its bytes counted, and a HEAD answered as
a GET without the body."""

from collections.abc import Callable, Sequence

from starlette.types import Message, Send

from contracts.problem import MEDIA_TYPE, Problem
from fleetlake.web.body import Body
from fleetlake.web.headers import with_safe_headers
from fleetlake.web.problems import body_of

STREAM = b"text/event-stream"


class Answer:
    """One answer, given by the application or by the shell itself."""

    def __init__(
        self, send: Send, body: Body, *, is_head: bool, extra: Sequence[tuple[bytes, bytes]]
    ) -> None:
        self._send, self._body, self._is_head, self._extra = send, body, is_head, extra
        self.before_part: Callable[[], None] = lambda: None
        self.on_stream: Callable[[], None] = lambda: None
        self.status: int | None = None
        self.bytes = 0
        self.is_complete = False
        self.is_stream = False

    async def send(self, message: Message) -> None:
        """For the application. What it says of a body that was refused, nobody hears."""
        if self.is_complete or (self._body.refusal is not None and self.status is None):
            return
        if message["type"] == "http.response.start":
            await self._start(message["status"], list(message.get("headers", [])))
        elif message["type"] == "http.response.body":
            await self._part(message.get("body", b""), bool(message.get("more_body", False)))

    async def whole(
        self, status: int, body: bytes, media_type: str | None, headers: Sequence[tuple[bytes, bytes]] = ()
    ) -> None:
        """An answer of the shell itself. A body that is still on its way is read first, or its sender might
        meet a closed connection instead of the answer."""
        own = []
        if media_type is not None:
            own = [(b"content-type", media_type.encode()), (b"content-length", str(len(body)).encode())]
        await self._start(status, [*own, *headers])
        await self._part(body, more=True)
        await self._body.drain()
        await self._part(b"", more=False)

    async def problem(self, problem: Problem) -> None:
        """A Problem as the answer."""
        headers = [
            (name.lower().encode(), value.encode("latin-1")) for name, value in problem.headers.items()
        ]
        await self.whole(problem.status, body_of(problem), MEDIA_TYPE, headers)

    async def end(self) -> None:
        """Nothing more comes of what has begun."""
        if self.status is not None:
            await self._part(b"", more=False)

    async def _start(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        self.status = status
        self.is_stream = any(
            name.lower() == b"content-type" and value.startswith(STREAM) for name, value in headers
        )
        self.before_part()
        safe = with_safe_headers(headers, self._extra)
        await self._send({"type": "http.response.start", "status": status, "headers": safe})
        if self._is_head:
            self.is_complete = True  # the application, a live stream too, learns that its client is gone
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})
        elif self.is_stream:
            self.on_stream()

    async def _part(self, body: bytes, more: bool) -> None:
        if self.is_complete:
            return
        self.before_part()
        self.bytes += len(body)
        self.is_complete = not more
        await self._send({"type": "http.response.body", "body": body, "more_body": more})

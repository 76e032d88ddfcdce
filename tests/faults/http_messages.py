"""HTTP/1.1 messages as a proxy needs them: heads kept byte for byte, bodies streamed piece by piece and never
held whole, whatever their framing."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Literal

PIECE_BYTES = 1 << 16
HEAD_BYTES = 1 << 18

Framing = int | Literal["chunked", "until close"]
"""How a body ends: after so many bytes, with its last chunk, or with the connection."""


@dataclass(frozen=True, slots=True)
class Head:
    """The first line and the headers of a message; `raw` is what is forwarded, signed headers and all."""

    raw: bytes
    first: tuple[str, str, str]
    headers: Mapping[str, str]

    @classmethod
    def parse(cls, raw: bytes) -> "Head":
        """The head in `raw`, which ends with its empty line."""
        first, *lines = raw.decode("latin-1").rstrip("\r\n").split("\r\n")
        one, two, *rest = first.split(" ", 2)
        fields = (line.partition(":") for line in lines)
        headers = {name.strip().lower(): value.strip() for name, _, value in fields}
        return cls(raw, (one, two, " ".join(rest)), headers)

    @property
    def request(self) -> str:
        """`METHOD /path?query`, of a request."""
        return f"{self.first[0]} {self.first[1]}"

    @property
    def method(self) -> str:
        return self.first[0]

    @property
    def status(self) -> int:
        """Of an answer."""
        return int(self.first[1])

    @property
    def waits_for_continue(self) -> bool:
        """Whether the client sends its body only when asked for it."""
        return self.headers.get("expect", "").lower() == "100-continue"

    @property
    def closes(self) -> bool:
        """Whether the connection ends with this message."""
        wish = self.headers.get("connection", "").lower()
        is_old = "HTTP/1.0" in (self.first[0], self.first[2])
        return "close" in wish or (is_old and "keep-alive" not in wish)

    def without(self, header: str) -> bytes:
        """`raw` without a header."""
        lines = self.raw.split(b"\r\n")
        start = f"{header}:".lower().encode()
        return b"\r\n".join(line for line in lines if not line.lower().startswith(start))

    def framing_of_request(self) -> Framing:
        """A request without a length has no body."""
        return "chunked" if self._is_chunked else int(self.headers.get("content-length", 0))

    def framing_of_answer(self, method: str) -> Framing:
        """An answer's body depends on the method it answers."""
        if method == "HEAD" or self.status in (204, 304) or self.status < 200:
            return 0
        if self._is_chunked:
            return "chunked"
        length = self.headers.get("content-length")
        return "until close" if length is None else int(length)

    @property
    def _is_chunked(self) -> bool:
        return "chunked" in self.headers.get("transfer-encoding", "").lower()


async def read_head(reader: asyncio.StreamReader) -> Head | None:
    """The next head; None where the connection ends instead."""
    try:
        return Head.parse(await reader.readuntil(b"\r\n\r\n"))
    except asyncio.IncompleteReadError as error:
        if error.partial:
            raise
        return None


async def body(reader: asyncio.StreamReader, framing: Framing) -> AsyncIterator[bytes]:
    """The pieces of a body as they come, framing included."""
    if framing == "chunked":
        pieces = _chunks(reader)
    elif framing == "until close":
        pieces = _rest(reader)
    else:
        pieces = _exactly(reader, framing)
    async for piece in pieces:
        yield piece


async def _exactly(reader: asyncio.StreamReader, size: int) -> AsyncIterator[bytes]:
    while size:
        piece = await reader.read(min(size, PIECE_BYTES))
        if not piece:
            raise asyncio.IncompleteReadError(piece, size)
        size -= len(piece)
        yield piece


async def _chunks(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    size = -1
    while size:
        line = await reader.readuntil(b"\r\n")
        size = int(line.split(b";")[0], 16)
        yield line
        if size:
            async for piece in _exactly(reader, size + len(b"\r\n")):
                yield piece
    line = b""
    while line != b"\r\n":  # trailers, up to the empty line
        line = await reader.readuntil(b"\r\n")
        yield line


async def _rest(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    while piece := await reader.read(PIECE_BYTES):
        yield piece

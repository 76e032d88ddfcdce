"""One connection: uvicorn's HTTP protocol, bounded where it is not. Its parser takes headers without end and
waits for the rest of them for ever, it queues requests without end, and it lets a client that does not read
hold its answer."""

import asyncio
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from contracts.problem import MEDIA_TYPE, Kind, Problem
from fleetlake.web.addresses import Networks, block_of, is_in
from fleetlake.web.headers import SAFE
from fleetlake.web.limits import too_many
from fleetlake.web.problems import body_of
from fleetlake.web.settings import HttpSettings

SLOW_READER = "slow-reader"
PIPELINE = "pipeline"
MOST_WAITING = 16
"""Requests of one connection behind the one at work. Hardly any client sends even a second one before it has
its answer, and each costs far more memory than the few bytes that it is sent in."""

OFFERS = frozenset({b"upgrade", b"http2-settings"})
BETWEEN_NAME_AND_VALUE = len(": \r\n")


class HeadRefused(Exception):
    """Raised inside the parser, which ends the request."""


class Connection(HttpToolsProtocol):
    """Reads one request's head at a time, within `limits`; `refused` is told why it turns a client away."""

    def __init__(
        self, *, limits: HttpSettings, proxies: Networks, refused: Callable[[str], None], **named: Any
    ) -> None:
        super().__init__(**named)
        self._limits, self._proxies, self._refused = limits, proxies, refused
        self._awaits_head = True
        self._unparsed_bytes = 0
        self._head_bytes = 0
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._refusal: Problem | None = None
        self._is_full = False
        self._place = ""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._place = block_of(_peer(self))
        crowding = self._crowding()
        if crowding is not None:
            self._refuse(crowding)
        else:
            self._arm("head", self._limits.header_seconds, self._head_is_late)

    def connection_lost(self, exc: Exception | None) -> None:
        for name in tuple(self._timers):
            self._disarm(name)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """A header or trailer that is not whole yet lies in the parser, which tells nobody of it."""
        if self.transport.is_closing():
            return
        if self._is_full:
            self.flow.pause_reading()
            return
        if self._awaits_head:
            self._arm("head", self._limits.header_seconds, self._head_is_late)
        self._unparsed_bytes += len(data)
        self._unset_keepalive_if_required()
        try:
            self._parse(data)
        except httptools.HttpParserError:
            self.send_400_response("")
        if self._unparsed_bytes > self._limits.header_bytes and not self._is_full:
            self._refuse(self._too_large())

    def _parse(self, data: bytes) -> None:
        """The parser stops behind a head that offers another protocol, and takes its body for that
        protocol's; uvicorn drops what comes there. Nothing is upgraded here: such a head is read anew without
        the offer."""
        while data:
            try:
                self.parser.feed_data(data)
            except httptools.HttpParserUpgrade as offer:
                if self.parser.get_method() == b"CONNECT":
                    return
                data = self._head_without_offer() + data[offer.args[0] :]
            else:
                return

    @property
    def _offers(self) -> bool:
        """Whether the head is one of those, h2c by Java's client for example."""
        return bool(self.parser.should_upgrade()) and self.parser.get_method() != b"CONNECT"

    def _head_without_offer(self) -> bytes:
        lines = [
            b"%b %b HTTP/%b" % (self.parser.get_method(), self.url, self.parser.get_http_version().encode())
        ]
        for name, value in self.headers:
            if name == b"connection":
                wishes = [each.strip() for each in value.split(b",")]
                lines += [b"connection: " + each for each in wishes if each.lower() not in OFFERS]
            elif name not in OFFERS:
                lines.append(name + b": " + value)
        return b"\r\n".join([*lines, b"", b""])

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head_bytes = 0

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        self._count_head(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        """Of the head; or a trailer, which may not pass for one: whoever stands before us has not looked at
        it as such, and the request may be at work already."""
        if self._awaits_head:
            super().on_header(name, value)
        self._count_head(len(name) + len(value) + BETWEEN_NAME_AND_VALUE)

    def on_headers_complete(self) -> None:
        if self._offers:
            return
        self._awaits_head, self._unparsed_bytes = False, 0
        self._disarm("head")
        if len(self.pipeline) >= MOST_WAITING:
            self._take_no_more()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._unparsed_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        if self._offers:
            return
        super().on_message_complete()
        self._awaits_head, self._unparsed_bytes = True, 0

    def on_response_complete(self) -> None:
        is_cut_short = not self.pipeline and self.cycle.more_body  # the rest of a body is no next request
        if is_cut_short or self.transport.is_closing():
            self._close()
        super().on_response_complete()
        if self.pipeline and not self.transport.is_closing():
            self.flow.pause_reading()  # what comes has to wait in any case

    def send_400_response(self, msg: str) -> None:
        """For whatever the parser does not take, what is raised in it included."""
        del msg
        if self._is_full:
            return
        self._refuse(self._refusal or Problem(Kind.INVALID_REQUEST, "this is no HTTP request"))

    def pause_writing(self) -> None:
        super().pause_writing()
        self._arm("send", self._limits.send_seconds, self._cut_off)

    def resume_writing(self) -> None:
        self._disarm("send")
        super().resume_writing()

    def timeout_keep_alive_handler(self) -> None:
        self._close()

    def shutdown(self) -> None:
        """The server stops. Requests end by themselves, a live stream would not."""
        super().shutdown()
        if self._is_busy and self.cycle.scope["state"].get("is_stream"):
            self._end_cycle()
            self._close()

    @property
    def _is_busy(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    @property
    def _may_speak(self) -> bool:
        """Whether nothing else is, or will be, on the line."""
        return not self._is_busy or not (self.pipeline or self.cycle.response_started)

    def _crowding(self) -> Problem | None:
        """Why there is no place for this connection."""
        if len(self.connections) > self._limits.connections:
            return Problem(Kind.UNAVAILABLE, "too many connections", headers={"retry-after": "1"})
        if is_in(_peer(self), self._proxies):
            return None
        of_here = sum(
            isinstance(each, Connection) and each._place == self._place for each in self.connections
        )
        if of_here > self._limits.connections_per_address:
            return too_many("too many connections of yours", 1.0)
        return None

    def _take_no_more(self) -> None:
        """What waits is answered, the last of it with `connection: close`: a client then knows which of its
        requests to send again. The rest is left unread."""
        self._is_full = True
        self._refused(PIPELINE)
        self.cycle.keep_alive = False
        raise HeadRefused

    def _count_head(self, count: int) -> None:
        self._head_bytes += count
        if self._head_bytes > self._limits.header_bytes or len(self.headers) > self._limits.header_count:
            self._refusal = self._too_large()
            raise HeadRefused

    def _too_large(self) -> Problem:
        limits = self._limits
        detail = f"more than {limits.header_count} headers, or more than {limits.header_bytes} bytes of them"
        return Problem(Kind.HEADERS_TOO_LARGE, detail)

    def _arm(self, name: str, seconds: float, act: Callable[[], None]) -> None:
        """Acts then, unless it is disarmed before; the first one of a name counts."""
        if name not in self._timers:
            self._timers[name] = self.loop.call_later(seconds, act)

    def _disarm(self, name: str) -> None:
        timer = self._timers.pop(name, None)
        if timer is not None:
            timer.cancel()

    def _head_is_late(self) -> None:
        self._disarm("head")
        if self._is_busy:
            # What is late is the next request: the one before is still at work.
            self._arm("head", self._limits.header_seconds, self._head_is_late)
        else:
            detail = f"no request came whole within {self._limits.header_seconds:g} s"
            self._refuse(Problem(Kind.TIMEOUT, detail))

    def _refuse(self, problem: Problem) -> None:
        """Says why, where that is no part of another answer, and closes."""
        if self.transport.is_closing():
            return
        self._refused(problem.kind)
        if self._may_speak:
            self.transport.write(_whole_answer(problem, self.server_state.default_headers))
        if self._is_busy:
            self._end_cycle()
        self._close()

    def _end_cycle(self) -> None:
        """The application learns that its client is gone, and nothing more of it is sent."""
        self.cycle.disconnected = True
        self.cycle.message_event.set()

    def _close(self) -> None:
        """Lets the client read what is left, within bounds."""
        self.transport.close()
        self._arm("close", self._limits.send_seconds, self.transport.abort)

    def _cut_off(self) -> None:
        self._refused(SLOW_READER)
        self.transport.abort()


def _peer(connection: Connection) -> str:
    """Whose address it is."""
    return "" if connection.client is None else str(connection.client[0])


def _whole_answer(problem: Problem, default_headers: list[tuple[bytes, bytes]]) -> bytes:
    body = body_of(problem)
    headers = [
        *default_headers,
        (b"content-type", MEDIA_TYPE.encode()),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
        *((name.encode(), value.encode()) for name, value in problem.headers.items()),
        *SAFE,
    ]
    lines = [f"HTTP/1.1 {problem.status} {HTTPStatus(problem.status).phrase}".encode()]
    lines += [name + b": " + value for name, value in headers]
    return b"\r\n".join([*lines, b"", body])

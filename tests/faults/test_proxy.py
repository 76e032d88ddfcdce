"""The fault proxy itself: what passes unchanged, and that each fault is what it says."""

import http.client
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from fleetlake.stack.server import wait_until
from tests.faults.proxy import FaultProxy, Faults

DEADLINE = 20.0
PIECE = bytes(range(256)) * 256
LARGE_PIECES = 1600
"""Pieces of 64 KiB: 100 MiB."""


@dataclass
class Site:
    """A server that remembers what reached it."""

    name: str
    port: int = 0
    requests: list[str] = field(default_factory=list)
    hosts: list[str | None] = field(default_factory=list)
    bodies: list[str] = field(default_factory=list)


def handler(site: Site) -> type[BaseHTTPRequestHandler]:
    """Answers GET with pieces, with a length or chunked; takes PUT of any size."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *args: object) -> None: ...

        def do_GET(self) -> None:
            self._note()
            count = int(self.path.rsplit("/", 1)[-1])
            self.send_response(200)
            self.send_header("Site", site.name)
            is_chunked = "chunked" in self.path
            header = ("Transfer-Encoding", "chunked") if is_chunked else ("Content-Length", str(count << 16))
            self.send_header(*header)
            self.end_headers()
            for _ in range(count):
                self.wfile.write(b"%x\r\n%s\r\n" % (len(PIECE), PIECE) if is_chunked else PIECE)
            if is_chunked:
                self.wfile.write(b"0\r\n\r\n")

        def do_HEAD(self) -> None:
            self._note()
            self.send_response(200)
            self.send_header("Content-Length", "12345")
            self.end_headers()

        def do_PUT(self) -> None:
            self._note()
            left, digest = int(self.headers["Content-Length"]), sha256()
            while left and (piece := self.rfile.read(min(left, 1 << 16))):
                digest.update(piece)
                left -= len(piece)
            site.bodies.append("incomplete" if left else digest.hexdigest())
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def _note(self) -> None:
            site.requests.append(f"{self.command} {self.path}")
            site.hosts.append(self.headers["Host"])

    return Handler


class QuietServer(ThreadingHTTPServer):
    """Says nothing about connections that broke: they break on purpose here."""

    def handle_error(self, request: Any, client_address: Any) -> None: ...


@contextmanager
def serving(name: str = "first") -> Iterator[Site]:
    site = Site(name)
    with QuietServer(("127.0.0.1", 0), handler(site)) as server:
        site.port = server.server_port
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield site
        server.shutdown()
        thread.join()


@pytest.fixture
def site() -> Iterator[Site]:
    """A server."""
    with serving() as made:
        yield made


@pytest.fixture
def proxy(site: Site) -> Iterator[FaultProxy]:
    """A proxy before it."""
    with FaultProxy(("127.0.0.1", site.port), http=True) as made:
        yield made


@contextmanager
def client(proxy: FaultProxy) -> Iterator[http.client.HTTPConnection]:
    connection = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=DEADLINE)
    try:
        yield connection
    finally:
        connection.close()


def ask(
    connection: http.client.HTTPConnection, method: str, path: str, body: Any = None
) -> tuple[int, bytes]:
    headers = {"Content-Length": str(LARGE_PIECES << 16)} if hasattr(body, "__next__") else {}
    connection.request(method, path, body, headers)
    answer = connection.getresponse()
    return answer.status, answer.read()


def test_without_faults_everything_passes_unchanged_on_one_connection(site: Site, proxy: FaultProxy) -> None:
    """Lengths, chunks, answers without a body, and the Host header that signatures cover."""
    with client(proxy) as connection:
        assert ask(connection, "GET", "/3") == (200, PIECE * 3)
        assert ask(connection, "GET", "/chunked/2") == (200, PIECE * 2)
        assert ask(connection, "HEAD", "/x") == (200, b"")
        assert ask(connection, "PUT", "/x", b"some bytes") == (200, b"")
    assert site.requests == ["GET /3", "GET /chunked/2", "HEAD /x", "PUT /x"]
    assert set(site.hosts) == {proxy.address}
    assert site.bodies == [sha256(b"some bytes").hexdigest()]
    assert proxy.counts.requests == 4


def test_bodies_of_100_mib_are_streamed(site: Site, proxy: FaultProxy) -> None:
    """In both directions; their bytes arrive."""
    with client(proxy) as connection:
        assert ask(connection, "PUT", "/large", iter([PIECE] * LARGE_PIECES)) == (200, b"")
        connection.request("GET", f"/{LARGE_PIECES}")
        answer, received = connection.getresponse(), 0
        while piece := answer.read(1 << 20):
            received += len(piece)
    assert site.bodies == [sha256(PIECE * LARGE_PIECES).hexdigest()]
    assert received == LARGE_PIECES << 16


def test_a_body_that_waits_to_be_asked_for_is_asked_for(site: Site, proxy: FaultProxy) -> None:
    """`Expect: 100-continue`, as S3 clients send it."""
    with socket.create_connection(("127.0.0.1", proxy.port), DEADLINE) as raw:
        raw.sendall(b"PUT /x HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n")
        assert raw.recv(1000).startswith(b"HTTP/1.1 100 ")
        raw.sendall(b"body")
        assert raw.recv(1000).startswith(b"HTTP/1.1 200 ")
    assert site.bodies == [sha256(b"body").hexdigest()]


def test_a_refused_body_is_never_asked_for(site: Site, proxy: FaultProxy) -> None:
    """The failure comes instead of `100 Continue`."""
    proxy.set(Faults(fail_share=1.0))
    with socket.create_connection(("127.0.0.1", proxy.port), DEADLINE) as raw:
        raw.sendall(b"PUT /x HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n")
        assert raw.recv(1000).startswith(b"HTTP/1.1 503 ")
    assert site.requests == []


def test_a_delayed_request_takes_its_time(proxy: FaultProxy) -> None:
    """And the others do not."""
    proxy.set(Faults(delay_s=0.3, matching="^GET /1$"))
    with client(proxy) as connection:
        began = time.monotonic()
        ask(connection, "GET", "/1")
        assert time.monotonic() - began >= 0.3
        ask(connection, "GET", "/2")
    assert proxy.counts.delayed == 1


def test_a_failed_request_never_reaches_the_server(site: Site, proxy: FaultProxy) -> None:
    """It is answered as an overloaded S3 answers, and the connection goes on."""
    proxy.set(Faults(fail_share=1.0, matching="^PUT"))
    with client(proxy) as connection:
        status, content = ask(connection, "PUT", "/x", b"body")
        assert (status, b"<Code>SlowDown</Code>" in content) == (503, True)
        assert ask(connection, "GET", "/1")[0] == 200
    assert site.requests == ["GET /1"]
    assert proxy.counts.failed == 1


def test_a_request_that_fails_afterwards_was_done(site: Site, proxy: FaultProxy) -> None:
    """The server's answer is replaced by an internal error."""
    proxy.set(Faults(fail_share=1.0, fail_when="after"))
    with client(proxy) as connection:
        status, content = ask(connection, "PUT", "/x", b"body")
        assert (status, b"<Code>InternalError</Code>" in content) == (500, True)
    assert site.bodies == [sha256(b"body").hexdigest()]


def test_a_share_of_requests_fails_and_the_same_ones_again() -> None:
    """About as many as were asked for; the seed decides which."""
    with serving() as site, FaultProxy(("127.0.0.1", site.port), http=True) as proxy:
        runs = []
        for _ in range(2):
            proxy.set(Faults(fail_share=0.2, seed=7))
            with client(proxy) as connection:
                runs.append([ask(connection, "HEAD", "/x")[0] for _ in range(100)])
        assert runs[0] == runs[1]
        assert 8 <= runs[0].count(503) <= 35


def test_a_cut_request_reaches_the_server_by_half(site: Site, proxy: FaultProxy) -> None:
    """Neither side hears more."""
    proxy.set(Faults(cut_share=1.0, cut_at="request"))
    with client(proxy) as connection, pytest.raises((ConnectionError, http.client.HTTPException)):
        ask(connection, "PUT", "/x", PIECE * 10)
    assert wait_until(lambda: site.requests == ["PUT /x"], DEADLINE)
    assert sha256(PIECE * 10).hexdigest() not in site.bodies
    assert proxy.counts.cut == 1
    proxy.heal()
    with client(proxy) as connection:
        assert ask(connection, "PUT", "/x", b"") == (200, b"")


@pytest.mark.parametrize("path", ["/4", "/chunked/4"])
def test_a_cut_answer_reaches_the_client_by_half(proxy: FaultProxy, path: str) -> None:
    """The client cannot take it for a whole one."""
    proxy.set(Faults(cut_share=1.0, cut_at="answer"))
    with client(proxy) as connection, pytest.raises((ConnectionError, http.client.HTTPException)):
        ask(connection, "GET", path)
    assert proxy.counts.cut == 1


def test_a_lost_acknowledgement_is_of_something_done(site: Site, proxy: FaultProxy) -> None:
    """The server has it; the client's connection is closed without an answer; the next time all is well."""
    proxy.lose_acknowledgement("^PUT /commit")
    with client(proxy) as connection:
        assert ask(connection, "PUT", "/other", b"") == (200, b"")
        with pytest.raises((ConnectionError, http.client.HTTPException)):
            ask(connection, "PUT", "/commit", b"body")
        assert site.bodies[-1] == sha256(b"body").hexdigest()
        assert ask(connection, "PUT", "/commit", b"body") == (200, b"")
    assert proxy.counts.lost == 1


def test_refused_connections_are_refused_and_the_address_stays(proxy: FaultProxy) -> None:
    """Existing ones are closed; after healing the same address answers again."""
    with client(proxy) as connection:
        assert ask(connection, "GET", "/1")[0] == 200
        proxy.set(Faults(refuse=True))
        with pytest.raises((ConnectionError, http.client.HTTPException)):
            ask(connection, "GET", "/1")
    with pytest.raises(ConnectionRefusedError), client(proxy) as connection:
        ask(connection, "GET", "/1")
    proxy.heal()
    with client(proxy) as connection:
        assert ask(connection, "GET", "/1")[0] == 200


def test_a_frozen_request_goes_on_when_healed(site: Site, proxy: FaultProxy) -> None:
    """Others pass meanwhile; the frozen one reaches the server even if its client has gone."""
    proxy.set(Faults(freeze=True, matching="^PUT"))
    with client(proxy) as waiting, client(proxy) as other:
        waiting.request("PUT", "/x", b"body")
        assert wait_until(lambda: proxy.counts.frozen == 1, DEADLINE)
        assert ask(other, "GET", "/1")[0] == 200
    assert site.requests == ["GET /1"]
    proxy.heal()
    assert wait_until(lambda: site.bodies == [sha256(b"body").hexdigest()], DEADLINE)


def test_a_server_may_come_back_elsewhere(proxy: FaultProxy) -> None:
    """New connections go to the new address."""
    with serving("second") as second:
        proxy.retarget(("127.0.0.1", second.port))
        with client(proxy) as connection:
            connection.request("GET", "/1")
            answer = connection.getresponse()
            assert answer.headers["Site"] == "second"
            answer.read()


def test_plain_tcp_freezes_and_heals(site: Site) -> None:
    """What was sent meanwhile arrives afterwards, on the same connection."""
    with FaultProxy(("127.0.0.1", site.port)) as proxy, client(proxy) as connection:
        assert ask(connection, "GET", "/1") == (200, PIECE)
        proxy.set(Faults(freeze=True))
        connection.request("GET", "/2")
        assert wait_until(lambda: proxy.counts.frozen == 1, DEADLINE)
        assert site.requests == ["GET /1"]
        proxy.heal()
        assert connection.getresponse().read() == PIECE * 2


def test_plain_tcp_is_cut_and_refused(site: Site) -> None:
    """Kafka's and MongoDB's clients see a connection that breaks, and a port that refuses."""
    with FaultProxy(("127.0.0.1", site.port)) as proxy:
        proxy.set(Faults(cut_share=1.0))
        with client(proxy) as connection, pytest.raises((ConnectionError, http.client.HTTPException)):
            ask(connection, "GET", "/1")
        proxy.set(Faults(refuse=True))
        with client(proxy) as connection, pytest.raises(ConnectionRefusedError):
            ask(connection, "GET", "/1")
        assert proxy.counts.cut == 1

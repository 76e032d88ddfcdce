"""Clients that are slow, greedy or hostile, on real sockets: each is bounded, and others are answered."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from fleetlake.web import body
from fleetlake.web.settings import HttpSettings
from tests.deadlines import eventually
from tests.interfaces import Interface, document_of, read_all, status_of, talk

LIMITS = HttpSettings(
    body_bytes=1_000_000,
    body_seconds=0.6,
    header_bytes=4096,
    header_count=20,
    header_seconds=0.6,
    send_seconds=0.6,
    keep_alive_seconds=1,
    requests_per_second=0,
)
CROWDED = HttpSettings(connections=20, connections_per_address=15, trusted_proxies=("127.0.0.9",))
GET = b"GET /unread HTTP/1.1\r\nhost: localhost\r\n\r\n"
POST = b"POST /ingest HTTP/1.1\r\nhost: localhost\r\n"


@pytest.fixture(scope="module")
def interface(tmp_path_factory: pytest.TempPathFactory) -> Interface:
    """With small limits, so that a test takes no minute."""
    return Interface(tmp_path_factory.mktemp("interface"), http=LIMITS)


@pytest.fixture(scope="module")
def port(interface: Interface) -> Iterator[int]:
    """Where it listens. After all tests it still answers."""
    with pytest.MonkeyPatch.context() as patch, interface.listening() as port:
        patch.setattr(body, "LINGER_SECONDS", 0.3)
        yield port
        assert status_of(talk(port, GET, until_closed=False)) == 200


@pytest.fixture
def crowded(tmp_path: Path) -> Interface:
    """With room for few connections, which may take their time."""
    return Interface(tmp_path, http=CROWDED)


def connect(port: int, *sent: bytes, source: str = "127.0.0.1") -> socket.socket:
    line = socket.create_connection(("127.0.0.1", port), 30, source_address=(source, 0))
    for part in sent:
        line.sendall(part)
    return line


def refused(interface: Interface, reason: str) -> float:
    return interface.count("fleetlake_http_refused_total", reason=reason)


def test_a_connection_that_says_nothing_is_closed(port: int, interface: Interface) -> None:
    """With the reason."""
    before = refused(interface, "timeout")
    answer = talk(port)
    assert status_of(answer) == 408
    assert document_of(answer)["type"] == "urn:fleetlake:problem:timeout"
    assert refused(interface, "timeout") == before + 1


@pytest.mark.parametrize("head", [b"GET / HTTP/1.1\r\nx: ", b"GET /", b"", b"GET / HTTP/1.1\r\n"])
def test_headers_that_drip_do_not_hold_a_connection(port: int, head: bytes) -> None:
    """Slowloris: a byte now and then does not start the clock again."""
    with connect(port, head) as line:
        answer = drip(line, b"a" if head else b"\n")
    assert status_of(answer) == 408


def test_a_second_request_that_drips_is_closed_too(port: int) -> None:
    """Behind a good one, on the same connection."""
    with connect(port, GET, b"GET / HTTP/1.1\r\nx: ") as line:
        answer = drip(line, b"a")
    assert status_of(answer) == 200
    assert b"HTTP/1.1 408 " in answer


def test_a_body_that_drips_does_not_hold_a_request(port: int, interface: Interface) -> None:
    """With a length or in chunks."""
    for head, part in (
        (b"content-length: 1000\r\n\r\n", b"a"),
        (b"transfer-encoding: chunked\r\n\r\n", b"1\r\na\r\n"),
    ):
        with connect(port, POST + head) as line:
            answer = drip(line, part)
        assert status_of(answer) == 408
        assert document_of(answer)["type"] == "urn:fleetlake:problem:timeout"
    eventually(lambda: interface.count("fleetlake_http_in_flight") == 0)


def test_a_body_that_nobody_reads_does_not_hold_a_connection(port: int) -> None:
    """The route has answered; the rest would be taken for the next request."""
    head = b"POST /unread HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100000\r\n\r\n"
    with connect(port, head) as line:
        answer = drip(line, b"GET /vehicles/V1/state HTTP/1.1\r\nhost: localhost\r\n\r\n")
    assert answer.count(b"HTTP/1.1 ") == 1
    assert status_of(answer) == 200


def test_a_sender_that_leaves_is_no_defect(port: int, interface: Interface) -> None:
    """In the middle of its body: nobody waits for an answer."""
    left = {"method": "POST", "route": "/ingest", "status": "499"}
    with capture_logs() as logs:
        connect(port, POST + b"content-length: 10\r\n\r\nabc").close()
        eventually(lambda: interface.count("fleetlake_http_requests_total", **left) == 1)
    assert [each for each in logs if each["event"] == "request_failed"] == []


def test_the_answer_of_a_large_body_is_read_by_who_has_sent_it(port: int) -> None:
    """Without a length nobody knows before; the sender must not meet a reset instead of the reason."""
    chunk = b"10000\r\n" + b"x" * 65_536 + b"\r\n"
    answer = talk(
        port, POST + b"transfer-encoding: chunked\r\nconnection: close\r\n\r\n", chunk * 40, b"0\r\n\r\n"
    )
    assert status_of(answer) == 413
    assert document_of(answer)["limit_bytes"] == LIMITS.body_bytes


def test_a_body_without_end_is_cut_off(port: int) -> None:
    """After its limit, and a little that is read into nothing."""
    chunk = b"10000\r\n" + b"x" * 65_536 + b"\r\n"
    sent = 0
    with connect(port, POST + b"transfer-encoding: chunked\r\n\r\n") as line:
        try:
            while sent < 200_000_000:
                line.sendall(chunk)
                sent += len(chunk)
        except OSError:
            pass
    assert sent < 100_000_000


@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/1.1\r\n" + b"".join(b"x-%d: a\r\n" % n for n in range(30)) + b"\r\n",
        b"GET / HTTP/1.1\r\nx: " + b"a" * 10_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"a" * 10_000 + b": x\r\n\r\n",
        b"GET /" + b"a" * 10_000 + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\ncookie: " + b"a=b; " * 2_000,
    ],
    ids=["many", "long value", "long name", "long path", "without end"],
)
def test_headers_that_are_too_many_or_too_long_are_refused(port: int, head: bytes) -> None:
    """As soon as it is seen, not when they have ended."""
    answer = talk(port, head)
    assert status_of(answer) == 431
    assert document_of(answer)["type"] == "urn:fleetlake:problem:headers-too-large"


def test_headers_without_end_do_not_fill_the_memory(port: int) -> None:
    """The parser keeps what is not whole yet to itself."""
    sent = 0
    with connect(port, b"GET / HTTP/1.1\r\nx: ") as line:
        try:
            while sent < 50_000_000:
                line.sendall(b"a" * 65_536)
                sent += 65_536
        except OSError:
            pass
    assert sent < 20_000_000  # what the system's own buffers take


def test_trailers_without_end_do_not_fill_the_memory(port: int) -> None:
    """They come after a body in chunks, when nobody counts headers any more."""
    sent = 0
    with connect(port, POST + b"transfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\nx: ") as line:
        try:
            while sent < 50_000_000:
                line.sendall(b"a" * 65_536)
                sent += 65_536
        except OSError:
            pass
    assert sent < 20_000_000


def test_chunk_extensions_without_end_are_cut_off(port: int) -> None:
    """They carry nothing."""
    sent = 0
    with connect(port, POST + b"transfer-encoding: chunked\r\n\r\n1;") as line:
        try:
            while sent < 50_000_000:
                line.sendall(b"a" * 65_536)
                sent += 65_536
        except OSError:
            pass
    assert sent < 20_000_000


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"get / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
        b"GET / HTTP/1.1\r\nx y: z\r\n\r\n",
        b"GET / HTTP/1.1\r\nx: a\x00b\r\n\r\n",
        b"GET / HTTP/1.1\r\nx : z\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: a\r\n folded: b\r\n\r\n",
        POST + b"content-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        POST + b"content-length: 3\r\ncontent-length: 4\r\n\r\nabcd",
        POST + b"content-length: -1\r\n\r\n",
        POST + b"content-length: 0x10\r\n\r\n",
        POST + b"content-length: 99999999999999999999999\r\n\r\n",
        POST + b"transfer-encoding: chunked\r\n\r\nzz\r\n",
        POST + b"transfer-encoding: xchunked\r\n\r\n",
        b"CONNECT evil.example.com:443 HTTP/1.1\r\nhost: evil.example.com:443\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nhost: localhost\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ],
)
def test_what_is_no_request_is_refused(port: int, request_bytes: bytes) -> None:
    """Two readings of one request are how one client gets another one's answer."""
    answer = talk(port, request_bytes, until_closed=False)
    assert status_of(answer) in (400, 403, 404, 413)
    assert answer.count(b"HTTP/1.1 ") == 1
    assert b"application/problem+json" in answer
    assert b"Traceback" not in answer


@pytest.mark.parametrize("target", [b"http://evil.example.com/unread", b"http://localhost@evil/unread"])
def test_a_whole_address_as_the_target_changes_nothing(port: int, target: bytes) -> None:
    """The Host header decides, as for every request."""
    answer = talk(port, b"GET " + target + b" HTTP/1.1\r\nhost: evil\r\nconnection: close\r\n\r\n")
    assert status_of(answer) == 403


@pytest.mark.parametrize(
    "upgrade", [b"upgrade: websocket\r\nsec-websocket-key: x\r\nsec-websocket-version: 13", b"upgrade: h2c"]
)
def test_nothing_is_upgraded(port: int, upgrade: bytes) -> None:
    """A request that asks for it is a request."""
    head = b"GET /unread HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\n" + upgrade + b"\r\n\r\n"
    assert status_of(talk(port, head, until_closed=False)) == 200


def test_requests_in_one_packet_are_answered_in_order(port: int) -> None:
    """Pipelining, with bodies between."""
    post = POST + b"content-length: 5\r\n\r\nabcde"
    last = b"GET /unread HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"
    answer = talk(port, GET + post + GET + post + last)
    assert [int(part[:3]) for part in answer.split(b"HTTP/1.1 ")[1:]] == [200, 202, 200, 202, 200]


def test_a_head_of_a_live_stream_ends(port: int) -> None:
    """And its connection takes the next request."""
    head = b"HEAD /stream HTTP/1.1\r\nhost: localhost\r\n\r\n"
    answer = talk(port, head + GET.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n"))
    first, second = answer.split(b"HTTP/1.1 ")[1:]
    assert first.startswith(b"200")
    assert first.endswith(b"\r\n\r\n")
    assert second.endswith(b'{"method":"GET"}')


def test_what_a_live_stream_shows_is_written_down_while_it_goes_on(port: int, interface: Interface) -> None:
    """Each vehicle once; the request's own line comes when the client leaves."""
    with capture_logs() as logs:
        with connect(port, b"GET /stream HTTP/1.1\r\nhost: localhost\r\n\r\n") as line:
            for _ in range(3):
                read_until(line, b"event: state")
            assert [each["vehicles"] for each in logs if each["event"] == "positions_read"] == [["V1"]]
            assert [each for each in logs if each["event"] == "request"] == []
        eventually(lambda: "request" in [each["event"] for each in logs])
    assert [each["event"] for each in logs] == ["positions_read", "request"]
    assert interface.count("fleetlake_http_in_flight") == 0


def test_an_idle_connection_is_closed_after_a_while(port: int) -> None:
    """Not before: a page asks again."""
    with connect(port, GET) as line:
        assert status_of(read_until(line, b'{"method":"GET"}')) == 200
        line.sendall(GET)
        assert status_of(read_until(line, b'{"method":"GET"}')) == 200
        assert read_all(line) == b""


def test_expect_is_answered_before_the_body_is_sent(port: int) -> None:
    """A body that is too long is refused before it is sent."""
    head = POST + b"expect: 100-continue\r\ncontent-length: %d\r\n\r\n"
    with connect(port, head % 5) as line:
        assert line.recv(65_536).startswith(b"HTTP/1.1 100 ")
        line.sendall(b"abcde")
        assert status_of(line.recv(65_536)) == 202
    with connect(port, head % 5_000_000) as line:
        assert status_of(line.recv(65_536)) == 413


def test_a_client_that_does_not_read_is_cut_off(port: int, interface: Interface) -> None:
    """It would hold its answer, and a place among the requests at work."""
    with connect(port, b"GET /large HTTP/1.1\r\nhost: localhost\r\n\r\n"):
        eventually(lambda: refused(interface, "slow-reader") >= 1)
        eventually(lambda: interface.count("fleetlake_http_in_flight") == 0)


def test_connections_are_counted(crowded: Interface) -> None:
    """What comes on top is told so; when one goes, the next one is let in."""
    with crowded.listening() as port:
        with ExitStack() as lines:
            for number in range(CROWDED.connections):
                lines.enter_context(connect(port, source=f"127.0.1.{number}"))
            with connect(port) as one_more:
                assert status_of(read_all(one_more)) == 503
        assert refused(crowded, "unavailable") == 1
        eventually(lambda: status_of(talk(port, GET, until_closed=False)) == 200)


def test_one_address_does_not_take_all_connections(crowded: Interface) -> None:
    """What it may not have is there for others."""
    with crowded.listening() as port, ExitStack() as lines:
        for _ in range(CROWDED.connections_per_address):
            lines.enter_context(connect(port))
        with connect(port) as one_more:
            assert status_of(read_all(one_more)) == 429
        with connect(port, GET, source="127.0.0.2") as other:
            assert status_of(read_until(other, b'{"method":"GET"}')) == 200


def test_a_proxy_of_ours_may_have_all_connections(crowded: Interface) -> None:
    """Many clients are behind it."""
    with crowded.listening() as port, ExitStack() as lines:
        for _ in range(CROWDED.connections - 1):
            lines.enter_context(connect(port, source="127.0.0.9"))
        with connect(port, GET, source="127.0.0.9") as other:
            assert status_of(read_until(other, b'{"method":"GET"}')) == 200


def test_others_are_answered_meanwhile(port: int) -> None:
    """While a dozen clients drip."""
    slow = [connect(port, b"GET / HTTP/1.1\r\nx: ") for _ in range(12)]
    try:
        assert status_of(talk(port, GET, until_closed=False)) == 200
    finally:
        for line in slow:
            line.close()


def read_until(line: socket.socket, end: bytes) -> bytes:
    """What comes, up to these bytes."""
    received = b""
    while end not in received:
        received += line.recv(65_536)
    return received


def drip(line: socket.socket, part: bytes) -> bytes:
    """Sends a part ten times a second until the server closes; returns all that it said. Fails where it does
    not close."""
    received = bytearray()
    line.settimeout(0.1)
    for _ in range(200):
        try:
            line.sendall(part)
            found = line.recv(65_536)
        except TimeoutError:
            continue
        except OSError:
            return bytes(received)
        if not found:
            return bytes(received)
        received += found
    pytest.fail("the connection is still open")

"""What is no request, or more than one: it is read in one way only, and what is answered is whole."""

from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from structlog.testing import capture_logs

from fleetlake.web.settings import HttpSettings
from tests.deadlines import eventually
from tests.fleetlake.web.connections.lines import GET, POST, connect, read_until
from tests.interfaces import Interface, status_of, talk


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


def test_an_offer_of_another_protocol_changes_nothing(port: int) -> None:
    """The body is the request's own, and what comes behind it in the same packet is answered."""
    offer = b"connection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAA\r\n"
    get = GET.removesuffix(b"\r\n") + offer + b"\r\n"
    post = POST + offer + b"content-length: %d\r\n\r\n" % len(GET) + GET
    last = b"GET /unread HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"
    answer = talk(port, get + post + get + GET + last)
    assert [int(part[:3]) for part in answer.split(b"HTTP/1.1 ")[1:]] == [200, 202, 200, 200, 200]
    assert b'{"bytes":%d}' % len(GET) in answer


@pytest.mark.parametrize("target", [b"/", b"localhost:80", b"http://localhost/"])
def test_connect_is_refused(port: int, target: bytes) -> None:
    """What comes behind it is not looked at: it would be another protocol's."""
    answer = talk(port, b"CONNECT " + target + b" HTTP/1.1\r\nhost: localhost\r\n\r\n" + GET)
    assert [int(part[:3]) // 100 for part in answer.split(b"HTTP/1.1 ")[1:]] == [4]


def test_requests_in_one_packet_are_answered_in_order(port: int) -> None:
    """Pipelining, with bodies between."""
    post = POST + b"content-length: 5\r\n\r\nabcde"
    last = b"GET /unread HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"
    answer = talk(port, GET + post + GET + post + last)
    assert [int(part[:3]) for part in answer.split(b"HTTP/1.1 ")[1:]] == [200, 202, 200, 202, 200]


def test_trailers_are_no_headers(tmp_path: Path) -> None:
    """Behind a proxy of ours, they would say who asks, and under which name it is written down: neither of
    the request that they end, nor of the next one."""
    seen = list[list[str]]()

    async def echo(request: Request) -> Response:
        await request.body()
        seen.append(list(request.headers))
        return Response()

    app = Starlette(routes=[Route("/ingest", echo, methods=["POST"])])
    interface = Interface(tmp_path, http=HttpSettings(trusted_proxies=("127.0.0.1",)), app=app)
    head = b"x-forwarded-for: 203.0.113.7\r\ntransfer-encoding: chunked\r\n\r\n"
    trailers = b"x-forwarded-for: 198.51.100.9\r\nx-request-id: forged\r\nidempotency-key:\r\n\r\n"
    last = POST + b"content-length: 0\r\nconnection: close\r\n\r\n"
    with interface.listening() as port, capture_logs() as logs:
        assert status_of(talk(port, POST + head + b"2\r\n{}\r\n0\r\n" + trailers + last)) == 200
    line = next(each for each in logs if each["event"] == "request")
    assert line["client"] == "203.0.113.7"
    assert line["request_id"] != "forged"
    assert seen == [
        ["host", "x-forwarded-for", "transfer-encoding"],
        ["host", "content-length", "connection"],
    ]


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


def test_expect_is_answered_before_the_body_is_sent(port: int) -> None:
    """A body that is too long is refused before it is sent."""
    head = POST + b"expect: 100-continue\r\ncontent-length: %d\r\n\r\n"
    with connect(port, head % 5) as line:
        assert line.recv(65_536).startswith(b"HTTP/1.1 100 ")
        line.sendall(b"abcde")
        assert status_of(line.recv(65_536)) == 202
    with connect(port, head % 5_000_000) as line:
        assert status_of(line.recv(65_536)) == 413

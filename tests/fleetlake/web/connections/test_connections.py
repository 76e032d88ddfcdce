"""Clients that are slow or never finish, on real sockets: each is bounded, and others are answered."""

import pytest
from structlog.testing import capture_logs

from tests.deadlines import eventually
from tests.fleetlake.web.connections.lines import GET, POST, connect, drip, read_until, refused
from tests.interfaces import Interface, document_of, read_all, status_of, talk


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


def test_an_idle_connection_is_closed_after_a_while(port: int) -> None:
    """Not before: a page asks again."""
    with connect(port, GET) as line:
        assert status_of(read_until(line, b'{"method":"GET"}')) == 200
        line.sendall(GET)
        assert status_of(read_until(line, b'{"method":"GET"}')) == 200
        assert read_all(line) == b""


def test_a_client_that_does_not_read_is_cut_off(port: int, interface: Interface) -> None:
    """It would hold its answer, and a place among the requests at work."""
    with connect(port, b"GET /large HTTP/1.1\r\nhost: localhost\r\n\r\n"):
        eventually(lambda: refused(interface, "slow-reader") >= 1)
        eventually(lambda: interface.count("fleetlake_http_in_flight") == 0)


def test_others_are_answered_meanwhile(port: int) -> None:
    """While a dozen clients drip."""
    slow = [connect(port, b"GET / HTTP/1.1\r\nx: ") for _ in range(12)]
    try:
        assert status_of(talk(port, GET, until_closed=False)) == 200
    finally:
        for line in slow:
            line.close()

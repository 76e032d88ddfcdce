"""What is too long, or never ends, costs no more than its limit."""

from contextlib import suppress

import pytest

from fleetlake.web.connection import MOST_WAITING
from tests.fleetlake.web.connections.lines import GET, LIMITS, POST, connect, refused
from tests.interfaces import Interface, document_of, status_of, talk


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
    assert taken(port, POST + b"transfer-encoding: chunked\r\n\r\n", chunk, 200_000_000) < 100_000_000


def test_requests_that_do_not_wait_for_answers_are_not_queued_without_end(
    port: int, interface: Interface
) -> None:
    """As many as may wait are answered; the last of these answers says that no more comes."""
    before = refused(interface, "pipeline")
    answers = talk(port, GET * 60).split(b"HTTP/1.1 200 OK\r\n")[1:]
    assert len(answers) == 1 + MOST_WAITING
    assert [b"connection: close" in each for each in answers] == [False] * MOST_WAITING + [True]
    assert refused(interface, "pipeline") == before + 1


ENDLESS = {
    "headers": b"GET / HTTP/1.1\r\nx: ",
    "trailers": POST + b"transfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\nx: ",
    "chunk extensions": POST + b"transfer-encoding: chunked\r\n\r\n1;",
}


@pytest.mark.parametrize("head", ENDLESS.values(), ids=ENDLESS)
def test_a_line_without_end_does_not_fill_the_memory(port: int, head: bytes) -> None:
    """The parser keeps what is not whole yet to itself; trailers come when nobody counts headers any more;
    chunk extensions carry nothing. What is taken all the same is what the system's own buffers take."""
    assert taken(port, head, b"a" * 65_536, 50_000_000) < 20_000_000


def taken(port: int, head: bytes, part: bytes, most: int) -> int:
    """How many bytes of parts behind the head could be sent until the server closed."""
    sent = 0
    with connect(port, head) as line, suppress(OSError):
        while sent < most:
            line.sendall(part)
            sent += len(part)
    return sent


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

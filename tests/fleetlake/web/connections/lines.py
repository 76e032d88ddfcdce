"""Raw connections to an interface, and what it counts."""

import socket

import pytest

from fleetlake.web.settings import HttpSettings
from tests.interfaces import Interface

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
GET = b"GET /unread HTTP/1.1\r\nhost: localhost\r\n\r\n"
POST = b"POST /ingest HTTP/1.1\r\nhost: localhost\r\n"


def connect(port: int, *sent: bytes, source: str = "127.0.0.1") -> socket.socket:
    line = socket.create_connection(("127.0.0.1", port), 30, source_address=(source, 0))
    for part in sent:
        line.sendall(part)
    return line


def refused(interface: Interface, reason: str) -> float:
    return interface.count("fleetlake_http_refused_total", reason=reason)


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

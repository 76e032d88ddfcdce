"""Many connections at once: what is too many is told so, and others are let in."""

import asyncio
from contextlib import ExitStack
from pathlib import Path
from typing import Any, cast

import pytest
from uvicorn.server import ServerState

from fleetlake.web import server
from fleetlake.web.settings import HttpSettings
from tests.deadlines import eventually
from tests.fleetlake.web.connections.lines import GET, connect, read_until, refused
from tests.interfaces import Interface, read_all, status_of, talk

CROWDED = HttpSettings(connections=20, connections_per_address=15, trusted_proxies=("127.0.0.9",))


@pytest.fixture
def crowded(tmp_path: Path) -> Interface:
    """With room for few connections, which may take their time."""
    return Interface(tmp_path, http=CROWDED)


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


def test_an_ipv6_network_is_one_address(crowded: Interface) -> None:
    """Who has one of them has 2^64. Transports that only have a peer: this machine has one such address."""
    peers = [f"2001:db8::{number}" for number in range(16)] + ["2001:db8:0:1::1", "192.0.2.1"]

    async def connect_all() -> list[bool]:
        config, state = server._config(crowded.shell, CROWDED), ServerState()
        lines = [Peer(each) for each in peers]
        for line in lines:
            protocol = cast("Any", config.http)(config=config, server_state=state, app_state={})
            protocol.connection_made(line)
        return [line.was_told.startswith(b"HTTP/1.1 429 ") for line in lines]

    assert asyncio.run(connect_all()) == [False] * 15 + [True, False, False]


class Peer(asyncio.Transport):
    """Somebody's end of a connection that is open until it is closed."""

    def __init__(self, address: str) -> None:
        super().__init__({"peername": (address, 1), "sockname": ("::", 1)})
        self.was_told = b""
        self._is_closing = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.was_told += data

    def close(self) -> None:
        self._is_closing = True

    def is_closing(self) -> bool:
        return self._is_closing


def test_a_proxy_of_ours_may_have_all_connections(crowded: Interface) -> None:
    """Many clients are behind it."""
    with crowded.listening() as port, ExitStack() as lines:
        for _ in range(CROWDED.connections - 1):
            lines.enter_context(connect(port, source="127.0.0.9"))
        with connect(port, GET, source="127.0.0.9") as other:
            assert status_of(read_until(other, b'{"method":"GET"}')) == 200

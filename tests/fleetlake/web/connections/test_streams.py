"""Live streams on real sockets: they last as long as the key that opened them."""

import socket
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from contracts.access import Scope
from fleetlake.web import key_ring, stay
from fleetlake.web.key_file import changing, revoke
from tests.deadlines import eventually
from tests.fleetlake.web.conftest import MakeKey
from tests.fleetlake.web.connections.lines import connect, read_until
from tests.interfaces import Interface

END = b"0\r\n\r\n"


@pytest.fixture
def streams(tmp_path: Path, make_key: MakeKey, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Where an interface listens that looks at its keys all the time."""
    monkeypatch.setattr(stay, "LOOK_AGAIN_SECONDS", 0.05)
    monkeypatch.setattr(key_ring, "LOOK_EVERY_SECONDS", 0.0)
    make_key("stays", Scope.READ)
    with Interface(tmp_path).listening() as port:
        yield port


def stream_of(key: str) -> bytes:
    return b"GET /stream HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer %b\r\n\r\n" % key.encode()


def comes_to_its_end(line: socket.socket) -> bool:
    """In time, and whole: the last chunk of the answer says so."""
    received, deadline = b"", time.monotonic() + 10
    while not received.endswith(END) and time.monotonic() < deadline:
        received = (received + line.recv(65_536))[-len(END) :]
    return received.endswith(END)


def ended(logs: list[Any]) -> list[str]:
    return [each["principal"] for each in logs if each["event"] == "stream_ended"]


def test_a_revoked_key_ends_its_stream(streams: int, make_key: MakeKey, keys_file: Path) -> None:
    """As a whole answer, and without an error in the log; that of another key goes on."""
    leaver, other = make_key("leaver", Scope.READ), make_key("other", Scope.READ)
    with capture_logs() as logs, connect(streams, stream_of(leaver)) as line:
        with connect(streams, stream_of(other)) as goes_on:
            read_until(line, b"event: state")
            read_until(goes_on, b"event: state")
            revoke(keys_file, "leaver")
            assert comes_to_its_end(line)
            for _ in range(10):
                assert END not in read_until(goes_on, b"event: state")
        eventually(lambda: len([each for each in logs if each["event"] == "request"]) == 2)
    assert ended(logs) == ["leaver"]
    assert {each["log_level"] for each in logs} == {"info"}


def test_an_expired_key_ends_its_stream(streams: int, make_key: MakeKey) -> None:
    """Nobody has to do anything for it."""
    key = make_key("guest", Scope.READ, expires=datetime.now(UTC) + timedelta(seconds=1))
    with connect(streams, stream_of(key)) as line:
        assert comes_to_its_end(line)


def test_a_key_with_other_rights_ends_its_stream(streams: int, make_key: MakeKey, keys_file: Path) -> None:
    """What it may see was decided when the stream began."""
    key = make_key("driver", Scope.READ)
    with connect(streams, stream_of(key)) as line:
        read_until(line, b"event: state")
        with changing(keys_file) as keys:
            keys[-1] = keys[-1].model_copy(update={"fleets": frozenset({"north"})})
        assert comes_to_its_end(line)

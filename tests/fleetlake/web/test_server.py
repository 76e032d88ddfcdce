"""An interface begins, tells where it is, and ends in order."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from structlog.testing import capture_logs

from fleetlake.web.server import CannotListen, InterfaceDidNotStart, serve
from fleetlake.web.settings import HttpSettings
from ingest.process import Stop
from tests.deadlines import eventually
from tests.interfaces import FROM_THE_INSIDE, Interface, read_all, status_of

SCRIPT = """
import sys
from pathlib import Path
from fleetlake.web.server import serve
from fleetlake.web.settings import HttpSettings
from ingest.process import Stop, configure_logs
from tests.interfaces import Interface

configure_logs()
interface = Interface(Path(sys.argv[1]), http=HttpSettings(shutdown_seconds=60))
say = lambda address: print(address, flush=True)
serve(interface.shell, host="127.0.0.1", port=0, on_listening=say, stop=Stop(), http=interface.http)
print("stopped", flush=True)
"""


def test_answers_have_a_date_and_no_name_of_a_server(open_interface: Interface) -> None:
    """Versions are for those who look for holes in them."""
    with open_interface.listening() as port:
        answer = httpx.get(f"http://127.0.0.1:{port}/vehicles/V1/state")
    assert "date" in answer.headers
    assert "server" not in answer.headers


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_order(tmp_path: Path, number: int) -> None:
    """Live streams end, the exit code is 0, and the log has JSON lines and nothing else."""
    child = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, tmp_path],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[3],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
    )
    try:
        assert child.stdout is not None
        address = child.stdout.readline().strip()
        assert httpx.get(f"{address}/health").status_code == 200
        with httpx.stream("GET", f"{address}/stream") as stream:
            lines = stream.iter_lines()
            assert next(lines) == "event: state"
            began = time.monotonic()
            child.send_signal(number)
            with pytest.raises(httpx.RemoteProtocolError):
                list(lines)
        out, err = child.communicate(timeout=60)
    finally:
        child.kill()
        child.wait()
    assert (child.returncode, out) == (0, "stopped\n")
    assert time.monotonic() - began < 30
    assert [line for line in err.splitlines() if not line.startswith("{")] == []
    assert '"event": "http_server_failed"' not in err


def test_a_stop_answers_what_is_at_work(tmp_path: Path) -> None:
    """And takes nothing new."""
    begun, gate = threading.Event(), threading.Event()

    async def slow(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await lifespan_of_nothing(receive, send)
            return
        begun.set()
        await asyncio.to_thread(gate.wait, 10)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"done"})

    interface = Interface(tmp_path, app=slow)
    stop, address, found = Stop(), list[str](), list[str]()
    server = threading.Thread(
        target=lambda: serve(
            interface.shell, host="127.0.0.1", port=0, on_listening=address.append, stop=stop
        )
    )
    server.start()
    eventually(lambda: bool(address))
    client = threading.Thread(target=lambda: found.append(httpx.get(f"{address[0]}/x").text))
    client.start()
    assert begun.wait(10)
    stop.request()
    port = int(address[0].rpartition(":")[2])
    eventually(lambda: not is_listening(port))
    gate.set()
    client.join(10)
    server.join(10)
    assert (found, server.is_alive()) == (["done"], False)


def test_a_request_that_never_ends_does_not_keep_it_from_ending(tmp_path: Path) -> None:
    """It is cut off, which its client is told, and the log says."""
    begun = threading.Event()

    async def forever(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await lifespan_of_nothing(receive, send)
            return
        begun.set()
        await asyncio.sleep(3600)

    interface = Interface(tmp_path, app=forever, http=HttpSettings(shutdown_seconds=1))
    with capture_logs() as logs, interface.listening() as port:
        line = socket.create_connection(("127.0.0.1", port), 10)
        line.sendall(b"GET /x HTTP/1.1\r\nhost: localhost\r\n\r\n")
        assert begun.wait(10)
    with line:
        assert status_of(read_all(line)) == 503
    assert "http_server_failed" in [each["event"] for each in logs]


def test_a_port_that_is_taken_is_named() -> None:
    """Before anything else is done."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(CannotListen, match=f"port {port}"):
            serve(Starlette(), host="127.0.0.1", port=port, on_listening=print, stop=Stop())


@pytest.mark.parametrize("host", ["no.such.host.invalid", "203.0.113.1"])
def test_an_address_that_is_not_ours_is_named(host: str) -> None:
    """A name that nobody knows, an address of somebody else."""
    with pytest.raises(CannotListen, match=host):
        serve(Starlette(), host=host, port=0, on_listening=print, stop=Stop())


def test_an_application_that_cannot_begin_is_an_error() -> None:
    """With its reason in the log."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        raise RuntimeError(FROM_THE_INSIDE)
        yield

    with capture_logs() as logs, pytest.raises(InterfaceDidNotStart):
        serve(Starlette(lifespan=lifespan), host="127.0.0.1", port=0, on_listening=print, stop=Stop())
    assert FROM_THE_INSIDE in str(logs)


def test_a_stop_before_the_start_is_a_stop(open_interface: Interface) -> None:
    """As a supervisor may send it."""
    stop = Stop()
    stop.request()
    serve(open_interface.shell, host="127.0.0.1", port=0, on_listening=lambda address: None, stop=stop)


def test_the_next_process_may_have_the_port_at_once(open_interface: Interface) -> None:
    """A restart does not wait for what the former one's connections leave behind."""
    with open_interface.listening() as port:
        assert httpx.get(f"http://127.0.0.1:{port}/health").status_code == 200
    stop, told = Stop(), list[str]()
    stop.request()
    serve(open_interface.shell, host="127.0.0.1", port=port, on_listening=told.append, stop=stop)
    assert told == [f"http://127.0.0.1:{port}"]


async def lifespan_of_nothing(receive: Any, send: Any) -> None:
    """Of an application that has nothing to begin or end."""
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await send({"type": "lifespan.shutdown.complete"})


def is_listening(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), 1) as line:
            line.sendall(b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n")
            answer = line.recv(100)
            return bool(answer) and status_of(answer) == 200
    except OSError:
        return False

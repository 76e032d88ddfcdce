"""A small application inside the real shell, asked in this process or over real sockets."""

import asyncio
import json
import socket
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from queue import Queue
from typing import Any

import httpx
from prometheus_client import CollectorRegistry
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from contracts.access import Principal, Scope
from contracts.problem import Kind, Problem
from fleetlake.web.access import Access
from fleetlake.web.problems import EXCEPTION_HANDLERS
from fleetlake.web.server import serve
from fleetlake.web.settings import HttpSettings
from fleetlake.web.shell import Shell, guarded
from ingest.process import Stop

FROM_THE_INSIDE = "/srv/inside/of/the/platform"
OPEN_PATHS = ("/", "/page/")
PATIENCE_SECONDS = 30.0
QUIET_SECONDS = 0.2


async def all_is_well() -> Mapping[str, str | None]:
    return {"store": None}


async def state(request: Request) -> Response:
    """Of one vehicle, as the read API has it."""
    principal: Principal = request.state.principal
    principal.require(Scope.READ)
    vehicle = request.path_params["vehicle_id"]
    request.state.reads_positions.append(vehicle)
    return JSONResponse({"vehicle_id": vehicle, "by": principal.name, "fleets": _sorted(principal.fleets)})


async def ingest(request: Request) -> Response:
    """Takes events, as the gateway does."""
    request.state.principal.require(Scope.INGEST)
    return JSONResponse({"bytes": len(await request.body())}, 202)


async def unread(request: Request) -> Response:
    """Answers without a look at the body."""
    return JSONResponse({"method": request.method})


async def defect(request: Request) -> Response:
    raise RuntimeError(FROM_THE_INSIDE)


async def halfway(request: Request) -> Response:
    async def parts() -> AsyncIterator[bytes]:
        yield b"one"
        raise RuntimeError(FROM_THE_INSIDE)

    return StreamingResponse(parts(), media_type="text/plain")


async def problem(request: Request) -> Response:
    raise Problem(Kind.IN_PROGRESS, "wait", headers={"retry-after": "3"}, hint="later")


async def framework_error(request: Request) -> Response:
    raise HTTPException(int(request.path_params["status"]), FROM_THE_INSIDE)


async def stream(request: Request) -> Response:
    """Live, without end."""

    async def events() -> AsyncIterator[bytes]:
        while True:
            request.state.reads_positions.append("V1")
            yield b"event: state\ndata: {}\n\n"
            await asyncio.sleep(0.05)

    return StreamingResponse(events(), media_type="text/event-stream")


async def large(request: Request) -> Response:
    """More than any buffer on the way holds."""

    async def parts() -> AsyncIterator[bytes]:
        for _ in range(1_000):
            yield b"x" * 65_536

    return StreamingResponse(parts(), media_type="application/octet-stream")


async def page(request: Request) -> Response:
    return PlainTextResponse("page")


def application() -> ASGIApp:
    """The application alone."""
    return Starlette(
        routes=[
            Route("/vehicles/{vehicle_id}/state", state),
            Route("/ingest", ingest, methods=["POST"]),
            Route("/unread", unread, methods=["GET", "POST", "DELETE", "OPTIONS"]),
            Route("/defect", defect),
            Route("/halfway", halfway),
            Route("/problem", problem),
            Route("/framework/{status}", framework_error),
            Route("/stream", stream),
            Route("/large", large),
            Route("/page/app.js", page),
            Route("/", page),
        ],
        exception_handlers=dict(EXCEPTION_HANDLERS),
    )


@dataclass
class Interface:
    """The application in its shell."""

    data_dir: Path
    http: HttpSettings = field(default_factory=HttpSettings)
    host: str = "127.0.0.1"
    app: ASGIApp = field(default_factory=application)
    ready: Callable[[], Awaitable[Mapping[str, str | None]]] = all_is_well
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    open_paths: tuple[str, ...] = OPEN_PATHS
    shell: Shell = field(init=False)

    def __post_init__(self) -> None:
        self.shell = guarded(
            self.app,
            http=self.http,
            access=Access.on(self.host, self.http, self.data_dir),
            name="api",
            registry=self.registry,
            ready=self.ready,
            open_paths=self.open_paths,
        )

    def ask(
        self,
        method: str,
        path: str,
        *,
        key: str | None = None,
        headers: Mapping[str, str] | Mapping[bytes, bytes] | None = None,
        content: bytes | None = None,
        peer: str = "127.0.0.1",
        host: str = "localhost",
    ) -> httpx.Response:
        """One request in this process, from `peer`."""

        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(self.shell, raise_app_exceptions=False, client=(peer, 1))
            async with httpx.AsyncClient(transport=transport, base_url=f"http://{host}") as client:
                everything = httpx.Headers(headers)
                if key is not None:
                    everything["authorization"] = f"Bearer {key}"
                return await client.request(method, path, headers=everything, content=content)

        return asyncio.run(send())

    def count(self, name: str, **labels: str) -> float:
        """A number of the metrics; 0 where nothing was counted."""
        return self.registry.get_sample_value(name, {"interface": "api", **labels}) or 0.0

    @contextmanager
    def listening(self) -> Iterator[int]:
        """The interface on a real port of this machine, while the block runs."""
        stop, addresses = Stop(), Queue[str]()
        failures = list[BaseException]()

        def work() -> None:
            try:
                serve(
                    self.shell, host=self.host, port=0, on_listening=addresses.put, stop=stop, http=self.http
                )
            except BaseException as failure:  # noqa: BLE001 - raised in the test's thread
                failures.append(failure)

        thread = threading.Thread(target=work)
        thread.start()
        try:
            yield int(addresses.get(timeout=PATIENCE_SECONDS).rpartition(":")[2])
        finally:
            stop.request()
            thread.join(30)
        assert not thread.is_alive()
        if failures:
            raise failures[0]


def kind_of(response: httpx.Response) -> str:
    """The kind of a problem; fails where the answer is none, or tells of the inside."""
    assert response.headers["content-type"] == "application/problem+json"
    assert FROM_THE_INSIDE not in response.text
    document: dict[str, Any] = response.json()
    assert document["status"] == response.status_code
    assert document.keys() >= {"type", "title", "status", "detail"}
    return str(document["type"]).removeprefix("urn:fleetlake:problem:")


def talk(port: int, *parts: bytes, until_closed: bool = True) -> bytes:
    """Sends bytes as they are; returns what comes back until the server closes, or nothing more comes."""
    with socket.create_connection(("127.0.0.1", port), PATIENCE_SECONDS) as line:
        try:
            for part in parts:
                line.sendall(part)
        except (BrokenPipeError, ConnectionResetError):
            pass  # it has closed before all was sent: what it said is read below
        if until_closed:
            return read_all(line)
        first = line.recv(65_536)
        line.settimeout(QUIET_SECONDS)
        return first + read_all(line)


def read_all(line: socket.socket) -> bytes:
    """What comes until the other side closes; a reset counts as that."""
    received = bytearray()
    try:
        while part := line.recv(65_536):
            received += part
    except (ConnectionResetError, TimeoutError):
        pass
    return bytes(received)


def status_of(answer: bytes) -> int:
    """The status of the first answer in these bytes."""
    return int(answer.split(b" ", 2)[1])


def document_of(answer: bytes) -> dict[str, Any]:
    """The JSON of the last answer in these bytes."""
    found: dict[str, Any] = json.loads(answer.rpartition(b"\r\n\r\n")[2])
    return found


def _sorted(fleets: frozenset[str] | None) -> list[str] | None:
    return None if fleets is None else sorted(fleets)

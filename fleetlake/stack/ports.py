"""Where the embedded servers listen: on the ports of the last start if free, else the defaults, else any."""

import json
import socket
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from fleetlake.stack.server import LOOPBACK, free_port, listens
from ingest.process import write_atomically

DEFAULTS = {
    "kafka": 9092,
    "mongo": 27017,
    "kafka-controller": 9093,
    "minio": 9000,
    "dagster": 3000,
    "gateway": 8080,
    "api": 8000,
}


def choose_ports(remembered_in: Path, defaults: Mapping[str, int] = DEFAULTS) -> dict[str, int]:
    """A free port for every server, written down for the next start."""
    before = _remembered(remembered_in)
    ports: dict[str, int] = {}
    for name, default in defaults.items():
        wanted = [port for port in (before.get(name), default) if port is not None]
        ports[name] = next(
            (port for port in wanted if is_free(port) and port not in ports.values()), free_port()
        )
    write_atomically(remembered_in, json.dumps(ports))
    return ports


def is_free(port: int) -> bool:
    """Whether a server could listen on the loopback port now."""
    with closing(socket.socket()) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return not listens(port)


def _remembered(path: Path) -> dict[str, int]:
    try:
        ports = json.loads(path.read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return {name: port for name, port in ports.items() if isinstance(port, int) and 0 < port < 65536}

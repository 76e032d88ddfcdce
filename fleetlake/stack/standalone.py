"""Servers that run on their own in one folder, outside of a stack: started in the background, found again by
the pids and start times they wrote down, and ended all at once."""

import json
import signal
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from fleetlake.stack.processes import ProcessId, identify
from fleetlake.stack.server import Server
from ingest.process import write_atomically

PROCESSES = "processes.json"
START_SECONDS = 90.0
STOP_SECONDS = 60.0


class RunsAlready(Exception):
    """Servers of this folder run already.

    Operator action: use them, or stop them first.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        super().__init__(f"servers of {folder} run already; `stop` ends them")


@dataclass(frozen=True, slots=True)
class Process:
    """A server as it was started: its name, address and process."""

    name: str
    address: str
    pid: int
    started: float

    @property
    def identity(self) -> ProcessId:
        return ProcessId(self.pid, self.started)


def start(
    folder: Path, spawn: Callable[[], Sequence[Server]], is_ready: Callable[[Server], bool]
) -> list[Process]:
    """Starts servers and returns when all of them are ready; ends all of them if one is not."""
    if any(process.identity.is_alive for process in read(folder)):
        raise RunsAlready(folder)
    servers = spawn()
    processes = [_process(server) for server in servers]
    write_atomically(folder / PROCESSES, json.dumps([asdict(process) for process in processes]))
    try:
        for server in servers:
            server.wait_ready(is_ready, START_SECONDS)
    except BaseException:
        stop(folder)
        raise
    return processes


def stop(folder: Path) -> list[Process]:
    """SIGTERM to all at once, SIGKILL to what does not end; returns what ran."""
    running = [process for process in read(folder) if process.identity.is_alive]
    for process in running:
        process.identity.signal(signal.SIGTERM)
    for process in running:
        if not process.identity.wait_gone(STOP_SECONDS):
            process.identity.signal(signal.SIGKILL)
    return running


def read(folder: Path) -> list[Process]:
    """The servers that were started in this folder, whether they run or not."""
    try:
        return [Process(**values) for values in json.loads((folder / PROCESSES).read_text())]
    except FileNotFoundError:
        return []


def _process(server: Server) -> Process:
    identity = identify(server.process.pid) or ProcessId(server.process.pid, 0.0)
    return Process(server.name, server.address, identity.pid, identity.started)

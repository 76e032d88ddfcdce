"""What a running stack says about itself in one small file, replaced at once: addresses for every other
command, and its processes with their start times, so that what a crash leaves can be found and ended."""

import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from fleetlake.stack.layout import Layout
from fleetlake.stack.processes import ProcessId
from ingest.process import write_atomically


class StackAlreadyRuns(Exception):
    """Another `up` holds this data folder.

    Operator action: use it, stop it with `fleetlake down`, or choose another --data-dir.
    """

    def __init__(self, layout: Layout, pid: str) -> None:
        self.layout, self.pid = layout, pid
        super().__init__(f"a stack runs in {layout.root} already (pid {pid}); `fleetlake down` stops it")


class StackState(StrEnum):
    """How far the stack is."""

    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"


@dataclass(frozen=True, slots=True)
class ProcessEntry:
    """One process of the stack; pid 0 while it does not run."""

    name: str
    pid: int
    started: float
    restarts: int
    state: str
    reason: str | None = None

    @property
    def identity(self) -> ProcessId:
        return ProcessId(self.pid, self.started)

    @property
    def is_alive(self) -> bool:
        return self.pid > 0 and self.identity.is_alive


@dataclass(frozen=True, slots=True)
class StackFile:
    """The contents of run/stack.json."""

    kafka: str
    mongo: str
    lake: str
    incarnation_file: str | None
    pid: int
    started: float
    state: StackState
    processes: Sequence[ProcessEntry] = field(default_factory=tuple)
    topics: Sequence[str] | None = None
    """Source topics that its sinks were started with; None before they are, and without sinks."""
    lake_endpoint: str | None = None
    """The S3 server of the lake, where one was named or started."""
    dagster: str | None = None
    """Address of Dagster's pages, where it was started."""
    gateway: str | None = None
    api: str | None = None
    """Addresses of the HTTP interfaces, where they were started; the live page is the API's."""

    @property
    def is_running(self) -> bool:
        """Whether the `up` that wrote this still runs."""
        return self.identity.is_alive

    @property
    def identity(self) -> ProcessId:
        return ProcessId(self.pid, self.started)

    def write(self, layout: Layout) -> None:
        write_atomically(layout.stack_file, json.dumps(asdict(self), indent=1))


def read_stack(layout: Layout) -> StackFile | None:
    """The stack file of this data folder; None without one, or with one that cannot be understood."""
    try:
        values: dict[str, Any] = json.loads(layout.stack_file.read_text())
        entries = [ProcessEntry(**entry) for entry in values.pop("processes")]
        state = StackState(values.pop("state"))
        return StackFile(**values, state=state, processes=entries)
    except (FileNotFoundError, ValueError, TypeError, KeyError):
        return None


@contextmanager
def holding(
    layout: Layout, patience_s: float = 1.0, *, sleep: Callable[[float], None] = time.sleep
) -> Iterator[None]:
    """Holds the data folder while the block runs; StackAlreadyRuns if another process does. The operating
    system lets go of it when this process ends, however it ends."""
    layout.run.mkdir(parents=True, exist_ok=True)
    tries = max(1, int(patience_s / 0.1))
    with layout.lock_file.open("a+") as file:
        while not _lock(file.fileno()):
            tries -= 1
            if tries <= 0:
                file.seek(0)
                raise StackAlreadyRuns(layout, file.read().strip() or "unknown")
            sleep(0.1)
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def is_held(layout: Layout) -> bool:
    """Whether an `up` holds this data folder now."""
    try:
        with layout.lock_file.open("a+") as file:
            return not _lock(file.fileno())
    except FileNotFoundError:
        return False


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True

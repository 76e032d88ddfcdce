"""Starting a stack in the background and stopping it: what `up --detach` and `down` do."""

import fcntl
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TextIO

from fleetlake.settings import DATA_DIR_VARIABLE, Settings, child_environment
from fleetlake.stack.beside import API, DAGSTER, GATEWAY, Beside
from fleetlake.stack.child import ChildState
from fleetlake.stack.embedded import snapshot_seconds
from fleetlake.stack.kafka_node import recovery_seconds
from fleetlake.stack.layout import Layout, layout_of
from fleetlake.stack.leftovers import end_leftovers
from fleetlake.stack.logs import last_line, last_lines
from fleetlake.stack.parts import Wanted
from fleetlake.stack.runfile import (
    ProcessEntry,
    StackAlreadyRuns,
    StackFile,
    StackState,
    holding,
    is_held,
    read_stack,
)
from fleetlake.stack.server import listens

WHATEVER = Wanted()
POLL_SECONDS = 0.1
READY_SECONDS = 120.0
STOP_SECONDS = 90.0
"""Sinks, then a Kafka that has a minute for itself."""
WITHOUT_SINKS = "; `fleetlake up --detach --no-ingest` starts it without sinks, for the repair"
GIVE_UP_RESTARTS = 3
"""A process that was never ready and crashed so often will not become ready."""


class StackDidNotStart(Exception):
    """The stack in the background ended, or is not ready in time.

    Operator action: read the log that the message names.
    """

    def __init__(self, log: Path, reason: str) -> None:
        self.log, self.reason = log, reason
        super().__init__(f"the stack did not start: {reason} (log: {log})")


class StackDoesNotStop(Exception):
    """The stack was told to stop and still runs.

    Operator action: look at its log; `kill -9` of the pid is safe, the next start cleans up.
    """

    def __init__(self, pid: int, seconds: float, log: Path) -> None:
        self.pid, self.seconds, self.log = pid, seconds, log
        super().__init__(f"the stack (pid {pid}) still runs after {seconds:g} s (log: {log})")


class StackStoppedBadly(Exception):
    """Everything has ended, but not everything could finish.

    Operator action: none for the data, the next start goes on; the message says which process it was.
    """

    def __init__(self, badly: Sequence[str], log: Path) -> None:
        self.badly, self.log = badly, log
        super().__init__(f"the stack is stopped, but not in order: {'; '.join(badly)} (log: {log})")


def start_detached(*, with_sinks: bool, beside: Beside, wanted: Wanted = WHATEVER) -> list[str]:
    """Starts the stack in a session of its own; returns what to tell once everything is ready."""
    layout = layout_of(Settings().data_dir)
    if is_held(layout):
        raise _runs_already(layout)
    log = layout.log("up")
    with _own_log(layout, log) as output:
        process = _spawn(layout, output, _options(wanted, beside, with_sinks=with_sinks))
    try:
        stack = _await_ready(layout, process, log)
    except BaseException:
        process.terminate()
        process.wait()
        raise
    return [*_notes(log), *addresses(stack)]


def _options(wanted: Wanted, beside: Beside, *, with_sinks: bool) -> Iterator[str]:
    if not with_sinks:
        yield "--no-ingest"
    if not beside.dagster:
        yield "--no-dagster"
    if not beside.http:
        yield "--no-http"
    if wanted.kafka is not None:
        yield from ("--kafka", wanted.kafka)
    if wanted.store is not None:
        yield from ("--store", wanted.store)


def _runs_already(layout: Layout) -> StackAlreadyRuns:
    found = read_stack(layout)
    return StackAlreadyRuns(layout, str(found.pid) if found else "unknown")


def _own_log(layout: Layout, log: Path) -> TextIO:
    """The emptied log of one start. It is locked until the stack that writes to it has ended: a second start
    cannot empty it."""
    log.parent.mkdir(parents=True, exist_ok=True)
    output = log.open("a")
    try:
        fcntl.flock(output, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        output.close()
        raise _runs_already(layout) from None
    output.truncate(0)
    return output


def _spawn(layout: Layout, output: TextIO, options: Iterable[str]) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "fleetlake.cli", "up", "--quiet", *options]
    return subprocess.Popen(  # noqa: S603 - our own command line, no shell
        command,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        env=child_environment({DATA_DIR_VARIABLE: str(layout.root)}),
        start_new_session=True,
    )


def _await_ready(layout: Layout, process: subprocess.Popen[bytes], log: Path) -> StackFile:
    slow = 2 * snapshot_seconds(layout.kafka) + recovery_seconds(layout.kafka)
    deadline = time.monotonic() + READY_SECONDS + slow
    while time.monotonic() < deadline:
        stack = read_stack(layout)
        if process.poll() is not None:
            raise StackDidNotStart(log, last_line(log).removeprefix("fleetlake: "))
        if stack is not None and stack.pid == process.pid:
            if stack.state is StackState.RUNNING:
                return stack
            if any(map(_will_not_be_ready, stack.processes)):
                break
        time.sleep(POLL_SECONDS)
    raise StackDidNotStart(log, _what_is_missing(read_stack(layout)))


def _will_not_be_ready(entry: ProcessEntry) -> bool:
    return entry.restarts >= GIVE_UP_RESTARTS or entry.state == ChildState.NEEDS_OPERATOR


def _what_is_missing(stack: StackFile | None) -> str:
    if stack is None:
        return "nothing was started in time"
    processes = [f"{p.name}: {p.state}{f' ({p.reason})' if p.reason else ''}" for p in stack.processes]
    is_repairable = any(entry.state == ChildState.NEEDS_OPERATOR for entry in stack.processes)
    return f"not everything is ready: {', '.join(processes)}{WITHOUT_SINKS if is_repairable else ''}"


def _notes(log: Path) -> list[str]:
    """What a person must know of the start, such as a broker that was not stopped cleanly."""
    lines = log.read_text().splitlines()
    return [line for line in lines if " ready: " not in line and " listens on " not in line]


def addresses(stack: StackFile) -> list[str]:
    """Where everything is."""
    at = f" at {stack.lake_endpoint}" if stack.lake_endpoint else ""
    return [
        f"kafka  {stack.kafka}",
        f"mongo  {stack.mongo}",
        f"lake   {stack.lake}{at}",
        *(f"{name:6} {at}{_when(name, at)}" for name, at in _companions(stack)),
        f"pid    {stack.pid}",
    ]


def _companions(stack: StackFile) -> Iterator[tuple[str, str]]:
    for name in (GATEWAY, API, DAGSTER):
        address = getattr(stack, name)
        if address:
            yield name, address


def _when(name: str, address: str) -> str:
    """The stack is there without it: it comes up on its own."""
    page = ", the live page" if name == API else ""
    soon = "" if listens(int(address.rpartition(":")[2])) else ", answers within a minute"
    return f"  ({(page + soon)[2:]})" if page + soon else ""


def stop_stack() -> str:
    """Stops the stack of the data folder and waits for it; returns what to tell."""
    layout = layout_of(Settings().data_dir)
    stack = read_stack(layout)
    if stack is not None and stack.is_running:
        return _stop_running(layout, stack)
    with holding(layout):
        left = end_leftovers(layout, _ignore)
    if left:
        return f"ended what a killed stack left in {layout.root}: {', '.join(left)}"
    return f"no stack runs in {layout.root}"


def _stop_running(layout: Layout, stack: StackFile) -> str:
    began = time.monotonic()
    patience = STOP_SECONDS + 3 * snapshot_seconds(layout.kafka)
    stack.identity.signal(signal.SIGTERM)
    if not stack.identity.wait_gone(patience):
        raise StackDoesNotStop(stack.pid, patience, layout.log("stack"))
    badly = ended_badly(layout.log("stack"))
    if badly:
        raise StackStoppedBadly(badly, layout.log("stack"))
    return f"stopped the stack in {layout.root} ({time.monotonic() - began:.1f} s)"


def _ignore(level: str, event: str, **fields: object) -> None:
    """The caller says in one line what was ended."""


def ended_badly(log: Path) -> list[str]:
    """Who did not end in order, and how, as the stack's own last words have it; empty where all did. Only the
    last stop counts: the log has those before it, too."""
    badly: list[str] = []
    ended: list[str] | None = None
    for event in map(_event, last_lines(log)):
        is_over, ended = ended is not None, None
        if is_over:
            badly = []
        match event:
            case {"event": "process_killed", "process": name, "after_s": seconds}:
                badly.append(f"{name} was killed after {seconds:g} s")
            case {"event": "process_stopped", "level": "error", "process": name} if not any(
                each.startswith(f"{name} ") for each in badly
            ):
                badly.append(f"{name} ended with exit code {event.get('exit_code')}")
            case {"event": "server_stopped_badly", "process": name, "reason": reason}:
                badly.append(f"{name}: {reason}")
            case {"event": "stack_stopping"}:
                badly = []
            case {"event": "stack_stopped", "is_clean": is_clean}:
                ended = [] if is_clean else badly or ["a server did not end in order"]
    return [*badly, "its own process ended before it had stopped all others"] if ended is None else ended


def _event(line: str) -> dict[str, Any]:
    try:
        event = json.loads(line)
    except ValueError:
        return {}
    return event if isinstance(event, dict) else {}

"""What a stack that was killed leaves running: found by the pids and start times it wrote down, and ended in
order, so that the next start is not blocked and the broker saves its log."""

import signal

from fleetlake.stack.embedded import snapshot_seconds
from fleetlake.stack.incarnation import Incarnation
from fleetlake.stack.layout import Layout
from fleetlake.stack.observe import cards
from fleetlake.stack.runfile import ProcessEntry, read_stack
from fleetlake.stack.supervisor import Report

STOP_SECONDS = 60.0
STOP_LAST = {"mongo": 1, "minio": 2, "kafka": 3}


class LeftoverRemains(Exception):
    """A process of a stack that was killed does not end.

    Operator action: end it by hand; the message has its pid.
    """

    def __init__(self, name: str, pid: int) -> None:
        self.name, self.pid = name, pid
        super().__init__(f"{name} (pid {pid}) is left from a stack that was killed, and does not end")


def end_leftovers(layout: Layout, report: Report) -> list[str]:
    """Ends what a dead stack left in this folder; call only while holding it. Returns the names."""
    stack = read_stack(layout)
    left = [entry for entry in stack.processes if entry.is_alive] if stack is not None else []
    for entry in sorted(left, key=lambda entry: STOP_LAST.get(entry.name, 0)):
        report("warning", "leftover_found", process=entry.name, child_pid=entry.pid)
        _end(layout, entry)
    cards(layout.run)  # removes those of processes that are gone
    layout.stack_file.unlink(missing_ok=True)
    return [entry.name for entry in left]


def _end(layout: Layout, entry: ProcessEntry) -> None:
    is_broker = entry.name == "kafka"
    patience = STOP_SECONDS + (2 * snapshot_seconds(layout.kafka) if is_broker else 0)
    entry.identity.signal(signal.SIGTERM)
    was_clean = entry.identity.wait_gone(patience)
    if not was_clean:
        entry.identity.signal(signal.SIGKILL)
        if not entry.identity.wait_gone(STOP_SECONDS):
            raise LeftoverRemains(entry.name, entry.pid)
    if is_broker and Incarnation(layout.kafka).file.exists():
        Incarnation(layout.kafka).stopped(is_clean=was_clean)

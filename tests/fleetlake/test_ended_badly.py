"""What the stack's log says of its last stop."""

import json
from pathlib import Path
from typing import Any

import pytest

from fleetlake.stack.control import ended_badly

STOPPING: dict[str, Any] = {"event": "stack_stopping", "level": "info"}
KILLED: dict[str, Any] = {"event": "process_killed", "level": "error", "process": "state", "after_s": 12.0}
STOPPED: dict[str, Any] = {"event": "process_stopped", "level": "error", "process": "state", "exit_code": -9}
STARTED: dict[str, Any] = {"event": "process_started", "level": "info", "process": "state"}
SERVER: dict[str, Any] = {
    "event": "server_stopped_badly",
    "level": "error",
    "process": "kafka",
    "reason": "no",
}
CLEAN: dict[str, Any] = {"event": "stack_stopped", "level": "info", "is_clean": True}
UNCLEAN = CLEAN | {"is_clean": False}
NEVER = "its own process ended before it had stopped all others"


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([STOPPING, CLEAN], []),
        ([STOPPING, KILLED, STOPPED, UNCLEAN], ["state was killed after 12 s"]),
        ([STOPPING, STOPPED, SERVER, UNCLEAN], ["state ended with exit code -9", "kafka: no"]),
        ([STOPPING, UNCLEAN], ["a server did not end in order"]),
        ([STOPPING, CLEAN, STARTED, STOPPING, KILLED, UNCLEAN], ["state was killed after 12 s"]),
        ([STOPPING, KILLED, UNCLEAN, STARTED, STOPPED, STOPPING, CLEAN], []),
        ([STOPPING, CLEAN, STARTED], [NEVER]),
        ([STOPPING, CLEAN, STARTED, STOPPING, KILLED], ["state was killed after 12 s", NEVER]),
        ([], [NEVER]),
    ],
)
def test_only_the_last_stop_counts(tmp_path: Path, events: list[dict[str, Any]], expected: list[str]) -> None:
    """Whatever stands before it, and where its end is missing."""
    log = tmp_path / "stack.log"
    log.write_text("".join(f"{json.dumps(event)}\n" for event in events))
    assert ended_badly(log) == expected

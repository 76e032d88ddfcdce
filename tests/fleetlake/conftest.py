"""A local stack of the test's own, run by the real command in processes of its own."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from fleetlake.settings import DATA_DIR_VARIABLE
from fleetlake.stack.control import StackStoppedBadly, stop_stack
from fleetlake.stack.layout import Layout, layout_of
from fleetlake.stack.ports import DEFAULTS
from fleetlake.stack.runfile import ProcessEntry, StackFile, StackState, read_stack
from fleetlake.stack.server import free_port, wait_until

START_SECONDS = 60.0


@dataclass(frozen=True)
class StackUnderTest:
    """The command line on one data folder, and what runs there."""

    layout: Layout

    def command(self, *arguments: str, timeout: float = 90.0) -> subprocess.CompletedProcess[str]:
        """Runs `fleetlake ...` to its end."""
        return subprocess.run(
            [sys.executable, "-m", "fleetlake.cli", *arguments],
            env={**os.environ, DATA_DIR_VARIABLE: str(self.layout.root)},
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def up(self, *options: str) -> str:
        """Starts it in the background; returns what was printed."""
        done = self.command("up", "--detach", *options)
        assert done.returncode == 0, done.stderr + self.layout.log("up").read_text()
        return done.stdout

    def down(self) -> None:
        done = self.command("down")
        assert done.returncode == 0, done.stderr

    @property
    def file(self) -> StackFile:
        found = read_stack(self.layout)
        assert found is not None
        return found

    def process(self, name: str) -> ProcessEntry:
        return next(entry for entry in self.file.processes if entry.name == name)

    def kill(self, *names: str) -> None:
        """kill -9 of processes; "up" is the one that runs the stack."""
        identities = [self.file.identity if name == "up" else self.process(name).identity for name in names]
        for identity in identities:
            os.kill(identity.pid, signal.SIGKILL)
        assert wait_until(lambda: not any(identity.is_alive for identity in identities), 10)

    def await_restart(self, name: str, restarts: int = 1) -> None:
        """Waits until a process was started again and everything runs."""

        def is_back() -> bool:
            entry = self.process(name)
            return entry.restarts >= restarts and entry.state == "running" and entry.is_alive

        assert wait_until(is_back, START_SECONDS), self.file
        assert self.file.state is StackState.RUNNING

    @property
    def incarnation(self) -> str:
        return (self.layout.kafka / "incarnation").read_text()

    def log_events(self) -> list[dict[str, Any]]:
        """What the stack's JSON log says."""
        return [json.loads(line) for line in self.layout.log("stack").read_text().splitlines()]


@pytest.fixture
def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[StackUnderTest]:
    """Nothing runs yet; whatever runs at the end is stopped."""
    for name in [name for name in os.environ if name.startswith("FLEETLAKE_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("FLEETLAKE_DAGSTER__IN_STACK", "false")
    monkeypatch.setenv("FLEETLAKE_HTTP__IN_STACK", "false")
    layout = layout_of(tmp_path / "data")
    layout.root.mkdir()
    layout.ports_file.write_text(json.dumps({name: free_port() for name in DEFAULTS}))
    stack = StackUnderTest(layout)
    yield stack
    if layout.stack_file.exists():
        monkeypatch.setenv(DATA_DIR_VARIABLE, str(layout.root))
        with suppress(StackStoppedBadly):  # of tests that freeze something
            stop_stack()

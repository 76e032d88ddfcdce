"""Sink processes of a fault run: `fleetlake ingest SINK`, started again at once when they end, so that a
run has as many kills as it is long. Every end that nobody asked for is written down."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from ingest.steps import Step

SINKS = ("history", "state", "routes")
TICK_SECONDS = 0.1
RESTART_SECONDS = 0.5


@dataclass
class SinkProcess:
    """One member of a sink's group."""

    sink: str
    number: int
    environment: Mapping[str, str]
    log: Path
    process: subprocess.Popen[bytes] | None = None
    wanted: bool = True
    ends: list[int] = field(default_factory=list)
    killed: int = 0
    started: float = 0.0
    fate: tuple[str, ...] = ()
    """Where its first life ends or stands still, as `tests.ingest.sink_process` is told; the lives after that
    are ordinary."""

    fate_code: int | None = None
    """What the first life ended with."""

    @property
    def pid(self) -> int | None:
        running = self.process is not None and self.process.poll() is None
        return self.process.pid if running and self.process is not None else None

    def start(self) -> None:
        ordinary = ["fleetlake.cli", "ingest", self.sink]
        program = ["tests.ingest.sink_process", self.sink, *self.fate] if self.has_fate else ordinary
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", *program],
                env={**os.environ, **self.environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        self.started = time.monotonic()

    @property
    def has_fate(self) -> bool:
        """Whether its fate is still before it."""
        return bool(self.fate) and self.fate_code is None

    @property
    def is_frozen(self) -> bool:
        pid = self.pid
        return pid is not None and psutil.Process(pid).status() == psutil.STATUS_STOPPED

    def thaw(self) -> None:
        """Lets it go on, if it stands still."""
        pid = self.pid
        if pid is not None:
            os.kill(pid, signal.SIGCONT)

    def metric(self, name: str) -> float | None:
        """The sum of one of its numbers; None while it does not answer."""
        port = self.metrics_port()
        return None if port is None else metric(port, name)

    def times_said(self, event: str) -> int:
        """How often an event stands in the log of this member, of its predecessors, too."""
        return self.log.read_text(errors="replace").count(f'"event": "{event}"')

    def has_ended_by(self, error: str) -> bool:
        """Whether it, or a predecessor, has ended with a named error."""
        return f"[{error}]" in self.log.read_text(errors="replace")

    def metrics_port(self) -> int | None:
        pid = self.pid
        folder = Path(self.environment["FLEETLAKE_DATA_DIR"]) / "run"
        for card in folder.glob(f"{self.sink}-*.json"):
            try:
                values = json.loads(card.read_text())
            except (OSError, ValueError):
                continue
            if values.get("pid") == pid:
                return int(values["port"])
        return None


def dies_at(step: Step, count: int = 1) -> tuple[str, ...]:
    """The fate of a process that is gone by SIGKILL when the step was done for the `count`-th time."""
    return (step.value, str(count))


def freezes_at(step: Step, count: int = 1) -> tuple[str, ...]:
    """The fate of one that stands still there by SIGSTOP."""
    return (*dies_at(step, count), "--freeze")


class Sinks:
    """All sink processes, watched by a thread."""

    def __init__(self, environment: Mapping[str, str], logs: Path) -> None:
        self.environment, self.logs = dict(environment), logs
        self.members: list[SinkProcess] = []
        self._numbers = 0
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="sinks", daemon=True)
        self._thread.start()

    def add(
        self, sink: str, *, fate: tuple[str, ...] = (), environment: Mapping[str, str] | None = None
    ) -> SinkProcess:
        """One more member, with more of an environment than the others if wanted."""
        values = {**self.environment, **(environment or {})}
        with self._lock:
            self._numbers += 1
            log = self.logs / f"{sink}-{self._numbers}.log"
            member = SinkProcess(sink, self._numbers, values, log, fate=fate)
            member.start()
            self.members.append(member)
        return member

    def remove(self, member: SinkProcess, patience_s: float = 60.0) -> int:
        """SIGTERM, and not started again; its exit code."""
        with self._lock:
            member.wanted = False
        assert member.process is not None
        member.process.terminate()
        try:
            return member.process.wait(patience_s)
        except subprocess.TimeoutExpired:
            member.process.kill()
            return member.process.wait()

    def of(self, sink: str) -> list[SinkProcess]:
        return [member for member in self.members if member.sink == sink and member.wanted]

    def kill(self, member: SinkProcess) -> int:
        """SIGKILL; the pid that is dead."""
        with self._lock:
            pid = member.pid
            assert pid is not None
            assert member.process is not None
            member.killed += 1
            os.kill(pid, signal.SIGKILL)
            member.process.wait()
        return pid

    def stop(self) -> dict[str, list[int]]:
        """Ends all; exit codes of every end that was not asked for, by sink."""
        running = [member for member in self.members if member.wanted]
        with self._lock:
            for member in running:
                member.wanted = False
        for member in running:
            if member.process is not None and member.process.poll() is None:
                member.process.terminate()
        for member in running:
            self.remove(member)
        self._over.set()
        self._thread.join()
        return self.unasked()

    def unasked(self) -> dict[str, list[int]]:
        """Exit codes of sinks that ended although nobody killed or stopped them."""
        found: dict[str, list[int]] = {}
        for member in self.members:
            if member.ends:
                found.setdefault(member.sink, []).extend(member.ends)
        return found

    def _watch(self) -> None:
        while not self._over.wait(TICK_SECONDS):
            with self._lock:
                for member in self._ended():
                    if time.monotonic() - member.started > RESTART_SECONDS:
                        self._note(member)
                        member.start()

    def _ended(self) -> Iterator[SinkProcess]:
        for member in self.members:
            if member.wanted and member.process is not None and member.process.poll() is not None:
                yield member

    def _note(self, member: SinkProcess) -> None:
        assert member.process is not None
        code = member.process.returncode
        if member.has_fate:
            member.fate_code = code
        elif code == -signal.SIGKILL and member.killed:
            member.killed -= 1
        else:
            member.ends.append(code)


def metric(port: int, name: str) -> float | None:
    """The sum of a metric's samples; None while it does not answer."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=1.0) as answer:
            lines = answer.read().decode().splitlines()
    except OSError:
        return None
    return sum(float(line.split()[-1]) for line in lines if line.startswith((f"{name}{{", f"{name} ")))

"""What the supervisor does when its children crash, finish, or are told to stop."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from fleetlake.stack.child import Backoff, ChildSpec, ChildState
from fleetlake.stack.server import wait_until
from fleetlake.stack.supervisor import Supervisor
from ingest.errors import EXIT_OPERATOR_NEEDED
from ingest.process import Stop

SCRIPT = """
import signal, time
signal.signal(signal.SIGTERM, {handler})
print("up", flush=True)
while True:
    time.sleep(60)
"""
FOREVER = SCRIPT.format(handler="lambda *_: exit(0)")
DEAF = SCRIPT.format(handler="signal.SIG_IGN")


@dataclass
class Clock:
    """A clock that moves when told."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Events:
    """What was reported, in order."""

    seen: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def __call__(self, level: str, event: str, **fields: Any) -> None:
        self.seen.append((event, {"level": level, **fields}))

    def of(self, event: str) -> list[dict[str, Any]]:
        return [fields for name, fields in self.seen if name == event]


@dataclass
class Case:
    """A supervisor of scripted children, its clock and what it reported."""

    tmp_path: Path
    clock: Clock = field(default_factory=Clock)
    events: Events = field(default_factory=Events)
    made: list[Supervisor] = field(default_factory=list)

    def supervise(self, *scripts: str, ends_by_itself: bool = False) -> Supervisor:
        specs = [
            ChildSpec(
                name=f"p{index}",
                command=[sys.executable, "-c", script],
                log=self.log(index),
                ends_by_itself=ends_by_itself,
            )
            for index, script in enumerate(scripts)
        ]
        supervisor = Supervisor(specs, self.events, backoff=Backoff(), clock=self.clock, sleep=self.sleep)
        self.made.append(supervisor)
        return supervisor

    def sleep(self, seconds: float) -> None:
        """The fake clock moves with real waiting, so that deadlines pass."""
        wait_until(lambda: False, seconds / 10)
        self.clock.now += seconds

    def log(self, index: int) -> Path:
        return self.tmp_path / f"p{index}.log"

    def is_up(self, index: int) -> bool:
        return self.log(index).exists() and self.log(index).read_text().startswith("up")

    def ticks_until(self, supervisor: Supervisor, condition: Callable[[], bool]) -> None:
        def tick() -> bool:
            supervisor.tick()
            return condition()

        assert wait_until(tick, 20), self.events.seen


@pytest.fixture
def case(tmp_path: Path) -> Any:
    case = Case(tmp_path)
    yield case
    for supervisor in case.made:
        for child in supervisor.children:
            child.kill()
        supervisor.stop(5)


def test_a_crashed_process_is_started_again_after_a_wait_that_doubles(case: Case) -> None:
    """1, 2, 4, ... 30 seconds; nothing is started before its time."""
    supervisor = case.supervise("exit(7)")
    for number, delay in enumerate((1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0), start=1):
        case.ticks_until(supervisor, lambda n=number: len(case.events.of("process_crashed")) == n)
        crash = case.events.of("process_crashed")[-1]
        assert (crash["exit_code"], crash["restart_in_s"], crash["level"]) == (7, delay, "error")
        case.clock.now += delay - 0.1
        supervisor.tick()
        assert len(case.events.of("process_started")) == number
        case.clock.now += 0.2
        supervisor.tick()
        assert case.events.of("process_started")[-1]["restarts"] == number


def test_a_minute_of_health_resets_the_wait(case: Case) -> None:
    """A crash a day is not a crash loop."""
    supervisor = case.supervise(FOREVER)
    case.ticks_until(supervisor, lambda: case.is_up(0))
    child = supervisor.children[0]
    for _ in range(3):
        case.log(0).unlink()
        case.clock.now += 61
        child.kill()
        case.ticks_until(supervisor, lambda: child.state is ChildState.WAITING)
        assert case.events.of("process_crashed")[-1]["restart_in_s"] == 1.0
        case.clock.now += 1.1
        case.ticks_until(supervisor, lambda: case.is_up(0))
    assert child.restarts == 3


@pytest.mark.parametrize(
    ("ran_s", "failures"), [(0, 6), (9, 6), (10, 6), (20, 5), (59, 2), (60, 1), (1e6, 1)]
)
def test_a_run_makes_up_for_crashes_before_it(ran_s: float, failures: int) -> None:
    """One for each ten seconds; a minute of health for all of them."""
    assert Backoff().failures(6, ran_s) == failures


def test_a_killed_process_is_reported_with_its_signal(case: Case) -> None:
    """The report says what happened in words."""
    supervisor = case.supervise(FOREVER)
    case.ticks_until(supervisor, lambda: case.is_up(0))
    supervisor.children[0].kill()
    case.ticks_until(supervisor, lambda: bool(case.events.of("process_crashed")))
    assert case.events.of("process_crashed")[0]["how"] == "was killed by SIGKILL"


def test_an_error_for_the_operator_is_not_tried_in_a_hot_loop(case: Case) -> None:
    """It is reported with the reason the process gave, and the next try is minutes away."""
    reason = "checkpoint outside the log"
    script = (
        f"import socket; socket.socket(fileno=0).sendall({reason!r}.encode()); exit({EXIT_OPERATOR_NEEDED})"
    )
    supervisor = case.supervise(script)
    case.ticks_until(supervisor, lambda: bool(case.events.of("process_needs_operator")))
    event = case.events.of("process_needs_operator")[0]
    assert (event["reason"], event["restart_in_s"]) == (reason, 300.0)
    case.clock.now += 299
    supervisor.tick()
    assert len(case.events.of("process_started")) == 1
    case.clock.now += 2
    supervisor.tick()
    assert len(case.events.of("process_started")) == 2


def test_a_process_that_cannot_be_started_is_tried_again(case: Case) -> None:
    """No room for its log, for example; the others run."""
    supervisor = case.supervise("print('up', flush=True); input()", "import time; time.sleep(60)")
    case.log(0).mkdir()
    supervisor.tick()
    assert [child.state for child in supervisor.children] == [ChildState.WAITING, ChildState.RUNNING]
    assert case.events.of("process_not_started")[0]["again_in_s"] == 1.0
    case.log(0).rmdir()
    case.clock.now += 1.0
    supervisor.tick()
    assert supervisor.children[0].state is ChildState.RUNNING


def test_a_stop_lets_every_child_finish_and_exits_0(case: Case) -> None:
    """SIGTERM goes to all; all end with 0."""
    supervisor = case.supervise(FOREVER, FOREVER)
    stop = Stop()
    case.ticks_until(supervisor, lambda: case.is_up(0) and case.is_up(1))
    stop.request()
    assert supervisor.run(stop, stop_seconds=10) == 0
    assert [child.state for child in supervisor.children] == [ChildState.STOPPED] * 2
    assert len(case.events.of("process_stopped")) == 2


def test_a_child_that_does_not_stop_is_killed_and_the_exit_code_says_so(case: Case) -> None:
    """The others still stop cleanly."""
    supervisor = case.supervise(DEAF, FOREVER)
    case.ticks_until(supervisor, lambda: case.is_up(0) and case.is_up(1))
    assert supervisor.stop(stop_seconds=1.0) is False
    assert [event["process"] for event in case.events.of("process_killed")] == ["p0"]
    assert [event["exit_code"] for event in case.events.of("process_stopped")] == [-9, 0]


def test_children_that_end_by_themselves_are_not_restarted(case: Case) -> None:
    """The supervisor ends when all are done."""
    supervisor = case.supervise("pass", "pass", ends_by_itself=True)
    assert supervisor.run(Stop(), stop_seconds=5) == 0
    assert len(case.events.of("process_started")) == 2
    assert len(case.events.of("process_done")) == 2


def test_a_job_that_needs_an_operator_ends_the_run(case: Case) -> None:
    """Nobody waits for a job that cannot finish; the others are stopped cleanly."""
    supervisor = case.supervise(f"exit({EXIT_OPERATOR_NEEDED})", FOREVER, ends_by_itself=True)
    assert supervisor.run(Stop(), stop_seconds=5) == EXIT_OPERATOR_NEEDED


def test_a_process_that_ends_unasked_with_0_is_started_again(case: Case) -> None:
    """A sink runs until it is stopped: an exit is an exit."""
    supervisor = case.supervise("pass")
    case.ticks_until(supervisor, lambda: bool(case.events.of("process_crashed")))
    assert case.events.of("process_crashed")[0]["how"] == "ended with exit code 0"
    assert supervisor.children[0].state is ChildState.WAITING


def test_stopped_children_can_be_renewed(case: Case) -> None:
    """After a stop of all, the next tick starts them again, with a clean record."""
    supervisor = case.supervise(FOREVER)
    case.ticks_until(supervisor, lambda: case.is_up(0))
    assert supervisor.stop(5)
    case.log(0).unlink()
    supervisor.tick()
    assert not supervisor.children[0].is_running
    supervisor.renew()
    case.ticks_until(supervisor, lambda: case.is_up(0))
    assert supervisor.children[0].restarts == 1


REAPING = """
import os, subprocess, sys, time
from fleetlake.stack.server import wait_until
from fleetlake.stack.supervisor import reap_orphans
own = subprocess.Popen([sys.executable, "-c", "exit(7)"])
orphan = os.posix_spawn(sys.executable, [sys.executable, "-c", "exit(5)"], os.environ)

def is_gone(pid):
    reap_orphans({own.pid}, is_first=True)
    own.poll()
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False

assert wait_until(lambda: is_gone(orphan), 20)
assert own.wait() == 7
"""


def test_a_containers_first_process_takes_orphans_and_leaves_its_children_their_exit_codes() -> None:
    """A zombie is reaped; the exit code of a supervised child is not lost over it."""
    done = subprocess.run(
        [sys.executable, "-c", REAPING], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr

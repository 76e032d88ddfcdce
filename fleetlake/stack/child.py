"""One supervised process: how it is started, what its end means, and when it is started again."""

import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from fleetlake.stack.lifeline import ParentEnd
from fleetlake.stack.logs import open_log
from fleetlake.stack.processes import ProcessId, identify
from ingest.errors import EXIT_OPERATOR_NEEDED


class ChildState(StrEnum):
    """Where a child is in its life."""

    NEW = "new"
    RUNNING = "running"
    WAITING = "waiting"
    """It ended and will be started again."""
    NEEDS_OPERATOR = "needs operator"
    """It ended with an error that a restart does not cure; tried again now and then all the same."""
    DONE = "done"
    """It was to end by itself, and did."""
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long to wait before a restart: 1, 2, 4, 8, 16, 30 seconds for crashes in a row."""

    first_s: float = 1.0
    longest_s: float = 30.0
    most_failures: int = 6
    forgiven_after_s: float = 10.0
    """A run this long makes up for one crash before it: after a minute of health all is as at first."""
    operator_s: float = 300.0
    """The wait after an error that needs an operator."""

    def failures(self, before: int, ran_s: float) -> int:
        """Crashes that count, after one more that came `ran_s` after the start."""
        forgiven = max(0, before - int(ran_s / self.forgiven_after_s))
        return min(self.most_failures, forgiven + 1)

    def delay(self, failures: int) -> float:
        return float(min(self.longest_s, self.first_s * 2 ** (failures - 1)))


@dataclass(frozen=True, slots=True)
class ChildSpec:
    """What to run. `log` None: the child writes where this process writes."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] | None = None
    log: Path | None = None
    ends_by_itself: bool = False


@dataclass(frozen=True, slots=True)
class Ended:
    """The end of a child: `how` in words, `reason` as the child gave it, `delay_s` until the restart."""

    how: str
    exit_code: int
    reason: str | None
    needs_operator: bool
    delay_s: float | None


class Child:
    """One process of a supervisor."""

    def __init__(self, spec: ChildSpec, backoff: Backoff, clock: Callable[[], float]) -> None:
        self.spec, self._backoff, self._clock = spec, backoff, clock
        self.state = ChildState.NEW
        self.restarts = 0
        self.identity: ProcessId | None = None
        self.last_reason: str | None = None
        self.exit_code: int | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._lifeline: ParentEnd | None = None
        self._failures = 0
        self._started_at = 0.0
        self._start_again_at = 0.0

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def is_running(self) -> bool:
        return self.state is ChildState.RUNNING

    @property
    def is_due(self) -> bool:
        """Whether it should be started now."""
        waits = self.state in (ChildState.WAITING, ChildState.NEEDS_OPERATOR)
        return self.state is ChildState.NEW or (waits and self._clock() >= self._start_again_at)

    def start(self) -> None:
        """Starts the process; a start after the first counts as a restart."""
        lifeline = ParentEnd()
        with ExitStack() as opened, ExitStack() as failed:
            opened.callback(lifeline.started)
            failed.callback(lifeline.close)
            output = None
            if self.spec.log is not None:
                output = opened.enter_context(open_log(self.spec.log))
            self._process = subprocess.Popen(  # noqa: S603 - our own command line, no shell
                list(self.spec.command),
                stdin=lifeline.child_stdin(),
                stdout=output,
                stderr=output,
                env=None if self.spec.environment is None else dict(self.spec.environment),
                start_new_session=True,
            )
            failed.pop_all()
        self.restarts += self.state is not ChildState.NEW
        self._lifeline = lifeline
        self.identity = identify(self._process.pid)
        self._started_at = self._clock()
        self.state = ChildState.RUNNING

    def put_off(self) -> float:
        """After a start that failed: tried again after the seconds that are returned."""
        self._failures = self._backoff.failures(self._failures, ran_s=0.0)
        delay = self._backoff.delay(self._failures)
        self.state, self._start_again_at = ChildState.WAITING, self._clock() + delay
        return delay

    def check(self) -> Ended | None:
        """How the process ended, the first time this is asked after it did."""
        if self._process is None or self._process.poll() is None or not self.is_running:
            return None
        code = self.exit_code = self._process.returncode
        self.last_reason = self._take_reason()
        if code == 0 and self.spec.ends_by_itself:
            self.state = ChildState.DONE
            return Ended("is done", code, None, needs_operator=False, delay_s=None)
        self._failures = self._backoff.failures(self._failures, self._clock() - self._started_at)
        needs_operator = code == EXIT_OPERATOR_NEEDED
        delay = self._backoff.operator_s if needs_operator else self._backoff.delay(self._failures)
        self.state = ChildState.NEEDS_OPERATOR if needs_operator else ChildState.WAITING
        self._start_again_at = self._clock() + delay
        return Ended(describe_exit(code), code, self.last_reason, needs_operator, delay)

    def terminate(self) -> None:
        """Asks the process to finish; it is not started again."""
        if self._process is not None and self.is_running:
            self._process.terminate()
        elif self.state is not ChildState.DONE:
            self.state = ChildState.STOPPED

    def kill(self) -> None:
        """Ends the process at once."""
        if self._process is not None and self.is_running:
            self._process.kill()

    def settle(self) -> bool:
        """After `terminate` or `kill`: whether the process has ended; takes its exit code then."""
        if self._process is None or not self.is_running:
            return True
        if self._process.poll() is None:
            return False
        self.exit_code = self._process.returncode
        self.last_reason = self._take_reason()
        self.state = ChildState.STOPPED
        return True

    def renew(self) -> None:
        """A stopped process may be started again, at once and with a clean record."""
        if self.state is not ChildState.DONE:
            self.state, self._start_again_at, self._failures = ChildState.WAITING, self._clock(), 0

    def _take_reason(self) -> str | None:
        if self._lifeline is None:
            return None
        reason = self._lifeline.reason()
        self._lifeline.close()
        self._lifeline = None
        return reason


def describe_exit(code: int) -> str:
    """An exit code in words."""
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        return f"was killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"was killed by signal {-code}"

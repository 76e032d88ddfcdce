"""Which process is meant: a pid together with its start time, so that a pid used again by another program is
never taken for ours, and never ended."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass

import psutil

POLL_SECONDS = 0.1
START_TIME_TOLERANCE_SECONDS = 2.0
"""Start times are counted from the boot time, which moves a little when the clock is set."""


@dataclass(frozen=True, slots=True)
class ProcessId:
    """A process of this machine, told apart from later ones with the same pid."""

    pid: int
    started: float

    @property
    def is_alive(self) -> bool:
        """Whether this very process still runs; one that ended and was not yet reaped does not."""
        return self._process() is not None

    def signal(self, number: int) -> None:
        """Sends a signal to this very process; nothing happens when it is gone."""
        process = self._process()
        if process is not None:
            process.send_signal(number)

    def wait_gone(
        self,
        timeout_s: float,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> bool:
        """Waits until it has ended; returns whether it has. A zombie that nobody reaps has ended."""
        deadline = clock() + timeout_s
        while self.is_alive:
            if clock() >= deadline:
                return False
            sleep(POLL_SECONDS)
        return True

    def _process(self) -> psutil.Process | None:
        try:
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.started) < START_TIME_TOLERANCE_SECONDS
            return process if same and process.status() != psutil.STATUS_ZOMBIE else None
        except psutil.NoSuchProcess:
            return None


def identify(pid: int) -> ProcessId | None:
    """The identity of a running process; None when it is already gone."""
    try:
        return ProcessId(pid, psutil.Process(pid).create_time())
    except psutil.NoSuchProcess:
        return None


def myself() -> ProcessId:
    """The identity of this process."""
    return ProcessId(os.getpid(), psutil.Process().create_time())

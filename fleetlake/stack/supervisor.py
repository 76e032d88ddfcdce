"""Keeps processes running: starts them, starts again what crashed, ends all of them in time. Every start and
every end is reported; an error that a restart does not cure is not tried in a hot loop."""

import os
import signal
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

from fleetlake.stack.child import Backoff, Child, ChildSpec, ChildState, Ended
from ingest.errors import EXIT_FAILED, EXIT_OPERATOR_NEEDED

TICK_SECONDS = 0.2
KILL_SECONDS = 5.0
CLEAN_EXITS = frozenset({0, -signal.SIGTERM})
"""SIGTERM ends a child that has not begun to handle it: it has begun nothing that could be unfinished."""


class Report(Protocol):
    """Takes what happened: an event name and its fields, at a level."""

    def __call__(self, level: str, event: str, **fields: Any) -> None: ...


class StopSignal(Protocol):
    """Says when to stop."""

    @property
    def requested(self) -> bool: ...

    def wait(self, seconds: float) -> bool: ...


class Supervisor:
    """Runs one child a spec."""

    def __init__(
        self,
        specs: Sequence[ChildSpec],
        report: Report,
        *,
        backoff: Backoff | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._clock, self._sleep, self._report = clock, sleep, report
        self.children = [Child(spec, backoff or Backoff(), clock) for spec in specs]

    def run(self, stop: StopSignal, stop_seconds: float) -> int:
        """Until `stop` is requested, or every child that ends by itself is done. Returns an exit code: 0 when
        all ended well."""
        failed_for_good: list[Child] = []
        while not stop.requested:
            reap_orphans(self.pids)
            self.tick()
            failed_for_good = [c for c in self.children if c.spec.ends_by_itself and _needs_operator(c)]
            if failed_for_good or all(c.state is ChildState.DONE for c in self.children):
                break
            stop.wait(TICK_SECONDS)
        all_clean = self.stop(stop_seconds)
        if failed_for_good:
            return EXIT_OPERATOR_NEEDED
        return 0 if all_clean else EXIT_FAILED

    @property
    def pids(self) -> set[int]:
        """The processes that are this supervisor's own."""
        return {child.identity.pid for child in self.children if child.identity is not None}

    def tick(self) -> None:
        """Looks at every child once: reports those that ended, starts those that are due."""
        for child in self.children:
            ended = child.check()
            if ended is not None:
                self._report_end(child, ended)
            if child.is_due:
                self._start(child)

    def _start(self, child: Child) -> None:
        try:
            child.start()
        except OSError as error:  # no room for its log, no process to be had
            delay = child.put_off()
            self._report("error", "process_not_started", process=child.name, reason=str(error),
                         again_in_s=delay)  # fmt: skip
            return
        self._report("info", "process_started", process=child.name, restarts=child.restarts,
                     child_pid=child.identity.pid if child.identity else None)  # fmt: skip

    def stop(self, stop_seconds: float) -> bool:
        """SIGTERM to all at once, SIGKILL to those that take longer; returns whether all ended well."""
        was_running = [child for child in self.children if child.is_running]
        for child in self.children:
            child.terminate()
        if not self._settled(was_running, stop_seconds):
            for child in was_running:
                if child.is_running:
                    self._report("error", "process_killed", process=child.name, after_s=stop_seconds)
                    child.kill()
            self._settled(was_running, KILL_SECONDS)
        for child in was_running:
            level = "info" if child.exit_code in CLEAN_EXITS else "error"
            self._report(
                level,
                "process_stopped",
                process=child.name,
                exit_code=child.exit_code,
                reason=child.last_reason,
            )
        return all(child.exit_code in CLEAN_EXITS for child in was_running)

    def renew(self) -> None:
        """After `stop`: the children may run again, from the next tick on."""
        for child in self.children:
            child.renew()

    def _settled(self, children: Iterable[Child], seconds: float) -> bool:
        deadline = self._clock() + seconds
        while not all([child.settle() for child in children]):  # every one is asked: settling takes its code
            if self._clock() >= deadline:
                return False
            self._sleep(TICK_SECONDS / 4)
        return True

    def _report_end(self, child: Child, ended: Ended) -> None:
        if ended.delay_s is None:
            self._report("info", "process_done", process=child.name)
            return
        event = "process_needs_operator" if ended.needs_operator else "process_crashed"
        self._report("error", event, process=child.name, how=ended.how, exit_code=ended.exit_code,
                     reason=ended.reason, restart_in_s=ended.delay_s)  # fmt: skip


def _needs_operator(child: Child) -> bool:
    return child.state is ChildState.NEEDS_OPERATOR


def reap_orphans(own: set[int], *, is_first: bool | None = None) -> None:
    """As a container's first process, takes the exit codes of processes whose parents are gone. Children in
    `own` are left to their Popen objects, which would otherwise never learn their exit codes."""
    if not (os.getpid() == 1 if is_first is None else is_first):
        return
    while True:
        try:
            found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return
        if found is None or found.si_pid in own:
            return
        os.waitpid(found.si_pid, os.WNOHANG)

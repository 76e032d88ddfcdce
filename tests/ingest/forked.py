"""Sinks in processes of their own, for tests that kill or freeze them.

They are forked from a server process that has imported everything and done nothing: a case costs what it
tests, and not a second of imports.
"""

import multiprocessing
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import psutil

from ingest.process import configure_logs
from ingest.steps import Step
from tests.ingest.sink_process import Site, killing_at, run_until_signalled, untold

DEADLINE_SECONDS = 60.0
LOG_LINES = 15

forks = multiprocessing.get_context("forkserver")
forks.set_forkserver_preload(
    [  # all of them at once: a process has one such server, and what it has not imported each child imports
        "pytest",
        "tests.ingest.sink_process",
        "tests.ingest.alerts.alert_scene",
        "tests.ingest.gateway.gateway_process",
    ]
)


class Forked:
    """A sink process; `log` is what it writes to stderr elsewhere."""

    def __init__(self, process: ForkServerProcess, log: Path) -> None:
        self._process, self.log = process, log

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    @property
    def has_ended(self) -> bool:
        return self._process.exitcode is not None

    @property
    def is_frozen(self) -> bool:
        return psutil.Process(self.pid).status() == psutil.STATUS_STOPPED

    def wait(self, seconds: float = DEADLINE_SECONDS) -> int | None:
        """Its exit code; None while it lives."""
        self._process.join(seconds)
        return self._process.exitcode

    def dies_at_its_step(self) -> None:
        """Fails with the end of its log if it ends in another way, or does not."""
        code = self.wait()
        assert code == -signal.SIGKILL, f"ended with {code}:\n{self.last_words()}"

    def last_words(self) -> str:
        return "\n".join(self.log.read_text().splitlines()[-LOG_LINES:])

    def thaw(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def ask_to_stop(self) -> None:
        """By SIGTERM."""
        os.kill(self.pid, signal.SIGTERM)

    def stop(self) -> int | None:
        """Its exit code after SIGTERM."""
        self.ask_to_stop()
        return self.wait()

    def kill(self) -> None:
        self._process.kill()
        self._process.join()


@contextmanager
def forked(
    sink: str,
    site: Site,
    folder: Path,
    step: Step | None = None,
    count: int = 1,
    by: signal.Signals = signal.SIGKILL,
) -> Iterator[Forked]:
    """The sink, until the block ends; with a step, it sends itself the signal when that is done for the
    `count`-th time."""
    number = len(list(folder.glob(f"{sink}-*.log")))
    log = folder / f"{sink}-{number}.log"
    log.touch()
    process = forks.Process(target=_work, args=(sink, site, log, step, count, by), daemon=True)
    process.start()
    child = Forked(process, log)
    try:
        yield child
    finally:
        child.kill()


def _work(sink: str, site: Site, log: Path, step: Step | None, count: int, by: signal.Signals) -> None:
    with log.open("w", buffering=1) as stream:
        configure_logs(stream=stream)
        run_until_signalled(sink, site, untold if step is None else killing_at(step, count, by))

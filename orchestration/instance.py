"""Dagster's own memory: runs, events and cursors, in a folder or wherever its dagster.yaml says.

Two processes that make its databases at once spoil them for good, so each makes sure of them first, in turn:
`python -m orchestration.instance HOME MODULE ...` does, and becomes that program of Dagster's.
"""

import fcntl
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
from dagster._core.instance.ref import InstanceRef

from orchestration.home import prepare

LOCK = ".lock"

IN_PROCESS = {"concurrency": {"pools": {"granularity": "run"}}}
"""Runs of a process of ours do not wait for a pool: nobody would give back what a killed one holds. Of two
writers of a table, the table itself refuses one."""


def create(home: Path) -> None:
    """Makes the databases where there are none; one process after the other."""
    with (prepare(home) / LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _open(home).dispose()


@contextmanager
def instance(home: Path) -> Iterator[dg.DagsterInstance]:
    """The instance of a folder, for runs in this process; closed with the block."""
    create(home)
    with _open(home) as opened:
        yield opened


def _open(home: Path) -> dg.DagsterInstance:
    reference = InstanceRef.from_dir(str(home.resolve()), overrides=IN_PROCESS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.BetaWarning)
        return dg.DagsterInstance.from_ref(reference)


def become(home: Path, arguments: Sequence[str]) -> None:
    """Goes on as `python -m <arguments>`, under the same process id."""
    create(home)
    os.execv(sys.executable, [sys.executable, "-m", *arguments])  # noqa: S606 - Dagster's own programs


if __name__ == "__main__":
    become(Path(sys.argv[1]), sys.argv[2:])

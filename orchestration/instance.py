"""Dagster's own memory: runs, events and cursors, in a folder or wherever its dagster.yaml says."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path

import dagster as dg
from dagster._core.instance.ref import InstanceRef

CONFIG = "dagster.yaml"
HOME_VARIABLE = "DAGSTER_HOME"
"""By which Dagster's own programs find the folder."""


def prepare(home: Path) -> Path:
    """The folder, with a dagster.yaml of ours where there is none."""
    home.mkdir(parents=True, exist_ok=True)
    if not (home / CONFIG).exists():
        (home / CONFIG).write_text((files("orchestration") / CONFIG).read_text())
    return home.resolve()


IN_PROCESS = {"concurrency": {"pools": {"granularity": "run"}}}
"""Runs of a process of ours do not wait for a pool: nobody would give back what a killed one holds. Of two
writers of a table, the table itself refuses one."""


@contextmanager
def instance(home: Path) -> Iterator[dg.DagsterInstance]:
    """The instance of a folder, for runs in this process; closed with the block."""
    reference = InstanceRef.from_dir(str(prepare(home)), overrides=IN_PROCESS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.BetaWarning)
        with dg.DagsterInstance.from_ref(reference) as opened:
            yield opened

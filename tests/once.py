"""What is made once in a run, by whichever of its processes needs it first."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def once(config: pytest.Config, factory: pytest.TempPathFactory, name: str) -> Iterator[Path]:
    """A file that is not there until somebody has written into it what was made, and where. The others wait
    meanwhile; where the making failed, the next one finds no file and tries itself."""
    own = factory.getbasetemp()
    folder = own.parent if hasattr(config, "workerinput") else own
    with (folder / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield folder / f"{name}.json"

"""Tells a full disk from everything else that can go wrong in a local lake, so that a person reads which
folder needs room, and not what a library was doing when it found none."""

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lake.errors import StoreFull

NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT})

LEAST_FREE_BYTES = 64 * 1024
"""delta-rs says no error numbers. Where it failed and less is free than a log entry may need, that is the
reason; whether the commit landed is asked of the table all the same."""


@contextmanager
def naming_a_full_disk(folder: str | None) -> Iterator[None]:
    """StoreFull where the block found no room in this folder; None: not a local one."""
    try:
        yield
    except OSError as error:
        if folder is None or error.errno not in NO_ROOM:
            raise
        raise StoreFull(folder, free_bytes(folder)) from error


def is_full(folder: str) -> bool:
    """Whether there is no room for a log entry."""
    return free_bytes(folder) < LEAST_FREE_BYTES


def free_bytes(folder: str) -> int:
    """What may still be written below a folder, which need not exist yet."""
    place = Path(folder)
    while not place.exists():
        place = place.parent
    return shutil.disk_usage(place).free

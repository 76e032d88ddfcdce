"""Files that stay: a commit must never name a file whose bytes a power cut could still take."""

import os


def sync(path: str | os.PathLike[str]) -> None:
    """Returns when the disk has the file's bytes."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

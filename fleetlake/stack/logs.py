"""Log files of processes: appended to, and begun anew at a start once they are large."""

import os
from pathlib import Path
from typing import BinaryIO

MAX_LOG_BYTES = 16 * 1024 * 1024
TAIL_BYTES = 64 * 1024
LINE_CHARACTERS = 300


def open_log(path: Path) -> BinaryIO:
    """The log to append to. A large one is kept beside it as `.1`, in place of the one before."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and path.stat().st_size > MAX_LOG_BYTES:
        os.replace(path, path.with_suffix(f"{path.suffix}.1"))
    return path.open("ab")


def last_line(path: Path) -> str:
    """The last line that says something, cut at 300 characters; only the log's end is read."""
    lines = last_lines(path)
    return lines[-1][:LINE_CHARACTERS] if lines else "its log is empty"


def last_lines(path: Path) -> list[str]:
    """The lines of the log's end that say something; the first of them may be cut."""
    with path.open("rb") as log:
        log.seek(max(0, path.stat().st_size - TAIL_BYTES))
        text = log.read().decode(errors="replace")
    return [line for line in text.splitlines() if line.strip()]

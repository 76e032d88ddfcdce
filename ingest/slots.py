"""Numbers for the processes of one group on one machine: stable names that a restarted process finds again.

A slot is leased by a file lock, which the kernel frees however its process ends. Whoever starts takes the
lowest free one, so a killed process comes back under its old name: Kafka then gives it its partitions again
and ends the transaction it left open. A slot nobody takes over stays marked as left behind (`Abandoned`).
"""

import fcntl
import os
import tempfile
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from ingest.errors import OperatorNeeded
from ingest.settings import IngestSettings

MOST_SLOTS = 1024
TAKEN_PAUSE_SECONDS = 0.1


class SlotTaken(OperatorNeeded):
    """Another process on this machine has the slot that the settings name.

    Operator action: give every process of a sink its own FLEETLAKE_INGEST__SLOT, or none to any of them.
    """

    def __init__(self, group: str, number: int, lock: Path) -> None:
        self.group, self.number, self.lock = group, number, lock
        super().__init__(
            f"slot {number} of {group} belongs to a running process (lock {lock}); "
            "set another FLEETLAKE_INGEST__SLOT, or none"
        )


class RuntimeFolderUnsafe(OperatorNeeded):
    """The folder for leases belongs to somebody else.

    Operator action: set FLEETLAKE_INGEST__RUNTIME_DIR to a folder of this user.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        super().__init__(
            f"{folder} belongs to another user; set FLEETLAKE_INGEST__RUNTIME_DIR to a folder of your own"
        )


@dataclass(frozen=True, slots=True)
class Slot:
    """A leased number; `name` is the process's name towards Kafka."""

    group: str
    number: int

    @property
    def name(self) -> str:
        return f"{self.group}.{self.number}"


@contextmanager
def lease(
    settings: IngestSettings,
    group: str,
    *,
    clock: Callable[[], float] = time.monotonic,
    pause: Callable[[float], object] = time.sleep,
) -> Iterator[Slot]:
    """Holds the slot of the settings, else the lowest free one, while the block runs.

    Only a block that ends without an exception gives the slot back clean.
    """
    folder = runtime_folder(settings)
    if settings.slot is None:
        slot, file = _lowest_free(folder, group)
    else:
        slot = Slot(group, settings.slot)
        file = _named(folder, slot, clock() + settings.shutdown_seconds, clock, pause)
    with file:
        _mark(file, b"%d\n" % os.getpid())
        yield slot
        _mark(file, b"")


@dataclass
class Abandoned:
    """Finds slots whose process was killed and did not come back within `patience_seconds`."""

    settings: IngestSettings
    group: str
    patience_seconds: float
    clock: Callable[[], float] = time.monotonic
    _since: dict[int, float] = field(default_factory=dict)

    def each(self) -> Generator[Slot, None, None]:
        """Slots to be cleaned up, one at a time, each held meanwhile and clean when the caller comes back."""
        folder = runtime_folder(self.settings)
        for number in _numbers(folder, self.group):
            slot = Slot(self.group, number)
            file = _try_lock(folder, slot)
            if file is None:
                self._since.pop(number, None)
                continue
            with file:
                if self._is_overdue(number, is_dirty=bool(file.read(1))):
                    yield slot
                    _mark(file, b"")
                    del self._since[number]

    def _is_overdue(self, number: int, *, is_dirty: bool) -> bool:
        if not is_dirty:
            self._since.pop(number, None)
            return False
        now = self.clock()
        return now - self._since.setdefault(number, now) >= self.patience_seconds


def runtime_folder(settings: IngestSettings) -> Path:
    """Where leases live: the settings' folder, else the user's own in the system's temporary folder."""
    if settings.runtime_dir is not None:
        settings.runtime_dir.mkdir(parents=True, exist_ok=True)
        return settings.runtime_dir
    folder = Path(tempfile.gettempdir()) / f"fleetlake-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.is_symlink() or folder.stat().st_uid != os.getuid():
        raise RuntimeFolderUnsafe(folder)
    return folder


def _lowest_free(folder: Path, group: str) -> tuple[Slot, BinaryIO]:
    for number in range(MOST_SLOTS):
        slot = Slot(group, number)
        file = _try_lock(folder, slot)
        if file is not None:
            return slot, file
    raise SlotTaken(group, MOST_SLOTS - 1, _path(folder, Slot(group, MOST_SLOTS - 1)))


def _named(
    folder: Path,
    slot: Slot,
    deadline: float,
    clock: Callable[[], float],
    pause: Callable[[float], object],
) -> BinaryIO:
    """Waits for a predecessor that is finishing its work."""
    while True:
        file = _try_lock(folder, slot)
        if file is not None:
            return file
        if clock() > deadline:
            raise SlotTaken(slot.group, slot.number, _path(folder, slot))
        pause(TAKEN_PAUSE_SECONDS)


def _try_lock(folder: Path, slot: Slot) -> BinaryIO | None:
    file = _path(folder, slot).open("a+b")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    file.seek(0)
    return file


def _mark(file: BinaryIO, content: bytes) -> None:
    """What the next holder of the lock finds: a process id, or nothing after a clean end."""
    file.truncate(0)
    file.write(content)
    file.flush()


def _path(folder: Path, slot: Slot) -> Path:
    return folder / f"{slot.group}.slot-{slot.number}"


def _numbers(folder: Path, group: str) -> list[int]:
    prefix = f"{group}.slot-"
    names = (path.name.removeprefix(prefix) for path in folder.iterdir() if path.name.startswith(prefix))
    return sorted(int(name) for name in names if name.isdecimal())

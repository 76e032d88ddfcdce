"""Numbers for the processes of one group on one machine: stable names that a restarted process finds again.

A slot is leased by a file lock, which the kernel frees however its process ends. Whoever starts takes the
lowest free one, so a killed process comes back under its old name: Kafka then gives it its partitions again
and ends the transaction it left open. A slot nobody takes over stays marked as left behind (`Abandoned`).

A slot also counts its lives, for what must never be used twice under its name.
"""

import fcntl
import os
import tempfile
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

from ingest.errors import OperatorNeeded
from ingest.settings import IngestSettings

MOST_SLOTS = 1024
CLEAN = 0
"""Instead of the id of the process that holds a slot."""

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


@dataclass
class Slot:
    """A leased number; `name` is the process's name towards Kafka."""

    group: str
    number: int
    life: int
    """How often something was begun under this name, this process's predecessors included."""

    _file: BinaryIO = field(repr=False)

    @property
    def name(self) -> str:
        return f"{self.group}.{self.number}"

    def begin_life(self) -> int:
        """The number of a new life; a successor knows the newest even if this process is killed."""
        self.life += 1
        self.mark(os.getpid())
        return self.life

    def mark(self, pid: int) -> None:
        """What the next holder of the lock finds. One write, so that a kill leaves the old or the new."""
        os.pwrite(self._file.fileno(), b"%010d %020d\n" % (pid, self.life), 0)

    def held(self) -> BinaryIO:
        """A context that lets the slot go at its end."""
        return self._file

    @property
    def is_clean(self) -> bool:
        """Whether nobody was killed while holding it."""
        return _content(self._file)[0] == CLEAN


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
        slot = _lowest_free(folder, group)
    else:
        slot = _named(folder, group, settings.slot, clock() + settings.shutdown_seconds, clock, pause)
    with slot.held():
        slot.mark(os.getpid())
        yield slot
        slot.mark(CLEAN)


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
            slot = _try_lock(folder, self.group, number)
            if slot is None:
                self._since.pop(number, None)
                continue
            with slot.held():
                if self._is_overdue(slot):
                    yield slot
                    slot.mark(CLEAN)
                    del self._since[number]

    def _is_overdue(self, slot: Slot) -> bool:
        if slot.is_clean:
            self._since.pop(slot.number, None)
            return False
        now = self.clock()
        return now - self._since.setdefault(slot.number, now) >= self.patience_seconds


@contextmanager
def left_slot(settings: IngestSettings, group: str, number: int) -> Iterator[bool]:
    """Whether the slot's process is gone; if so nobody else gets the slot while the block runs."""
    slot = _try_lock(runtime_folder(settings), group, number)
    if slot is None:
        yield False
        return
    with slot.held():
        yield True


def leases_id(settings: IngestSettings) -> str:
    """What all processes that share leases, and no others, know them by."""
    path = runtime_folder(settings) / "leases-id"
    if not path.exists():
        draft = path.with_name(f".{path.name}.{uuid4().hex}")
        draft.write_text(uuid4().hex)
        with suppress(FileExistsError):
            os.link(draft, path)  # whoever is first has named them
        draft.unlink()
    return path.read_text()


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


def _lowest_free(folder: Path, group: str) -> Slot:
    for number in range(MOST_SLOTS):
        slot = _try_lock(folder, group, number)
        if slot is not None:
            return slot
    raise SlotTaken(group, MOST_SLOTS - 1, _path(folder, group, MOST_SLOTS - 1))


def _named(
    folder: Path,
    group: str,
    number: int,
    deadline: float,
    clock: Callable[[], float],
    pause: Callable[[float], object],
) -> Slot:
    """Waits for a predecessor that is finishing its work."""
    while True:
        slot = _try_lock(folder, group, number)
        if slot is not None:
            return slot
        if clock() > deadline:
            raise SlotTaken(group, number, _path(folder, group, number))
        pause(TAKEN_PAUSE_SECONDS)


def _try_lock(folder: Path, group: str, number: int) -> Slot | None:
    path = _path(folder, group, number)
    path.touch(mode=0o600)
    file = path.open("r+b")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    return Slot(group, number, _content(file)[1], file)


def _content(file: BinaryIO) -> tuple[int, int]:
    """Process id and life."""
    file.seek(0)
    words = file.read().split()
    return (int(words[0]), int(words[1])) if len(words) == 2 else (CLEAN, 0)


def _path(folder: Path, group: str, number: int) -> Path:
    return folder / f"{group}.slot-{number}"


def _numbers(folder: Path, group: str) -> list[int]:
    prefix = f"{group}.slot-"
    names = (path.name.removeprefix(prefix) for path in folder.iterdir() if path.name.startswith(prefix))
    return sorted(int(name) for name in names if name.isdecimal())

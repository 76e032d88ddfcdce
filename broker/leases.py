"""Who owns which partition among the processes of one machine, by file locks: a group without a coordinator.

For the embedded broker, whose coordinator never ends a session, hangs a group whose member rejoins too soon,
and can give one partition to two members. Here a partition has one owner because its file has one lock, and a
killed process owns nothing because the kernel frees its locks. How many members there are is counted by their
locks, so shares may differ for a moment; ownership never does.
"""

import fcntl
import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import BinaryIO

from broker.errors import Fenced
from broker.record import TopicPartition

NAME_PATIENCE_S = 1.0
"""Others hold a dead member's lock for a moment when they count who lives."""


class Leases:
    """The locks of one member of one group, below `folder`."""

    def __init__(
        self,
        folder: Path,
        group: str,
        name: str,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._members, self._partitions = folder / group / "members", folder / group / "partitions"
        for each in (self._members, self._partitions):
            each.mkdir(parents=True, exist_ok=True)
        self._name = name
        self._held: dict[TopicPartition, BinaryIO] = {}
        deadline = monotonic() + NAME_PATIENCE_S
        while (membership := _lock(self._members / name)) is None:
            if monotonic() > deadline:
                raise Fenced(name, f"a running process is member {name} of {group} already")
            sleep(0.01)
        self._membership = membership

    @property
    def held(self) -> list[TopicPartition]:
        """The partitions that nobody else owns."""
        return list(self._held)

    def surplus(self, partitions: Sequence[TopicPartition]) -> list[TopicPartition]:
        """What this member has to give up: more than its share of a topic, or no longer asked for."""
        shares, wanted = self._shares(partitions), set(partitions)
        kept: Counter[str] = Counter()
        surplus = []
        for partition in sorted(self._held):
            if partition not in wanted or kept[partition.topic] >= shares[partition.topic]:
                surplus.append(partition)
            else:
                kept[partition.topic] += 1
        return surplus

    def take(self, partitions: Sequence[TopicPartition]) -> list[TopicPartition]:
        """Takes free partitions up to this member's share; returns those that are new."""
        shares = self._shares(partitions)
        count = Counter(partition.topic for partition in self._held)
        taken = []
        for partition in partitions:
            if partition in self._held or count[partition.topic] >= shares[partition.topic]:
                continue
            file = _lock(self._partitions / f"{partition.topic}-{partition.partition}")
            if file is not None:
                self._held[partition] = file
                count[partition.topic] += 1
                taken.append(partition)
        return taken

    def release(self, partitions: Iterable[TopicPartition]) -> None:
        """Others may take these."""
        for partition in partitions:
            self._held.pop(partition).close()

    def close(self) -> None:
        """No member any more."""
        self.release(self.held)
        (self._members / self._name).unlink(missing_ok=True)
        self._membership.close()

    def _shares(self, partitions: Sequence[TopicPartition]) -> dict[str, int]:
        """Per topic, rounded up: together the members can hold everything."""
        members = self._count_members()
        return {
            topic: -(-count // members)
            for topic, count in Counter(partition.topic for partition in partitions).items()
        }

    def _count_members(self) -> int:
        """This one, and the files that cannot be locked; those of the dead are removed."""
        count = 1
        for path in self._members.iterdir():
            if path.name == self._name:
                continue
            file = _lock(path)
            if file is None:
                count += 1
            else:
                path.unlink(missing_ok=True)
                file.close()
        return count


def _lock(path: Path) -> BinaryIO | None:
    """The locked file, or None where another process or object has the lock.

    A file that was removed between opening and locking is not the one that others see: it is made anew.
    """
    while True:
        path.touch()
        try:
            file = path.open("rb")
        except FileNotFoundError:
            continue
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            return None
        if _is_same(file, path):
            return file
        file.close()


def _is_same(file: BinaryIO, path: Path) -> bool:
    try:
        found = path.stat()
    except FileNotFoundError:
        return False
    return os.path.samestat(os.fstat(file.fileno()), found)

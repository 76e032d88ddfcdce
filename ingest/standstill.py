"""What a member of a group does while it has no room for more: nothing is polled, and it stays a member."""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from broker.record import TopicPartition
from ingest.metrics import SinkMetrics
from ingest.process import Log


class Pausable(Protocol):
    """Of a consumer, what is needed here."""

    def assignment(self) -> Sequence[TopicPartition]: ...
    def pause(self, partitions: Iterable[TopicPartition]) -> None: ...
    def resume(self, partitions: Iterable[TopicPartition]) -> None: ...


@dataclass
class Standstill:
    """For the thread that polls."""

    consumer: Pausable
    metrics: SinkMetrics
    log: Log
    reason: str
    """Of what is too slow, for the log."""

    longest_seconds: float
    """How long nothing is polled; the group would give a member up that stays away longer."""

    clock: Callable[[], float] = time.monotonic
    before_resume: Callable[[], object] = lambda: None
    _since: float | None = None
    _is_paused: bool = False

    def may_poll(self, *, has_room: bool, wait: Callable[[], object]) -> bool:
        """Whether to poll now; `wait` returns soon, or when there is room.

        Without room nothing is polled. Only when the group would give this member up are partitions paused,
        because pausing throws prefetched messages away: polls are empty then.
        """
        if has_room:
            self._since = None
            self.resume()
            return True
        now = self.clock()
        self._since = now if self._since is None else self._since
        if now - self._since < self.longest_seconds:
            wait()
            return False
        if not self._is_paused:
            self.log.warning("paused", reason=self.reason, stalled_seconds=self.longest_seconds)
            self._is_paused = True
            self.metrics.paused(True)
        self.consumer.pause(self.consumer.assignment())  # what has been assigned since, too
        return True

    def resume(self) -> None:
        """Partitions are read again, if they were not."""
        if not self._is_paused:
            return
        self.before_resume()
        self.consumer.resume(self.consumer.assignment())
        self._is_paused = False
        self.metrics.paused(False)
        self.log.info("resumed")

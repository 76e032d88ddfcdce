"""Between reading Kafka and committing to Delta: rows on their way into files, written by a thread.

Memory is bounded by what rows take of it; they leave it as row groups long before their commit. What fails
drops everything not committed: Kafka still has it.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Protocol

import pyarrow as pa

from ingest.bronze_rows import bronze_rows
from ingest.decoding import DecodedRun
from ingest.history_commit import Committer, Moved
from ingest.metrics import SinkMetrics
from ingest.steps import HistoryStep, Steps
from lake.bronze import BronzePartition

ROW_GROUP_ROWS = 65_536
"""Rows per row group: large enough to compress, small enough to hold in memory several times."""


class GrowingFile(Protocol):
    """What the buffer needs of a file of bronze."""

    def write(self, table: pa.Table) -> None: ...
    def close(self) -> Any: ...
    def discard(self) -> None: ...


def untold(error: OSError) -> None:
    """Nobody wants to know of a file that stays behind."""


@dataclass(frozen=True, slots=True)
class _Rows:
    run: DecodedRun
    topic_id: str
    size: int


@dataclass(frozen=True, slots=True)
class _Commit:
    following: Mapping[BronzePartition, int]
    starts: Mapping[BronzePartition, int]
    newest_event: datetime | None
    rows: int


class BufferFailed(Exception):
    """What was buffered cannot be committed; the cause says why. Drop it and read it again."""


class OwnershipMoved(Exception):
    """Another process has committed partitions this one thought its own."""

    def __init__(self, moved: Moved) -> None:
        self.moved = moved
        super().__init__(f"checkpoints moved by another process: {moved.checkpoints}")


class HistoryBuffer:
    """Takes decoded runs and commit marks in order; a thread writes and commits them in that order."""

    def __init__(
        self,
        new_file: Callable[[date], GrowingFile],
        committer: Committer,
        metrics: SinkMetrics,
        *,
        abandoned: threading.Event,
        max_bytes: int,
        now: Callable[[], datetime],
        done: Steps = lambda step: None,
        left_behind: Callable[[OSError], None] = untold,
    ) -> None:
        self._new_file, self._committer, self._metrics, self._now = new_file, committer, metrics, now
        self._tell, self._left_behind = done, left_behind
        self.abandoned = abandoned
        self._max_bytes = max_bytes
        self._queue: deque[_Rows | _Commit] = deque()
        self._changed = threading.Condition()
        self._waiting_bytes = 0
        self._rows_since_commit = self._unlanded_rows = 0
        self._busy = False
        self._closed = False
        self._failure: Exception | None = None
        self._landed: dict[BronzePartition, int] = {}
        self._day = now().date()
        self._files: dict[date, GrowingFile] = {}
        self._pending: list[pa.RecordBatch] = []
        self._pending_rows = 0
        self._thread = threading.Thread(target=self._work, name="history-buffer", daemon=True)
        self._thread.start()

    # -- the reading side ---------------------------------------------------------------------------------

    def append(self, run: DecodedRun, topic_id: str) -> None:
        """Queues rows; never blocks: ask `has_room` first."""
        self._rows_since_commit += len(run)
        self._put(_Rows(run, topic_id, run.memory_bytes))

    def commit(
        self,
        following: Mapping[BronzePartition, int],
        starts: Mapping[BronzePartition, int],
        newest_event: datetime | None = None,
    ) -> None:
        """Queues a commit of all rows queued before it."""
        rows, self._rows_since_commit = self._rows_since_commit, 0
        self._put(_Commit(following, starts, newest_event, rows))

    @property
    def has_room(self) -> bool:
        """Whether the bytes on their way are below the bound."""
        return self._waiting_bytes < self._max_bytes

    def wait_for_room(self, seconds: float) -> bool:
        """Waits at most `seconds` for room, or for a failure to look at."""
        with self._changed:
            return self._changed.wait_for(lambda: self.has_room or self._failure is not None, seconds)

    def take_landed(self) -> dict[BronzePartition, int]:
        """Checkpoints committed since the last call."""
        with self._changed:
            landed, self._landed = self._landed, {}
            return landed

    def raise_failure(self) -> None:
        """BufferFailed if rows or a commit could not be written."""
        failure = self._failure
        if failure is not None:
            raise BufferFailed from failure

    def drain(self, seconds: float) -> bool:
        """Waits until everything queued is done or failed; False when time ran out."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._queue and not self._busy, seconds)

    def drop(self) -> None:
        """Forgets everything not committed, files included; calls off a commit that waits to be retried."""
        self.abandoned.set()
        with self._changed:
            self._queue.clear()
            self._waiting_bytes = 0
            self._changed.wait_for(lambda: not self._busy)
            self._discard_files()
            self._failure = None
            self._landed = {}
            self._rows_since_commit = self._unlanded_rows = 0
            self._measure()
            self._changed.notify_all()
        self.abandoned.clear()

    def close(self) -> None:
        """Ends the thread; what is not committed is dropped."""
        self.drop()
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join()

    def _put(self, item: _Rows | _Commit) -> None:
        with self._changed:
            self._queue.append(item)
            if isinstance(item, _Rows):
                self._waiting_bytes += item.size
                self._unlanded_rows += len(item.run)
            self._measure()
            self._changed.notify_all()

    def _measure(self) -> None:
        self._metrics.buffered(self._waiting_bytes)
        self._metrics.uncommitted(self._unlanded_rows)

    # -- the writing side ---------------------------------------------------------------------------------

    def _work(self) -> None:
        while (item := self._next()) is not None:
            try:
                if self._failure is not None:
                    continue  # rows before these are gone: a commit now would record that they are not
                if isinstance(item, _Rows):
                    self._write(item)
                else:
                    self._commit(item)
            except Exception as error:  # noqa: BLE001 - handed to the reading side, which raises it
                self._fail(error)
            finally:
                self._done(item)

    def _next(self) -> _Rows | _Commit | None:
        with self._changed:
            self._changed.wait_for(lambda: bool(self._queue) or self._closed)
            if self._closed:
                return None
            self._busy = True
            return self._queue.popleft()

    def _done(self, item: _Rows | _Commit) -> None:
        with self._changed:
            self._busy = False
            self._waiting_bytes = max(0, self._waiting_bytes - (item.size if isinstance(item, _Rows) else 0))
            self._measure()
            self._changed.notify_all()

    def _fail(self, error: Exception) -> None:
        with self._changed:
            self._failure = error

    def _write(self, item: _Rows) -> None:
        now = self._now()
        if now.date() != self._day:
            self._flush()
            self._day = now.date()
        self._pending.append(bronze_rows(item.run, item.topic_id, now))
        self._pending_rows += len(item.run)
        if self._pending_rows >= ROW_GROUP_ROWS:
            self._flush()

    def _flush(self) -> None:
        if not self._pending:
            return
        table = pa.Table.from_batches(self._pending).combine_chunks()
        self._pending, self._pending_rows = [], 0
        if self._day not in self._files:
            self._files[self._day] = self._new_file(self._day)
        self._files[self._day].write(table)

    def _commit(self, item: _Commit) -> None:
        """1. All rows so far are in files, which nobody sees.
        2. One commit adds the files and records the checkpoints; the table is asked what became of it.
        3. Only what is in the table counts as landed; anything else drops the buffer.
        """
        began = time.monotonic()
        self._flush()
        files = [file.close() for file in self._files.values()]  # 1
        self._files = {}
        self._tell(HistoryStep.WRITTEN)
        outcome = self._committer.commit(files, item.following, item.starts)  # 2
        self._metrics.commit_seconds.observe(time.monotonic() - began)
        if isinstance(outcome, Moved):  # 3
            raise OwnershipMoved(outcome)
        self._tell(HistoryStep.ADVANCED)
        self._metrics.batch()
        if item.newest_event is not None:
            self._metrics.event_age.observe(max(0.0, (self._now() - item.newest_event).total_seconds()))
        with self._changed:
            self._landed.update(item.following)
            self._unlanded_rows -= item.rows

    def _discard_files(self) -> None:
        self._pending, self._pending_rows = [], 0
        for file in self._files.values():
            try:
                file.discard()
            except OSError as error:  # the store is away, or we may not delete
                self._left_behind(error)  # nobody sees the orphan, and a vacuum removes it
        self._files = {}

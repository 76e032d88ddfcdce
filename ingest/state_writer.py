"""Writes candidates to MongoDB in a thread of its own, so that reading goes on meanwhile.

One flush after the other, with the next one waiting, so that MongoDB never waits for us. Each is tried until
it succeeds: every write is idempotent, and nothing is committed to Kafka before it is on disk.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import islice
from typing import Protocol, TypeVar

from ingest.metrics import SinkMetrics
from ingest.process import Log
from ingest.state_reduce import Candidates
from ingest.steps import StateStep, Steps
from lake.errors import StateRefused, Transient
from lake.state_marks import Held
from lake.state_model import VehicleState

WRITE_VEHICLES = 1000
"""Documents per bulk write: half a second on the slowest server known, well below its timeout."""

MOST_FLUSHES = 2
"""One that is being written, and one behind it."""

FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 5.0
CLOSE_SECONDS = 1.0
"""A write that hangs in a dead connection does not hold up the end of the process."""


T = TypeVar("T")


class Store(Protocol):
    """What the writer needs of the state store."""

    def write(self, updates: Iterable[VehicleState]) -> int: ...


class Barrier(Protocol):
    """What the writer needs of the marks."""

    def barrier(self, collection_id: str, held: Held) -> bool: ...


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Asks for everything written so far to be on disk, in the collection it was meant for."""

    collection_id: str
    held: Held


@dataclass(frozen=True, slots=True)
class Flush:
    """Candidates, and whether they and all flushes before are to be made durable."""

    candidates: Candidates
    checkpoint: Checkpoint | None


class Abandoned(Exception):
    """A flush was given up because the process ends; its messages are read again."""


class WriterFailed(Exception):
    """A flush failed for good, as the cause says. What it held is gone: nothing may be committed after it."""


class StateWriter:
    """Takes one flush after the other."""

    def __init__(
        self,
        store: Store,
        barrier: Barrier,
        metrics: SinkMetrics,
        log: Log,
        *,
        patience_seconds: float,
        now: Callable[[], datetime],
        clock: Callable[[], float] = time.monotonic,
        done: Steps = lambda step: None,
    ) -> None:
        self._store, self._barrier, self._metrics, self._log = store, barrier, metrics, log
        self._patience, self._now, self._clock, self._done = patience_seconds, now, clock, done
        self._abandoned = threading.Event()
        self._changed = threading.Condition()
        self._flushes: deque[Flush] = deque()
        self._is_durable: bool | None = None
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._work, name="state-writer", daemon=True)
        self._thread.start()

    def submit(self, flush: Flush) -> None:
        """Queues a flush. Only when there is room, and with a checkpoint only after the outcome of the last
        one was taken."""
        with self._changed:
            self._flushes.append(flush)
            self._changed.notify_all()

    @property
    def is_busy(self) -> bool:
        """Whether a flush is under way."""
        return bool(self._flushes)

    @property
    def has_room(self) -> bool:
        """Whether another flush may be queued."""
        return len(self._flushes) < MOST_FLUSHES

    def take_outcome(self) -> bool | None:
        """Of the checkpoint that is done, once: whether everything up to it is on disk; False if the
        collection is another one now. None while there is none. WriterFailed from then on when a flush could
        not be done."""
        with self._changed:
            if self._failure is not None:
                raise WriterFailed from self._failure
            is_durable, self._is_durable = self._is_durable, None
            return is_durable

    def drain(self, seconds: float) -> bool:
        """Waits until nothing is under way, or nothing will be any more; False when time ran out."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._flushes or self._failure is not None, seconds)

    def close(self) -> None:
        """Ends the thread. What is under way may or may not be written; its offsets are not committed."""
        self._abandoned.set()
        with self._changed:
            self._changed.notify_all()
        self._thread.join(CLOSE_SECONDS)

    # -- in the thread ------------------------------------------------------------------------------------

    def _work(self) -> None:
        while (flush := self._next()) is not None:
            is_durable: bool | None = None
            failure: BaseException | None = None
            try:
                is_durable = self._write(flush)
            except Abandoned:
                return
            except BaseException as error:  # noqa: BLE001 - handed to the reading side, which raises it
                failure = error
            with self._changed:
                self._is_durable = self._is_durable if is_durable is None else is_durable
                self._failure = failure
                self._flushes.popleft()
                self._changed.notify_all()
            if failure is not None:
                return

    def _next(self) -> Flush | None:
        with self._changed:
            self._changed.wait_for(lambda: bool(self._flushes) or self._abandoned.is_set())
            return None if self._abandoned.is_set() else self._flushes[0]

    def _write(self, flush: Flush) -> bool | None:
        began = self._clock()
        written_us = int(self._now().timestamp() * 1_000_000)
        states = flush.candidates.states(written_us)
        while batch := list(islice(states, WRITE_VEHICLES)):
            self._metrics.state_operations(self._patiently(partial(self._write_batch, batch)))
            self._done(StateStep.WRITTEN)
        is_durable = None
        if flush.checkpoint is not None:
            checkpoint = flush.checkpoint
            is_durable = self._patiently(
                partial(self._barrier.barrier, checkpoint.collection_id, checkpoint.held)
            )
            self._done(StateStep.DURABLE)
        self._measure(flush, began)
        return is_durable

    def _write_batch(self, batch: list[VehicleState]) -> int:
        """A vehicle that MongoDB will never take stops no other; the audit names it."""
        try:
            return self._store.write(batch)
        except StateRefused as error:
            if not error.vehicles and len(batch) > 1:
                return sum(self._write_batch([state]) for state in batch)
            vehicles = error.vehicles or (batch[0].vehicle_id,)
            self._log.error("state_refused", vehicles=vehicles[:10], count=len(vehicles), reason=str(error))
            return len(batch) - len(vehicles)

    def _patiently(self, action: Callable[[], T]) -> T:
        """The action's result, tried again while MongoDB is away."""
        give_up = self._clock() + self._patience
        pause = FIRST_PAUSE_SECONDS
        while True:
            if self._abandoned.is_set():
                raise Abandoned
            try:
                return action()
            except Transient as error:
                self._metrics.retried()
                self._log.warning("store_away", reason=str(error), tried_again_in_seconds=pause)
                if self._clock() + pause > give_up:
                    raise
                self._abandoned.wait(pause)
                pause = min(pause * 2, LONGEST_PAUSE_SECONDS)

    def _measure(self, flush: Flush, began: float) -> None:
        if not len(flush.candidates):
            return
        self._metrics.batch()
        self._metrics.commit_seconds.observe(self._clock() - began)
        newest = flush.candidates.newest_us
        if newest is not None:
            self._metrics.event_age.observe(max(0.0, self._now().timestamp() - newest / 1_000_000))

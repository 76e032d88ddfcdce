"""The alerts sink: reads what all sources send, and has rules judge it, within a moment.

The way of the data is `AlertSink.step`: poll, decode, find facts, judge, commit. What is judged is kept
before the group's offsets follow; what is read again is known already (`keeper`). So at-least-once reading
opens every alert once.
"""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Final, Protocol

from broker.consumer import GroupConsumer
from broker.errors import OffsetOutOfRange
from broker.errors import Transient as BrokerTransient
from broker.record import Records, TopicPartition
from ingest.alerts.facts import FactFinder, Facts, join
from ingest.alerts.keeper import Keeper
from ingest.alerts.metrics import SINK, AlertMetrics
from ingest.alerts.places import AlertPlaces
from ingest.alerts.settings import AlertSettings
from ingest.decoding import RunDecoder
from ingest.errors import Shutdown
from ingest.process import Log, Ticker
from ingest.settings import IngestSettings
from ingest.steps import AlertStep, Steps
from lake.errors import Transient as StoreTransient

POLL_RECORDS: Final = 5_000
POLL_SECONDS: Final = 0.05
COMMIT_SECONDS: Final = 0.5
PARTITIONS_SECONDS: Final = 60.0
ADRIFT_SECONDS: Final = 1.0
"""Pause after a failed request."""

FETCHED_WITHIN_US: Final = 2_000_000
"""What Kafka has had for longer than this, and does not count as lag, was read."""


class Progress(Protocol):
    """Where processes tell each other how far the sources were read."""

    def report_read(self, until_us: Mapping[str, int]) -> None: ...
    def read_until(self, partitions: Sequence[str]) -> int: ...


@dataclass
class AlertSink:
    """One member of the alerts group. The loop and the rebalance calls share one thread."""

    consumer: GroupConsumer
    places: AlertPlaces
    decoder: RunDecoder
    finder: FactFinder
    keeper: Keeper
    progress: Progress
    all_partitions: Callable[[], Collection[TopicPartition]]
    settings: AlertSettings
    ingest: IngestSettings
    metrics: AlertMetrics
    log: Log
    now_us: Callable[[], int]
    clock: Callable[[], float] = time.monotonic
    pause: Callable[[float], object] = time.sleep
    done: Steps = lambda step: None
    _polled: list[Records] = field(default_factory=list)
    _polled_since: float | None = None
    _facts: Facts = field(default_factory=dict)
    """Found, and not judged yet: the store was away."""

    _partitions: Collection[TopicPartition] = ()
    _failing_since: float | None = None
    _is_paused: bool = False
    _is_over: bool = False

    def __post_init__(self) -> None:
        self._commit_due = Ticker(COMMIT_SECONDS, self.clock)
        self._tick_due = Ticker(self.settings.tick_seconds, self.clock)
        self._partitions_due = Ticker(PARTITIONS_SECONDS, self.clock)

    def step(self) -> None:
        """The way of the data, one turn."""
        try:
            self.places.lives.check_if_due()
            self._poll()
            self._judge_if_due()
            self._tick_if_due()
            if self._commit_due.due():
                self._commit()
        except OffsetOutOfRange as error:
            self._begin_at_log_start(error)
        except BrokerTransient as error:
            self.log.warning("away", reason=str(error))
            self.pause(ADRIFT_SECONDS)
        except StoreTransient as error:
            self._bear(error)

    def finish(self) -> None:
        """Judges and commits what was read; Shutdown where the store does not take it any more."""
        try:
            self._judge()
            self._commit()
        except StoreTransient as error:
            raise Shutdown(SINK, self.ingest.shutdown_seconds) from error
        except BrokerTransient as error:
            self.log.warning("offsets_not_stored", reason=str(error))

    def end(self) -> None:
        """Nothing more is judged or committed; what is not, is read again after a restart."""
        self._is_over = True

    # -- rebalancing --------------------------------------------------------------------------------------

    def on_assigned(self, partitions: Sequence[TopicPartition]) -> Mapping[TopicPartition, int]:
        """Where each begins."""
        begins = self.places.take_over(partitions)
        if self._is_paused:
            self._resume()
        self.log.info("partitions_assigned", partitions={str(key): begins[key] for key in partitions})
        return begins

    def on_revoked(self, partitions: Sequence[TopicPartition]) -> None:
        """Judges and commits, if the store takes it. What is not committed, the next owner reads again."""
        try:
            if not self._is_over:
                self._judge()
                self._commit()
        except (BrokerTransient, StoreTransient) as error:
            self.log.warning("flush_failed", reason=str(error))
        self._release(partitions)
        self.log.info("partitions_revoked", partitions=[str(key) for key in partitions])

    def on_lost(self, partitions: Sequence[TopicPartition]) -> None:
        """Commits nothing of them. What was read of them may still be judged: it is true whoever judges."""
        self._release(partitions)
        self.log.warning("partitions_lost", partitions=[str(key) for key in partitions])

    def _release(self, partitions: Sequence[TopicPartition]) -> None:
        self.places.release(partitions)
        for key in partitions:
            self.metrics.forget_lag(key.topic, key.partition)

    # -- steps --------------------------------------------------------------------------------------------

    def _poll(self) -> None:
        """Nothing more is read while something cannot be kept: memory is bounded by what a flush takes."""
        if self._failing_since is not None:
            self._poll_paused()
            return
        polled = self.consumer.poll(POLL_RECORDS, POLL_SECONDS)
        for records in polled:
            self.places.note_read(records)
        if polled:
            self._polled += polled
            self._polled_since = self.clock() if self._polled_since is None else self._polled_since
            self.done(AlertStep.POLLED)
        self.places.advance_to(self.consumer.positions())

    def _poll_paused(self) -> None:
        """Keeps the membership."""
        self._is_paused = True
        self.metrics.paused(True)
        self.consumer.pause(self.consumer.assignment())
        if self.consumer.poll(1, 0.0):  # came before the pause did: it is read again
            for key in self.consumer.assignment():
                self.consumer.seek(key, self.places.read[key])

    def _judge_if_due(self) -> None:
        rows = sum(map(len, self._polled))
        since = self._polled_since
        is_old = since is not None and self.clock() - since >= self.settings.flush_ms / 1000
        if self._facts or since is None or is_old or rows >= POLL_RECORDS:
            self._judge()

    def _judge(self) -> None:
        """Facts that could not be kept are judged once more; the store knows those that it has."""
        if self._polled:
            self._facts = join([self._facts, *map(self.finder.find, self.decoder.decode_all(self._polled))])
            self._polled, self._polled_since = [], None
        if self._facts:
            began = self.clock()
            self.keeper.take(self._facts)
            self._facts = {}
            self.metrics.batch()
            self.metrics.commit_seconds.observe(self.clock() - began)
            self._recover()
        self.places.all_judged()

    def _tick_if_due(self) -> None:
        if self._polled or not self._tick_due.due():
            return
        now_us, lag = self.now_us(), self.consumer.lag()
        for key, messages in lag.items():
            self.metrics.lag(key.topic, key.partition, messages)
        self.progress.report_read(self.places.read_until_us(lag, now_us - FETCHED_WITHIN_US))
        if self._partitions_due.due() or not self._partitions:
            self._partitions = self.all_partitions()
        until_us = self.progress.read_until([str(key) for key in self._partitions])
        self.metrics.behind((now_us - until_us) / 1_000_000 if until_us else inf)
        self.keeper.tick(until_us)
        self._recover()

    def _commit(self) -> None:
        if self.places.commit():
            self.done(AlertStep.OFFSETS_COMMITTED)

    # -- trouble ------------------------------------------------------------------------------------------

    def _bear(self, error: StoreTransient) -> None:
        """Waits for the store, for as long as patience lasts."""
        self.metrics.retried()
        self.log.warning("store_away", reason=str(error), tried_again_in_seconds=ADRIFT_SECONDS)
        now = self.clock()
        self._failing_since = now if self._failing_since is None else self._failing_since
        if now - self._failing_since > self.ingest.store_patience_seconds:
            raise error
        self.pause(ADRIFT_SECONDS)

    def _recover(self) -> None:
        self._failing_since = None
        if self._is_paused:
            self._resume()

    def _resume(self) -> None:
        self.consumer.resume(self.consumer.assignment())
        self._is_paused = False
        self.metrics.paused(False)

    def _begin_at_log_start(self, error: OffsetOutOfRange) -> None:
        key = TopicPartition(error.topic, error.partition)
        if key not in self.places.read:  # it was given up while the answer was on its way
            return
        self.log.warning(
            "offset_out_of_range", partition=str(key), wanted=error.wanted, low=error.low, high=error.high
        )
        self.consumer.seek(key, error.low)
        self.places.move_to(key, error.low)

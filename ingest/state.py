"""The state sink: MongoDB holds the newest value of every vehicle's signals, as of a moment ago.

The way of the data is `StateSink.step`: poll, decode, reduce, write. Writing is idempotent and free of order
(`$max`), so at-least-once reading is exact: the group's offsets follow what is on disk, never lead it.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from broker.consumer import GroupConsumer
from broker.errors import OffsetOutOfRange
from broker.errors import Transient as BrokerTransient
from broker.record import Records, TopicPartition
from ingest.decoding import RunDecoder
from ingest.errors import Shutdown
from ingest.lag import LagReport
from ingest.metrics import SinkMetrics
from ingest.process import Log, Ticker
from ingest.settings import IngestSettings
from ingest.standstill import Standstill
from ingest.state_places import StatePlaces
from ingest.state_reduce import StateWindow
from ingest.state_writer import Checkpoint, Flush, StateWriter
from ingest.steps import StateStep, Steps
from lake.errors import Transient as StoreTransient

SINK = "state"
POLL_RECORDS = 20_000
DECODED_AT_ONCE = 8_192
POLL_SECONDS = 0.02
"""A poll waits this long for messages; it is part of the delay that people see."""

CATCH_UP_SECONDS = 2.0
"""How often to write while behind. Longer windows write less: a vehicle's many readings become one."""

CHECKPOINT_SECONDS = 0.5
"""How often the group's offsets follow. A restart reads so much again; each costs MongoDB one disk write."""

MOST_CANDIDATES = 200_000
IDENTITY_SECONDS = 10.0
COORDINATOR_SECONDS = 2.0
ADRIFT_SECONDS = 1.0
"""Pause after a failed request to the broker or to MongoDB outside of a write."""

STOP_SHARE = 0.7
"""Share of `shutdown_seconds` for the last write; leaving the group needs the rest."""


@dataclass
class StateSink:
    """One member of the state group. The loop and the rebalance calls share one thread."""

    consumer: GroupConsumer
    decoder: RunDecoder
    window: StateWindow
    writer: StateWriter
    places: StatePlaces
    settings: IngestSettings
    metrics: SinkMetrics
    log: Log
    stall_seconds: float
    clock: Callable[[], float] = time.monotonic
    pause: Callable[[float], object] = time.sleep
    done: Steps = lambda step: None
    _checkpoint_due: Ticker = field(init=False)
    _identity_due: Ticker = field(init=False)
    _lag: LagReport = field(init=False)
    _standstill: Standstill = field(init=False)
    _quiet_too_long: Ticker = field(init=False)
    _reconnects: int = 0
    _rows_read: int = 0
    _rows_in_checkpoint: int = 0
    _rows_committed: int = 0
    _astray: set[TopicPartition] = field(default_factory=set)
    _is_checkpointing: bool = False
    _is_over: bool = False
    _collected: list[Records] = field(default_factory=list)
    _unwritten_since: float | None = None
    """When the oldest message came in that no flush has taken; None while there is none."""

    def __post_init__(self) -> None:
        self._checkpoint_due = Ticker(CHECKPOINT_SECONDS, self.clock)
        self._identity_due = Ticker(IDENTITY_SECONDS, self.clock)
        self._lag = LagReport(self.consumer, self.metrics, self.clock)
        self._standstill = Standstill(
            self.consumer, self.metrics, self.log, "MongoDB does not keep up", self.stall_seconds, self.clock
        )
        self._quiet_too_long = Ticker(IDENTITY_SECONDS, self.clock)

    def step(self) -> None:
        """The way of the data, one turn: settle what was written, poll, decode, reduce, write what is due."""
        try:
            self._settle()
            self._return_astray()
            self._end_if_made_again()
            if not self._may_poll():
                return
            polled = self.consumer.poll(POLL_RECORDS, POLL_SECONDS)
            self._collect(polled)
            self.places.advance_to(self.consumer.positions())
            self._flush_if_due(is_full_poll=sum(map(len, polled)) >= POLL_RECORDS)
            self._lag.tell_if_due()
            self._check_identities()
        except OffsetOutOfRange as error:
            self._begin_at_log_start(error)
        except (BrokerTransient, StoreTransient) as error:
            self.log.warning("away", reason=str(error))
            self.pause(ADRIFT_SECONDS)

    def has_committed(self, ends: Mapping[TopicPartition, int]) -> bool:
        """Whether every owned partition was read up to `ends` and that is committed; sees to it if it was."""
        offsets = self.places.next_offsets
        if not all(offset >= ends.get(key, 0) for key, offset in offsets.items()) or self.writer.is_busy:
            return False
        self._settle()
        if not self.places.is_uncommitted and self._unwritten_since is None:
            return True
        self._flush(with_checkpoint=True)
        return False

    def finish(self) -> None:
        """Writes and commits what was read; Shutdown if that takes longer than a stop may. Without a broker
        there is nothing to commit to: what was written is read once more after the next start."""
        seconds = self.settings.shutdown_seconds
        try:
            if not self._write_all(seconds * STOP_SHARE):
                raise Shutdown(SINK, seconds)
        except BrokerTransient as error:
            self.log.warning("offsets_not_stored", reason=str(error))

    def end(self) -> None:
        """Nothing more is written or committed; what is not, is read again after a restart."""
        self._is_over = True
        self.writer.close()

    # -- rebalancing --------------------------------------------------------------------------------------

    def on_assigned(self, partitions: Sequence[TopicPartition]) -> Mapping[TopicPartition, int]:
        """Where each begins; what is held of the others stays."""
        begins = self.places.adopt(partitions)
        self.done(StateStep.PLACED)
        self._identity_due.restart()
        self._standstill.resume()
        self.log.info("partitions_assigned", partitions={str(key): begins[key] for key in partitions})
        return begins

    def on_revoked(self, partitions: Sequence[TopicPartition]) -> None:
        """Writes and commits, within a bound. What is not committed then, the next owner reads again."""
        try:
            if not self._is_over and not self._write_all(self.settings.revoke_seconds):
                self.log.warning("flush_took_too_long", seconds=self.settings.revoke_seconds)
        except (BrokerTransient, StoreTransient) as error:
            self.log.warning("flush_failed", reason=str(error))
        self.done(StateStep.FLUSHED)
        self._release(partitions)
        self.log.info("partitions_revoked", partitions=[str(key) for key in partitions])

    def on_lost(self, partitions: Sequence[TopicPartition]) -> None:
        """Commits nothing of them. What was read of them may still be written: it is true whoever writes."""
        self._release(partitions)
        self.log.warning("partitions_lost", partitions=[str(key) for key in partitions])

    # -- steps --------------------------------------------------------------------------------------------

    def _collect(self, polled: Sequence[Records]) -> None:
        """Few messages wait for the flush to be decoded together."""
        if not polled:
            return
        self._collected += polled
        self._rows_read += sum(map(len, polled))
        self._unwritten_since = self.clock() if self._unwritten_since is None else self._unwritten_since
        self.done(StateStep.POLLED)
        if sum(map(len, self._collected)) >= DECODED_AT_ONCE:
            self._decode()

    def _decode(self) -> None:
        runs, self._collected = self._collected, []
        for run in self.decoder.decode_all(runs):
            self.window.add(run)
            self.done(StateStep.REDUCED)

    def _flush_if_due(self, *, is_full_poll: bool) -> None:
        if not self.writer.has_room:
            return
        if self._unwritten_since is None:
            if self._is_worth_a_checkpoint() and self._is_checkpoint_due():
                self._flush(with_checkpoint=True)
            return
        age = self.clock() - self._unwritten_since
        if age < self.settings.state_flush_ms / 1000 and not self._is_full():
            return
        if age >= CATCH_UP_SECONDS or self._is_full() or not (is_full_poll or self._is_behind()):
            self._flush(with_checkpoint=self._is_checkpoint_due())

    def _is_worth_a_checkpoint(self) -> bool:
        """Without anything to write, too, now and then: only that finds a MongoDB that was set back."""
        return self.places.is_uncommitted or (bool(self.places.next_offsets) and self._quiet_too_long.due())

    def _is_checkpoint_due(self) -> bool:
        """One at a time: the places remember what it covers."""
        return not self._is_checkpointing and self._checkpoint_due.due()

    def _flush(self, *, with_checkpoint: bool) -> None:
        self._decode()
        self._unwritten_since = None
        checkpoint = None
        if with_checkpoint:
            checkpoint = Checkpoint(self.places.collection_id, self.places.held())
            self.places.begin_checkpoint()
            self._quiet_too_long.restart()
            self._is_checkpointing = True
            self._rows_in_checkpoint = self._rows_read
        self.writer.submit(Flush(self.window.take(), checkpoint))

    def _settle(self) -> None:
        """Commits the group's offsets once what they cover is on disk.

        1. The checkpoint's flush and all before it are on disk, in the collection that was meant.
        2. The group's offsets are set.
        3. Marks say that the collection holds what lies before them.
        """
        is_durable = self.writer.take_outcome()
        self.metrics.buffered(self.window.payload_bytes)
        self.metrics.uncommitted(self._rows_read - self._rows_committed)
        if is_durable is None:
            return
        self._is_checkpointing = False
        if not is_durable:  # 1
            self.log.warning(
                "collection_replaced", reason="MongoDB was wiped, restored, rebuilt or started anew"
            )
            self._astray.update(self.places.next_offsets)
            return
        offsets = self.places.in_checkpoint()
        self._ask_coordinator(offsets)
        self.consumer.commit(offsets)  # 2
        self.done(StateStep.OFFSETS_COMMITTED)
        self._rows_committed = self._rows_in_checkpoint
        self.places.set_committed(offsets)  # 3
        self.done(StateStep.MARKED)

    def _ask_coordinator(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Raises soon if the group's broker is away: a commit would find out after ten seconds and more."""
        if offsets:
            self.consumer.committed(list(offsets)[:1], timeout_s=COORDINATOR_SECONDS)

    def _write_all(self, seconds: float) -> bool:
        """Everything read is written, and committed if it can be relied on; False when time ran out."""
        until = self.clock() + seconds
        if not self.writer.drain(seconds):
            return False
        self._settle()
        if not self.places.is_uncommitted and self._unwritten_since is None:
            return True
        self._flush(with_checkpoint=True)
        if not self.writer.drain(max(0.0, until - self.clock())):
            return False
        self._settle()
        return True

    def _may_poll(self) -> bool:
        has_room = self.writer.has_room or not self._is_full()
        return self._standstill.may_poll(has_room=has_room, wait=lambda: self.writer.drain(POLL_SECONDS))

    def _is_full(self) -> bool:
        return self.window.is_full(MOST_CANDIDATES, self.settings.buffer_bytes)

    def _is_behind(self) -> bool:
        return sum(self.consumer.lag().values()) > POLL_RECORDS

    def _check_identities(self) -> None:
        if not self._identity_due.due() and self.consumer.reconnects == self._reconnects:
            return
        recreated = self.places.recreated()
        self._reconnects = self.consumer.reconnects
        if recreated:
            self.log.warning("topic_recreated", partitions=[str(key) for key in recreated])
            self._astray.update(recreated)

    def _return_astray(self) -> None:
        """Partitions whose place cannot be relied on any more go on where the marks say."""
        owned = [key for key in self._astray if key in self.places.next_offsets]
        for key, offset in self.places.adopt(owned).items() if owned else ():
            self.consumer.seek(key, offset)
        self._astray.clear()

    def _end_if_made_again(self) -> None:
        """TopicRecreated once everything is written: what was read of the former topic is nowhere else."""
        reason = self.places.made_again
        if reason is not None and self._write_all(self.settings.revoke_seconds):
            raise reason

    def _begin_at_log_start(self, error: OffsetOutOfRange) -> None:
        key = TopicPartition(error.topic, error.partition)
        if key not in self.places.next_offsets:  # it was given up while the answer was on its way
            return
        self.log.warning(
            "offset_out_of_range", partition=str(key), wanted=error.wanted, low=error.low, high=error.high
        )
        self.consumer.seek(key, error.low)
        self.places.move_to(key, error.low)

    def _release(self, partitions: Sequence[TopicPartition]) -> None:
        self.places.release(partitions)
        self._lag.forget(partitions)

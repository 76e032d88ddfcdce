"""The history sink: every message of the subscribed topics becomes exactly one row of bronze.

The way of the data is `HistorySink.step`: poll, decode, buffer, commit. The Delta commit is the checkpoint;
Kafka's group offsets follow it for lag tools only, and are never read.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from broker.consumer import GroupConsumer
from broker.errors import OffsetOutOfRange
from broker.errors import Transient as BrokerTransient
from broker.record import Records, TopicPartition
from ingest.decoding import RunDecoder
from ingest.errors import CannotLand, Shutdown
from ingest.history_buffer import BufferFailed, HistoryBuffer, OwnershipMoved
from ingest.history_commit import Abandoned
from ingest.history_group import GroupOffsets
from ingest.history_partitions import OwnedPartitions
from ingest.lag import LagReport
from ingest.metrics import SinkMetrics
from ingest.process import Log, Ticker
from ingest.settings import IngestSettings
from ingest.standstill import Standstill
from ingest.steps import HistoryStep, Steps
from ingest.store_trouble import StoreTrouble
from ingest.uncommitted import Uncommitted
from lake.errors import LakeError

SINK = "history"
POLL_RECORDS = 20_000
"""Messages per poll: enough to make columns cheap, few enough to keep a run in the processor's cache."""

DECODED_AT_ONCE = 8_192
DECODE_SECONDS = 0.5
POLL_SECONDS = 0.1
IDENTITY_SECONDS = 10.0
FIRST_RECOVERY_PAUSE_SECONDS = 0.2
LONGEST_RECOVERY_PAUSE_SECONDS = 30.0


@dataclass
class HistorySink:
    """One member of the history group. The loop and the rebalance callbacks share one thread."""

    consumer: GroupConsumer
    decoder: RunDecoder
    partitions: OwnedPartitions
    buffer: HistoryBuffer
    trouble: StoreTrouble
    settings: IngestSettings
    metrics: SinkMetrics
    log: Log
    stall_seconds: float
    clock: Callable[[], float] = time.monotonic
    pause: Callable[[float], object] = time.sleep
    done: Steps = lambda step: None
    _uncommitted: Uncommitted = field(init=False)
    _group: GroupOffsets = field(init=False)
    _identity_check: Ticker = field(init=False)
    _lag: LagReport = field(init=False)
    _standstill: Standstill = field(init=False)
    _collected: list[Records] = field(default_factory=list)
    _collected_since: float = 0.0
    _is_astray: bool = False
    _is_over: bool = False
    _recovery_pause: float = FIRST_RECOVERY_PAUSE_SECONDS

    def __post_init__(self) -> None:
        self._uncommitted = Uncommitted(self.clock)
        self._group = GroupOffsets(self.consumer, self.log, self.done)
        self._identity_check = Ticker(IDENTITY_SECONDS, self.clock)
        self._lag = LagReport(self.consumer, self.metrics, self.clock)
        self._standstill = Standstill(
            self.consumer,
            self.metrics,
            self.log,
            "the store does not keep up",
            self.stall_seconds,
            self.clock,
            before_resume=self.partitions.check_identities,
        )

    def step(self) -> None:
        """The way of the data, one turn: settle what landed, poll, decode, buffer, commit what is due."""
        try:
            self.buffer.raise_failure()
            self._settle_landed()
            if not self._may_poll():
                return
            if self._is_astray:
                self._return_to_checkpoints()
            polled = self.consumer.poll(POLL_RECORDS, POLL_SECONDS)
            if self._is_astray:
                self._return_to_checkpoints()
                return
            for records in polled:
                self.partitions.advance(records)
                self._collect(records)
            if self.partitions.advance_to(self.consumer.positions()):
                self._uncommitted.touch()
            if self._is_decoding_due():
                self._decode()
            if self._identity_check.due():
                self.partitions.check_identities()
            if self._uncommitted.is_due(self.settings):
                self._commit()
            self._lag.tell_if_due()
        except BufferFailed as failure:
            self._recover(failure)
        except OffsetOutOfRange as error:
            self._leave_place(error)
        except BrokerTransient as error:
            self.log.warning("broker_away", reason=str(error))
            self.pause(POLL_SECONDS)

    def commit_if_reached(self, ends: Mapping[TopicPartition, int]) -> bool:
        """Commits at once when every owned partition was read up to `ends`; returns whether that is so."""
        offsets = self.partitions.next_offsets
        has_reached = all(offset >= ends.get(key, 0) for key, offset in offsets.items())
        if has_reached:
            self._commit()
        return has_reached

    def finish(self) -> None:
        """Commits what is buffered; Shutdown if that fails, or takes longer than a stop may."""
        seconds = self.settings.shutdown_seconds
        self._commit()
        if not self.buffer.drain(seconds):
            self.buffer.drop()
            raise Shutdown(SINK, seconds)
        try:
            self.buffer.raise_failure()
        except BufferFailed as failure:
            self.log.warning("flush_failed", reason=str(failure.__cause__))
            raise Shutdown(SINK, seconds) from failure
        self._settle_landed()

    def end(self) -> None:
        """Nothing more is written or committed; what is not, is read again after a restart."""
        self._is_over = True
        self.buffer.close()

    # -- rebalancing --------------------------------------------------------------------------------------

    def on_assigned(self, partitions: Sequence[TopicPartition]) -> Mapping[TopicPartition, int]:
        """Commits what is buffered, then takes the new partitions over where the table says."""
        self._flush_or_drop()
        places = self.partitions.adopt(partitions)
        self._group.compare(self.partitions.recorded(partitions))
        if self.partitions.beginnings:  # recorded before anything is read: nobody may decide otherwise later
            self._uncommitted.touch()
            self._flush_or_drop()
        self._identity_check.restart()
        self._standstill.resume()
        self.log.info("partitions_assigned", partitions=[str(key) for key in partitions])
        return {key: places[key] for key in partitions}

    def on_revoked(self, partitions: Sequence[TopicPartition]) -> None:
        """Commits what is buffered while the partitions are still owned."""
        self._flush_or_drop()
        self.done(HistoryStep.FLUSHED)
        self._release(partitions)
        self.log.info("partitions_revoked", partitions=[str(key) for key in partitions])

    def on_lost(self, partitions: Sequence[TopicPartition]) -> None:
        """Drops what is buffered: these partitions may have another owner already."""
        self._drop()
        self._release(partitions)
        self.log.warning("partitions_lost", partitions=[str(key) for key in partitions])

    # -- steps --------------------------------------------------------------------------------------------

    def _collect(self, records: Records) -> None:
        if not self._collected:
            self._collected_since = self.clock()
        self._collected.append(records)
        self._uncommitted.touch()
        self.done(HistoryStep.POLLED)

    def _is_decoding_due(self) -> bool:
        """Few messages wait for more to be decoded with: nobody sees them before the commit anyway."""
        return bool(self._collected) and (
            sum(map(len, self._collected)) >= DECODED_AT_ONCE
            or self.clock() - self._collected_since >= DECODE_SECONDS
        )

    def _decode(self) -> None:
        runs, self._collected = self._collected, []
        for run in self.decoder.decode_all(runs):
            self.buffer.append(run, self.partitions.topic_ids[run.records.topic])
            self._uncommitted.add(run)
            self.done(HistoryStep.DECODED)

    def _commit(self) -> None:
        """Queues a commit of everything read, under identities read after the last of it."""
        if self._uncommitted.is_empty:
            return
        self._decode()
        self.partitions.check_identities()  # a broker that is away answers nothing: then nothing is committed
        self._identity_check.restart()
        self.trouble.waiting()
        self.buffer.commit(
            self.partitions.following(), self.partitions.starts(), self._uncommitted.newest_event
        )
        self._uncommitted = Uncommitted(self.clock)

    def _settle_landed(self) -> None:
        landed = self.buffer.take_landed()
        if landed:
            self.partitions.landed(landed)
            self._recovery_pause = FIRST_RECOVERY_PAUSE_SECONDS
            self.trouble.over()
            self._group.note(self.partitions.by_topic(landed))
        self._group.tell()

    def _may_poll(self) -> bool:
        buffer = self.buffer
        return self._standstill.may_poll(
            has_room=buffer.has_room, wait=lambda: buffer.wait_for_room(POLL_SECONDS)
        )

    def _leave_place(self, error: OffsetOutOfRange) -> None:
        """The log does not have what is to be read next. What was read is committed: it may be nowhere else.
        Then the checkpoints are compared with the log, which names what is missing."""
        self.log.warning("offset_out_of_range", reason=str(error))
        self.pause(FIRST_RECOVERY_PAUSE_SECONDS)
        try:
            self.partitions.check_identities()
        except BrokerTransient as away:  # the next poll raises this error once more
            self.log.warning("broker_away", reason=str(away))
            return
        self._flush_or_drop()
        self._is_astray = True

    def _recover(self, failure: BufferFailed) -> None:
        """Drops the buffer and goes back to what the table says. Kafka still has everything."""
        cause = failure.__cause__
        self.log.warning("buffer_dropped", reason=str(cause), kind=type(cause).__name__)
        if isinstance(cause, LakeError | OSError):
            self.trouble.bear(cause)
        elif isinstance(cause, OwnershipMoved | Abandoned):
            self.trouble.over()
        else:
            raise CannotLand(self.partitions.checkpoints(), cause) from cause
        self._drop()
        self.pause(self._recovery_pause)
        self._recovery_pause = min(self._recovery_pause * 2, LONGEST_RECOVERY_PAUSE_SECONDS)

    def _drop(self) -> None:
        """Forgets what is not committed; what was or is being polled is read again, not gone on from."""
        self.buffer.drop()
        self.metrics.dropped()
        self._collected.clear()
        self._uncommitted = Uncommitted(self.clock)
        self._is_astray = True

    def _return_to_checkpoints(self) -> None:
        """Every owned partition goes on where the table says, whatever has been polled since."""
        for key, offset in self.partitions.adopt().items():
            self.consumer.seek(key, offset)
        self._is_astray = False
        self.done(HistoryStep.SOUGHT)

    def _flush_or_drop(self) -> None:
        """Afterwards nothing is buffered: it is committed, or it will be read again."""
        if self._is_over:
            return
        try:
            self._commit()
            if self.buffer.drain(self.settings.revoke_seconds):
                self.buffer.raise_failure()
                self._settle_landed()
                return
            self.log.warning("flush_took_too_long", seconds=self.settings.revoke_seconds)
        except (BufferFailed, BrokerTransient) as error:
            self.log.warning("flush_failed", reason=str(error.__cause__ or error))
        self._drop()

    def _release(self, partitions: Sequence[TopicPartition]) -> None:
        self.partitions.release(partitions)
        self.trouble.over()  # what did not land may be another's to land now
        for key in partitions:
            self._group.forget(key)
        self._lag.forget(partitions)

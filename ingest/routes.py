"""The routes sink: every rejected message becomes one dead letter, every crossed threshold one anomaly, and
the greatest value per vehicle a topic of its own, each exactly once for a read-committed reader.

The way of the data is `RoutesSink.step`: poll, route, send, commit, all in one Kafka transaction with the
group's offsets. The rules that make it exact:

1. Who we are in the group is captured before the first poll of a transaction: its commit is refused if the
   group moved on. What a poll returns in which that happened belongs to no transaction and is read again.
2. Partitions are given up with nothing open: a revoke commits or aborts before it returns, a loss aborts.
3. An abort forgets all that was learned and goes back to what Kafka has committed, in every partition kept.
   What a poll returns that was under way meanwhile is dropped.
4. Offsets are those of messages that are routed in the same transaction, never of those only fetched. They
   are stored with the life of their topic, which is asked after the last message was read: offsets of a topic
   that was deleted are never taken for those of its successor.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol

from broker.errors import BrokerError, OffsetOutOfRange, Transient
from broker.metadata import GroupMetadata
from broker.record import Records, TopicPartition
from ingest.lag import LagReport
from ingest.metrics import SinkMetrics
from ingest.outgoing import Outgoing
from ingest.process import Log, Ticker
from ingest.router import Router
from ingest.routes_places import RoutesPlaces
from ingest.routes_transaction import MOST_ABORTS, KeepsFailing, MustAbort, Transaction
from ingest.settings import IngestSettings
from ingest.steps import RoutesStep, Steps
from ingest.topic_lives import TopicLives

SINK = "routes"
POLL_RECORDS = 20_000
ROUTED_AT_ONCE = 8_192
POLL_SECONDS = 0.1
ABANDONED_SECONDS = 1.0
FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 10.0


class Consumer(Protocol):
    """What the sink needs of its group consumer."""

    def poll(self, max_records: int, timeout_s: float) -> list[Records]: ...
    def positions(self) -> dict[TopicPartition, int]: ...
    def assignment(self) -> list[TopicPartition]: ...
    def seek(self, partition: TopicPartition, offset: int) -> None: ...
    def lag(self) -> dict[TopicPartition, int]: ...
    def group_metadata(self) -> GroupMetadata: ...


@dataclass
class RoutesSink:
    """One member of the routes group. The loop and the rebalance calls share one thread."""

    consumer: Consumer
    transaction: Transaction
    router: Router
    places: RoutesPlaces
    lives: TopicLives
    settings: IngestSettings
    metrics: SinkMetrics
    log: Log
    end_abandoned: Callable[[], object] = lambda: None
    clock: Callable[[], float] = time.monotonic
    pause: Callable[[float], object] = time.sleep
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    done: Steps = lambda step: None
    _next: dict[TopicPartition, int] = field(default_factory=dict)
    _committed: dict[TopicPartition, int] = field(default_factory=dict)
    _collected: list[Records] = field(default_factory=list)
    _sent: dict[str, int] = field(default_factory=dict)
    _group: GroupMetadata | None = None
    _is_astray: bool = False
    _has_moved_on: bool = False
    _is_over: bool = False
    _aborts: int = 0
    _lag: LagReport = field(init=False)
    _abandoned_due: Ticker = field(init=False)

    def __post_init__(self) -> None:
        self._lag = LagReport(self.consumer, self.metrics, self.clock)
        self._abandoned_due = Ticker(ABANDONED_SECONDS, self.clock)

    def step(self) -> None:
        """The way of the data, one turn: go back if something was aborted; poll; route and send; commit."""
        try:
            if self._is_astray:
                self._return()
            if not self.transaction.is_open:
                self._group = self.consumer.group_metadata()  # rule 1
            polled = self.consumer.poll(*self._appetite())
            if self._is_astray or self._has_moved_on:  # rules 1 and 3
                self._read_again(polled)
                return
            for records in polled:
                self._collect(records)
            self._advance(self.consumer.positions())
            if self._is_due():
                self._commit(self.settings.store_patience_seconds)
            self._look_around()
        except MustAbort as failure:
            self._abort(failure)
        except OffsetOutOfRange as error:
            self._leave_place(error)
        except Transient as error:
            self.log.warning("broker_away", reason=str(error))
            self.pause(POLL_SECONDS)

    def finish(self) -> None:
        """Commits what is open, so that a stop leaves nothing to be done again."""
        self._close_transaction(self.settings.shutdown_seconds)

    def end(self) -> None:
        """Nothing more is committed or aborted: the next process under this name does what is open."""
        self._is_over = True

    # -- rebalancing ----------------------------------------------------------------------------------------

    def on_assigned(self, partitions: Sequence[TopicPartition]) -> Mapping[TopicPartition, int]:
        """Where Kafka says each goes on, with the maxima that Kafka has."""
        self._has_moved_on = True
        self.lives.check()
        places = self.places.take_over(partitions)
        self._next |= places
        self._committed |= places
        self.log.info("partitions_assigned", partitions={str(key): place for key, place in places.items()})
        return places

    def on_revoked(self, partitions: Sequence[TopicPartition]) -> None:
        """Commits while the partitions are still ours; what cannot be committed is aborted."""
        self._has_moved_on = True
        if not self._is_over:
            self._close_transaction(self.settings.revoke_seconds)  # rule 2
            self.done(RoutesStep.CLOSED)
        self._release(partitions)
        self.log.info("partitions_revoked", partitions=[str(key) for key in partitions])

    def on_lost(self, partitions: Sequence[TopicPartition]) -> None:
        """Aborts: these may have another owner already."""
        self._has_moved_on = True
        if self.transaction.is_open and not self._is_over:
            self._abort_now(self.settings.revoke_seconds)  # rule 2
        self._release(partitions)
        self.log.warning("partitions_lost", partitions=[str(key) for key in partitions])

    # -- steps ----------------------------------------------------------------------------------------------

    def _appetite(self) -> tuple[int, float]:
        """Messages and seconds that the open transaction still has room for."""
        if not self.transaction.is_open:
            return min(POLL_RECORDS, self.settings.transaction_rows), POLL_SECONDS
        rows = self.settings.transaction_rows - self.transaction.rows
        seconds = self.settings.transaction_seconds - self.transaction.age
        return max(1, min(POLL_RECORDS, rows)), min(POLL_SECONDS, max(0.0, seconds))

    def _read_again(self, polled: Iterable[Records]) -> None:
        """Goes back before what a poll returned in which the group changed; an abort goes back further."""
        self._has_moved_on = False
        if not self._is_astray:
            for partition in {records.topic_partition for records in polled}:
                self.consumer.seek(partition, self._next[partition])

    def _collect(self, records: Records) -> None:
        """Routing many messages at once costs a fraction of what a few at a time do."""
        self._begin()
        self._collected.append(records)
        self._next[records.topic_partition] = records.next_offset
        self.transaction.rows += len(records)
        self.metrics.uncommitted(self.transaction.rows)
        if sum(map(len, self._collected)) >= ROUTED_AT_ONCE:
            self._route()

    def _route(self) -> None:
        runs, self._collected = self._collected, []
        self._send_all(self.router.route(runs))

    def _send_all(self, messages: Iterable[Outgoing]) -> None:
        for message in messages:
            self.transaction.send(message)
            self._sent[message.kind] = self._sent.get(message.kind, 0) + 1

    def _begin(self) -> None:
        if not self.transaction.is_open and self._group is not None:
            self.transaction.begin(self._group)

    def _advance(self, positions: Mapping[TopicPartition, int]) -> None:
        """Moves on behind aborted and control records, which give no rows."""
        self._next |= {key: offset for key, offset in positions.items() if key in self._next}
        if self._uncommitted():
            self._begin()

    def _uncommitted(self) -> dict[TopicPartition, int]:
        return {key: offset for key, offset in self._next.items() if self._committed.get(key) != offset}

    def _is_due(self) -> bool:
        return self.transaction.is_open and (
            self.transaction.rows >= self.settings.transaction_rows
            or self.transaction.age >= self.settings.transaction_seconds
        )

    def _close_transaction(self, patience_seconds: float) -> None:
        if not self.transaction.is_open:
            return
        try:
            self._commit(patience_seconds)
        except (MustAbort, Transient) as failure:
            self.log.warning("aborted", reason=str(failure))
            self._abort_now(patience_seconds)

    def _commit(self, patience_seconds: float) -> None:
        self._route()
        self.lives.check()  # rule 4
        offsets = self._uncommitted()
        began = self.clock()
        self._send_all(self.router.counters(int(self.now().timestamp() * 1_000_000)))
        self.transaction.commit(offsets, self.lives.of_offsets(), patience_seconds)
        self.metrics.commit_seconds.observe(self.clock() - began)
        self._committed |= offsets
        self.router.committed()
        self._aborts = 0
        self._count()

    def _count(self) -> None:
        for kind, count in self._sent.items():
            self.metrics.messages_out(kind, count)
        self._sent.clear()
        self.metrics.batch()
        self.metrics.uncommitted(0)

    def _abort(self, failure: MustAbort) -> None:
        """Tries again, later each time; an envelope that is refused for its size is sent without its
        event."""
        self._aborts += 1
        self.log.warning("aborted", reason=str(failure), attempt=self._aborts)
        if self._aborts >= MOST_ABORTS:
            raise KeepsFailing(self._aborts, failure) from failure
        self._abort_now(self.settings.store_patience_seconds)
        if failure.is_too_large:
            self.router.go_bare()
        self.metrics.retried()
        self.pause(min(FIRST_PAUSE_SECONDS * 2 ** (self._aborts - 1), LONGEST_PAUSE_SECONDS))

    def _abort_now(self, patience_seconds: float) -> None:
        self._is_astray = True
        try:
            self.transaction.abort(patience_seconds)
        except BrokerError:
            self.lives.check()  # a broker that went back has another reason to be given
            raise
        self.router.forget()
        self._collected.clear()
        self._sent.clear()
        self.metrics.dropped()
        self.metrics.uncommitted(0)

    def _leave_place(self, error: OffsetOutOfRange) -> None:
        """The log does not have what was to be read next: all places are looked up again."""
        self.log.warning("offset_out_of_range", reason=str(error))
        if self.transaction.is_open:
            self._abort_now(self.settings.store_patience_seconds)
        self._is_astray = True
        self.pause(FIRST_PAUSE_SECONDS)

    def _return(self) -> None:
        """Goes on where Kafka says, knowing what Kafka knows."""
        self.lives.check()
        places = self.places.take_over(self.consumer.assignment())
        for key, offset in places.items():
            self.consumer.seek(key, offset)
        self._next, self._committed = dict(places), dict(places)
        self._is_astray = False

    def _look_around(self) -> None:
        self._lag.tell_if_due()
        if self.transaction.is_open:
            return
        self.lives.check_if_due()
        if self._abandoned_due.due():
            self.end_abandoned()

    def _release(self, partitions: Sequence[TopicPartition]) -> None:
        self.places.release(partitions)
        for key in partitions:
            self._next.pop(key, None)
            self._committed.pop(key, None)
        self._lag.forget(partitions)

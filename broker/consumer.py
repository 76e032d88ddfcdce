"""A member of a consumer group as the sinks see it: runs of columns, rebalances as three calls, own errors.

It guarantees that a partition is read from where its listener says, that nothing of a partition is returned
after it was revoked or lost, and that an exception of a listener comes out of `poll` as itself.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Literal, Protocol

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, Message
from confluent_kafka import TopicPartition as Place

from broker import errors
from broker.client import MISSING_TOPIC, MOVED_ON, UNAUTHENTICATED, UNAVAILABLE, client_options, translate
from broker.metadata import GroupMetadata
from broker.prefetch import THROUGHPUT, Prefetch
from broker.record import Records, TopicPartition
from broker.runs import split_runs
from broker.settings import KafkaSettings

REQUEST_TIMEOUT_S = 10.0
"""For one question to the broker; longer than a leader change, shorter than an operator's patience."""
PROBE_PERIOD_S = 1.0

log = structlog.get_logger()


class RebalanceListener(Protocol):
    """What a sink does when partitions come and go. Called inside `GroupConsumer.poll` and `close`."""

    def on_assigned(self, partitions: Sequence[TopicPartition]) -> Mapping[TopicPartition, int]:
        """Where to begin. A partition left out begins at the group's committed offset, else by offset_reset.

        If it raises, `poll` raises that, reads nothing of these partitions and asks again at the next call.
        """

    def on_revoked(self, partitions: Sequence[TopicPartition]) -> None:
        """Still owned here: commit before returning."""

    def on_lost(self, partitions: Sequence[TopicPartition]) -> None:
        """No longer owned: drop what was read of them."""


class GroupConsumer:
    """One member of the group `<prefix>.<sink>`; cooperative, read-committed, committing only when told."""

    def __init__(
        self,
        settings: KafkaSettings,
        sink: str,
        *,
        prefetch: Prefetch = THROUGHPUT,
        offset_reset: Literal["earliest", "latest", "error"] = "earliest",
        instance_id: str | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.group = f"{settings.group_prefix}.{sink}"
        self.broker_down = False
        self.reconnects = 0
        self._settings = settings
        self._instance_id = instance_id
        self._monotonic = monotonic
        self._probe_at = 0.0
        self._listener: RebalanceListener | None = None
        self._owned: dict[TopicPartition, None] = {}
        self._unplaced: list[TopicPartition] = []
        self._failure: BaseException | None = None
        options = group_options(settings, self.group, prefetch, offset_reset, instance_id)
        self._consumer = Consumer({**options, "error_cb": self._on_error})

    def subscribe(self, topics: Sequence[str], listener: RebalanceListener) -> None:
        """Joins the group at the next polls."""
        self._listener = listener
        self._consumer.subscribe(
            list(topics), on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._lost
        )

    def poll(self, max_records: int, timeout_s: float) -> list[Records]:
        """Up to `max_records` messages as runs per partition; empty when none came in time or the broker is
        away (`broker_down`). Rebalance calls happen inside."""
        if self._unplaced:
            self._place()
        try:
            messages = self._consumer.consume(max_records, timeout_s)
        except KafkaException as error:
            raise self._translated(error, "polling") from error
        self._raise_failure()
        return self._runs(self._without_errors(messages))

    def assignment(self) -> list[TopicPartition]:
        """The partitions owned now."""
        return list(self._owned)

    def positions(self) -> dict[TopicPartition, int]:
        """The next offset to be returned of each owned partition that has one yet.

        Aborted and control records that were passed over count.
        """
        places = self._consumer.position(_places(self._owned))
        return {_name(place): place.offset for place in places if place.offset >= 0}

    def seek(self, partition: TopicPartition, offset: int) -> None:
        """The next poll goes on at `offset`; what was fetched ahead is dropped."""
        try:
            self._consumer.seek(Place(partition.topic, partition.partition, offset))
        except KafkaException as error:
            raise self._translated(error, f"seeking {partition} to {offset}") from error

    def pause(self, partitions: Iterable[TopicPartition]) -> None:
        """Nothing more of them is returned until `resume`; what was fetched ahead is thrown away."""
        self._consumer.pause(_places(partitions))

    def resume(self, partitions: Iterable[TopicPartition]) -> None:
        self._consumer.resume(_places(partitions))

    def committed(
        self, partitions: Iterable[TopicPartition], timeout_s: float = REQUEST_TIMEOUT_S
    ) -> dict[TopicPartition, int | None]:
        """The group's offsets; waits for pending transactions that commit some. None where there is none."""
        try:
            places = self._consumer.committed(_places(partitions), timeout_s)
        except KafkaException as error:
            raise self._translated(error, "reading committed offsets") from error
        for place in places:
            if place.error is not None:
                raise translate(place.error, self._settings, "reading committed offsets", self.group)
        return {_name(place): place.offset if place.offset >= 0 else None for place in places}

    def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Stores the group's offsets, and returns when the broker has them."""
        if not offsets:
            return
        places = [Place(name.topic, name.partition, offset) for name, offset in offsets.items()]
        try:
            results = self._consumer.commit(offsets=places, asynchronous=False)
        except KafkaException as error:
            raise self._commit_error(error.args[0]) from error
        for place in results:
            if place.error is not None:
                raise self._commit_error(place.error)

    def watermarks(self, partition: TopicPartition, timeout_s: float = REQUEST_TIMEOUT_S) -> tuple[int, int]:
        """Log start and log end, asked from the broker; the end is the last stable offset."""
        try:
            low, high = self._consumer.get_watermark_offsets(
                Place(partition.topic, partition.partition), timeout_s
            )
        except KafkaException as error:
            raise self._translated(error, f"reading the log's ends of {partition}") from error
        return low, high

    def lag(self) -> dict[TopicPartition, int]:
        """Records behind the log's end as last fetched, per owned partition; no request is made."""
        lag = {}
        for name, position in self.positions().items():
            _, high = self._consumer.get_watermark_offsets(Place(*name), cached=True)
            if high >= 0:
                lag[name] = max(0, high - position)
        return lag

    def group_metadata(self) -> GroupMetadata:
        """Who we are in the group now, for `TransactionalProducer.send_offsets`."""
        return GroupMetadata(self._consumer.consumer_group_metadata())

    def close(self) -> None:
        """Leaves the group (a static member stays until its session ends) after `on_revoked`."""
        self._consumer.close()
        self._raise_failure()

    # Rebalances. The client library swallows nothing of ours: a failure is kept and raised by `poll`.

    def _assigned(self, _: Consumer, places: list[Place]) -> None:
        self._unplaced.extend(map(_name, places))
        log.info("kafka.assigned", group=self.group, partitions=_texts(places))
        try:
            self._place()
        except BaseException as failure:  # noqa: BLE001 - kept, and raised by poll
            self._failure = failure
            self._consumer.incremental_assign([])

    def _place(self) -> None:
        """Starts reading the partitions that were assigned, from where the listener says."""
        assert self._listener is not None  # noqa: S101 - subscribe came first
        starts = self._listener.on_assigned(tuple(self._unplaced))
        places = [Place(*name, starts[name]) if name in starts else Place(*name) for name in self._unplaced]
        self._consumer.incremental_assign(places)
        self._owned.update(dict.fromkeys(self._unplaced))
        self._unplaced.clear()

    def _revoked(self, _: Consumer, places: list[Place]) -> None:
        self._give_up(places, "revoked")

    def _lost(self, _: Consumer, places: list[Place]) -> None:
        self._give_up(places, "lost")

    def _give_up(self, places: list[Place], how: Literal["revoked", "lost"]) -> None:
        log.info("kafka.given_up", how=how, group=self.group, partitions=_texts(places))
        names = list(map(_name, places))
        self._unplaced = [name for name in self._unplaced if name not in names]
        owned = [name for name in names if name in self._owned]
        try:
            self._tell(owned, how)
        except BaseException as failure:  # noqa: BLE001 - kept, and raised by poll
            self._failure = failure
        for name in owned:
            del self._owned[name]
        self._consumer.incremental_unassign(_places(owned))

    def _tell(self, owned: list[TopicPartition], how: Literal["revoked", "lost"]) -> None:
        if owned and self._listener is not None:
            (self._listener.on_revoked if how == "revoked" else self._listener.on_lost)(owned)

    def _raise_failure(self) -> None:
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure

    # Errors.

    def _on_error(self, error: KafkaError) -> None:
        """Errors of no single partition: from the client's background, while polling."""
        if error.code() in UNAVAILABLE:
            if not self.broker_down:
                log.warning("kafka.down", address=self._settings.bootstrap_servers, detail=error.str())
            self.broker_down = True
        elif error.code() in UNAUTHENTICATED or error.fatal():
            self._failure = self._failure or translate(
                error, self._settings, "polling", self._instance_id or self.group
            )
        else:
            log.warning("kafka.error", code=error.name(), detail=error.str())

    def _without_errors(self, messages: list[Message]) -> list[Message]:
        if not any(map(Message.error, messages)):
            return messages
        for message in messages:
            error = message.error()
            if error is not None:
                self._handle(message, error)
        return [message for message in messages if message.error() is None]

    def _handle(self, message: Message, error: KafkaError) -> None:
        """Raises what `poll` must raise; the rest the client library repairs by itself."""
        code, topic = error.code(), message.topic() or ""
        if code == KafkaError._AUTO_OFFSET_RESET:
            raise self._out_of_range(TopicPartition(topic, message.partition() or 0), message.offset())
        if code in MISSING_TOPIC:
            raise errors.TopicMissing([topic])
        if code == KafkaError._MAX_POLL_EXCEEDED or code in MOVED_ON:
            log.warning("kafka.left_group", group=self.group, code=error.name(), detail=error.str())
        elif code in UNAVAILABLE or (error.retriable() and not error.fatal()):
            self._on_error(error)
        else:
            raise translate(error, self._settings, "polling", topic or self._instance_id or self.group)

    def _out_of_range(self, name: TopicPartition, offset: int | None) -> errors.OffsetOutOfRange:
        low, high = self.watermarks(name)
        wanted = offset if offset is not None and offset >= 0 else None
        return errors.OffsetOutOfRange(name.topic, name.partition, wanted, low, high)

    def _commit_error(self, error: KafkaError) -> errors.BrokerError:
        if error.code() in MOVED_ON:
            return errors.GroupRebalanced(self.group, error.str())
        return translate(error, self._settings, "committing offsets", self._instance_id or self.group)

    def _translated(self, error: KafkaException, doing: str) -> errors.BrokerError:
        return translate(error.args[0], self._settings, doing, self._instance_id or self.group)

    # Messages.

    def _runs(self, messages: list[Message]) -> list[Records]:
        if not messages:
            self._probe()
            return []
        self._up_again()
        runs = split_runs(messages, self._position)
        return [run for run in runs if run.topic_partition in self._owned]

    def _position(self, name: TopicPartition) -> int:
        return self._consumer.position([Place(*name)])[0].offset

    def _probe(self) -> None:
        """Notices on a quiet topic that the broker is back."""
        if not self.broker_down or not self._owned or self._monotonic() < self._probe_at:
            return
        self._probe_at = self._monotonic() + PROBE_PERIOD_S
        try:
            self.watermarks(next(iter(self._owned)), timeout_s=0.2)
        except errors.Transient:
            return
        self._up_again()

    def _up_again(self) -> None:
        if self.broker_down:
            self.broker_down = False
            self.reconnects += 1
            log.info("kafka.up", address=self._settings.bootstrap_servers)


def group_options(
    settings: KafkaSettings,
    group: str,
    prefetch: Prefetch,
    offset_reset: str,
    instance_id: str | None,
) -> dict[str, object]:
    """The client options of a group member."""
    ours: dict[str, object] = {
        "group.id": group,
        "group.protocol": settings.group_protocol,
        "auto.offset.reset": offset_reset,
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "isolation.level": "read_committed",
        "allow.auto.create.topics": False,
        "max.poll.interval.ms": settings.max_poll_interval_ms,
        **prefetch.options(),
    }
    if settings.group_protocol == "classic":  # with KIP-848 the broker decides these
        ours["partition.assignment.strategy"] = "cooperative-sticky"
        ours["session.timeout.ms"] = settings.session_timeout_ms
    if instance_id is not None:
        ours["group.instance.id"] = instance_id
    return client_options(settings, ours)


def _name(place: Place) -> TopicPartition:
    return TopicPartition(place.topic, place.partition)


def _places(names: Iterable[TopicPartition]) -> list[Place]:
    return [Place(*name) for name in names]


def _texts(places: Iterable[Place]) -> list[str]:
    return [str(_name(place)) for place in places]

"""A routes process from start to stop: a slot, its surroundings, the sink's loop, a clean end."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from itertools import chain

from broker.admin import Admin
from broker.consumer import GroupConsumer
from broker.errors import BrokerError, Transient
from broker.identity import TopicIdentities
from broker.offsets import group_offsets, log_ends, log_starts, start_offsets
from broker.producer import TransactionalProducer
from broker.reader import PartitionReader
from broker.record import TopicPartition
from broker.renewing import RenewingProducer
from broker.settings import KafkaSettings
from broker.topics import wait_topics
from contracts.load import Registry
from ingest.decoding import RunDecoder
from ingest.errors import OperatorNeeded, Shutdown
from ingest.maxima import Maxima
from ingest.metrics import SinkMetrics
from ingest.process import Checkpoints, Log, Stop, Target, Ticker, answered, logger, serving_metrics
from ingest.redrive import redrive_group
from ingest.router import Router, maxima_of
from ingest.routes import SINK, RoutesSink
from ingest.routes_places import Outputs, RoutesPlaces
from ingest.routes_transaction import TRANSACTION_SECONDS, Transaction
from ingest.settings import IngestSettings
from ingest.slots import Abandoned, Slot, lease
from ingest.steps import Steps
from ingest.topic_lives import TopicLives

CAUGHT_UP_SECONDS = 0.2
IDENTITY_SECONDS = 10.0
ANSWER_SECONDS = 2.0
"""How long one question to Kafka waits before a stop is looked for."""

RETRY_SECONDS = 0.2
STOP_SHARE = 0.5
"""Share of `shutdown_seconds` for the last transaction; leaving needs the rest."""

EMBEDDED_PATIENCE_SECONDS = 3.0
"""A killed process's partitions are free at once there; its successor has this long to end its
transaction."""

RESTORE_SECONDS = 60.0
"""Longer than that, and than a session: whoever holds a restore back has come to its end by then."""


class PartitionsDiffer(OperatorNeeded):
    """An internal topic and its output need the same number of partitions: one process must own both of a
    vehicle.

    Operator action: stop routes, delete both topics, run `fleetlake topics create`, and set the group's
    offsets of the source back to where the maxima shall count from.
    """

    def __init__(self, internal: str, internal_count: int, output: str, output_count: int) -> None:
        self.internal, self.internal_count = internal, internal_count
        self.output, self.output_count = output, output_count
        super().__init__(
            f"{internal} has {internal_count} partitions and {output} has {output_count}; they must be equal"
        )


def run(
    kafka: KafkaSettings,
    ingest: IngestSettings,
    registry: Registry,
    *,
    stop: Stop,
    until_caught_up: bool = False,
    metrics: SinkMetrics | None = None,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    done: Steps = lambda step: None,
) -> None:
    """Routes messages until `stop` is requested, or until the log's ends of now, and what follows from them,
    are reached.

    `done` is told each step: tests end the process there. Raises the errors of
    `ingest.errors` and `broker.errors`; nothing is lost or doubled by any of them.
    """
    process = RoutesProcess(kafka, ingest, registry, stop, metrics or SinkMetrics(SINK), now, done)
    wait_topics(kafka, process.topics, sleep=stop.sleep)
    answered(process.check_partitions, stop, process.log)
    with lease(ingest, process.group, pause=stop.wait) as slot:
        process.run_as(slot, until_caught_up=until_caught_up)


@dataclass
class RoutesProcess:
    """What one process puts together."""

    kafka: KafkaSettings
    ingest: IngestSettings
    registry: Registry
    stop: Stop
    metrics: SinkMetrics
    now: Callable[[], datetime]
    done: Steps
    log: Log = field(default_factory=lambda: logger(SINK))
    maxima: Mapping[str, Maxima] = field(init=False)

    def __post_init__(self) -> None:
        self.maxima = maxima_of(self.registry)
        self._lives = self._topic_lives()
        patience = EMBEDDED_PATIENCE_SECONDS if self._is_embedded else self.kafka.session_timeout_ms / 1000
        self._abandoned = [
            Abandoned(self.ingest, group, patience) for group in (self.group, redrive_group(self.kafka))
        ]

    @property
    def group(self) -> str:
        return f"{self.kafka.group_prefix}.{SINK}"

    @property
    def read_topics(self) -> list[str]:
        """Sources, and the internal topics that this sink writes for itself."""
        return [*self.registry.topics(), *self.maxima]

    @property
    def topics(self) -> list[str]:
        """All that must exist."""
        return [topic for contract in self.registry.contracts.values() for topic in contract.topic_settings]

    def check_partitions(self) -> None:
        """PartitionsDiffer, before anything is written to the wrong place."""
        for internal, maxima in self.maxima.items():
            output = maxima.output.topic
            found = [partition.topic for partition in Admin(self.kafka).partitions([internal, output])]
            if found.count(internal) != found.count(output):
                raise PartitionsDiffer(internal, found.count(internal), output, found.count(output))

    def run_as(self, slot: Slot, *, until_caught_up: bool) -> None:
        """Ends what was left open under this name, then routes until told to stop."""
        producer = self._producer(slot)
        if not self._begin(slot, producer):
            return
        consumer = GroupConsumer(self.kafka, SINK, offset_reset="error", instance_id=slot.name)
        sink = self._sink(consumer, producer)
        caught_up = False
        try:
            with serving_metrics(self.metrics, self.ingest) as port:
                self.log.info("started", topics=self.read_topics, name=slot.name, metrics_port=port)
                consumer.subscribe(self.read_topics, sink)
                caught_up = self._loop(sink, consumer, self._goals(consumer) if until_caught_up else [])
                sink.finish()
        finally:
            sink.end()
            consumer.close()
        self.log.info("stopped", caught_up=caught_up)

    def end_abandoned(self) -> None:
        """Ends what killed processes left open, if nobody came back in their place. A redrive's would hold
        back every reader of the sources, too."""
        try:
            for slot in chain.from_iterable(abandoned.each() for abandoned in self._abandoned):
                self._end_transaction(slot)
                self.log.warning("abandoned_slot_ended", name=slot.name)
        except BrokerError as error:
            self.log.warning("abandoned_slot_not_ended", reason=str(error))

    @property
    def _is_embedded(self) -> bool:
        return self.kafka.incarnation_file is not None

    def _new_producer(self, transactional_id: str) -> TransactionalProducer:
        return TransactionalProducer(self.kafka, transactional_id, timeout_ms=int(TRANSACTION_SECONDS * 1000))

    def _end_transaction(self, slot: Slot) -> None:
        """Fences who had this slot and aborts what it left open."""
        transactional_id = f"{slot.name}.{slot.life}" if self._is_embedded else slot.name
        self._new_producer(transactional_id).init(ANSWER_SECONDS)

    def _producer(self, slot: Slot) -> TransactionalProducer | RenewingProducer:
        """Under the slot's name; on the embedded broker under one that never aborted anything."""
        if not self._is_embedded:
            return self._new_producer(slot.name)
        return RenewingProducer(self._new_producer, lambda: f"{slot.name}.{slot.begin_life()}")

    def _sink(
        self, consumer: GroupConsumer, producer: TransactionalProducer | RenewingProducer
    ) -> RoutesSink:
        places = RoutesPlaces(
            consumer,
            Outputs(
                partial(PartitionReader, self.kafka),
                partial(PartitionReader, self.kafka, isolation="read_uncommitted"),
            ),
            self.maxima,
            start_offsets(self.kafka, self.ingest.start),
            self.metrics,
            self.log,
            RESTORE_SECONDS,
            self.end_abandoned,
            pause=self.stop.wait,
            done=self.done,
            lives=self._lives.of_offsets,
            ask_unstable=partial(group_offsets, self.kafka, SINK),
        )
        return RoutesSink(
            consumer,
            Transaction(producer, self._keeps_on, done=self.done, unanswered=self._tell_unanswered),
            Router(self.registry, RunDecoder(self.registry, self.metrics), self.maxima),
            places,
            self._lives,
            self.ingest,
            self.metrics,
            self.log,
            end_abandoned=self.end_abandoned,
            pause=self.stop.wait,
            now=self.now,
            done=self.done,
        )

    def _topic_lives(self) -> TopicLives:
        """Of all that is read, or restored from; an incarnation is looked at before each commit."""
        topics = [*self.read_topics, *(maxima.output.topic for maxima in self.maxima.values())]
        return TopicLives(TopicIdentities(self.kafka), topics, 0.0 if self._is_embedded else IDENTITY_SECONDS)

    def _begin(self, slot: Slot, producer: TransactionalProducer | RenewingProducer) -> bool:
        """False if a stop came first."""
        if self._is_embedded and not self._answered(lambda: self._end_transaction(slot)):
            return False
        return self._answered(lambda: producer.init(ANSWER_SECONDS))

    def _answered(self, ask: Callable[[], None]) -> bool:
        """Asks until Kafka answers; False if a stop came first."""
        while not self.stop.requested:
            try:
                ask()
            except Transient as error:
                self.log.warning("broker_away", reason=str(error))
                self.stop.wait(RETRY_SECONDS)
            else:
                return True
        return False

    def _keeps_on(self) -> None:
        """Asked while a step of a transaction has no answer. A broker that came back without its last second
        may never answer; asking who it is must not wait for it in turn."""
        if self._is_embedded:
            self._lives.check()
        if self.stop.overdue(self.ingest.shutdown_seconds * STOP_SHARE):
            raise Shutdown(SINK, self.ingest.shutdown_seconds)

    def _tell_unanswered(self, step: str, detail: str) -> None:
        self.log.warning("transaction_step_asked_again", step=step, reason=detail)

    def _loop(self, sink: RoutesSink, consumer: GroupConsumer, goals: list[Callable[[], Target]]) -> bool:
        """Until a stop, or until all goals were reached one after the other; returns whether they were."""
        is_endless, check = not goals, Ticker(CAUGHT_UP_SECONDS)
        target: Target | None = None
        while not self.stop.requested:
            sink.step()
            if is_endless or not check.due():
                continue
            try:
                target = target or goals.pop(0)()
                if target.reached(self._checkpoints(consumer, target.ends)):
                    target = None
            except Transient as error:
                self.log.warning("broker_away", reason=str(error))
            if target is None and not goals:
                return True
        return False

    def _goals(self, consumer: GroupConsumer) -> list[Callable[[], Target]]:
        """The sources' ends as they are now; then the internal topics', as they are when those are
        reached."""
        sources = answered(lambda: self._target(consumer, self.registry.topics()), self.stop, self.log)
        return [lambda: sources, lambda: self._target(consumer, list(self.maxima))]

    def _target(self, consumer: GroupConsumer, topics: Sequence[str]) -> Target:
        self._lives.check()
        checkpoints = self._checkpoints(consumer, log_starts(self.kafka, topics))
        return Target.after(checkpoints, log_ends(self.kafka, topics))

    def _checkpoints(self, consumer: GroupConsumer, partitions: Iterable[TopicPartition]) -> Checkpoints:
        """The group's offsets; None for one that belongs to a topic of before under the same name."""
        lives, stored = self._lives.of_offsets(), consumer.stored(partitions)
        return {
            key: None if found is None or not found.belongs_to(lives.get(key.topic, "")) else found.offset
            for key, found in stored.items()
        }

"""A state process from start to stop: waits for its surroundings, runs the sink's loop, ends cleanly."""

import time
from collections.abc import Callable
from datetime import UTC, datetime

from broker.consumer import GroupConsumer
from broker.identity import TopicIdentities
from broker.offsets import log_ends, log_starts
from broker.prefetch import LATENCY
from broker.ready import wait_topics
from broker.settings import KafkaSettings
from contracts.load import Registry
from ingest.decoding import RunDecoder
from ingest.metrics import SinkMetrics
from ingest.process import Stop, Target, Ticker, answered, logger, serving_metrics
from ingest.settings import IngestSettings
from ingest.slots import lease
from ingest.state import SINK, StateSink
from ingest.state_places import StatePlaces
from ingest.state_reduce import StateWindow
from ingest.state_writer import StateWriter, WriterFailed
from ingest.steps import Steps
from lake.mongo import wait_ready
from lake.settings import MongoSettings
from lake.state import StateStore
from lake.state_marks import StateMarks

CAUGHT_UP_SECONDS = 0.2
STALL_SHARE = 0.4
"""Share of max.poll.interval.ms after which a full window pauses its partitions instead of not polling."""

MARKS_TIMEOUT_SECONDS = 3.0
"""Marks are single small documents; a stop must not wait for a server that is away."""


def run(
    kafka: KafkaSettings,
    mongo: MongoSettings,
    ingest: IngestSettings,
    registry: Registry,
    *,
    stop: Stop,
    until_caught_up: bool = False,
    metrics: SinkMetrics | None = None,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    done: Steps = lambda step: None,
) -> None:
    """Keeps the state up to date until `stop` is requested, or until the log's ends of now are reached.

    `done` is told each step: tests end the process there. Raises the errors of `ingest.errors`,
    `broker.errors` and `lake.errors`; nothing is lost by any of them.
    """
    metrics = metrics or SinkMetrics(SINK)
    wait_topics(kafka, registry.topics(), sleep=stop.sleep)
    wait_ready(mongo, sleep=stop.sleep)
    group = f"{kafka.group_prefix}.{SINK}"
    quick = mongo.model_copy(update={"timeout_s": min(mongo.timeout_s, MARKS_TIMEOUT_SECONDS)})
    with (
        StateStore(mongo) as store,
        StateMarks(quick, group) as marks,
        lease(ingest, group, pause=stop.wait) as slot,
    ):
        store.ensure_view()
        log = logger(SINK)
        consumer = GroupConsumer(kafka, SINK, prefetch=LATENCY, offset_reset="error", instance_id=slot.name)
        writer = StateWriter(
            store, marks, metrics, log, patience_seconds=ingest.store_patience_seconds, now=now, done=done
        )
        sink = StateSink(
            consumer,
            RunDecoder(registry, metrics),
            StateWindow(registry),
            writer,
            StatePlaces(consumer, TopicIdentities(kafka), marks, log, store.unite_doubles),
            ingest,
            metrics,
            log,
            stall_seconds=kafka.max_poll_interval_ms / 1000 * STALL_SHARE,
            pause=stop.wait,
            done=done,
        )
        try:
            target = (
                answered(lambda: _target(kafka, registry, sink.places), stop, log)
                if until_caught_up
                else None
            )
            with serving_metrics(metrics, ingest) as port:
                log.info("started", name=slot.name, database=mongo.database, metrics_port=port)
                consumer.subscribe(registry.topics(), sink)
                _loop(sink, stop, target)
                sink.finish()
        except WriterFailed as error:
            raise (error.__cause__ or error) from None
        finally:
            sink.end()
            consumer.close()
    log.info("stopped", caught_up=until_caught_up and not stop.requested)


def _target(kafka: KafkaSettings, registry: Registry, places: StatePlaces) -> Target:
    """The log's ends of now. A group that stands behind them is put right by whoever owns the partition."""
    topics = registry.topics()
    checkpoints = places.group_committed(log_starts(kafka, topics))
    return Target.after(checkpoints, log_ends(kafka, topics))


def _loop(sink: StateSink, stop: Stop, target: Target | None) -> None:
    check = Ticker(CAUGHT_UP_SECONDS, time.monotonic)
    while not stop.requested:
        sink.step()
        if target is None or not check.due() or not sink.has_committed(target.ends):
            continue
        if target.reached(sink.places.group_committed(target.ends)):
            return

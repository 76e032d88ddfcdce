"""A history process from start to stop: waits for its surroundings, runs the sink's loop, ends cleanly."""

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime

from broker.consumer import GroupConsumer
from broker.identity import TopicIdentities
from broker.offsets import Offsets, start_offsets
from broker.record import TopicPartition
from broker.settings import KafkaSettings
from broker.topics import wait_topics
from contracts.load import Registry
from ingest.decoding import RunDecoder
from ingest.errors import CheckpointOutsideLog, Shutdown
from ingest.history import SINK, HistorySink
from ingest.history_buffer import HistoryBuffer
from ingest.history_commit import Abandoned, Committer
from ingest.history_partitions import OwnedPartitions
from ingest.metrics import SinkMetrics
from ingest.process import Checkpoints, Stop, Target, Ticker, answered, logger, serving_metrics
from ingest.settings import IngestSettings
from ingest.slots import lease
from ingest.steps import Steps
from ingest.store_trouble import StoreTrouble
from ingest.went_back import went_back
from lake.bronze import Bronze, BronzePartition
from lake.probe import check_usable
from lake.settings import LakeSettings
from lake.storage import wait_ready

CAUGHT_UP_SECONDS = 0.2
STALL_SHARE = 0.4
"""Share of max.poll.interval.ms after which a full buffer pauses its partitions instead of not polling."""


def run(
    kafka: KafkaSettings,
    lake: LakeSettings,
    ingest: IngestSettings,
    registry: Registry,
    *,
    stop: Stop,
    until_caught_up: bool = False,
    metrics: SinkMetrics | None = None,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    done: Steps = lambda step: None,
) -> None:
    """Lands messages until `stop` is requested, or until the log's ends of now are reached.

    `done` is told each step: tests end the process there. Raises the errors of `ingest.errors`,
    `broker.errors` and `lake.errors`; nothing is lost by any of them.
    """
    metrics = metrics or SinkMetrics(SINK)
    log = logger(SINK)
    topics = registry.topics()
    wait_topics(kafka, topics, sleep=stop.sleep)
    bronze = Bronze(wait_ready(lake, sleep=stop.sleep))
    with lease(ingest, f"{kafka.group_prefix}.{SINK}", pause=stop.wait) as slot:
        consumer = GroupConsumer(kafka, SINK, offset_reset="error", instance_id=slot.name)
        abandoned = threading.Event()
        committer = Committer(
            bronze,
            time.monotonic,
            lambda seconds: abandoned.wait(seconds) or stop.overdue(ingest.shutdown_seconds),
            log,
            ingest.store_patience_seconds,
            metrics.retried,
            done,
        )
        identities = TopicIdentities(kafka)
        buffer = HistoryBuffer(
            bronze.new_file,
            committer,
            metrics,
            abandoned=abandoned,
            max_bytes=ingest.buffer_bytes,
            now=now,
            done=done,
            left_behind=lambda error: log.info("file_left_behind", reason=str(error)),
        )
        sink = HistorySink(
            consumer,
            RunDecoder(registry, metrics),
            OwnedPartitions(committer, identities, consumer, start_offsets(kafka, ingest.start)),
            buffer,
            StoreTrouble(lambda: check_usable(bronze.storage), ingest.store_patience_seconds, log),
            ingest,
            metrics,
            log,
            stall_seconds=kafka.max_poll_interval_ms / 1000 * STALL_SHARE,
            pause=stop.wait,
            done=done,
        )
        target = answered(lambda: _checked_target(kafka, topics, bronze, identities), stop, log)
        try:
            with serving_metrics(metrics, ingest) as port:
                log.info("started", topics=topics, lake=lake.uri, metrics_port=port)
                consumer.subscribe(topics, sink)
                _loop(
                    sink,
                    stop,
                    target if until_caught_up else None,
                    lambda: _checkpoints(bronze, identities, target.ends),
                )
                sink.finish()
        except Abandoned as error:
            raise Shutdown(SINK, ingest.shutdown_seconds) from error
        finally:
            sink.end()
            consumer.close()
    log.info("stopped", caught_up=until_caught_up and not stop.requested)


def _loop(
    sink: HistorySink,
    stop: Stop,
    target: Target | None,
    checkpoints: Callable[[], Checkpoints],
) -> None:
    check = Ticker(CAUGHT_UP_SECONDS)
    while not stop.requested:
        sink.step()
        if target is None or not check.due():
            continue
        if sink.commit_if_reached(target.ends) and target.reached(checkpoints()):
            return


def _checked_target(
    kafka: KafkaSettings, topics: Sequence[str], bronze: Bronze, identities: TopicIdentities
) -> Target:
    """The log's ends; CheckpointOutsideLog if any checkpoint of the group lies before its log. Who owns the
    partition finds one that lies behind it, and records that: until then the target is not reached."""
    offsets = Offsets(kafka)
    starts = offsets.starts(topics)
    checkpoints = _checkpoints(bronze, identities, starts)
    ends = offsets.ends(topics)
    for partition, checkpoint in checkpoints.items():
        low, high = starts[partition], ends[partition]
        if checkpoint is not None and checkpoint < low:
            raise CheckpointOutsideLog(partition, checkpoint, low, high)
    behind = Target.after(checkpoints, ends).refused
    return Target(ends, {**behind, **_went_back(bronze, identities, checkpoints)})


def _checkpoints(
    bronze: Bronze, identities: TopicIdentities, partitions: Iterable[TopicPartition]
) -> Checkpoints:
    """What the whole group has landed, whichever process did it."""
    keys = _keys(identities, partitions)
    found = Bronze(bronze.storage).checkpoints(keys)
    return {keys[key]: offset for key, offset in found.items()}


def _went_back(bronze: Bronze, identities: TopicIdentities, checkpoints: Checkpoints) -> Checkpoints:
    """Those that are recorded not to have been reached by their logs."""
    keys = _keys(identities, checkpoints)
    suspects = went_back(
        Bronze(bronze.storage), {key: checkpoints[partition] for key, partition in keys.items()}
    )
    return {keys[key]: checkpoints[keys[key]] for key in suspects}


def _keys(
    identities: TopicIdentities, partitions: Iterable[TopicPartition]
) -> dict[BronzePartition, TopicPartition]:
    """Partitions by the names that the table has for them."""
    partitions = list(partitions)
    topic_ids = identities.read(sorted({partition.topic for partition in partitions}))
    return {BronzePartition(topic_ids[key.topic], key.partition): key for key in partitions}

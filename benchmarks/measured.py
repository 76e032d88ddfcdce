"""One measured process of the ingest benchmark: a bare consumer, or a sink until it has caught up."""

import argparse
import json
import logging
import resource
import time
import uuid
from collections.abc import Iterable
from pathlib import Path

from confluent_kafka import Consumer
from confluent_kafka.admin import AdminClient
from pymongo import MongoClient, UpdateOne

from benchmarks.traffic import registry_of
from broker.settings import KafkaSettings
from broker.topic_specs import specs_from
from broker.topics import Topics
from contracts.registry import Registry
from ingest import history_run, routes_run, state_run
from ingest.metrics import SinkMetrics
from ingest.process import Stop, collect_garbage_seldom, configure_logs
from ingest.settings import IngestSettings
from lake.settings import LakeSettings, MongoSettings
from lake.state import StateStore
from lake.state_model import VehicleState, update_fields

BARE = ("bare", "lean")
SINKS = ("history", "state", "routes")
BARE_OPTIONS = {
    "enable.auto.commit": False,
    "auto.offset.reset": "earliest",
    "queued.min.messages": 1_000_000,
    "fetch.message.max.bytes": 8 * 1024 * 1024,
    "queued.max.messages.kbytes": 262_144,
}


def run_child(arguments: argparse.Namespace) -> None:
    """Measures itself; the last line it prints is the result."""
    if arguments.child in BARE:
        if arguments.child == "lean":
            collect_garbage_seldom()
        print(json.dumps(bare(arguments.broker, arguments.topics, arguments.messages)))
    else:
        print(json.dumps(sink(arguments.child, arguments)))


def bare(address: str, topics: list[str], count: int) -> dict[str, float]:
    """Reads `count` messages and does nothing with them."""
    consumer = Consumer({"bootstrap.servers": address, "group.id": uuid.uuid4().hex, **BARE_OPTIONS})
    consumer.subscribe(topics)
    seen, meter = 0, None
    while seen < count:
        messages = consumer.consume(20_000, 1.0)
        if messages and meter is None:
            meter = Meter()
        seen += len(messages)
    result = meter.read(seen) if meter else {}
    consumer.close()
    return result


class Meter:
    """Wall and CPU time of this process since it was made, and its peak memory."""

    def __init__(self) -> None:
        self._wall, self._cpu, self._epoch = time.perf_counter(), _cpu(), time.time()

    def read(self, messages: int) -> dict[str, float]:
        """Rates over `messages`."""
        wall, cpu = time.perf_counter() - self._wall, _cpu() - self._cpu
        return {
            "began": self._epoch,
            "ended": self._epoch + wall,
            "events_per_s": messages / wall,
            "cpu_s_per_million": cpu / messages * 1e6,
            "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        }


class MeteredMetrics(SinkMetrics):
    """A sink's metrics that also note when the first message was read."""

    meter: Meter | None = None
    first: int = 0

    def read(self, source: str, records: int, payload_bytes: int) -> None:
        if self.meter is None:
            self.meter = Meter()
        super().read(source, records, payload_bytes)


def sink(name: str, arguments: argparse.Namespace) -> dict[str, float]:
    """Runs one sink until it has caught up with the topics, on an empty lake, database or set of outputs."""
    configure_logs(logging.ERROR)
    if not arguments.plain:
        collect_garbage_seldom()
    scratch = Path(arguments.scratch)
    kafka = kafka_settings(arguments, scratch)
    registry = registry_of(arguments.topics, scratch)
    ingest = IngestSettings(runtime_dir=scratch)
    metrics = MeteredMetrics(name)
    if name == "history":
        lake = LakeSettings.model_validate_json(arguments.lake)
        history_run.run(kafka, lake, ingest, registry, stop=Stop(), until_caught_up=True, metrics=metrics)
        return metered(metrics, arguments.messages)
    if name == "state":
        return state(kafka, ingest, registry, metrics, arguments)
    remake_outputs(kafka, registry)
    routes_run.run(kafka, ingest, registry, stop=Stop(), until_caught_up=True, metrics=metrics)
    return metered(metrics, arguments.messages)


def state(
    kafka: KafkaSettings,
    ingest: IngestSettings,
    registry: Registry,
    metrics: MeteredMetrics,
    arguments: argparse.Namespace,
) -> dict[str, float]:
    """The state sink, and then the same documents written again by a bare loop into an empty database."""
    database = MongoSettings(uri=arguments.mongo, database=uuid.uuid4().hex)
    batches: list[list[VehicleState]] = []
    write = StateStore.write

    def recorded(self: StateStore, updates: Iterable[VehicleState]) -> int:
        batch = list(updates)
        batches.append(batch)
        return write(self, batch)

    StateStore.write = recorded  # type: ignore[method-assign]  # to know what was written
    state_run.run(kafka, database, ingest, registry, stop=Stop(), until_caught_up=True, metrics=metrics)
    result = metered(metrics, arguments.messages)
    if arguments.together:
        return result
    operations = [
        [UpdateOne({"_id": each.vehicle_id}, {"$max": update_fields(each)}, upsert=True) for each in batch]
        for batch in batches
    ]
    collection = MongoClient(arguments.mongo)[uuid.uuid4().hex]["bare"]
    began = time.perf_counter()
    for batch_operations in operations:
        collection.bulk_write(batch_operations, ordered=False)
    bare_seconds = time.perf_counter() - began
    wall = arguments.messages / result["events_per_s"]
    return result | {
        "documents_written": sum(map(len, operations)),
        "bare_bulk_write_s": bare_seconds,
        "to_bare_bulk_writes": bare_seconds / wall,
    }


def kafka_settings(arguments: argparse.Namespace, scratch: Path) -> KafkaSettings:
    """A consumer group of its own; the embedded broker has no topic ids."""
    incarnation = None
    if arguments.embedded:
        incarnation = scratch / "incarnation"
        incarnation.write_text("benchmark")
    return KafkaSettings(
        bootstrap_servers=arguments.broker, group_prefix=uuid.uuid4().hex, incarnation_file=incarnation
    )


def remake_outputs(kafka: KafkaSettings, registry: Registry) -> None:
    """Empties what routes writes, so that every round has all maxima to emit."""
    sources = set(registry.topics())
    specs = [spec for spec in specs_from(registry, kafka) if spec.name not in sources]
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap_servers})
    existing = admin.list_topics(timeout=10).topics
    doomed = [spec.name for spec in specs if spec.name in existing]
    for future in admin.delete_topics(doomed).values() if doomed else ():
        future.result(30)
    deadline = time.monotonic() + 30
    while doomed and set(doomed) & set(admin.list_topics(timeout=10).topics) and time.monotonic() < deadline:
        time.sleep(0.1)
    Topics(kafka).create(specs)


def metered(metrics: MeteredMetrics, messages: int) -> dict[str, float]:
    assert metrics.meter is not None, "no message was read"
    return metrics.meter.read(messages)


def _cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime

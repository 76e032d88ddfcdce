"""Ingest against a bare consumer: the same topic, the same run, in turn.

Fills a topic with full-size `tcu` messages (about 250 bytes, 1,000 vehicles), and one each for the routes
sink with 5 % dead letters and pressure readings among the traffic. Then a bare `consume` loop at its best
settings and each sink take turns, every one in a process of its own; the medians of the rounds are compared.
Prints one JSON document. Rates count from the first message read to the last commit.

The sinks tell Python to look for cyclic garbage seldom, which alone doubles the rate of a bare loop. So there
are two of those: `bare` in Python as it comes, and `lean` with that setting. `--plain` leaves the sinks in
Python as it comes, too.

    python benchmarks/ingest.py --messages 2000000
    python benchmarks/ingest.py --broker 127.0.0.1:9092 --sinks history
"""

import argparse
import json
import logging
import os
import random
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient, NewTopic
from pymongo import MongoClient, UpdateOne

ROOT = Path(__file__).resolve().parent.parent
sys.path[0] = str(ROOT)  # not this folder: its `ingest` is this script

from broker.settings import KafkaSettings  # noqa: E402 - after the path of the checkout
from broker.topic_specs import specs_from  # noqa: E402
from broker.topics import Topics  # noqa: E402
from contracts.load import load_registry  # noqa: E402
from contracts.registry import Registry  # noqa: E402
from fleetlake.stack.embedded import start_kafka, start_mongo  # noqa: E402
from ingest import history_run, routes_run, state_run  # noqa: E402
from ingest.metrics import SinkMetrics  # noqa: E402
from ingest.process import Stop, collect_garbage_seldom, configure_logs  # noqa: E402
from ingest.settings import IngestSettings  # noqa: E402
from lake.settings import LakeSettings, MongoSettings  # noqa: E402
from lake.state import StateStore  # noqa: E402
from lake.state_model import VehicleState, update_fields  # noqa: E402

VEHICLES = 1_000
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
BARE_OPTIONS = {
    "enable.auto.commit": False,
    "auto.offset.reset": "earliest",
    "queued.min.messages": 1_000_000,
    "fetch.message.max.bytes": 8 * 1024 * 1024,
    "queued.max.messages.kbytes": 262_144,
}
BARE = ("bare", "lean")
SINKS = ("history", "state", "routes")
MIXED_TOPIC = "telemetry_raw_mixed"
PRESSURE_SHARE = 5
"""One in so many messages of the mixed load is a pressure reading."""


# -- traffic ------------------------------------------------------------------------------------------------


def tcu_messages(count: int, seed: int, bad_share: float) -> Iterator[tuple[str, bytes]]:
    """(key, value) of full-size messages, a share of them cut off in the middle."""
    rng = random.Random(seed)
    names = ("odometer", "soc", "speed", "ignition_status")
    for number in range(count):
        moment = EPOCH + timedelta(milliseconds=3 * number)
        event = moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"
        late = moment + timedelta(milliseconds=rng.randrange(900))
        received = late.strftime("%Y-%m-%dT%H:%M:%S.") + f"{late.microsecond // 1000:03d}Z"
        vehicle = str(1000 + rng.randrange(VEHICLES))
        name = rng.choice(names)
        value = rng.randrange(2) if name == "ignition_status" else rng.random() * 100
        text = (
            f'{{"did":"{vehicle}","timestamp":"{int(moment.timestamp() * 1000)}","name":"{name}",'
            f'"value_type":"0","float_value":{value:.2f},"string_value":"","int_value":"0",'
            f'"eventTime":"{event}","receivedTime":"{received}","firmware":"tcu-3.14.{number % 7}"}}'
        )
        if rng.random() < bad_share:
            text = text[: len(text) // 2]
        yield vehicle, text.encode()


def pressure_messages(count: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """(key, value) of pressure readings of 10 vehicles with 1,000 sensors each, 5 % of them spikes."""
    rng = random.Random(seed)
    for number in range(count):
        moment = EPOCH + timedelta(milliseconds=3 * number)
        vehicle, sensor = rng.randrange(10), rng.randrange(1000)
        pressure = 850_000 + rng.randrange(40_000) + (rng.randrange(200_000) if rng.random() < 0.05 else 0)
        text = (
            f'{{"timestamp":"{moment:%Y-%m-%d %H:%M:%S}.{moment.microsecond // 1000:03d}Z",'
            f'"pressure":{pressure},'
            f'"temperature":{20 + rng.random() * 10:.1f},"sensorId":"honda{vehicle}{sensor:03d}",'
            f'"vehicleId":"HONDA {vehicle}"}}'
        )
        yield f"honda{vehicle}{sensor:03d}", text.encode()


def fill(address: str, topic: str, partitions: int, messages: Iterator[tuple[str, bytes]]) -> int:
    """Creates `topic` and fills it; returns the number of messages the broker acknowledged."""
    admin = AdminClient({"bootstrap.servers": address})
    config = {"message.timestamp.type": "LogAppendTime"}
    for future in admin.create_topics([NewTopic(topic, num_partitions=partitions, config=config)]).values():
        future.result()
    producer = Producer(
        {
            "bootstrap.servers": address,
            "enable.idempotence": True,
            "linger.ms": 50,
            "batch.size": 1024 * 1024,
            "compression.type": "lz4",
            "queue.buffering.max.messages": 500_000,
        }
    )
    sent = 0
    for key, value in messages:
        while True:
            try:
                producer.produce(topic, value, key)
                break
            except BufferError:
                producer.poll(0.1)
        sent += 1
        if sent % 10_000 == 0:
            producer.poll(0)
    left = producer.flush(120)
    assert left == 0, f"{left} messages were not acknowledged"
    return sent


# -- one measured process -----------------------------------------------------------------------------------


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
        self._wall, self._cpu = time.perf_counter(), _cpu()

    def read(self, messages: int) -> dict[str, float]:
        """Rates over `messages`."""
        wall, cpu = time.perf_counter() - self._wall, _cpu() - self._cpu
        return {
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
        lake = LakeSettings(uri=str(scratch / "lake"))
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


def registry_of(topics: list[str], scratch: Path) -> Registry:
    """The contracts of these topics; `tcu_mixed` is `tcu` under another name."""
    tcu = (ROOT / "contracts" / "sources" / "tcu.yml").read_text()
    mixed = scratch / "tcu_mixed.yml"
    mixed.write_text(tcu.replace("name: tcu\n", "name: tcu_mixed\n").replace("telemetry_raw", MIXED_TOPIC))
    registry = load_registry([mixed])
    wanted = {name: each for name, each in registry.contracts.items() if set(each.topics) & set(topics)}
    return Registry(registry.catalog, wanted, registry.limits)


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


# -- the run ------------------------------------------------------------------------------------------------


@contextmanager
def broker(address: str | None, scratch: Path) -> Iterator[str]:
    """The address given, or an embedded broker of our own that writes no snapshots: one of them costs as
    much as reading the log, and would be charged to whoever runs at the time."""
    if address:
        yield address
        return
    folder = scratch / "kafka"
    (folder / "kafka.tmp").mkdir(parents=True)  # its snapshot's draft cannot be written over a folder
    server = start_kafka(folder)
    try:
        yield server.address
    finally:
        server.kill()


def measured(arguments: list[str]) -> dict[str, float]:
    """Runs this script as a child that measures itself; its last line is the result."""
    command = [sys.executable, __file__, "--child", *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


def median(results: list[dict[str, float]]) -> dict[str, float]:
    """The median of each figure."""
    return {key: statistics.median(result[key] for result in results) for key in results[0]}


def main() -> None:
    """Fills the topics, measures in turn, prints the JSON."""
    arguments = parse()
    if arguments.child in BARE:
        if arguments.child == "lean":
            collect_garbage_seldom()
        print(json.dumps(bare(arguments.broker, arguments.topics, arguments.messages)))
    elif arguments.child:
        print(json.dumps(sink(arguments.child, arguments)))
    else:
        compare(arguments)


def compare(arguments: argparse.Namespace) -> None:
    """Every sink beside a bare loop, in turn, `rounds` times."""
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="fleetlake-bench-")))
        address = stack.enter_context(broker(arguments.broker, scratch))
        mongo = stack.enter_context(database(scratch)) if "state" in arguments.sinks else ""
        topics = fill_topics(address, arguments)
        results: dict[str, list[dict[str, float]]] = {}
        for number in range(arguments.rounds):
            for name in arguments.sinks:
                for who in (*BARE, name):
                    folder = scratch / f"{name}-{who}-{number}"
                    folder.mkdir()
                    words = [who, "--broker", address, "--mongo", mongo, "--scratch", str(folder)]
                    words += ["--messages", str(arguments.messages), "--topics", *topics[name]]
                    words += [] if arguments.broker else ["--embedded"]
                    words += ["--plain"] if arguments.plain else []
                    figure = measured(words)
                    shutil.rmtree(folder)
                    results.setdefault(f"{who} for {name}" if who in BARE else name, []).append(figure)
                    print(f"round {number + 1} {who:8} {figure}", file=sys.stderr, flush=True)
        print(json.dumps(report(arguments, results), indent=2))


@contextmanager
def database(scratch: Path) -> Iterator[str]:
    """The address of an embedded MongoDB of our own."""
    server = start_mongo(scratch / "mongo")
    try:
        yield f"mongodb://{server.address}/?directConnection=true"
    finally:
        server.stop()


def fill_topics(address: str, arguments: argparse.Namespace) -> dict[str, list[str]]:
    """Fills what the sinks read: one tcu topic for history and state, and a mixed load for routes."""
    count, topics = arguments.messages, {}
    if {"history", "state"} & set(arguments.sinks):
        fill(address, "telemetry_raw", 6, tcu_messages(count, 1, bad_share=0.0))
        topics |= {"history": ["telemetry_raw"], "state": ["telemetry_raw"]}
    if "routes" in arguments.sinks:
        pressures = count // PRESSURE_SHARE
        bad_share = 0.05 * count / (count - pressures)
        fill(address, MIXED_TOPIC, 6, tcu_messages(count - pressures, 2, bad_share))
        fill(address, "sensor_pressure_stream", 6, pressure_messages(pressures, 3))
        topics["routes"] = [MIXED_TOPIC, "sensor_pressure_stream"]
    return topics


def report(arguments: argparse.Namespace, results: dict[str, list[dict[str, float]]]) -> dict[str, Any]:
    """Medians, and each sink's ratios to the bare loops of the same rounds."""
    medians = {name: median(figures) for name, figures in results.items()}
    ratios: dict[str, dict[str, float]] = {name: {} for name in arguments.sinks}
    for name in arguments.sinks:
        for who in BARE:
            pairs = zip(results[name], results[f"{who} for {name}"], strict=True)
            rates = [(mine["events_per_s"] / other["events_per_s"]) for mine, other in pairs]
            cpu = medians[name]["cpu_s_per_million"] / medians[f"{who} for {name}"]["cpu_s_per_million"]
            ratios[name] |= {f"to_{who}": statistics.median(rates), f"cpu_to_{who}": cpu}
    return {
        "messages": arguments.messages,
        "rounds": arguments.rounds,
        "cores": os.cpu_count(),
        "sinks_in": "Python as it comes" if arguments.plain else "Python that collects garbage seldom",
        "medians": medians,
        "ratios": ratios,
    }


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--messages", type=int, default=2_000_000)
    parser.add_argument("--broker", help="HOST:PORT of a real Kafka; default: an embedded broker of our own")
    parser.add_argument("--sinks", nargs="+", choices=SINKS, default=list(SINKS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--plain", action="store_true", help="leave the sinks in Python as it comes")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--embedded", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--mongo", default="", help=argparse.SUPPRESS)
    parser.add_argument("--scratch", default="", help=argparse.SUPPRESS)
    parser.add_argument("--topics", nargs="*", default=[], help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()

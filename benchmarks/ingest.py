"""Ingest against a bare consumer: the same topic, the same run, in turn.

Fills a topic with full-size `tcu` messages (about 250 bytes, 1,000 vehicles), and one each for the routes
sink with 5 % dead letters and pressure readings among the traffic. Then a bare `consume` loop at its best
settings and each sink take turns, every one in a process of its own; the medians of the rounds are compared.
Prints one JSON document. Rates count from the first message read to the last commit.

    python benchmarks/ingest.py --messages 2000000
    python benchmarks/ingest.py --broker 127.0.0.1:9092 --sinks history
"""

import argparse
import json
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
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient, NewTopic

ROOT = Path(__file__).resolve().parent.parent
sys.path[0] = str(ROOT)  # not this folder: its `ingest` is this script

from broker.settings import KafkaSettings  # noqa: E402 - after the path of the checkout
from contracts.load import load_registry  # noqa: E402
from fleetlake.stack.embedded import start_kafka, start_mongo  # noqa: E402
from ingest.metrics import SinkMetrics  # noqa: E402
from ingest.process import Stop, configure_logs  # noqa: E402
from ingest.settings import IngestSettings  # noqa: E402
from lake.settings import LakeSettings, MongoSettings  # noqa: E402

VEHICLES = 1_000
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
BARE_OPTIONS = {
    "enable.auto.commit": False,
    "auto.offset.reset": "earliest",
    "queued.min.messages": 1_000_000,
    "fetch.message.max.bytes": 8 * 1024 * 1024,
    "queued.max.messages.kbytes": 262_144,
}
SOURCE_TOPICS = {"tcu": "telemetry_raw", "pressure": "sensor_pressure_stream"}


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
            f'{{"timestamp":"{moment:%Y-%m-%d %H:%M:%S}.{moment.microsecond // 1000:03d}Z","pressure":{pressure},'
            f'"temperature":{20 + rng.random() * 10:.1f},"sensorId":"honda{vehicle}{sensor:03d}",'
            f'"vehicleId":"HONDA {vehicle}"}}'
        )
        yield f"honda{vehicle}{sensor:03d}", text.encode()


def fill(address: str, topic: str, partitions: int, messages: Iterator[tuple[str, bytes]]) -> int:
    """Creates `topic` and fills it; returns the number of messages the broker acknowledged."""
    admin = AdminClient({"bootstrap.servers": address})
    config = {"message.timestamp.type": "LogAppendTime"}
    for future in admin.create_topics(
        [NewTopic(topic, num_partitions=partitions, config=config)]
    ).values():
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


# -- one measured process -------------------------------------------------------------------------------------


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


def sink(name: str, address: str, topics: list[str], count: int, scratch: Path, mongo: str) -> dict[str, float]:
    """Runs one sink until it has caught up with the topics, on an empty lake or database."""
    import logging

    configure_logs(logging.ERROR)
    (scratch / "incarnation").write_text("benchmark")
    kafka = KafkaSettings(
        bootstrap_servers=address,
        group_prefix=uuid.uuid4().hex,
        incarnation_file=scratch / "incarnation" if os.environ.get("BENCH_INCARNATION") else None,
    )
    registry = load_registry().only(topics)
    ingest = IngestSettings(runtime_dir=scratch)
    metrics = MeteredMetrics(name)
    if name == "history":
        from ingest.history_run import run as run_history

        lake = LakeSettings(uri=str(scratch / "lake"))
        run_history(kafka, lake, ingest, registry, stop=Stop(), until_caught_up=True, metrics=metrics)
    elif name == "state":
        from ingest.state import run as run_state

        database = MongoSettings(uri=mongo, database=uuid.uuid4().hex)
        run_state(kafka, database, ingest, registry, stop=Stop(), until_caught_up=True, metrics=metrics)
    else:
        from ingest.routes import run as run_routes

        run_routes(kafka, ingest, registry, stop=Stop(), until_caught_up=True, metrics=metrics)
    assert metrics.meter is not None, "no message was read"
    return metrics.meter.read(count)


def _cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


# -- the run ----------------------------------------------------------------------------------------------------


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


def measured(arguments: list[str], environment: dict[str, str]) -> dict[str, float]:
    """Runs this script as a child that measures itself; its last line is the result."""
    done = subprocess.run(
        [sys.executable, __file__, "--child", *arguments],
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


def median(results: list[dict[str, float]]) -> dict[str, float]:
    """The median of each figure."""
    return {key: statistics.median(result[key] for result in results) for key in results[0]}


def main() -> None:
    """Fills the topics, measures in turn, prints the JSON."""
    arguments = parse()
    if arguments.child:
        print(json.dumps(child(arguments)))
        return
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="fleetlake-bench-")))
        address = stack.enter_context(broker(arguments.broker, scratch))
        mongo = stack.enter_context(closing_mongo(scratch)) if "state" in arguments.sinks else ""
        topics = fill_topics(address, arguments)
        environment = {} if arguments.broker else {"BENCH_INCARNATION": "1"}
        results: dict[str, list[dict[str, float]]] = {}
        for round_number in range(arguments.rounds):
            for name in arguments.sinks:
                base = ["--broker", address, "--mongo", mongo, "--topics", *topics[name], "--messages"]
                base.append(str(arguments.messages))
                for who in ("bare", name):
                    folder = scratch / f"{name}-{who}-{round_number}"
                    folder.mkdir()
                    figure = measured([who, *base, "--scratch", str(folder)], environment)
                    shutil.rmtree(folder)
                    results.setdefault(f"bare for {name}" if who == "bare" else name, []).append(figure)
                    print(f"round {round_number + 1} {who:8} {figure}", file=sys.stderr)
        print(json.dumps(report(arguments, results), indent=2))


def fill_topics(address: str, arguments: argparse.Namespace) -> dict[str, list[str]]:
    """Fills what the sinks read: the same tcu topic for history and state, one of its own for routes."""
    plain, mixed = ["telemetry_raw"], ["telemetry_raw_mixed", "sensor_pressure_stream"]
    count = arguments.messages
    topics: dict[str, list[str]] = {}
    if {"history", "state"} & set(arguments.sinks):
        fill(address, plain[0], 6, tcu_messages(count, 1, bad_share=0.0))
        topics |= {"history": plain, "state": plain}
    if "routes" in arguments.sinks:
        topics["routes"] = mixed
    return topics


def report(arguments: argparse.Namespace, results: dict[str, list[dict[str, float]]]) -> dict[str, Any]:
    """Medians, and each sink's ratio to the bare loop of the same rounds."""
    medians = {name: median(figures) for name, figures in results.items()}
    ratios = {}
    for name in arguments.sinks:
        pairs = zip(results[name], results[f"bare for {name}"], strict=True)
        rates = [(mine["events_per_s"] / bare["events_per_s"]) for mine, bare in pairs]
        cpu = medians[name]["cpu_s_per_million"] / medians[f"bare for {name}"]["cpu_s_per_million"]
        ratios[name] = {"to_bare": statistics.median(rates), "cpu_to_bare": cpu}
    return {
        "messages": arguments.messages,
        "rounds": arguments.rounds,
        "cores": os.cpu_count(),
        "medians": medians,
        "ratios": ratios,
    }

"""The gateway against a bare producer: the same events, the same broker, in turn.

One `fleetlake gateway` process, as it is started on a server, and a load generator in a process of its own:
single events, events in batches, and single events with an idempotency key. Every answer is checked, and
every event counted is one that the broker has acknowledged. The bare producer writes the same events with the
same settings (all replicas, idempotent, one request in flight) from a loop that does nothing else.
Prints one JSON document.

    python benchmarks/gateway.py
    python benchmarks/gateway.py --broker real --seconds 20
    python benchmarks/gateway.py --broker 127.0.0.1:9092
"""

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[0] = str(ROOT)  # not this folder: its `ingest` is a script

from benchmarks.gateway_load import Load, percentile  # noqa: E402 - after the path of the checkout
from benchmarks.measured import Meter  # noqa: E402
from benchmarks.servers import REAL, broker, database  # noqa: E402
from broker.producer import Producer  # noqa: E402
from broker.settings import KafkaSettings  # noqa: E402
from broker.topics import Topics, specs_from  # noqa: E402
from contracts.load import load_registry  # noqa: E402

VEHICLES = 1_000
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
KINDS = ("single", "batch", "keyed")
Figures = dict[str, Any]


def event(number: int) -> dict[str, Any]:
    """A reading of one of many sensors, about 150 bytes."""
    return {
        "sensor_id": f"sensor_{number % VEHICLES}",
        "timestamp": (EPOCH + timedelta(milliseconds=number)).isoformat(timespec="milliseconds"),
        "temperature": round(15 + number % 200 / 10, 1),
        "humidity": round(40 + number % 300 / 10, 1),
        "location": {"latitude": 12.97, "longitude": 77.59},
    }


def bodies(kind: str, batch: int) -> list[bytes]:
    """What is asked in turn."""
    if kind == "batch":
        return [json.dumps([event(n * batch + i) for i in range(batch)]).encode() for n in range(40)]
    return [json.dumps(event(n)).encode() for n in range(2_000)]


class Bench:
    """The servers of one run."""

    def __init__(self, arguments: argparse.Namespace, stack: ExitStack) -> None:
        self.arguments = arguments
        self.scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="fleetlake-bench-")))
        self.kafka = stack.enter_context(broker(arguments.broker, self.scratch))
        self.mongo = stack.enter_context(database(self.scratch))
        settings = KafkaSettings(bootstrap_servers=self.kafka)
        Topics(settings).create(specs_from(load_registry(), settings))

    def bare(self) -> Figures:
        """The same events from a loop."""
        return self._child("bare", "--broker", self.kafka, "--events", str(self.arguments.bare_events))

    def asked(self, kind: str) -> Figures:
        """One kind of load on a gateway of its own."""
        with self._gateway() as (address, process):
            result = self._child("load", "--address", address, "--kind", kind)
            cpu = cpu_seconds(process.pid)
        return result | {"gateway_cpu_s": cpu}

    def _child(self, role: str, *words: str) -> Figures:
        given = self.arguments
        more = ["--seconds", str(given.seconds), "--batch", str(given.batch)]
        more += ["--connections", str(given.connections), "--batch-connections", str(given.batch_connections)]
        command = [sys.executable, __file__, "--child", role, *more, *words]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        figures: Figures = json.loads(done.stdout.splitlines()[-1])
        return figures

    @contextmanager
    def _gateway(self) -> Iterator[tuple[str, subprocess.Popen[str]]]:
        """`fleetlake gateway`, whose bounds for one client are out of the way: there is one client."""
        variables = {
            "KAFKA__BOOTSTRAP_SERVERS": self.kafka,
            "MONGO__URI": self.mongo,
            "GATEWAY__PORT": "0",
            "DATA_DIR": str(self.scratch / "data"),
            "HTTP__REQUESTS_PER_SECOND": "1000000",
            "HTTP__BURST": "1000000",
            "HTTP__CONCURRENT_REQUESTS": "10000",
            "HTTP__CONCURRENT_PER_CLIENT": "10000",
        }
        if not self.arguments.broker:
            incarnation = self.scratch / "incarnation"
            incarnation.write_text("benchmark")
            variables["KAFKA__INCARNATION_FILE"] = str(incarnation)
        environment = os.environ | {f"FLEETLAKE_{name}": value for name, value in variables.items()}
        with (self.scratch / "gateway.log").open("w") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "fleetlake.cli", "gateway"],
                cwd=ROOT,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line.startswith("gateway: "), (self.scratch / "gateway.log").read_text()
            try:
                yield line.removeprefix("gateway: ").strip(), process
            finally:
                process.terminate()
                process.wait(30)


def cpu_seconds(pid: int) -> float:
    """User and system time of a running process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def bare(arguments: argparse.Namespace) -> Figures:
    """A producer alone."""
    producer = Producer(KafkaSettings(bootstrap_servers=arguments.broker))
    values = [(json.dumps(event(n)).encode(), f"sensor_{n % VEHICLES}".encode()) for n in range(20_000)]
    meter = Meter()
    for number in range(arguments.events):
        value, key = values[number % len(values)]
        producer.send("sensor.telemetry.v1", key, value)
        if number % 1_000 == 0:
            producer.poll()
    producer.flush()
    assert producer.delivered == arguments.events
    return dict(meter.read(arguments.events))


def load(arguments: argparse.Namespace) -> Figures:
    """Asks for as long as it shall, after a moment that does not count."""
    kind = arguments.kind
    connections = arguments.batch_connections if kind == "batch" else arguments.connections
    asked = Load(arguments.address, bodies(kind, arguments.batch), connections, has_keys=kind == "keyed")
    asyncio.run(asked.warmed())
    began = time.perf_counter()
    latencies = asyncio.run(asked.run(arguments.seconds))
    seconds = time.perf_counter() - began - asked.warm_seconds
    events = len(latencies) * (arguments.batch if kind == "batch" else 1)
    return {
        "requests": len(latencies),
        "events_per_s": events / seconds,
        "requests_per_s": len(latencies) / seconds,
        "p50_ms": percentile(latencies, 0.5) * 1000,
        "p99_ms": percentile(latencies, 0.99) * 1000,
    }


def compare(arguments: argparse.Namespace) -> None:
    """All kinds, `rounds` times, in turn."""
    found: dict[str, list[Figures]] = {}
    with ExitStack() as stack:
        bench = Bench(arguments, stack)
        for number in range(arguments.rounds):
            for kind in ("bare", *arguments.kinds):
                figures = bench.bare() if kind == "bare" else bench.asked(kind)
                found.setdefault(kind, []).append(figures)
                print(f"round {number + 1} {kind:7} {figures}", file=sys.stderr, flush=True)
    medians = {kind: median(figures) for kind, figures in found.items()}
    rate = medians["bare"]["events_per_s"]
    print(
        json.dumps(
            {
                "broker": "Apache Kafka" if arguments.broker == REAL else arguments.broker or "embedded",
                "cores": os.cpu_count(),
                "batch": arguments.batch,
                "medians": medians,
                "to_bare": {kind: medians[kind]["events_per_s"] / rate for kind in arguments.kinds},
            },
            indent=2,
        )
    )


def median(results: list[Figures]) -> Figures:
    """Of each figure."""
    keys = results[0].keys() - {"began", "ended"}
    return {key: statistics.median(result[key] for result in results) for key in sorted(keys)}


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--broker", help="real: Apache Kafka; HOST:PORT; default: an embedded broker")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batch", type=int, default=500, help="events of a batch")
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--batch-connections", type=int, default=8)
    parser.add_argument("--bare-events", type=int, default=300_000)
    parser.add_argument("--child", choices=["bare", "load"], help=argparse.SUPPRESS)
    parser.add_argument("--address", help=argparse.SUPPRESS)
    parser.add_argument("--kind", help=argparse.SUPPRESS)
    parser.add_argument("--events", type=int, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    asked_for = parse()
    if asked_for.child:
        print(json.dumps({"bare": bare, "load": load}[asked_for.child](asked_for)))
    else:
        compare(asked_for)

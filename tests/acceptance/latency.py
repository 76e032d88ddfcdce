"""From the event sent to Kafka to the state visible in MongoDB: p50, p99 and the worst, on the local stack.

Sends paced `tcu` messages of many vehicles, and asks MongoDB fifty times a second for the state of a few of
them: asking for all, or in a tight loop, would measure the load of asking. The delay of an event counts from
the moment it was handed to the producer to the moment a reader first saw it, or a newer one of its vehicle.
Every vehicle has a state before the clock starts: a fleet does not appear in one second.
Prints JSON; exits 1 if p99 is above the limit.

    python -m tests.acceptance.latency --rate 2000 --vehicles 1000 --seconds 60
"""

import argparse
import json
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from pymongo import MongoClient
from pymongo.collection import Collection

from broker.producer import Producer
from fleetlake.settings import Settings, choose_data_dir
from tests.acceptance.kill_any_sink import running_stack

BASE_MS = 1_760_000_000_000
SAMPLE = 10
"""Vehicles that are watched."""

LOOK_SECONDS = 0.02
"""Pause between two looks: it counts as delay. Asking without a pause takes a quarter of the embedded
MongoDB's time, and would be measured in place of the sink."""

TICK_SECONDS = 0.01
"""Messages are sent a few at a time: waking up for each would cost as much as the sinks take."""


def message(vehicle: int, number: int) -> bytes:
    """A full-size message whose event time is its number: it tells events apart."""
    moment = BASE_MS + number
    return (
        f'{{"did":"V{vehicle:04d}","timestamp":"{moment}","name":"speed","value_type":"0",'
        f'"float_value":{number % 200}.50,"string_value":"","int_value":"0","firmware":"tcu-3.14.0",'
        f'"comment":"padding to the size of a real message of a telematics unit in the field"}}'
    ).encode()


class Reader(threading.Thread):
    """Notes when each vehicle's newest event number was first seen."""

    def __init__(self, uri: str, database: str, vehicles: list[str]) -> None:
        super().__init__(daemon=True)
        self._vehicles = vehicles
        self._collection: Collection[dict[str, Any]] = MongoClient(uri)[database]["vehicle_state"]
        self.seen: dict[str, list[tuple[int, float]]] = {}
        self.done = threading.Event()

    def run(self) -> None:
        newest: dict[str, int] = {}
        while not self.done.is_set():
            for row in self._collection.find({"_id": {"$in": self._vehicles}}, {"s.speed.t": 1}):
                number = row["s"]["speed"]["t"] // 1000 - BASE_MS
                if number > newest.get(row["_id"], -1):
                    newest[row["_id"]] = number
                    self.seen.setdefault(row["_id"], []).append((number, time.monotonic()))
            time.sleep(LOOK_SECONDS)


def measure(arguments: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """One run against a fresh stack."""
    with running_stack(folder):
        choose_data_dir(folder)
        settings = Settings()
        every = max(1, arguments.vehicles // SAMPLE)
        sample = {f"V{vehicle:04d}" for vehicle in range(0, arguments.vehicles, every)}
        reader = Reader(settings.mongo.uri, settings.mongo.database, sorted(sample))
        reader.start()
        producer = Producer(settings.kafka)
        for vehicle in range(arguments.vehicles):
            producer.send("telemetry_raw", f"V{vehicle:04d}".encode(), message(vehicle, 0))
        producer.flush()
        time.sleep(arguments.settle)
        sent: dict[tuple[str, int], float] = {}
        began = time.monotonic()
        total = int(arguments.rate * arguments.seconds)
        for number in range(1, total + 1):
            if (wait := began + number / arguments.rate - time.monotonic()) > TICK_SECONDS:
                time.sleep(wait)
            vehicle = number % arguments.vehicles
            name = f"V{vehicle:04d}"
            if name in sample:
                sent[name, number] = time.monotonic()
            producer.send("telemetry_raw", name.encode(), message(vehicle, number))
        producer.flush()
        sending = time.monotonic() - began
        time.sleep(arguments.settle)
        reader.done.set()
        reader.join()
    return verdict(sent, reader.seen, total / sending)


def verdict(
    sent: dict[tuple[str, int], float], seen: dict[str, list[tuple[int, float]]], rate: float
) -> dict[str, Any]:
    """An event's delay ends when it, or a newer one of its vehicle, was seen."""
    delays, missing = [], 0
    per_vehicle: dict[str, list[int]] = {}
    for vehicle, number in sent:
        per_vehicle.setdefault(vehicle, []).append(number)
    for vehicle, numbers in per_vehicle.items():
        sightings = iter(seen.get(vehicle, []))
        current = next(sightings, None)
        for number in numbers:
            while current is not None and current[0] < number:
                current = next(sightings, None)
            if current is None:
                missing += 1
            else:
                delays.append(current[1] - sent[vehicle, number])
    delays.sort()
    return {
        "events_watched": len(sent),
        "events_per_s": round(rate, 1),
        "not_seen": missing,
        "p50_ms": round(statistics.median(delays) * 1000, 1),
        "p99_ms": round(delays[int(len(delays) * 0.99)] * 1000, 1),
        "max_ms": round(delays[-1] * 1000, 1),
    }


def main() -> int:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rate", type=float, default=2_000.0)
    parser.add_argument("--vehicles", type=int, default=1_000)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument(
        "--settle", type=float, default=5.0, help="seconds to wait before the first and behind the last event"
    )
    parser.add_argument("--limit-ms", type=float, default=250.0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="fleetlake-latency-") as folder:
        found = measure(arguments, Path(folder))
    good = found["p99_ms"] <= arguments.limit_ms and not found["not_seen"]
    print(json.dumps({"ok": good, "limit_ms": arguments.limit_ms, **found}, indent=2))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())

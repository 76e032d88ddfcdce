"""What maintenance is worth: one vehicle's day, asked of a day of silver as increments leave it, as the day's
tidying does, and as the night does. Prints one JSON document.

Every question is asked in a connection of its own and in one that has asked before: the first one opens
the table, the second one may have the files' ends in its cache.

    python benchmarks/maintenance.py
    python benchmarks/maintenance.py --increments 720 --rows 3000 --vehicles 2000
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[0] = str(ROOT)

import numpy as np  # noqa: E402 - after the path of the checkout
import pyarrow as pa  # noqa: E402

from lake.maintenance import Maintained, maintain, tidy  # noqa: E402
from lake.query import Warehouse  # noqa: E402
from lake.schemas import SILVER, SILVER_SIGNALS  # noqa: E402
from lake.settings import LakeSettings  # noqa: E402
from lake.silver import BronzeRead, Lane, Silver  # noqa: E402
from lake.storage import wait_ready  # noqa: E402

DAY = datetime(2026, 3, 10, tzinfo=UTC)
DAY_US = 86_400_000_000
SIGNALS = ["speed", "odometer", "soc", "latitude", "longitude"]
QUESTION = "select event_time, value from silver.signals where event_date = '{day}' and vehicle_id = '{vin}'"
SAMPLES = 15


def main(arguments: argparse.Namespace) -> None:
    """Three states of one table, measured alike."""
    with tempfile.TemporaryDirectory(prefix="fleetlake-bench-") as folder:
        settings = LakeSettings(uri=f"{folder}/lake")
        fill(settings, arguments)
        found: dict[str, Any] = {"increments": arguments.increments, "rows": arguments.rows}
        found["fragmented"] = measured(settings, arguments.vehicles)
        steps: dict[str, Callable[[], Maintained]] = {
            "tidied": lambda: tidy(settings, SILVER_SIGNALS.name, DAY.date()),
            "maintained": lambda: maintain(settings, SILVER_SIGNALS.name),
        }
        for name, step in steps.items():
            done = step()
            found[name] = {
                "seconds": round(done.seconds, 2),
                "files": asdict(done.after),
                **measured(settings, arguments.vehicles),
            }
        print(json.dumps(found, indent=2))


def fill(settings: LakeSettings, arguments: argparse.Namespace) -> None:
    """One commit an increment, each sorted, as the hot lane makes them."""
    silver = Silver(wait_ready(settings))
    for number, rows in enumerate(increments(arguments)):
        silver.append(rows.to_reader(), Lane.HOT, BronzeRead(number, number * arguments.rows))


def increments(arguments: argparse.Namespace) -> Iterator[pa.Table]:
    random = np.random.default_rng(1)
    count = arguments.rows
    width = DAY_US // arguments.increments
    for number in range(arguments.increments):
        times = int(DAY.timestamp() * 1e6) + number * width + np.sort(random.integers(0, width, count))
        time_us = pa.array(times, pa.int64()).cast(SILVER.field("event_time").type)
        known = {
            "vehicle_id": pa.array([vin(each) for each in random.integers(0, arguments.vehicles, count)]),
            "signal": pa.array(SIGNALS).take(random.integers(0, len(SIGNALS), count)),
            "event_time": time_us,
            "effective_time": time_us,
            "received_time": time_us,
            "value": pa.array(random.random(count).round(3)),
            "topic": pa.array(["car.telemetry.v1"] * count),
            "offset": pa.array(np.arange(count) + number * count),
            "event_date": pa.array([DAY.date()] * count),
        }
        table = pa.table({name: known.get(name, pa.nulls(count)) for name in SILVER.names}).cast(SILVER)
        yield table.sort_by([(name, "ascending") for name in ("vehicle_id", "signal", "event_time")])


def measured(settings: LakeSettings, vehicles: int) -> dict[str, float]:
    """Milliseconds for one vehicle's day, fetched as Arrow: medians."""
    first, again = [], []
    with Warehouse(settings) as warm:
        ask(warm, 0)
        for number in range(SAMPLES):
            vehicle = number * vehicles // SAMPLES
            again.append(ask(warm, vehicle))
            with Warehouse(settings) as cold:
                first.append(ask(cold, vehicle))
    return {"first_ms": statistics.median(first), "again_ms": statistics.median(again)}


def ask(warehouse: Warehouse, vehicle: int) -> float:
    began = time.perf_counter()
    answer = warehouse.query(QUESTION.format(day=DAY.date(), vin=vin(vehicle))).table()
    assert answer.num_rows > 0
    return round((time.perf_counter() - began) * 1000, 1)


def vin(number: int) -> str:
    """Alike in their beginnings, as those of one maker are."""
    return f"LRWYGCEK1PC{number:06}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--increments", type=int, default=720)
    parser.add_argument("--rows", type=int, default=3000, help="of each increment")
    parser.add_argument("--vehicles", type=int, default=2000)
    main(parser.parse_args())

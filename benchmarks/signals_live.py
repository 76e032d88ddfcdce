"""silver.signals_live against silver alone: one vehicle's day, and a sum over a day of all vehicles.

Makes a lake of ten days (1,000 vehicles, five signals a message), brings silver up to date day by day, and
lands a tail that silver has not read in twenty commits. `lasting` is the view that Metabase keeps, made
before the tail. CPU is that of this process: on a busy machine it says more than the time. Prints one JSON
document.

    python benchmarks/signals_live.py --readings 5000000 --tail 100000
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from deltalake import CommitProperties, Transaction, write_deltalake

ROOT = Path(__file__).resolve().parent.parent
sys.path[0] = str(ROOT)

from lake.bronze import BronzePartition, open_or_create  # noqa: E402 - after the path of the checkout
from lake.duck import connection, empty_select  # noqa: E402
from lake.live import parts_at_any_time  # noqa: E402
from lake.query import connect  # noqa: E402
from lake.schemas import BRONZE, TABLES  # noqa: E402
from lake.settings import LakeSettings  # noqa: E402
from lake.silver import Lane  # noqa: E402
from lake.storage import storage, wait_ready  # noqa: E402
from transforms.increment import increment  # noqa: E402
from transforms.live import signals_live  # noqa: E402
from transforms.load import load_models  # noqa: E402

SIGNALS = ("speed", "soc", "odometer", "latitude", "longitude")
VEHICLES, PARTITIONS, DAYS, COMMITS = 1_000, 6, 10, 20
TODAY = datetime(2026, 3, 10, tzinfo=UTC)
HALF_A_DAY_US = 43_200_000_000
TIMES = BRONZE.field("event_time").type

QUESTIONS = {
    "a vehicle's day": "select * from {} where vehicle_id = 'V0042' and event_date = date '2026-03-10'",
    "a day of all": "select signal, avg(value) from {} where event_date = date '2026-03-10' group by all",
}


class Traffic:
    """Messages in the order of their offsets, over all partitions in turn."""

    def __init__(self, settings: LakeSettings) -> None:
        self.bronze, self.sent, self.random = (
            open_or_create(wait_ready(settings)),
            0,
            np.random.default_rng(1),
        )

    def land(self, count: int, begin: datetime, span_us: int) -> None:
        """One commit with its checkpoints."""
        times = np.sort(self.random.integers(0, span_us, count)) + int(begin.timestamp() * 1e6)
        rows = self._rows(times, begin)
        self.sent += count
        reached = {
            number: (self.sent + PARTITIONS - 1 - number) // PARTITIONS for number in range(PARTITIONS)
        }
        write_deltalake(
            self.bronze,
            rows,
            mode="append",
            commit_properties=CommitProperties(
                app_transactions=[
                    Transaction(BronzePartition("life", number).transaction, following)
                    for number, following in reached.items()
                ]
            ),
        )

    def _rows(self, times: Any, day: datetime) -> pa.Table:
        count = len(times)
        numbers = np.arange(self.sent, self.sent + count)
        given = {
            "topic_id": pa.repeat("life", count),
            "topic": pa.repeat("topic", count),
            "partition": pa.array(numbers % PARTITIONS, pa.int32()),
            "offset": pa.array(numbers // PARTITIONS),
            "vehicle_id": pa.array([f"V{each:04d}" for each in self.random.integers(0, VEHICLES, count)]),
            "payload": pa.repeat(b'{"speed": 101.5, "soc": 80, "odometer": 12345.6}', count),
            "signals": self._signals(times),
            "ingest_date": pa.repeat(pa.scalar(day.date()), count),
            **{name: pa.array(times).cast(TIMES) for name in ("kafka_time", "event_time", "ingest_time")},
        }
        columns = [given.get(field.name, pa.nulls(count, field.type)) for field in BRONZE]
        return pa.table(columns, names=BRONZE.names).cast(BRONZE)

    def _signals(self, times: Any) -> pa.Array:
        count = len(times) * len(SIGNALS)
        read = pa.array(np.repeat(times, len(SIGNALS))).cast(TIMES)
        values = [pa.array(list(SIGNALS) * len(times)), pa.nulls(count, pa.string()), read, read]
        values += [pa.array(self.random.random(count) * 100), pa.nulls(count, pa.string())]
        fields = list(BRONZE.field("signals").type.value_type)
        ends = pa.array(np.arange(0, count + 1, len(SIGNALS), dtype=np.int32))
        return pa.ListArray.from_arrays(ends, pa.StructArray.from_arrays(values, fields=fields))


def measure(ask: Callable[[str], int], table: str, rounds: int) -> dict[str, Any]:
    """Rows, and the medians of time and CPU, of each question."""
    found: dict[str, Any] = {}
    for name, sql in QUESTIONS.items():
        walls, cpus, rows = [], [], 0
        for _ in range(rounds):
            wall, cpu = time.perf_counter(), time.process_time()
            rows = ask(sql.format(table))
            walls.append((time.perf_counter() - wall) * 1000)
            cpus.append((time.process_time() - cpu) * 1000)
        found[name] = {
            "rows": rows,
            "best_ms": round(min(walls)),
            "median_ms": round(statistics.median(walls)),
            "cpu_ms": round(statistics.median(cpus)),
        }
    return found


def lasting(settings: LakeSettings) -> str:
    """The view as Metabase would be given it now."""
    store = storage(settings)
    with connection(settings) as connected:
        empty = {name: empty_select(connected, table.columns) for name, table in TABLES.items()}
    return f"({signals_live(parts_at_any_time(store, store.locations, empty))})"


def main() -> None:
    """Makes the lake and asks."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--readings", type=int, default=5_000_000)
    parser.add_argument("--tail", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="fleetlake-bench-") as folder:
        settings = LakeSettings(uri=folder)
        traffic, model = Traffic(settings), load_models()["silver.signals"]
        for day in range(DAYS):
            begin = TODAY - timedelta(days=DAYS - 1 - day)
            traffic.land(arguments.readings // DAYS // len(SIGNALS), begin, HALF_A_DAY_US)
            for lane in Lane:
                increment(settings, model, lane)
        kept = lasting(settings)
        for number in range(COMMITS):
            begin = TODAY + timedelta(hours=12, seconds=3 * number)
            traffic.land(arguments.tail // COMMITS // len(SIGNALS), begin, 3_000_000)
        with connect(settings, signals_live) as warehouse:
            found = {
                name: measure(lambda sql: warehouse.query(sql).table().num_rows, table, arguments.rounds)
                for name, table in {
                    "silver": "silver.signals",
                    "live": "silver.signals_live",
                    "lasting": f"{kept} as lasting",
                }.items()
            }
    print(json.dumps({"readings": arguments.readings, "tail": arguments.tail, **found}, indent=2))


if __name__ == "__main__":
    main()

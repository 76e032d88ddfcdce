"""What the read API costs, against the same work done bare, in the same run.

- `state`: look-ups of single vehicles over HTTP by keep-alive clients in a process of their own, against a
  loop of `find_one` on the same server.
- `stream`: how long a look for changes takes, with and without changes, and what its index costs a writer.
- `series`: a day of one signal of one vehicle over HTTP, against the bare query of DuckDB on the same files.

The server is `fleetlake serve`, one worker. Prints one JSON document.

    python benchmarks/serving.py --vehicles 100000 --days 100 --rows-a-day 1000000
    python benchmarks/serving.py --vehicles 2000 --days 2 --rows-a-day 50000 --seconds 2
"""

import argparse
import json
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[0] = str(ROOT)

import pymongo  # noqa: E402 - after the path of the checkout

from benchmarks.history import BUSY_SIGNALS, TODAY, Size, fill  # noqa: E402
from benchmarks.servers import database  # noqa: E402
from benchmarks.serving_load import called, percentiles  # noqa: E402
from contracts.load import load_registry  # noqa: E402
from fleetlake.stack.server import free_port, owns_port, spawn  # noqa: E402
from lake.query import Warehouse  # noqa: E402
from lake.settings import LakeSettings, MongoSettings  # noqa: E402
from lake.state import StateStore  # noqa: E402
from lake.state_model import Entry, VehicleState  # noqa: E402
from lake.state_reader import StateReader  # noqa: E402
from transforms.build import Marts, build  # noqa: E402
from transforms.load import load_models  # noqa: E402
from transforms.plan import plan  # noqa: E402
from transforms.reference import reference  # noqa: E402
from transforms.settings import TransformSettings  # noqa: E402

SIGNALS = (
    "speed",
    "soc",
    "odometer",
    "latitude",
    "longitude",
    "ignition",
    "gear",
    "range",
    "altitude",
    "heading",
)
MINUTES = "gold.signal_minute"
DAY = TODAY - timedelta(days=1)
BARE_SERIES = """
select time_bucket(interval '120 seconds', minute_time) as step, sum(readings), min(minimum), max(maximum),
    avg(average), arg_max(last_value, minute_time)
from gold.signal_minute
where vehicle_id = ? and signal = ? and event_date = ?
group by step
order by step
"""


def state_of(number: int, written_us: int, t: int = 1_773_144_000_000_000) -> VehicleState:
    entries = {name: Entry(t, float(number % 100), "topic/0", number) for name in SIGNALS}
    return VehicleState(f"V{number:07}", entries, {}, written_us)


def fill_state(settings: MongoSettings, vehicles: int) -> None:
    with StateStore(settings) as store:
        for first in range(0, vehicles, 250):
            store.write(state_of(number, now_us()) for number in range(first, min(first + 250, vehicles)))


def now_us() -> int:
    return time.time_ns() // 1000


@contextmanager
def serving(mongo: str, lake: Path, scratch: Path) -> Iterator[int]:
    """`fleetlake serve`, whose bounds for one client are out of the way: there is one client."""
    port = free_port()
    command = [sys.executable, "-m", "fleetlake.cli", "serve", "--port", str(port)]
    variables = {
        "FLEETLAKE_MONGO__URI": mongo,
        "FLEETLAKE_MONGO__DATABASE": "bench",
        "FLEETLAKE_LAKE__URI": str(lake),
        "FLEETLAKE_DATA_DIR": str(scratch / "data"),
        "FLEETLAKE_HTTP__REQUESTS_PER_SECOND": "0",
        "PYTHONPATH": str(ROOT),
    }
    log = scratch / "serve.log"
    server = spawn("serve", command, scratch, port, log, environment=variables, with_parent=True)
    try:
        server.wait_ready(owns_port, 60.0)
        yield port
    finally:
        server.stop()


def bare_look_ups(settings: MongoSettings, vehicles: int, seconds: float) -> dict[str, float]:
    rng = random.Random(7)
    delays = []
    with pymongo.MongoClient[dict[str, Any]](settings.uri) as client:
        collection = client[settings.database]["vehicle_state"]
        until = time.perf_counter() + seconds
        while time.perf_counter() < until:
            began = time.perf_counter()
            assert collection.find_one({"_id": f"V{rng.randrange(vehicles):07}"})
            delays.append(time.perf_counter() - began)
    return {"per_s": len(delays) / sum(delays), **percentiles(delays)}


def look_ups(port: int, settings: MongoSettings, arguments: argparse.Namespace) -> dict[str, Any]:
    paths = [f"/vehicles/V{number:07}/state" for number in range(0, arguments.vehicles, 7)]
    bare = bare_look_ups(settings, arguments.vehicles, arguments.seconds)
    found = {str(clients): called(port, paths, clients, arguments.seconds) for clients in (1, 8, 16)}
    return {"bare": bare, "clients": found, "to_bare": found["8"]["per_s"] / bare["per_s"]}


def looks(settings: MongoSettings, vehicles: int) -> dict[str, Any]:
    """A look that finds nothing, and one that finds a thousand; and writes of a thousand, before and after
    there is the index."""
    with StateReader(settings) as reader:
        without = writes(reader, vehicles)
        scanned = best(lambda: reader.changed(now_us(), 20_000), 3)
        began = time.perf_counter()
        reader.ensure_index()
        indexed_s = time.perf_counter() - began
        with_index = writes(reader, vehicles)
        mark = now_us()
        idle = best(lambda: reader.changed(mark, 20_000), 20)
        reader.write(state_of(number, now_us(), now_us()) for number in range(1000))
        busy = best(lambda: reader.changed(mark, 20_000), 20)
        every = best(lambda: reader.every(["latitude", "longitude", "speed", "soc", "ignition"]), 3)
    return {
        "idle_ms": idle * 1000,
        "thousand_changes_ms": busy * 1000,
        "idle_without_index_ms": scanned * 1000,
        "making_the_index_s": indexed_s,
        "writing_a_thousand_ms": {"without_index": without * 1000, "with_index": with_index * 1000},
        "reading_the_fleet_ms": every * 1000,
    }


def writes(reader: StateReader, vehicles: int) -> float:
    spread = max(vehicles // 1000, 1)

    def write() -> None:
        reader.write(state_of(number * spread % vehicles, now_us(), now_us()) for number in range(1000))

    return best(write, 10)


def best(work: Callable[[], Any], times: int) -> float:
    """Median of several."""
    found = []
    for _ in range(times):
        began = time.perf_counter()
        work()
        found.append(time.perf_counter() - began)
    return statistics.median(found)


def make_lake(lake: Path, size: Size) -> None:
    settings = LakeSettings(uri=str(lake))
    if lake.exists():
        return
    fill(settings, size)
    marts = Marts(settings, load_models(), reference(load_registry()), TransformSettings())
    while MINUTES in (due := plan(marts)):
        build(marts, marts.models[MINUTES], due[MINUTES])


def series(port: int, lake: Path, size: Size, arguments: argparse.Namespace) -> dict[str, Any]:
    busy = [f"busy_{number:06}" for number in range(size.busy)]
    day, following = DAY.isoformat(), (DAY + timedelta(days=1)).isoformat()
    window = f"from={day}T00:00:00Z&to={following}T00:00:00Z"
    paths = [
        f"/vehicles/{vehicle}/series?signal={name}&{window}" for vehicle in busy for name in BUSY_SIGNALS
    ]
    called(port, paths[:5], 1, 1.0)
    rng = random.Random(7)
    with Warehouse(LakeSettings(uri=str(lake))) as warehouse:

        def ask() -> None:
            warehouse.query(BARE_SERIES, [rng.choice(busy), rng.choice(BUSY_SIGNALS), day]).table()

        ask()
        delays = []
        for _ in range(100):
            began = time.perf_counter()
            ask()
            delays.append(time.perf_counter() - began)
    bare = percentiles(delays)
    found = {str(clients): called(port, paths, clients, arguments.seconds) for clients in (1, 4)}
    raw = [f"{path}&step=30" for path in paths]
    return {
        "rows": size.rows,
        "bare": bare,
        "clients": found,
        "p50_to_bare": found["1"]["p50_ms"] / bare["p50_ms"],
        "of_readings": called(port, raw, 1, arguments.seconds),
    }


def measure(arguments: argparse.Namespace, scratch: Path) -> dict[str, Any]:
    size = Size(arguments.days, arguments.rows_a_day)
    lake = Path(arguments.lake) if arguments.lake else scratch / "lake"
    make_lake(lake, size)
    with database(scratch) as mongo:
        settings = MongoSettings(uri=mongo, database="bench", timeout_s=120)
        fill_state(settings, arguments.vehicles)
        stream = looks(settings, arguments.vehicles)
        with serving(mongo, lake, scratch) as port:
            return {
                "cores": os.cpu_count(),
                "vehicles": arguments.vehicles,
                "state": look_ups(port, settings, arguments),
                "stream": stream,
                "series": series(port, lake, size, arguments),
            }


def main() -> None:
    """Measures, and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--vehicles", type=int, default=100_000)
    parser.add_argument("--days", type=int, default=20)
    parser.add_argument("--rows-a-day", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--lake", help="a folder for the lake that is kept, and used again where it is there")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="fleetlake-bench-") as folder:
        print(json.dumps(measure(arguments, Path(folder)), indent=2))


if __name__ == "__main__":
    main()

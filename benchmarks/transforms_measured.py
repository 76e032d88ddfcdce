"""One measured process of the transforms benchmark: it does one piece of work, and prints what that cost."""

import json
import random
import resource
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import psutil

from benchmarks.history import BUSY_SIGNALS, TODAY, Size, land
from contracts.load import load_registry
from lake.bronze import Bronze
from lake.bronze_changes import AddedRows
from lake.engine import engine
from lake.file_swap import open_table
from lake.maintenance import tidy
from lake.query import Warehouse
from lake.schemas import BRONZE_EVENTS, SILVER_SIGNALS, TABLES
from lake.settings import LakeSettings
from lake.silver import Lane, Silver
from lake.storage import wait_ready
from lake.table_files import stored_files
from transforms.build import Marts, build
from transforms.increment import increment
from transforms.load import load_models
from transforms.plan import plan
from transforms.reference import reference
from transforms.settings import TransformSettings

Figures = dict[str, float]
SIGNALS = SILVER_SIGNALS.name
MIB = 2**20
YESTERDAY = (TODAY - timedelta(days=1)).isoformat()
ASKED = 200
"""Queries of one kind; those before the first hundredth are not counted."""

HALF_A_DAY = 720
NEW_A_DAY = 1_000_000
"""Readings that come in a day beside those that are there."""

DAILY = ("gold.signal_minute", "gold.signal_day", "gold.trips", "gold.vehicle_day")


class Meter:
    """What this process has used since it was made."""

    def __init__(self) -> None:
        self._process = psutil.Process()
        self._began = time.perf_counter()
        self._cpu, self._io = _cpu(), self._process.io_counters()

    def read(self) -> Figures:
        """Bytes are of system calls: what the page cache answers counts as well."""
        now = self._process.io_counters()
        return {
            "seconds": time.perf_counter() - self._began,
            "cpu_s": _cpu() - self._cpu,
            "read_mib": (now.read_chars - self._io.read_chars) / MIB,
            "written_mib": (now.write_chars - self._io.write_chars) / MIB,
            "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        }


def run_child(work: str, lake: LakeSettings, number: int) -> None:
    """The last line it prints is the result."""
    models = load_models()
    marts = Marts(lake, models, reference(load_registry()), TransformSettings())
    print(json.dumps(TIMED[work](marts, number) if work in TIMED else _metered(work, marts, number)))


def _metered(work: str, marts: Marts, number: int) -> Figures:
    """Without what DuckDB reads of its extensions whenever it begins."""
    idle = Meter()
    with engine(marts.lake):
        extensions_mib = idle.read()["read_mib"]
    meter = Meter()
    found = WORK[work](marts, number)
    used = meter.read()
    return {**used, "read_mib": used["read_mib"] - extensions_mib, **found}


def _increment(lane: Lane, marts: Marts, number: int) -> Figures:
    before = _files(marts.lake)
    done = increment(marts.lake, marts.models[SIGNALS], lane)
    assert done.added, "the increment had nothing to add"
    return {"added": done.added, "files_written": _files(marts.lake) - before}


def _naive_increment(marts: Marts, number: int) -> Figures:
    """Counts the readings of the newest commit that all of silver does not have; adds nothing."""
    model, store = marts.models[SIGNALS], wait_ready(marts.lake)
    version = Bronze(store).version
    same = " and ".join(f"silver.{name} is not distinct from gained.{name}" for name in model.about.key)
    with engine(marts.lake) as duck:
        duck.open_stream(BRONZE_EVENTS.name, AddedRows(store, version - 1, version).stream())
        duck.keep("gained", model.sql, {"is_hot": None})
        duck.open_version(SIGNALS, Silver(store).version)
        unknown = f"from gained where not exists (from {SIGNALS} as silver where {same})"
        fresh = duck.select(f"select count(*) as readings {unknown}")["readings"][0].as_py()
    assert fresh, "the increment had nothing to add"
    return {"added": fresh}


def _day(table: str, marts: Marts, number: int) -> Figures:
    """Of yesterday: nothing of it is due any more, and it is built all the same."""
    return {"rows": build(marts, marts.models[table], [YESTERDAY]).rows[YESTERDAY]}


def _naive_day(table: str, marts: Marts, number: int) -> Figures:
    """Made from all days of what it reads; stored nowhere."""
    model, store = marts.models[table], wait_ready(marts.lake)
    given = marts.settings.parameters()
    with engine(marts.lake) as duck:
        for name in model.reads:
            if name in marts.reference.tables:
                duck.hold(name, marts.reference.tables[name])
            else:
                duck.open_version(name, Silver(store).version)
        return {"rows": duck.keep("made", model.sql, {name: given[name] for name in model.parameters})}


def _due_marts(marts: Marts, number: int) -> Figures:
    """What the queries read."""
    wanted = {"gold.signal_minute", "gold.signal_day", "gold.vehicle_latest"}
    rows = 0
    while due := {table: days for table, days in plan(marts).items() if table in wanted}:
        for table, days in due.items():
            rows += sum(build(marts, marts.models[table], days).rows.values())
    return {"rows": rows}


def _half_a_day(marts: Marts, number: int) -> Figures:
    """Minute by minute, all readings punctual; at its end the marts have everything."""
    size = Size(1, NEW_A_DAY)
    model = marts.models[SIGNALS]
    for minute in range(HALF_A_DAY):
        land(marts.lake, size, NEW_A_DAY // 1440, minute, timedelta(minutes=minute))
        increment(marts.lake, model, Lane.HOT)
        if minute % 30 == 29:
            for table in TABLES:
                tidy(marts.lake, table, TODAY - timedelta(days=1))
            _due_marts(marts, minute)
    silver = stored_files(open_table(wait_ready(marts.lake), SIGNALS))
    today = [file for file in silver if file.partition == TODAY.isoformat()]
    return {"increments": HALF_A_DAY, "files_of_today": len(today)}


MINUTES = """
select minute_time, readings, minimum, maximum, average, last_value
from gold.signal_minute
where vehicle_id = ? and signal = ? and event_date = ?
order by minute_time
"""
LATEST = "select signal, value, text, effective_time from gold.vehicle_latest where vehicle_id = ?"
POSITIONS = """
select vehicle_id, max(value) filter (where signal = 'latitude') as latitude,
    max(value) filter (where signal = 'longitude') as longitude
from gold.vehicle_latest
where signal in ('latitude', 'longitude')
group by vehicle_id
"""
NAIVE_MINUTES = """
select date_trunc('minute', event_time) as minute_time, count(*), min(value), max(value), avg(value),
    arg_max(value, event_time)
from silver.signals
where vehicle_id = ? and signal = ? and cast(event_time as date) = ?
group by minute_time
order by minute_time
"""
NAIVE_LATEST = """
select signal, arg_max(value, event_time), arg_max(text, event_time), max(event_time)
from silver.signals where vehicle_id = ? group by signal
"""


def _queries(marts: Marts, number: int) -> Figures:
    rng = random.Random(number)
    with Warehouse(marts.lake) as warehouse:
        busy = _busy(warehouse)

        def minutes(day: str) -> list[Any]:
            return [rng.choice(busy), rng.choice(BUSY_SIGNALS), day]

        return {
            **_asked(warehouse, "minutes_closed_day", MINUTES, lambda: minutes(YESTERDAY)),
            **_asked(warehouse, "minutes_today", MINUTES, lambda: minutes(TODAY.isoformat())),
            **_asked(warehouse, "latest_of_a_vehicle", LATEST, lambda: [rng.choice(busy)]),
            **_asked(warehouse, "positions_of_the_fleet", POSITIONS, list, 20),
        }


def _naive_queries(marts: Marts, number: int) -> Figures:
    rng = random.Random(number)
    with Warehouse(marts.lake) as warehouse:
        busy = _busy(warehouse)

        def minutes() -> list[Any]:
            return [rng.choice(busy), rng.choice(BUSY_SIGNALS), YESTERDAY]

        return {
            **_asked(warehouse, "minutes_closed_day", NAIVE_MINUTES, minutes, 20),
            **_asked(warehouse, "latest_of_a_vehicle", NAIVE_LATEST, lambda: [rng.choice(busy)], 3),
        }


def _busy(warehouse: Warehouse) -> list[str]:
    known = (
        "select distinct vehicle_id from gold.signal_minute where vehicle_id like 'busy%' and event_date = ?"
    )
    return [str(row["vehicle_id"]) for row in warehouse.query(known, [YESTERDAY]).table().to_pylist()]


def _asked(
    warehouse: Warehouse, name: str, sql: str, given: Callable[[], list[Any]], times: int = ASKED
) -> Figures:
    """Percentiles of the whole answer as Arrow, after one query that opens the files."""
    warehouse.query(sql, given()).table()
    seconds, rows = [], 0
    for _ in range(times):
        began = time.perf_counter()
        rows = len(warehouse.query(sql, given()).table())
        seconds.append(time.perf_counter() - began)
    assert rows, f"{name} found nothing"
    seconds.sort()
    return {
        f"{name}_rows": rows,
        f"{name}_p50_ms": seconds[times // 2] * 1000,
        f"{name}_p95_ms": seconds[max(times * 95 // 100 - 1, 0)] * 1000,
    }


def _files(lake: LakeSettings) -> int:
    return sum(1 for _ in Path(wait_ready(lake).table(SIGNALS)).rglob("*.parquet"))


def _cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


DAY = tuple(f"day_of_{table.removeprefix('gold.')}" for table in DAILY)
NAIVE = tuple(f"naive_{name}" for name in DAY if name in ("day_of_signal_minute", "day_of_trips"))

WORK: Mapping[str, Callable[[Marts, int], Figures]] = {
    "increment": partial(_increment, Lane.HOT),
    "late_increment": partial(_increment, Lane.LATE),
    "naive_increment": _naive_increment,
    **{name: partial(_day, table) for name, table in zip(DAY, DAILY, strict=True)},
    **{f"naive_{name}": partial(_naive_day, table) for name, table in zip(DAY, DAILY, strict=True)},
    "due_marts": _due_marts,
    "half_a_day": _half_a_day,
}

TIMED: Mapping[str, Callable[[Marts, int], Figures]] = {
    "queries": _queries,
    "naive_queries": _naive_queries,
}
"""Those that measure the delay of each answer themselves."""

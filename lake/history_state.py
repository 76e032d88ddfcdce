"""The state of every vehicle, computed from bronze: what the state sink must have written, for the rebuild
and the audit. One version of bronze is read twice; memory is bounded by the query settings, the rest spills.
Sources whose readings were derived again after a correction count by their contracts of now, others as bronze
has them.

A vehicle and signal has the reading with the greatest (effective time, type, value, coordinates), as
`lake.state_model.state_order` says, and a tracked signal also the one with the greatest (value, time,
coordinates)."""

from collections.abc import Collection, Iterator
from itertools import groupby
from operator import itemgetter
from typing import Any

import duckdb
from duckdb import DuckDBPyConnection

from contracts.load import Registry
from lake.bronze_meaning import Meaning, contract_number
from lake.bronze_rows import bronze_rows
from lake.duck import BATCH_ROWS, connection, failure, scan
from lake.schemas import BRONZE_EVENTS
from lake.settings import LakeSettings
from lake.silver import Decoding, Extent, decodings
from lake.state_model import Entry, VehicleState, state_key
from lake.storage import Storage, storage

MARK = "@"
"""Between signal and sensor in a key; no catalogued name has it."""

READINGS = """
create view readings as
with exploded as (
    select
        vehicle_id,
        source,
        topic || '/' || partition as p,
        "offset" as o,
        epoch_us(ingest_time) as seen,
        unnest(signals) as reading
    from events
    where vehicle_id is not null
)
select
    vehicle_id,
    reading.signal as signal,
    case
        when reading.sensor is not null and source in (from per_sensor) then signal || '@' || reading.sensor
        else signal
    end as key,
    epoch_us(reading.effective_time) as t,
    reading.value + 0.0 as number,
    reading.text as text,
    p,
    o,
    seen
from exploded
where reading.signal in (from catalogued)
"""

EVENTS = """
create table events as
select vehicle_id, source, topic, partition, "offset", ingest_time, signals
from as_they_count
where vehicle_id is not null
"""
"""What readings are made of, without payloads, where it has to be read more than once."""

NEWEST = """
create table newest as
select vehicle_id, key, max(t) as t, max(seen) as seen
from readings
group by vehicle_id, key
"""

GREATEST = """
create table greatest as
select vehicle_id, key, max(number) as number
from readings
where number is not null and signal in (from tracked)
group by vehicle_id, key
"""

LATEST = """
create table latest as
select vehicle_id, key, t, number, text, p, o, newest.seen
from readings join newest using (vehicle_id, key, t)
"""

MAXIMA = """
create table maxima as
select vehicle_id, key, t, number, text, p, o, seen
from readings join greatest using (vehicle_id, key, number)
"""

LATEST_IN_ORDER = "from latest order by vehicle_id, key, text is not null, number, text, p, o"
MAXIMA_IN_ORDER = "from maxima order by vehicle_id, key, t, p, o"


def history_states(settings: LakeSettings, registry: Registry, version: int) -> Iterator[VehicleState]:
    """The state of every vehicle in bronze at `version`, ordered by the UTF-8 bytes of its id.

    `written_us` is the latest time at which a reading of a catalogued signal of that vehicle was landed.
    """
    with connection(settings) as connected:
        try:
            _prepare(connected, settings, registry, version)
            latest = _vehicles(connected.cursor(), LATEST_IN_ORDER)
            greatest = _vehicles(connected.cursor(), MAXIMA_IN_ORDER)
            yield from _merged(latest, greatest)
        except duckdb.Error as error:
            raise failure(error, "") from error


def _prepare(connected: DuckDBPyConnection, settings: LakeSettings, registry: Registry, version: int) -> None:
    connected.execute("set global preserve_insertion_order = false")  # less memory; what needs order says so
    names = {
        "catalogued": list(registry.catalog),
        "tracked": [name for name, spec in registry.catalog.items() if spec.track_max],
        "per_sensor": [
            name for name, contract in registry.contracts.items() if contract.state_sensor == "per_sensor"
        ],
    }
    for table, rows in names.items():
        connected.execute(f"create table {table} (name varchar)")
        connected.execute(f"insert into {table} from unnest(?::varchar[])", [rows])
    _open_events(connected, storage(settings), registry, version)
    for statement in (READINGS, NEWEST, LATEST, "drop table newest", GREATEST, MAXIMA, "drop table greatest"):
        connected.execute(statement)


def _open_events(connected: DuckDBPyConnection, store: Storage, registry: Registry, version: int) -> None:
    meaning = Meaning(registry, _corrected(registry, decodings(store)))
    if not meaning.is_needed:
        connected.execute(f"create view events as from {scan(store.table(BRONZE_EVENTS.name), version)}")
        return
    connected.register("as_they_count", meaning.read(bronze_rows(store, version)))
    connected.execute(EVENTS)
    connected.unregister("as_they_count")


def _corrected(registry: Registry, recorded: Collection[str]) -> dict[str, Decoding]:
    """The contracts of now, of sources that silver records one of."""
    return {
        name: Decoding(contract_number(contract.hash), Extent.WHOLE)
        for name, contract in registry.contracts.items()
        if name in recorded
    }


def _vehicles(cursor: DuckDBPyConnection, sql: str) -> Iterator[tuple[str, dict[str, Entry], int]]:
    """Per vehicle its entries and when the last was landed; of rows of one key the last one stays."""
    rows = (
        row
        for batch in cursor.execute(sql).to_arrow_reader(BATCH_ROWS)
        for row in zip(*_columns(batch), strict=True)
    )
    for vehicle, group in groupby(rows, itemgetter(0)):
        entries: dict[str, Entry] = {}
        landed = 0
        for _, key, t, number, text, p, o, seen in group:
            entries[_state_key(key)] = Entry(t, number if text is None else text, p, o)
            landed = max(landed, seen)
        yield vehicle, entries, landed


def _columns(batch: Any) -> list[list[Any]]:
    return [column.to_pylist() for column in batch.columns]


def _merged(
    latest: Iterator[tuple[str, dict[str, Entry], int]], greatest: Iterator[tuple[str, dict[str, Entry], int]]
) -> Iterator[VehicleState]:
    nobody: tuple[str | None, dict[str, Entry], int] = (None, {}, 0)
    owner, maxima, _ = next(greatest, nobody)
    for vehicle, signals, landed in latest:
        if vehicle == owner:
            yield VehicleState(vehicle, signals, maxima, landed)
            owner, maxima, _ = next(greatest, nobody)
        else:
            yield VehicleState(vehicle, signals, {}, landed)


def _state_key(key: str) -> str:
    signal, mark, sensor = key.partition(MARK)
    return state_key(signal, sensor if mark else None)

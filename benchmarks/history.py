"""A lake with a long history, made without Kafka: silver as its increments leave it, day after day, and
commits of bronze that it has not read yet.

Every day has as many readings. Half of them are of a few busy vehicles, which report ten signals all day
long; half are of a large fleet that reports five signals once a day.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import duckdb
import pyarrow as pa
from deltalake import write_deltalake

from lake.bronze import Bronze, open_or_create
from lake.schemas import BRONZE_EVENTS, SILVER_SIGNALS
from lake.settings import LakeSettings
from lake.silver import BronzeRead, Lane, Silver
from lake.storage import wait_ready

TODAY = date(2026, 3, 10)
BUSY_SIGNALS = (
    "speed",
    "soc",
    "odometer",
    "latitude",
    "longitude",
    "coolant_temperature",
    "engine_rpm",
    "fuel_level",
    "ignition",
    "charge_power",
)
FLEET_SIGNALS = BUSY_SIGNALS[:5]
LATE_DAYS = 20
LATE_SHARE = 0.01
LANDED_AT = datetime.combine(TODAY, datetime.min.time(), UTC) + timedelta(hours=23)


@dataclass(frozen=True, slots=True)
class Size:
    """Of a history."""

    days: int
    rows_a_day: int

    @property
    def rows(self) -> int:
        return self.days * self.rows_a_day

    @property
    def busy(self) -> int:
        """Vehicles that report a thousand times a day."""
        return max(self.rows_a_day // 2 // 10_000, 1)

    @property
    def fleet(self) -> int:
        """Vehicles that report once a day."""
        return max(self.rows_a_day // 2 // 5, 1)


def fill(settings: LakeSettings, size: Size) -> None:
    """Silver gets its days, the last of which is today; both lanes stand at bronze's first version."""
    store = wait_ready(settings)
    open_or_create(store)
    silver, bronze = Silver(store), Bronze(store)
    read = BronzeRead(bronze.version, bronze.rows)
    for day in range(size.days):
        silver.append(_day(TODAY - timedelta(days=size.days - 1 - day), size), Lane.HOT, read)
    nothing = pa.RecordBatchReader.from_batches(SILVER_SIGNALS.columns, [])
    silver.append(nothing, Lane.LATE, read)


def land(settings: LakeSettings, size: Size, rows: int, number: int, begins: timedelta | None = None) -> None:
    """One commit of bronze: readings of today that silver has not, a few of them late. With `begins`, those
    from then on after midnight, and none late."""
    bronze = open_or_create(wait_ready(settings))
    write_deltalake(bronze, _messages(size, rows, number, begins), mode="append")


def _day(day: date, size: Size) -> pa.RecordBatchReader:
    sql = """
        with readings as (
            select
                'busy_' || lpad(cast(vehicle as varchar), 6, '0') as vehicle_id,
                unnest($busy_signals) as signal,
                $day::timestamp::timestamptz + to_seconds(moment * 86) as event_time
            from range($busy) as vehicles(vehicle), range(1000) as moments(moment)
            union all
            select
                'fleet_' || lpad(cast(vehicle as varchar), 6, '0'),
                unnest($fleet_signals),
                $day::timestamp::timestamptz + to_seconds(vehicle % 86400)
            from range($fleet) as vehicles(vehicle)
        )
        select
            *,
            event_time as effective_time,
            hash(vehicle_id, signal, event_time) % 10000 / 100 as value,
            'life' as topic_id,
            'topic' as topic,
            0 as partition,
            0 as "offset",
            event_time::date as event_date
        from readings
        order by vehicle_id, signal, event_time
    """
    given = {
        "day": day,
        "busy": size.busy,
        "busy_signals": list(BUSY_SIGNALS),
        "fleet": size.fleet,
        "fleet_signals": list(FLEET_SIGNALS),
    }
    return _rows(sql, given, SILVER_SIGNALS.columns)


def _rows(sql: str, parameters: Mapping[str, object], columns: pa.Schema) -> pa.RecordBatchReader:
    found = _in_utc().execute(sql, parameters).to_arrow_reader(100_000)
    return pa.RecordBatchReader.from_batches(columns, (_whole(batch, columns) for batch in found))


def _messages(size: Size, rows: int, number: int, begins: timedelta | None) -> pa.RecordBatchReader:
    """A reading a message. The `number` gives each commit moments of its own."""
    sql = """
        with readings as (
            select
                message,
                'busy_' || lpad(cast(message % $busy as varchar), 6, '0') as vehicle_id,
                case
                    when $has_late and message % $late_every = 0 then 2 + message // $late_every % $late_days
                    else 0
                end as days_ago,
                $busy_signals[1 + message // $busy % len($busy_signals)] as signal,
                $begins + to_microseconds(1000 * (message // $busy) + 1 + $number) as moment
            from range($rows) as messages(message)
        ),

        dated as (
            select *, $today::timestamp::timestamptz - to_days(days_ago::integer) + moment as event_time
            from readings
        )

        select
            'life' as topic_id,
            'topic' as topic,
            0 as partition,
            $number * $rows + message as "offset",
            $landed as kafka_time,
            encode(vehicle_id) as key,
            'tcu' as source,
            vehicle_id,
            event_time,
            [
                {
                    signal: signal,
                    sensor: null,
                    event_time: event_time,
                    effective_time: event_time,
                    value: message % 100,
                    text: null
                }
            ] as signals,
            $landed as ingest_time,
            $landed::date as ingest_date
        from dated
    """
    given = {
        "begins": begins or timedelta(),
        "has_late": begins is None,
        "busy": size.busy,
        "busy_signals": list(BUSY_SIGNALS),
        "today": TODAY,
        "late_every": int(1 / LATE_SHARE),
        "late_days": LATE_DAYS,
        "number": number,
        "rows": rows,
        "landed": LANDED_AT,
    }
    return _rows(sql, given, BRONZE_EVENTS.columns)


def _in_utc() -> duckdb.DuckDBPyConnection:
    connected = duckdb.connect()
    connected.execute("set TimeZone = 'UTC'")
    return connected


def _whole(batch: pa.RecordBatch, columns: pa.Schema) -> pa.RecordBatch:
    """With the columns that are null."""
    known = {name: batch.column(name) for name in batch.schema.names}
    return pa.RecordBatch.from_arrays(
        [
            known[field.name].cast(field.type) if field.name in known else pa.nulls(len(batch), field.type)
            for field in columns
        ],
        schema=columns,
    )

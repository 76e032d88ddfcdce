"""Rows of bronze from decoded runs: coordinates and original bytes beside what decoding gave."""

from datetime import UTC, datetime
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from contracts.schema import DECODED, TIME
from ingest.decoding import DecodedRun
from lake.bronze_file import FILE_SCHEMA

LATEST_MS: Final = 253_402_300_799_999
"""The end of the year 9999 and of the calendar: a Kafka timestamp behind it was written in another unit."""

_HEADERS = FILE_SCHEMA.field("headers").type


def bronze_rows(run: DecodedRun, topic_id: str, ingest_time: datetime) -> pa.RecordBatch:
    """One row of bronze per message of the run, in offset order, without the partition column."""
    records, rows = run.records, len(run)
    columns = {
        "topic_id": pa.repeat(topic_id, rows),
        "topic": pa.repeat(records.topic, rows),
        "partition": pa.array(run.partitions(), pa.int32()),
        "offset": pa.array(records.offsets, pa.int64()),
        "kafka_time": _kafka_times(records.times_ms),
        "key": pa.array(records.keys, pa.binary()),
        "headers": _headers(records.headers),
        "payload": pa.array(records.values, pa.binary()),
        "ingest_time": pa.repeat(pa.scalar(ingest_time.astimezone(UTC), TIME), rows),
        **{name: run.decoded.column(name) for name in DECODED.names},
    }
    return pa.RecordBatch.from_arrays([columns[name] for name in FILE_SCHEMA.names], schema=FILE_SCHEMA)


def _kafka_times(times_ms: list[int]) -> pa.Array:
    """Kafka timestamps; null where the broker gave none (-1) or one that no calendar has."""
    times = pa.array(times_ms, pa.int64())
    first, last = pc.min_max(times).as_py().values()
    if first < 0 or last > LATEST_MS:
        times = pa.array([time if 0 <= time <= LATEST_MS else None for time in times_ms], pa.int64())
    return times.cast(pa.timestamp("ms", tz="UTC")).cast(TIME)


def _headers(headers: list[list[tuple[str, bytes | None]] | None]) -> pa.Array:
    if not any(headers):
        return pa.nulls(len(headers), _HEADERS)
    rows = [
        None if pairs is None else [{"key": key, "value": value} for key, value in pairs] for pairs in headers
    ]
    return pa.array(rows, _HEADERS)

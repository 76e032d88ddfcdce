"""The recorded drives of the Twizy as rows of bronze, decoded as the history sink decodes them."""

import csv
import gzip
import json
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path

import pyarrow as pa

from broker.record import Records
from contracts.load import load_registry
from ingest.bronze_rows import bronze_rows
from ingest.decoding import RunDecoder
from ingest.metrics import SinkMetrics

TOPIC = "twizy.telemetry.v1"
LANDED = datetime(2026, 1, 1, tzinfo=UTC)
DRIVES = ("T1_03_29_2021", "T2_03_30_2021", "T3_05_31_2021", "T3_06_07_2021")


def twizy_rows() -> pa.Table:
    """Every row of every file, one partition a drive."""
    decoder = RunDecoder(load_registry(), SinkMetrics("test"))
    folder = Path(str(files("simulate"))) / "data" / "twizy"
    runs = [_records(folder / f"{drive}.csv.gz", number) for number, drive in enumerate(DRIVES)]
    rows = [bronze_rows(decoder.decode(run), "life", LANDED) for run in runs]
    landed = pa.Table.from_batches(rows)
    return landed.append_column("ingest_date", pa.array([LANDED.date()] * len(landed), pa.date32()))


def _records(file: Path, partition: int) -> Records:
    with gzip.open(file, "rt") as lines:
        values: list[bytes | None] = [json.dumps(row).encode() for row in csv.DictReader(lines)]
    count, vehicle = len(values), file.name.partition(".")[0].encode()
    times_ms = [int(LANDED.timestamp() * 1000)] * count
    return Records(
        TOPIC, partition, list(range(count)), times_ms, [vehicle] * count, [None] * count, values, count
    )

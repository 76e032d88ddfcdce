"""Messages with any timestamp land, are found again, and stop no sink."""

from datetime import UTC, datetime
from typing import Any, Final

import pyarrow as pa
import pytest

from broker.record import Records
from contracts.decode import SMALL
from contracts.load import load_registry
from contracts.reasons import Reason
from ingest.bronze_rows import LATEST_MS, bronze_rows
from ingest.decoding import DecodedRun, RunDecoder
from ingest.metrics import SinkMetrics
from ingest.state_reduce import StateWindow
from ingest.uncommitted import Uncommitted
from lake.audit_queries import landed_coordinates
from lake.bronze import Bronze, BronzePartition
from lake.query import Warehouse
from lake.settings import LakeSettings
from lake.storage import wait_ready

TOPIC: Final = "vss.telemetry.v1"
LIFE: Final = "life.topic"
NOW: Final = datetime(2026, 9, 21, 12, tzinfo=UTC)
NOW_MS: Final = int(NOW.timestamp() * 1000)
REGISTRY: Final = load_registry()

KAFKA_TIMES: Final[dict[int, datetime | None]] = {
    -(2**63): None,
    -1: None,
    0: datetime(1970, 1, 1, tzinfo=UTC),
    NOW_MS: NOW,
    LATEST_MS: datetime(9999, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC),
    LATEST_MS + 1: None,
    NOW_MS * 1_000: None,
    NOW_MS * 1_000_000: None,
    2**63 - 1: None,
}
"""What bronze makes of a Kafka timestamp; the last ones are microseconds, nanoseconds and the greatest."""

EVENT_TIMES: Final[dict[str, bool]] = {
    '"0001-01-01T00:00:00Z"': False,
    '"0001-01-01T00:00:00+23:59"': False,
    '"1999-12-31T23:59:59.999999Z"': False,
    '"2000-01-01T00:00:00Z"': True,
    '"2261-12-31T23:59:59.999999999Z"': True,
    '"2262-01-01T00:00:00Z"': False,
    '"2262-04-11T23:47:16.854775808Z"': False,
    '"9999-12-31T23:59:59.999999999-23:59"': False,
    "1790000000000": False,
    "9223372036854775808": False,
    "1e308": False,
}
"""Whether a message of that event time is accepted."""


def message(event_time: str = '"2026-09-21T11:59:59Z"') -> bytes:
    """A speed."""
    return b'{"path":"Vehicle.Speed","value":1.5,"ts":%s,"vin":"V"}' % event_time.encode()


def run_of(payloads: list[bytes | None], times_ms: list[int], first: int = 0) -> DecodedRun:
    """Messages of partition 0, decoded."""
    count = len(payloads)
    empty: list[Any] = [None] * count
    offsets = list(range(first, first + count))
    records = Records(TOPIC, 0, offsets, times_ms, empty, empty, payloads, first + count)
    return RunDecoder(REGISTRY, SinkMetrics("test")).decode(records)


def land(lake: LakeSettings, *runs: DecodedRun) -> Bronze:
    """Each run as a file of its own, all in one commit; bronze as it is then."""
    bronze, files = Bronze(wait_ready(lake)), []
    for run in runs:
        file = bronze.new_file(NOW.date())
        file.write(pa.Table.from_batches([bronze_rows(run, LIFE, NOW)]))
        files.append(file.close())
    bronze.commit(files, {BronzePartition(LIFE, 0): runs[-1].records.next_offset})
    bronze.reload()
    return bronze


def test_a_message_lands_whatever_its_kafka_time(lake_settings: LakeSettings) -> None:
    """Null where no calendar has it; alone in a file or beside others, the row is found by all who look."""
    times = list(KAFKA_TIMES)
    together = run_of([message()] * len(times), times)
    alone = [run_of([b"{"], [time], len(times) + index) for index, time in enumerate(times)]

    bronze = land(lake_settings, together, *alone)

    kafka_times = list(KAFKA_TIMES.values()) * 2
    recent = [time for time in kafka_times if time is not None and time >= NOW]
    with Warehouse(lake_settings) as warehouse:
        found = warehouse.query('select kafka_time from bronze.events order by "offset"').table()
        assert found["kafka_time"].to_pylist() == kafka_times
        some = warehouse.query('select "offset" from bronze.events where kafka_time >= ?', [NOW]).table()
        assert len(some) == len(recent)
    with landed_coordinates(lake_settings, bronze.version) as coordinates:
        [landed] = coordinates.partitions()
        assert (landed.rows, landed.missing, landed.doubled) == (2 * len(times), 0, 0)
        rejected = pa.Table.from_batches(coordinates.rejected(TOPIC)).sort_by("offset")
        landed_ms = int(NOW.timestamp() * 1000)
        broken = [landed_ms if time is None else ms for ms, time in KAFKA_TIMES.items()]
        ahead = [0]  # of 1970 each event is too far ahead; of a time that means nothing, none
        assert rejected["kafka_ms"].to_pylist() == [*ahead, *broken]


@pytest.mark.parametrize("count", [1, SMALL], ids=["one by one", "as columns"])
@pytest.mark.parametrize(("event_time", "is_accepted"), EVENT_TIMES.items())
def test_no_event_time_stops_a_sink(
    lake_settings: LakeSettings, event_time: str, is_accepted: bool, count: int
) -> None:
    """What a contract accepts fits bronze and the state; what would not fit, it rejects."""
    run = run_of([message(event_time)] * count, [-1] * count)

    land(lake_settings, run)
    Uncommitted(lambda: 0.0).add(run)
    window = StateWindow(REGISTRY)
    window.add(run)

    assert run.decoded["error"].to_pylist() == [None if is_accepted else Reason.BAD_TIME] * count
    states = list(window.take().states(0))
    assert len(states) == int(is_accepted)

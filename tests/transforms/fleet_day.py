"""Two days of every source and the night between them, as rows of bronze, in any order of delivery."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

import pyarrow as pa

from broker.record import Records
from contracts.load import load_registry
from ingest.bronze_rows import bronze_rows
from ingest.decoding import RunDecoder
from ingest.metrics import SinkMetrics
from simulate.parcel import Parcel
from simulate.plan import US, Request, Shares
from simulate.run import Simulation

DAYS = timedelta(days=2)
BEGIN = datetime(2026, 3, 10, tzinfo=UTC)
IN_ORDER = Shares(anomalies=0.05, invalid=0.02, bad_signals=0.01, late=0.0, duplicates=0.0, out_of_order=0.0)


class Delivery(NamedTuple):
    """One message on its way into Kafka."""

    kafka_time: datetime
    parcel: Parcel


def messages(vehicles: int, interval_s: float) -> list[Delivery]:
    """Of all sources, each as soon as its vehicle sends it; broken ones among them."""
    request = Request(
        vehicles=vehicles,
        sensors=3,
        rate=0.0,
        interval_s=interval_s,
        duration_s=DAYS.total_seconds(),
        start_us=int(BEGIN.timestamp() * US),
        present_us=int((BEGIN + timedelta(days=9)).timestamp() * US),
        shares=IN_ORDER,
    )
    parcels = Simulation(request, load_registry()).parcels()
    return [Delivery(BEGIN + timedelta(seconds=parcel.due), parcel) for parcel in parcels]


class Topics:
    """Kafka's part: each message gets the next offset of its topic, and is decoded as it is landed."""

    def __init__(self) -> None:
        self._next: defaultdict[str, int] = defaultdict(int)
        self._decoder = RunDecoder(load_registry(), SinkMetrics("test"))

    def landed(self, deliveries: Iterable[Delivery]) -> Iterator[pa.Table]:
        """The rows of one batch, by the day on which it is landed."""
        batches: defaultdict[tuple[date, str], list[Delivery]] = defaultdict(list)
        for each in deliveries:
            batches[each.kafka_time.date(), each.parcel.topic].append(each)
        for (day, topic), run in batches.items():
            rows = bronze_rows(
                self._decoder.decode(self._records(topic, run)),
                "life",
                max(each.kafka_time for each in run) + timedelta(seconds=1),
            )
            table = pa.Table.from_batches([rows])
            yield table.append_column("ingest_date", pa.array([day] * len(table), pa.date32()))

    def _records(self, topic: str, run: list[Delivery]) -> Records:
        first = self._next[topic]
        self._next[topic] = first + len(run)
        return Records(
            topic,
            0,
            list(range(first, first + len(run))),
            [int(each.kafka_time.timestamp() * 1000) for each in run],
            [each.parcel.key for each in run],
            [list(each.parcel.headers) for each in run],
            [each.parcel.payload for each in run],
            first + len(run),
        )

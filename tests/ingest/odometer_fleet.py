"""A topic of odometer readings in the `tcu` format and the lake they land in. The history sink runs in a
thread or until it has caught up."""

import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
from deltalake import DeltaTable

from broker.producer import Producer
from broker.settings import KafkaSettings
from contracts.load import load_registry
from contracts.registry import Registry
from ingest import history_run
from ingest.metrics import SinkMetrics
from ingest.process import Stop
from ingest.settings import IngestSettings
from lake.settings import LakeSettings
from lake.storage import Storage, storage, wait_ready
from lake.tables import exists
from tests.ingest.topics import make_topic, make_topic_again

DEADLINE = 60.0
QUICK = IngestSettings(commit_seconds=0.2)


@dataclass
class Fleet:
    """A topic with a contract of its own, and the lake it lands in."""

    kafka: KafkaSettings
    lake: LakeSettings
    topic: str
    partitions: int
    registry: Registry

    def send(self, count: int, *, first: int = 0) -> None:
        """Good messages, one a vehicle in turn, spread over the partitions."""
        producer = Producer(self.kafka)
        for number in range(first, first + count):
            producer.send(self.topic, str(number % 7).encode(), message(number))
        producer.flush()

    def begin_anew(self) -> None:
        """Another life of the topic: a broker without topic ids lost its log, or the topic was made again."""
        if self.kafka.incarnation_file is None:
            make_topic_again(self.kafka, self.topic, self.partitions)
        renew(self.kafka)

    def land(self, settings: IngestSettings = QUICK) -> None:
        """Runs the sink until it has caught up."""
        history_run.run(self.kafka, self.lake, settings, self.registry, stop=Stop(), until_caught_up=True)

    def rows(self) -> pa.Table:
        return table(storage(self.lake)).to_pyarrow_table()

    def payloads(self) -> list[bytes]:
        return sorted(self.rows()["payload"].to_pylist())

    def coordinates(self) -> list[tuple[str, int, int]]:
        rows = self.rows()
        columns = (rows[name].to_pylist() for name in ("topic_id", "partition", "offset"))
        return list(zip(*columns, strict=True))


def renew(kafka: KafkaSettings) -> None:
    """What `up` does when the embedded broker's log may have gone back; Kafka has ids of its own."""
    if kafka.incarnation_file is not None:
        kafka.incarnation_file.write_text(uuid.uuid4().hex)


def table(store: Storage) -> DeltaTable:
    return DeltaTable(store.table("bronze.events"), storage_options=store.options())


def message(number: int) -> bytes:
    return (
        f'{{"did":"{number % 7}","timestamp":{1_690_000_000_000 + number},"name":"odometer",'
        f'"float_value":{number}.50}}'
    ).encode()


def make_fleet(
    kafka: KafkaSettings, lake: LakeSettings, topic: str, folder: Path, partitions: int = 3
) -> Fleet:
    contract = folder / f"{topic}.yml"
    contract.write_text(
        f"name: test_source\ndescription: test\nshape: long\n"
        f"topics:\n  {topic}: {{partitions: {partitions}}}\n"
        "vehicle: {field: did}\nevent_time: [{field: timestamp, format: epoch_ms}]\n"
        "long: {name: name, value: float_value}\nsignals: {odometer: odometer}\n"
    )
    make_topic(kafka, topic, partitions)
    wait_ready(lake)
    registry = load_registry([contract])
    only = Registry(registry.catalog, {"test_source": registry.contracts["test_source"]}, registry.limits)
    return Fleet(kafka, lake, topic, partitions, only)


@dataclass
class Running:
    """A sink in a thread."""

    stop: Stop
    metrics: SinkMetrics
    thread: threading.Thread

    def uncommitted(self) -> float | None:
        return self.metrics.registry.get_sample_value("fleetlake_uncommitted_records", {"sink": "history"})

    def has_ended(self) -> bool:
        return not self.thread.is_alive()


@contextmanager
def running(fleet: Fleet, settings: IngestSettings = QUICK) -> Iterator[Running]:
    """The sink in a thread; the block's end stops it cleanly and shows its error."""
    stop, metrics = Stop(), SinkMetrics("history")
    failures: list[BaseException] = []

    def work() -> None:
        try:
            history_run.run(fleet.kafka, fleet.lake, settings, fleet.registry, stop=stop, metrics=metrics)
        except BaseException as error:  # noqa: BLE001 - shown by the test
            failures.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield Running(stop, metrics, thread)
    finally:
        stop.request()
        thread.join(DEADLINE)
    assert not thread.is_alive()
    if failures:
        raise failures[0]


def landed(fleet: Fleet, count: int) -> Callable[[], bool]:
    def check() -> bool:
        store = storage(fleet.lake)
        return exists(store, "bronze.events") and table(store).to_pyarrow_dataset().count_rows() >= count

    return check

"""The history sink on a real broker and a real Delta table: nothing lost and nothing doubled."""

import threading
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable

from broker.offsets import log_ends
from broker.producer import Producer, TransactionalProducer
from broker.settings import KafkaSettings
from contracts.load import load_registry
from contracts.registry import Registry
from fleetlake.stack.embedded import wait_until
from ingest import history_run
from ingest.errors import CheckpointMissing, CheckpointOutsideLog, TopicRecreated
from ingest.metrics import SinkMetrics
from ingest.process import Stop
from ingest.settings import IngestSettings
from lake.bronze import Bronze, BronzePartition
from lake.settings import LakeSettings
from lake.storage import storage
from tests.ingest.topics import make_topic

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
    sent: dict[tuple[int, int], bytes | None] = field(default_factory=dict)

    def send(self, count: int, *, first: int = 0) -> None:
        """Good messages, one a vehicle in turn, spread over the partitions."""
        producer = Producer(self.kafka)
        for number in range(first, first + count):
            producer.send(self.topic, str(number % 7).encode(), message(number))
        producer.flush()

    def land(self, settings: IngestSettings = QUICK) -> None:
        """Runs the sink until it has caught up."""
        history_run.run(self.kafka, self.lake, settings, self.registry, stop=Stop(), until_caught_up=True)

    def rows(self) -> pa.Table:
        return DeltaTable(storage(self.lake).table("bronze.events")).to_pyarrow_table()

    def payloads(self) -> list[bytes]:
        return sorted(self.rows()["payload"].to_pylist())

    def coordinates(self) -> list[tuple[str, int, int]]:
        rows = self.rows()
        columns = (rows[name].to_pylist() for name in ("topic_id", "partition", "offset"))
        return list(zip(*columns, strict=True))


def message(number: int) -> bytes:
    return (
        f'{{"did":"{number % 7}","timestamp":{1_690_000_000_000 + number},"name":"odometer",'
        f'"float_value":{number}.50}}'
    ).encode()


@pytest.fixture
def fleet(
    kafka_settings: KafkaSettings, lake_settings: LakeSettings, topic_name: str, tmp_path: Path
) -> Fleet:
    """Three partitions, the `tcu` format."""
    return make_fleet(kafka_settings, lake_settings, topic_name, tmp_path)


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
        table = storage(fleet.lake).table("bronze.events")
        return (
            DeltaTable.is_deltatable(table) and DeltaTable(table).to_pyarrow_dataset().count_rows() >= count
        )

    return check


def test_every_message_is_one_row_with_its_original_bytes(fleet: Fleet) -> None:
    """Key, headers, payload and coordinates as Kafka has them; unreadable messages too."""
    producer = Producer(fleet.kafka)
    payloads = [message(1), b'{"did": "7", "float_value": 101.50', b"\xff\xfe", b"", None, b"null"]
    for payload in payloads:
        producer.send(fleet.topic, b"key", payload, headers=[("trace", b"\x00\x01"), ("flag", None)])
    producer.flush()
    fleet.land()
    rows = sorted(fleet.rows().to_pylist(), key=lambda row: row["offset"])
    assert [row["payload"] for row in rows] == payloads
    assert {row["key"] for row in rows} == {b"key"}
    assert rows[0]["headers"] == [{"key": "trace", "value": b"\x00\x01"}, {"key": "flag", "value": None}]
    assert [row["error"] for row in rows] == [
        None,
        "malformed_json",
        "malformed_json",
        "malformed_json",
        "malformed_json",
        "not_an_object",
    ]
    assert [row["offset"] for row in rows] == list(range(len(payloads)))
    assert len({row["topic_id"] for row in rows}) == 1


def test_a_restart_goes_on_where_it_was(fleet: Fleet) -> None:
    """Nothing twice, nothing missing, also when nothing new has come."""
    fleet.send(100)
    fleet.land()
    fleet.land()
    fleet.send(50, first=100)
    fleet.land()
    assert fleet.payloads() == sorted(message(number) for number in range(150))
    assert len(set(fleet.coordinates())) == 150


def test_a_clean_stop_commits_what_was_read(fleet: Fleet) -> None:
    """SIGTERM loses no work, although the next commit was far away."""
    fleet.send(500)
    with running(fleet, IngestSettings(commit_seconds=3600)) as sink:
        assert wait_until(lambda: sink.uncommitted() == 500, DEADLINE)
        assert fleet.rows().num_rows == 0
    assert len(fleet.coordinates()) == 500


def test_aborted_messages_are_not_landed_and_leave_no_false_gap(fleet: Fleet) -> None:
    """The checkpoint is the consumer's position: control records and aborted messages count."""
    producer = TransactionalProducer(fleet.kafka, f"t-{uuid.uuid4().hex}")
    producer.init()
    for number, commit in enumerate((True, False, True, False)):
        producer.begin()
        for index in range(10):
            producer.send(fleet.topic, b"k", message(number * 10 + index))
        producer.commit() if commit else producer.abort()
    fleet.land()
    expected = [message(number) for number in (*range(10), *range(20, 30))]
    assert fleet.payloads() == sorted(expected)
    bronze = Bronze(storage(fleet.lake))
    topic_id = fleet.coordinates()[0][0]
    keys = [BronzePartition(topic_id, number) for number in range(3)]
    ends = log_ends(fleet.kafka, [fleet.topic])
    checkpoints = bronze.checkpoints(keys)
    assert {key.partition: checkpoints[key] or 0 for key in keys} == {
        partition.partition: end for partition, end in ends.items()
    }
    assert max(ends.values()) > 1 + max(offset for _, _, offset in fleet.coordinates())


def test_two_members_share_the_partitions_and_land_each_message_once(fleet: Fleet) -> None:
    """A second process joins under load and the first one leaves."""
    fleet.send(2_000)
    with running(fleet):
        assert wait_until(landed(fleet, 2_000), DEADLINE)
        with running(fleet):
            fleet.send(2_000, first=2_000)
            assert wait_until(landed(fleet, 4_000), DEADLINE)
        fleet.send(2_000, first=4_000)
        assert wait_until(landed(fleet, 6_000), DEADLINE)
    assert fleet.payloads() == sorted(message(number) for number in range(6_000))
    assert len(set(fleet.coordinates())) == 6_000


def test_a_new_incarnation_of_the_broker_lands_the_log_under_a_new_identity(fleet: Fleet) -> None:
    """Offsets of another life of the log mean other messages."""
    fleet.send(30)
    fleet.land()
    assert fleet.kafka.incarnation_file is not None
    fleet.kafka.incarnation_file.write_text("renewed")
    fleet.land()
    coordinates = fleet.coordinates()
    assert len(set(coordinates)) == 60
    assert {topic_id for topic_id, _, _ in coordinates} >= {f"renewed.{fleet.topic}"}


def test_a_topic_recreated_while_running_ends_the_process_and_commits_nothing(fleet: Fleet) -> None:
    """Rows read before the identity was asked again may belong to the new topic."""
    assert fleet.kafka.incarnation_file is not None
    incarnation = fleet.kafka.incarnation_file

    def recreate_while_running() -> None:
        with running(fleet) as sink:
            fleet.send(10)
            assert wait_until(landed(fleet, 10), DEADLINE)
            incarnation.write_text("another")
            fleet.send(10, first=10)
            assert wait_until(sink.has_ended, DEADLINE)

    with pytest.raises(TopicRecreated):
        recreate_while_running()
    assert len(fleet.coordinates()) == 10


def test_a_checkpoint_outside_the_log_is_a_named_error(fleet: Fleet) -> None:
    """Never silence, never `auto.offset.reset`."""
    fleet.send(9)
    fleet.land()
    bronze = Bronze(storage(fleet.lake))
    topic_id = fleet.coordinates()[0][0]
    bronze.commit([], {BronzePartition(topic_id, 0): 1_000_000})
    with pytest.raises(CheckpointOutsideLog, match="history wants offset 1000000"):
        fleet.land()


def test_a_table_without_its_transactions_is_a_named_error(fleet: Fleet, monkeypatch: Any) -> None:
    """Starting anew would double every row."""
    fleet.send(9)
    fleet.land()
    real = Bronze.checkpoints

    def forgetful(
        self: Bronze, partitions: Sequence[BronzePartition]
    ) -> Mapping[BronzePartition, int | None]:
        return dict.fromkeys(real(self, partitions))

    monkeypatch.setattr(Bronze, "checkpoints", forgetful)
    with pytest.raises(CheckpointMissing):
        fleet.land()


def test_latest_skips_what_was_there_and_records_it(fleet: Fleet) -> None:
    """The audit reads where the history begins from the table itself."""
    fleet.send(30)
    latest = QUICK.model_copy(update={"start": "latest"})
    fleet.land(latest)
    fleet.send(12, first=30)
    fleet.land(latest)
    assert fleet.payloads() == sorted(message(number) for number in range(30, 42))
    starts = Bronze(storage(fleet.lake)).starts(
        {BronzePartition(topic_id, partition) for topic_id, partition, _ in fleet.coordinates()}
    )
    assert all(offset for offset in starts.values())


def test_a_store_that_fails_between_writing_and_committing_doubles_nothing(
    fleet: Fleet, monkeypatch: Any
) -> None:
    """Commits that raise, some after they landed, in a real table."""
    fleet.send(300)
    real = Bronze.commit
    faults = iter([OSError("before"), None, OSError("after"), OSError("before"), OSError("after")])

    def faulty(self: Bronze, *args: Any, **options: Any) -> None:
        fault = next(faults, None)
        if fault is not None and str(fault) == "before":
            raise fault
        real(self, *args, **options)
        if fault is not None:
            raise fault

    monkeypatch.setattr(Bronze, "commit", faulty)
    for first in (300, 400, 500):
        fleet.land()
        fleet.send(100, first=first)
    fleet.land()
    assert fleet.payloads() == sorted(message(number) for number in range(600))


def test_metrics_tell_what_was_read_and_rejected(fleet: Fleet) -> None:
    """Counted by source and reason."""
    producer = Producer(fleet.kafka)
    for payload in (message(1), message(2), b"{", b"[]"):
        producer.send(fleet.topic, b"k", payload)
    producer.flush()
    metrics = SinkMetrics("history")
    history_run.run(
        fleet.kafka, fleet.lake, QUICK, fleet.registry, stop=Stop(), until_caught_up=True, metrics=metrics
    )
    value = metrics.registry.get_sample_value
    labels = {"sink": "history", "source": "test_source"}
    assert value("fleetlake_records_total", labels) == 4
    assert value("fleetlake_rejected_total", {**labels, "reason": "malformed_json"}) == 1
    assert value("fleetlake_rejected_total", {**labels, "reason": "not_an_object"}) == 1
    assert value("fleetlake_uncommitted_records", {"sink": "history"}) == 0

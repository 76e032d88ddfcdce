"""The history sink on a real broker and a real Delta table: nothing lost and nothing doubled."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from broker.offsets import log_ends, log_starts
from broker.producer import Producer
from broker.reader import PartitionReader
from broker.record import Records, TopicPartition
from broker.settings import KafkaSettings
from fleetlake.stack.server import wait_until
from ingest import history_run, went_back
from ingest.checkpoints import NothingToRepair, resume
from ingest.errors import CheckpointMissing, CheckpointOutsideLog, LogWentBack
from ingest.metrics import SinkMetrics
from ingest.process import Stop
from ingest.settings import IngestSettings
from lake.bronze import Bronze, BronzePartition
from lake.settings import LakeSettings
from lake.storage import storage
from tests.ingest.odometer_fleet import DEADLINE, QUICK, Fleet, landed, make_fleet, message, running
from tests.real_services import both_protocols


@pytest.fixture
def fleet(
    kafka_settings: KafkaSettings, lake_settings: LakeSettings, topic_name: str, tmp_path: Path
) -> Fleet:
    """Three partitions, the `tcu` format."""
    return make_fleet(kafka_settings, lake_settings, topic_name, tmp_path)


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


@both_protocols
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


def test_a_checkpoint_outside_the_log_is_a_named_error(fleet: Fleet) -> None:
    """Never silence, never `auto.offset.reset`."""
    fleet.send(9)
    fleet.land()
    bronze = Bronze(storage(fleet.lake))
    topic_id = fleet.coordinates()[0][0]
    bronze.commit([], {BronzePartition(topic_id, 0): 1_000_000})
    with pytest.raises(CheckpointOutsideLog, match="history wants offset 1000000"):
        fleet.land()


def test_a_log_that_went_back_stays_refused_until_its_last_row_is_found_in_it(fleet: Fleet) -> None:
    """However far it has grown; a repair compares what was landed last with Kafka."""
    fleet.send(9)
    fleet.land()
    bronze = Bronze(storage(fleet.lake))
    topic_id, number, _ = max(fleet.coordinates())
    place, key = TopicPartition(fleet.topic, number), BronzePartition(topic_id, number)
    went_back.record(bronze, key, bronze.checkpoints([key])[key] or 0)  # as a look at a shorter log does
    fleet.send(9, first=9)
    with pytest.raises(LogWentBack, match=f"checkpoint resume {fleet.topic} {number}"):
        fleet.land()
    bronze.reload()
    low, high = log_starts(fleet.kafka, [fleet.topic])[place], log_ends(fleet.kafka, [fleet.topic])[place]
    with PartitionReader(fleet.kafka) as reader:
        with pytest.raises(NothingToRepair, match="this is not the log of before"):
            resume(bronze, place, topic_id, OtherLog(), low, high)
        with pytest.raises(NothingToRepair, match="does not reach"):
            resume(bronze, place, topic_id, reader, 0, 0)
        resume(bronze, place, topic_id, reader, low, high)
    fleet.land()
    assert fleet.payloads() == sorted(message(number) for number in range(18))
    bronze.reload()
    with PartitionReader(fleet.kafka) as reader, pytest.raises(NothingToRepair, match="by itself"):
        resume(bronze, place, topic_id, reader, low, high)


class OtherLog:
    """A log with another message at every offset."""

    def read(self, partition: TopicPartition, start: int, end: int | None = None) -> Iterator[Records]:
        yield Records(*partition, [start], [0], [None], [None], [b"another"], start + 1)


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

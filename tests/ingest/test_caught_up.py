"""`--until-caught-up` of a group that stands where its log is not: only who owns the partition ends that."""

import time
import uuid
from collections.abc import Iterable
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from broker.consumer import GroupConsumer
from broker.identity import TopicIdentities
from broker.offsets import log_starts
from broker.record import TopicPartition
from broker.settings import KafkaSettings
from ingest.errors import OffsetBehindLog
from ingest.process import Target
from ingest.settings import IngestSettings
from lake.settings import LakeSettings, MongoSettings
from lake.state import StateStore
from lake.state_marks import Mark, StateMarks
from tests.ingest.routes_fleet import Fleet as RoutesFleet
from tests.ingest.state_fleet import fleet_of

FIRST, SECOND = TopicPartition("readings", 0), TopicPartition("readings", 1)
FAR = 1_000_000
FIRST_POLLS = 30
"""Of a twentieth of a second each."""


def join_slowly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Partitions are given long after the first look at whether the end is reached: a client is given them in
    its polls."""
    original, polled = GroupConsumer.poll, count()

    def poll(self: GroupConsumer, *arguments: Any) -> Any:
        if next(polled) < FIRST_POLLS:
            time.sleep(0.05)
            return []
        return original(self, *arguments)

    monkeypatch.setattr(GroupConsumer, "poll", poll)


def commit_far(kafka: KafkaSettings, sink: str, partitions: Iterable[TopicPartition]) -> None:
    """As the group had it before Kafka lost the end of its logs."""
    consumer = GroupConsumer(kafka, sink)
    try:
        consumer.commit(dict.fromkeys(partitions, FAR))
    finally:
        consumer.close()


def test_everything_before_the_ends_is_done() -> None:
    target = Target({FIRST: 9, SECOND: 0})
    assert not target.reached({FIRST: None, SECOND: None})
    assert not target.reached({FIRST: 8, SECOND: 0})
    assert target.reached({FIRST: 9, SECOND: None})
    assert target.reached({FIRST: 12, SECOND: 3})


def test_a_checkpoint_that_lay_behind_its_log_does_not_reach_the_end() -> None:
    target = Target.after({FIRST: FAR, SECOND: 5}, {FIRST: 9, SECOND: 5})
    assert not target.reached({FIRST: FAR, SECOND: 5})
    assert target.reached({FIRST: 9, SECOND: 5})
    assert not Target.after({FIRST: FAR}, {FIRST: 0}).reached({FIRST: FAR})


def test_a_state_group_behind_its_log_is_put_right(
    kafka_settings: KafkaSettings,
    mongo_settings: MongoSettings,
    lake_settings: LakeSettings,
    topic_name: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fleet = fleet_of(kafka_settings, mongo_settings, lake_settings, topic_name)
    fleet.send_random(50)
    commit_far(kafka_settings, "state", [TopicPartition(topic_name, number) for number in fleet.ends])
    topic_id = TopicIdentities(kafka_settings).read([topic_name])[topic_name]
    with (
        StateStore(mongo_settings) as store,
        StateMarks(mongo_settings, f"{kafka_settings.group_prefix}.state") as marks,
    ):
        store.ensure_view()
        marks.add(marks.collection_id(), {Mark(topic_name, topic_id, number): FAR for number in fleet.ends})
    join_slowly(monkeypatch)
    fleet.catch_up()
    assert fleet.committed() == fleet.ends
    assert fleet.found() == fleet.expected()


def test_a_routes_group_behind_its_log_is_a_named_error(
    kafka_settings: KafkaSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingest = IngestSettings(runtime_dir=tmp_path / "run", transaction_seconds=0.05)
    fleet = RoutesFleet(kafka_settings, ingest, uuid.uuid4().hex[:8])
    fleet.create_topics()
    fleet.send_traffic(100)
    commit_far(kafka_settings, "routes", log_starts(kafka_settings, fleet.registry.topics()))
    join_slowly(monkeypatch)
    with pytest.raises(OffsetBehindLog, match=f"has committed offset {FAR}"):
        fleet.catch_up()

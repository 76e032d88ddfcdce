"""The operator's repairs of checkpoints, on a real table."""

import uuid
from datetime import UTC, datetime

import pyarrow as pa
import pytest

from broker.offsets import Offsets
from broker.record import TopicPartition
from broker.settings import KafkaSettings
from ingest.checkpoints import Moved, NothingToRepair, reroute, restore_missing, skip_lost
from lake.bronze import Bronze, BronzePartition
from lake.bronze_file import FILE_SCHEMA
from lake.bronze_skips import Skip, Skips
from lake.settings import LakeSettings
from lake.storage import wait_ready
from tests.ingest.topics import make_topic

PLACE, KEY = TopicPartition("telemetry", 2), BronzePartition("id-1", 2)


def bronze_with(settings: LakeSettings, offsets: list[int], checkpoint: int | None) -> Bronze:
    bronze = Bronze(wait_ready(settings))
    row = {
        "topic_id": "id-1",
        "topic": "telemetry",
        "partition": 2,
        "kafka_time": datetime(2026, 1, 1, tzinfo=UTC),
    }
    file = bronze.new_file(datetime(2026, 1, 1, tzinfo=UTC).date())
    file.write(pa.Table.from_pylist([{**row, "offset": offset} for offset in offsets], schema=FILE_SCHEMA))
    bronze.commit([file.close()], {} if checkpoint is None else {KEY: checkpoint})
    bronze.reload()
    return bronze


def test_skipping_goes_on_at_the_logs_start_and_says_what_is_lost(lake_settings: LakeSettings) -> None:
    """Retention was faster than the history."""
    bronze = bronze_with(lake_settings, [0, 1], checkpoint=2)
    moved = skip_lost(bronze, PLACE, "id-1", low=50, high=80)
    assert moved == Moved(PLACE, 2, 50)
    assert moved.skipped == 48
    bronze.reload()
    assert bronze.checkpoints([KEY]) == {KEY: 50}
    assert Skips(bronze).of(KEY) == [Skip(2, 49)]


def test_a_checkpoint_inside_the_log_is_not_skipped(lake_settings: LakeSettings) -> None:
    """A repair that is not needed loses nothing."""
    bronze = bronze_with(lake_settings, [0, 1], checkpoint=2)
    with pytest.raises(NothingToRepair, match="inside the log"):
        skip_lost(bronze, PLACE, "id-1", low=0, high=80)


def test_a_log_that_went_back_is_not_skipped(lake_settings: LakeSettings) -> None:
    """Its offsets would name other messages."""
    bronze = bronze_with(lake_settings, [0, 1], checkpoint=2)
    with pytest.raises(NothingToRepair, match="a second time"):
        skip_lost(bronze, PLACE, "id-1", low=0, high=1)


def test_a_missing_checkpoint_is_set_behind_the_last_row(lake_settings: LakeSettings) -> None:
    """The rows themselves say how far the history came."""
    bronze = bronze_with(lake_settings, [3, 9, 4], checkpoint=None)
    assert restore_missing(bronze, PLACE, "id-1").now == 10
    bronze.reload()
    assert bronze.checkpoints([KEY]) == {KEY: 10}
    with pytest.raises(NothingToRepair, match="is there"):
        restore_missing(bronze, PLACE, "id-1")


@pytest.mark.parametrize(
    ("offsets", "recorded", "begins_at", "start"),
    [([3, 9, 4], None, 3, 3), ([0, 1], None, None, None), ([3, 9, 4], 2, None, 2)],
    ids=["began later", "began at the first message", "its start is still there"],
)
def test_a_history_that_began_later_is_restored_with_its_start(
    lake_settings: LakeSettings,
    offsets: list[int],
    recorded: int | None,
    begins_at: int | None,
    start: int | None,
) -> None:
    """What came before its first row is missed by nobody, and the operator is told."""
    bronze = bronze_with(lake_settings, offsets, checkpoint=None)
    if recorded is not None:
        bronze.commit([], {}, {KEY: recorded})
        bronze.reload()
    assert restore_missing(bronze, PLACE, "id-1") == Moved(PLACE, None, max(offsets) + 1, begins_at)
    bronze.reload()
    assert bronze.starts([KEY]) == {KEY: start}


def test_without_rows_there_is_nothing_to_restore(lake_settings: LakeSettings) -> None:
    """History begins by itself."""
    bronze = bronze_with(lake_settings, [3], checkpoint=None)
    with pytest.raises(NothingToRepair, match="no row"):
        restore_missing(bronze, PLACE, "another identity")


def routed(kafka_settings: KafkaSettings, offset: int) -> tuple[Offsets, TopicPartition]:
    """A topic of which routes has committed this offset."""
    place = TopicPartition(uuid.uuid4().hex, 0)
    make_topic(kafka_settings, place.topic, 1)
    offsets = Offsets(kafka_settings)
    offsets.set_of_group("routes", {place: offset}, {})
    return offsets, place


@pytest.mark.parametrize(("is_at_start", "now"), [(False, 80), (True, 50)])
def test_routes_goes_on_where_the_operator_decides(
    kafka_settings: KafkaSettings, is_at_start: bool, now: int
) -> None:
    """At the end of a log that went back nothing is routed twice, at its start nothing is left out."""
    offsets, place = routed(kafka_settings, 120)
    assert reroute(offsets, place, 50, 80, is_at_start=is_at_start) == Moved(place, 120, now)
    assert offsets.of_group("routes") == {place: now}


def test_routes_that_can_go_on_is_not_moved(kafka_settings: KafkaSettings) -> None:
    """A repair that is not needed leaves nothing out."""
    offsets, place = routed(kafka_settings, 70)
    with pytest.raises(NothingToRepair, match="goes on by itself"):
        reroute(offsets, place, 50, 80, is_at_start=False)
    assert offsets.of_group("routes") == {place: 70}

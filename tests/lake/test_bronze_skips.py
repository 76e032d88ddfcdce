"""What was skipped is in the table as long as the table is there."""

import pytest
from deltalake import DeltaTable

from lake.bronze import Bronze, BronzePartition
from lake.bronze_skips import NOTE, Skip, Skips, marks_of
from lake.schemas import BRONZE_EVENTS
from lake.settings import LakeSettings
from lake.storage import wait_ready

KEY, OTHER = BronzePartition("life.topic", 0), BronzePartition("life.topic", 1)


@pytest.fixture
def bronze(lake_settings: LakeSettings) -> Bronze:
    """An empty table with a checkpoint."""
    made = Bronze(wait_ready(lake_settings))
    made.commit([], {KEY: 2, OTHER: 2})
    made.reload()
    return made


def skip(bronze: Bronze, partition: BronzePartition, skipped: Skip) -> None:
    """As the repair does it."""
    note = {NOTE: f"topic/{partition.partition} {skipped.first}-{skipped.last}"}
    bronze.commit([], {partition: skipped.last + 1}, note=note, marks=marks_of(bronze, partition, skipped))
    bronze.reload()


def clean_up(bronze: Bronze) -> DeltaTable:
    """A checkpoint of the log, and nothing left of what was before it."""
    uri = bronze.storage.table(BRONZE_EVENTS.name)
    table = DeltaTable(uri, storage_options=bronze.storage.options())
    table.alter.set_table_properties({"delta.logRetentionDuration": "interval 0 seconds"})
    table.create_checkpoint()
    table.cleanup_metadata()
    return table


def test_several_skips_of_a_partition_outlive_the_log_they_were_written_in(bronze: Bronze) -> None:
    """Each with its offsets, in order, and none of them another partition's."""
    skip(bronze, KEY, Skip(2, 9))
    skip(bronze, KEY, Skip(30, 30))
    skip(bronze, OTHER, Skip(2, 4))
    assert len(clean_up(bronze).history()) == 1
    fresh = Bronze(bronze.storage)
    assert Skips(fresh).of(KEY) == [Skip(2, 9), Skip(30, 30)]
    assert Skips(fresh).of(OTHER) == [Skip(2, 4)]
    assert Skips(fresh).of(BronzePartition("other life.topic", 0)) == []
    skip(fresh, KEY, Skip(40, 41))
    assert Skips(fresh).of(KEY) == [Skip(2, 9), Skip(30, 30), Skip(40, 41)]


def test_a_skip_that_was_only_noted_is_known_while_its_log_entry_is_there(bronze: Bronze) -> None:
    """Beside one that was recorded; of the life of the topic whose checkpoint it moved."""
    bronze.commit([], {KEY: 10}, note={NOTE: "topic/0 2-9"})
    bronze.reload()
    skip(bronze, KEY, Skip(30, 30))
    assert Skips(bronze).of(KEY) == [Skip(2, 9), Skip(30, 30)]
    assert Skips(bronze).of(OTHER) == []
    assert Skips(bronze).of(BronzePartition("other life.topic", 0)) == []
    clean_up(bronze)
    assert Skips(Bronze(bronze.storage)).of(KEY) == [Skip(30, 30)]


def test_a_handle_knows_the_skips_of_its_own_version(bronze: Bronze) -> None:
    """An audit looks at one version."""
    writer = Bronze(bronze.storage)
    skip(writer, KEY, Skip(2, 9))
    assert Skips(bronze).of(KEY) == []
    assert Skips(writer).of(KEY) == [Skip(2, 9)]

"""How fresh a layer is, is told by Kafka's clock, from what the writers of the tables put into their logs."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
from deltalake import DeltaTable

from lake.bronze import Bronze, BronzePartition
from lake.bronze_file import FILE_SCHEMA
from lake.freshness import Layer, freshness
from lake.settings import LakeSettings
from lake.silver import Lane
from lake.storage import wait_ready
from tests.lake.conftest import bronze_row, signal_of
from transforms.increment import increment
from transforms.load import load_models

NOW = datetime(2026, 3, 1, 12, 0, 0, 500_000, tzinfo=UTC)
AHEAD = timedelta(minutes=5)
"""Of a vehicle's clock."""


def land(lake: LakeSettings, offset: int, kafka_time: datetime) -> None:
    """A message of a vehicle whose clock is ahead, in a commit as history makes it."""
    event_time = kafka_time + AHEAD
    row = bronze_row(
        offset=offset,
        kafka_time=kafka_time,
        ingest_time=kafka_time + timedelta(seconds=2),
        event_time=event_time,
        signals=[signal_of("speed", 50.0, event_time)],
    )
    bronze = Bronze(wait_ready(lake))
    file = bronze.new_file(kafka_time.date())
    file.write(pa.Table.from_pylist([row], schema=FILE_SCHEMA))
    bronze.commit([file.close()], {BronzePartition("life.topic", 0): offset + 1})


def read_by_silver(lake: LakeSettings) -> None:
    increment(lake, load_models()["silver.signals"], Lane.HOT)


def test_layers_are_as_fresh_as_the_messages_they_have_read(lake_settings: LakeSettings) -> None:
    """Whatever a vehicle says that the time is; silver that is behind bronze is as old as it is behind."""
    wait_ready(lake_settings)
    assert freshness(lake_settings) == [Layer(name, None, None) for name in ("bronze", "silver", "gold")]
    land(lake_settings, 0, NOW)
    read_by_silver(lake_settings)
    both = [Layer("bronze", NOW, 1), Layer("silver", NOW, 1)]
    assert freshness(lake_settings)[:2] == both
    later = NOW + timedelta(seconds=30)
    land(lake_settings, 1, later)
    assert freshness(lake_settings)[:2] == [Layer("bronze", later, 2), Layer("silver", NOW, 1)]
    read_by_silver(lake_settings)
    assert freshness(lake_settings)[:2] == [Layer("bronze", later, 2), Layer("silver", later, 2)]


def test_nothing_is_known_of_silver_that_has_read_a_version_long_gone(tmp_path: Path) -> None:
    """The log of bronze begins behind it: silver has not been made for long. Bronze is told all the same."""
    lake = LakeSettings(uri=str(tmp_path))
    land(lake, 0, NOW)
    read_by_silver(lake)
    land(lake, 1, NOW)
    table = DeltaTable(wait_ready(lake).table("bronze.events"))
    table.create_checkpoint()
    for version in range(table.version()):
        (tmp_path / "bronze" / "events" / "_delta_log" / f"{version:020}.json").unlink()
    assert freshness(lake)[:2] == [Layer("bronze", NOW, 2), Layer("silver", None, 1)]

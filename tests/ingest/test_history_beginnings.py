"""Where history begins in a partition is decided once and recorded before anything is read."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from broker.identity import TopicIdentities
from broker.settings import KafkaSettings
from fleetlake.stack.server import wait_until
from ingest import history_buffer
from ingest.errors import CannotLand
from ingest.settings import IngestSettings
from lake.bronze import Bronze, BronzePartition
from lake.bronze_file import BronzeFile
from lake.settings import LakeSettings
from lake.storage import storage
from lake.tables import exists
from tests.ingest.odometer_fleet import DEADLINE, Fleet, landed, make_fleet, running

LATEST = IngestSettings(commit_seconds=0.2, start="latest")


@pytest.fixture
def fleet(
    kafka_settings: KafkaSettings, lake_settings: LakeSettings, topic_name: str, tmp_path: Path
) -> Fleet:
    """One partition, the `tcu` format."""
    return make_fleet(kafka_settings, lake_settings, topic_name, tmp_path, partitions=1)


def checkpoint(fleet: Fleet) -> int | None:
    """What the table records for the partition; None while there is no table, too."""
    store = storage(fleet.lake)
    if not exists(store, "bronze.events"):
        return None
    key = BronzePartition(TopicIdentities(fleet.kafka).read([fleet.topic])[fleet.topic], 0)
    return Bronze(store).checkpoints([key])[key]


def test_an_idle_partition_has_a_checkpoint_before_its_first_message(fleet: Fleet) -> None:
    """Else nobody would miss what retention removes while no process runs."""
    with running(fleet):
        wait_until(lambda: checkpoint(fleet) == 0, DEADLINE)


def test_a_write_that_fails_moves_no_beginning(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    """`latest` was an empty topic: what came since is read, dropped with the failed write, and read again."""
    write, failed = BronzeFile.write, []

    def fail_first(self: BronzeFile, table: pa.Table) -> Any:
        if not failed:
            failed.append(table.num_rows)
            raise OSError(5, "scripted")
        return write(self, table)

    monkeypatch.setattr(BronzeFile, "write", fail_first)
    with running(fleet, LATEST):
        wait_until(lambda: checkpoint(fleet) == 0, DEADLINE)
        fleet.send(100)
        wait_until(landed(fleet, 100), DEADLINE)
    assert failed
    assert [offset for _, _, offset in sorted(fleet.coordinates())] == list(range(100))


def test_what_nobody_foresaw_ends_history_by_name(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    """Instead of trying for ever; a restart goes on, and nothing is lost."""
    fleet.send(20)
    with monkeypatch.context() as patch:

        def broken(*_: object) -> pa.RecordBatch:
            raise ValueError("a defect")  # noqa: EM101 - a test's own

        patch.setattr(history_buffer, "bronze_rows", broken)
        with (
            pytest.raises(CannotLand, match=rf"ValueError: a defect\): {fleet.topic}/0 from 0; .* defect"),
            running(fleet) as sink,
        ):
            wait_until(sink.has_ended, DEADLINE)
    fleet.land()
    assert len(fleet.coordinates()) == 20

"""Doctor's look at bronze: a file that is gone or broken is named."""

from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest

from lake.bronze import Bronze, BronzePartition
from lake.bronze_file import FILE_SCHEMA
from lake.bronze_probe import probe
from lake.errors import TableMissing
from lake.settings import LakeSettings
from lake.storage import storage, wait_ready

DAY = datetime(2026, 1, 1, tzinfo=UTC)


def land(bronze: Bronze, offset: int) -> str:
    """One row in a file of its own; returns the file's path below the table."""
    row = {"topic_id": "id", "topic": "t", "partition": 0, "kafka_time": DAY, "offset": offset}
    file = bronze.new_file(DAY.date())
    file.write(pa.Table.from_pylist([row], schema=FILE_SCHEMA))
    action = file.close()
    bronze.commit([action], {BronzePartition("id", 0): offset + 1})
    bronze.reload()
    return action.path


def test_a_whole_table_opens(lake_settings: LakeSettings) -> None:
    """On a folder and on S3."""
    bronze = Bronze(wait_ready(lake_settings))
    land(bronze, 0)
    probed = probe(bronze.storage)
    assert (probed.version, probed.opened, probed.broken) == (1, 1, [])


def test_files_that_are_gone_or_cut_are_named(tmp_path: Path) -> None:
    """The table's log knows nothing of it."""
    bronze = Bronze(wait_ready(LakeSettings(uri=str(tmp_path))))
    gone, cut, _whole = (land(bronze, offset) for offset in range(3))
    root = Path(bronze.storage.table("bronze.events"))
    (root / gone).unlink()
    (root / cut).write_bytes(b"PAR1")
    probed = probe(bronze.storage)
    assert probed.opened == 3
    assert {broken.path for broken in probed.broken} == {gone, cut}


def test_no_table_is_an_error_with_a_name(tmp_path: Path) -> None:
    """Not a generic one of the library."""
    with pytest.raises(TableMissing):
        probe(storage(LakeSettings(uri=str(tmp_path))))

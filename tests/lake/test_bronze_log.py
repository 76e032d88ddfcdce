"""Who lands rows deletes nothing, of the table's log neither."""

import os
import time
from pathlib import Path

from lake.bronze import Bronze, BronzePartition
from lake.maintenance import maintain
from lake.schemas import BRONZE_EVENTS, COMMON_PROPERTIES
from lake.settings import LakeSettings
from lake.storage import wait_ready

OLD_SECONDS = 30 * 24 * 3600


def entries(log: Path) -> list[str]:
    return sorted(file.name for file in log.glob("*.json"))


def test_expired_entries_of_the_log_are_left_to_maintenance(tmp_path: Path) -> None:
    """A commit that makes a Delta checkpoint would remove them, and history needs no right to delete."""
    settings = LakeSettings(uri=str(tmp_path / "lake"))
    bronze = Bronze(wait_ready(settings))
    log = tmp_path / "lake" / "bronze" / "events" / "_delta_log"
    between = int(COMMON_PROPERTIES["delta.checkpointInterval"])
    for offset in range(2 * between + 2):
        bronze.commit([], {BronzePartition("id", 0): offset})
        bronze.reload()
        for file in log.iterdir():
            os.utime(file, (time.time() - OLD_SECONDS,) * 2)
    assert len(list(log.glob("*.checkpoint.parquet"))) >= 2
    assert len(entries(log)) == 2 * between + 3
    maintain(settings, BRONZE_EVENTS.name)
    assert len(entries(log)) < 2 * between

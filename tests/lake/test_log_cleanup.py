"""Commits leave old entries of the log alone, however old; maintenance removes them."""

from pathlib import Path

import pytest
from deltalake import DeltaTable

from lake.bronze import Bronze
from lake.maintenance import maintain
from lake.schemas import BRONZE_EVENTS, COMMON_PROPERTIES, SILVER_SIGNALS, TableSchema
from lake.settings import LakeSettings
from lake.silver import Silver
from lake.storage import storage, wait_ready

COMMITS = int(COMMON_PROPERTIES["delta.checkpointInterval"]) + 5
"""So many that a checkpoint holds most of their entries."""


@pytest.mark.local_lake
@pytest.mark.parametrize("table", [BRONZE_EVENTS, SILVER_SIGNALS])
def test_only_maintenance_looks_for_old_entries_of_the_log(
    lake_settings: LakeSettings, table: TableSchema
) -> None:
    """To look for them costs a commit a list of the whole log."""
    store = wait_ready(lake_settings)
    make = {BRONZE_EVENTS.name: commit_bronze, SILVER_SIGNALS.name: commit_silver}[table.name]
    make(lake_settings, 1)
    kept = DeltaTable(store.table(table.name))
    kept.alter.set_table_properties({"delta.logRetentionDuration": "interval 0 seconds"})
    make(lake_settings, COMMITS)

    assert entries(store.table(table.name)) == list(range(COMMITS + 3))  # it was created, and altered
    maintain(lake_settings, table.name)
    assert entries(store.table(table.name))[0] > 0


def commit_bronze(settings: LakeSettings, times: int) -> None:
    bronze = Bronze(storage(settings))
    for number in range(times):
        bronze.commit([], {}, marks={"test": number})
        bronze.reload()


def commit_silver(settings: LakeSettings, times: int) -> None:
    for _ in range(times):
        Silver(storage(settings)).record({})


def entries(table: str) -> list[int]:
    return sorted(int(entry.stem) for entry in Path(table, "_delta_log").glob("*.json"))

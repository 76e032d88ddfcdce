"""All application transactions at once are those that delta-rs names one by one."""

from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake

from lake.errors import StoreUnavailable
from lake.schemas import TableSchema
from lake.settings import LakeSettings
from lake.storage import Storage, wait_ready
from lake.transactions import transactions

NUMBERS = TableSchema("gold.numbers", pa.schema([("n", pa.int64())]), (), {"delta.checkpointInterval": "5"})
COMMITS = 12


@pytest.fixture
def store(lake_settings: LakeSettings) -> Storage:
    """A table of twelve commits, with a checkpoint on the way; each names itself, and `newest`."""
    made = wait_ready(lake_settings)
    uri, options = made.table(NUMBERS.name), made.options()
    table = DeltaTable.create(uri, NUMBERS.columns, configuration=NUMBERS.properties, storage_options=options)
    for number in range(COMMITS):
        names = [Transaction(name, number) for name in (f"commit:{number}", "newest")]
        rows = pa.table({"n": [number]}, schema=NUMBERS.columns)
        write_deltalake(
            table, rows, mode="append", commit_properties=CommitProperties(app_transactions=names)
        )
    return made


def one_by_one(store: Storage, version: int) -> dict[str, int]:
    table = DeltaTable(store.table(NUMBERS.name), version=version, storage_options=store.options())
    names = [*(f"commit:{number}" for number in range(COMMITS)), "newest"]
    found = {name: table.transaction_version(name) for name in names}
    return {name: number for name, number in found.items() if number is not None}


@pytest.mark.parametrize("version", [0, 1, 4, 5, 6, COMMITS])
def test_they_are_those_of_delta_rs(store: Storage, version: int) -> None:
    """Before, at and behind a checkpoint."""
    assert transactions(store, NUMBERS.name, version) == one_by_one(store, version)


@pytest.mark.local_lake
def test_entries_before_a_checkpoint_are_not_needed(store: Storage) -> None:
    """They are cleaned up some day; one that is missing behind it is an error, not a smaller answer."""
    log = Path(store.table(NUMBERS.name), "_delta_log")
    checkpoint = max(int(path.name.partition(".")[0]) for path in log.glob("*.checkpoint.parquet"))
    whole = transactions(store, NUMBERS.name, COMMITS)
    for entry in log.glob("*.json"):
        if int(entry.stem) <= checkpoint:
            entry.unlink()
    assert transactions(store, NUMBERS.name, COMMITS) == whole
    (log / f"{checkpoint + 1:020}.json").unlink()
    with pytest.raises(StoreUnavailable, match=f"version {checkpoint + 1} is missing"):
        transactions(store, NUMBERS.name, COMMITS)

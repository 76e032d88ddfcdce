"""What delta-rs makes of each fault: the ground that the history's rules for a commit in doubt stand on."""

from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa
import pytest
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake
from deltalake.exceptions import CommitFailedError

from lake.settings import LakeSettings
from lake.storage import storage, wait_ready
from tests.faults.proxy import Faults
from tests.faults.s3 import COMMIT, FaultyLake, faulty, offsets
from tests.real_services import Real

TABLE = "silver.signals"
MARK = "topic/0"


@dataclass
class Table:
    """A Delta table written through the proxy, and read past it."""

    lake: FaultyLake

    def append(self, offset: int, *, marked: bool = False) -> None:
        store = storage(self.lake.settings)
        marks = CommitProperties(app_transactions=[Transaction(MARK, offset)]) if marked else None
        rows = pa.table({"offset": [offset]})
        write_deltalake(
            store.table(TABLE), rows, mode="append", storage_options=store.options(), commit_properties=marks
        )

    def offsets(self) -> list[int]:
        return offsets(self.lake, TABLE)

    def versions(self) -> int:
        store = storage(self.lake.direct)
        return DeltaTable(store.table(TABLE), storage_options=store.options()).version() + 1


@pytest.fixture
def lake(real: Real, s3_lake_settings: LakeSettings) -> Iterator[FaultyLake]:
    """A store behind the fault proxy."""
    direct = real.lake() or s3_lake_settings
    wait_ready(direct)
    with faulty(direct) as made:
        yield made


@pytest.fixture
def table(lake: FaultyLake) -> Table:
    """One with a first row."""
    made = Table(lake)
    made.append(0)
    return made


@pytest.mark.parametrize(
    ("faults", "counted"),
    [
        (Faults(fail_share=0.1, seed=1), "failed"),
        (Faults(cut_share=0.2, cut_at="request", seed=2), "cut"),
        (Faults(delay_s=0.1), "delayed"),
    ],
)
def test_the_clients_own_retries_are_enough(
    lake: FaultyLake, table: Table, faults: Faults, counted: str
) -> None:
    """A tenth of the requests refused, some cut on the way, all of them slow: each write lands once."""
    lake.proxy.set(faults)
    for offset in range(1, 6):
        table.append(offset)
    assert getattr(lake.proxy.counts, counted) > 0
    assert table.offsets() == list(range(6))


def test_a_commit_without_a_mark_makes_two_versions_when_its_answer_is_lost(
    lake: FaultyLake, table: Table
) -> None:
    """Sent again, it finds the version taken, by itself, and makes the next one of the same file."""
    lake.proxy.lose_acknowledgement(COMMIT)
    table.append(1)
    assert lake.proxy.counts.lost == 1
    assert table.versions() == 3
    assert table.offsets() == [0, 1]


def test_a_commit_with_a_mark_is_refused_by_its_own_mark(lake: FaultyLake, table: Table) -> None:
    """That is why every commit of the history carries one: an error to be settled, never a second row."""
    lake.proxy.lose_acknowledgement(COMMIT)
    with pytest.raises(CommitFailedError):
        table.append(1, marked=True)
    assert lake.proxy.counts.lost == 1
    assert table.offsets() == [0, 1]
    assert table.versions() == 2

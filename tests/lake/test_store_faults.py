"""Bronze on a store that is slow, hangs, fails, cuts connections and loses acknowledgements."""

import resource
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import date
from pathlib import Path
from random import Random

import pyarrow as pa
import pytest
from deltalake.exceptions import CommitFailedError
from deltalake.transaction import AddAction

from lake.bronze import Bronze, BronzePartition
from lake.bronze_file import FILE_SCHEMA
from lake.errors import StoreUnavailable
from lake.schemas import BRONZE_EVENTS
from lake.settings import LakeSettings
from lake.storage import storage, wait_ready
from tests.faults.proxy import Faults
from tests.faults.s3 import COMMIT, DATA, FaultyLake, faulty
from tests.faults.s3 import offsets as offsets_of
from tests.real_services import Real

KEY = BronzePartition("id-1", 0)
TODAY = date(2026, 3, 1)
DEADLINE = 60.0
PART_BYTES = 10 << 20
"""Arrow's: a larger file is written in several requests."""


@pytest.fixture
def lake(real: Real, s3_lake_settings: LakeSettings) -> Iterator[FaultyLake]:
    """A store behind the fault proxy: the run's MinIO where it has one."""
    direct = real.lake() or s3_lake_settings
    wait_ready(direct)
    with faulty(direct) as made:
        yield made


@pytest.fixture
def bronze(lake: FaultyLake) -> Bronze:
    """A handle that reaches the store through the proxy."""
    return Bronze(storage(lake.settings))


def rows(first: int, count: int) -> pa.Table:
    columns = {
        "topic_id": [KEY.topic_id] * count,
        "topic": ["topic"] * count,
        "partition": [KEY.partition] * count,
        "offset": list(range(first, first + count)),
        "payload": [b"{}"] * count,
    }
    nothing = [None] * count
    return pa.table(
        [pa.array(columns.get(column.name, nothing), column.type) for column in FILE_SCHEMA],
        schema=FILE_SCHEMA,
    )


def written(bronze: Bronze, first: int = 0, count: int = 10) -> AddAction:
    file = bronze.new_file(TODAY)
    file.write(rows(first, count))
    return file.close()


def offsets(lake: FaultyLake) -> list[int]:
    return offsets_of(lake, BRONZE_EVENTS.name)


def test_a_commit_whose_answer_was_lost_is_refused_by_itself_and_is_there(
    lake: FaultyLake, bronze: Bronze
) -> None:
    """The S3 client sends it again, finds the version taken, and delta-rs finds its transaction in there."""
    add = written(bronze)
    lake.proxy.lose_acknowledgement(COMMIT)
    with pytest.raises(CommitFailedError, match="Concurrent transaction"):
        bronze.commit([add], {KEY: 10})
    assert lake.proxy.counts.lost == 1
    assert bronze.reload() == 1
    assert bronze.checkpoints([KEY]) == {KEY: 10}
    assert offsets(lake) == list(range(10))


def test_a_commit_that_was_done_and_answered_with_an_error_is_there(lake: FaultyLake, bronze: Bronze) -> None:
    """Each of the client's attempts is answered 500: it never learns of the version it made."""
    add = written(bronze)
    lake.proxy.set(Faults(fail_share=1.0, fail_when="after", matching=COMMIT))
    with pytest.raises(OSError, match="500 Internal Server Error"):
        bronze.commit([add], {KEY: 10})
    lake.proxy.heal()
    assert bronze.reload() == 1
    assert offsets(lake) == list(range(10))


def test_a_store_that_hangs_stops_no_other_thread(lake: FaultyLake, bronze: Bronze) -> None:
    """This one goes on and heals the store, which it could not if asking for it held Python's lock."""
    for request in (DATA, COMMIT, r"^HEAD .*parquet", r"^GET .*_delta_log"):
        offset = bronze.checkpoints([KEY])[KEY] or 0
        lake.proxy.set(Faults(freeze=True, matching=request))
        frozen = lake.proxy.counts.frozen
        landed = threading.Event()
        with ThreadPoolExecutor(1) as pool:
            working = pool.submit(land, bronze, offset, landed)
            while lake.proxy.counts.frozen == frozen:
                assert not landed.wait(0.01)
            lake.proxy.heal()
            working.result(DEADLINE)
    assert offsets(lake) == list(range(40))


def land(bronze: Bronze, first: int, landed: threading.Event) -> None:
    bronze.commit([written(bronze, first)], {KEY: first + 10})
    bronze.reload()
    landed.set()


@pytest.mark.parametrize(
    "faults",
    [
        Faults(fail_share=1.0, matching=DATA),
        Faults(cut_share=1.0, cut_at="request", matching=DATA),
        Faults(fail_share=1.0, matching=r"^HEAD .*\.parquet"),
    ],
)
def test_a_file_that_may_not_have_arrived_is_never_named(
    lake: FaultyLake, bronze: Bronze, faults: Faults
) -> None:
    """Closing it raises; discarding it afterwards raises nothing that is not the store's."""
    file = bronze.new_file(TODAY)
    file.write(rows(0, 10))
    lake.proxy.set(faults)
    with pytest.raises(OSError, match="AWS Error"):
        file.close()
    lake.proxy.heal()
    with suppress(OSError):
        file.discard()
    assert offsets(lake) == []


def test_a_file_of_several_parts_arrives_whole_through_faults(lake: FaultyLake, bronze: Bronze) -> None:
    """Some of the requests fail or are cut; the client's own retries are enough."""
    count = 40
    lake.proxy.set(Faults(fail_share=0.2, cut_share=0.2, cut_at="request", matching=DATA, seed=4))
    file = bronze.new_file(TODAY)
    for first in range(0, count, 10):
        file.write(incompressible(first, PART_BYTES // 10))
    add = file.close()
    counts = lake.proxy.counts
    lake.proxy.heal()
    assert counts.failed
    assert counts.cut
    bronze.commit([add], {KEY: count})
    assert offsets(lake) == list(range(count))


def incompressible(first: int, size: int) -> pa.Table:
    table = rows(first, 10)
    payloads = pa.array([Random(first + n).randbytes(size) for n in range(10)], pa.binary())  # noqa: S311
    return table.set_column(FILE_SCHEMA.get_field_index("payload"), FILE_SCHEMA.field("payload"), payloads)


def test_a_store_that_fails_is_not_an_empty_table(lake: FaultyLake, bronze: Bronze) -> None:
    """A checkpoint that cannot be read is an error, never none: history would begin again. It is one line."""
    bronze.commit([written(bronze)], {KEY: 10})
    bronze.reload()
    lake.proxy.set(Faults(cut_share=1.0, cut_at="answer", matching="_delta_log"))
    with pytest.raises(StoreUnavailable) as caught:
        bronze.checkpoints([KEY])
    assert not {"\n", "\x1b"} & set(str(caught.value))
    with pytest.raises(StoreUnavailable):
        bronze.reload()
    lake.proxy.heal()
    assert bronze.checkpoints([KEY]) == {KEY: 10}


def test_a_file_that_found_no_room_leaves_nothing(tmp_path: Path) -> None:
    """A full disk has its room back when the rows are dropped."""
    bronze = Bronze(wait_ready(LakeSettings(uri=str(tmp_path / "lake"))))
    file = bronze.new_file(TODAY)
    with no_file_larger_than(1 << 20):
        with pytest.raises(OSError, match="File too large"):
            file.write(incompressible(0, 1 << 20))
        file.discard()
    assert list(tmp_path.rglob("*.parquet")) == []


@contextmanager
def no_file_larger_than(size: int) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)

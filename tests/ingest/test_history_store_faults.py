"""From the buffer to the commit on a store that fails as real ones do: every row lands once, none is lost."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest

from broker.record import Records
from contracts.load import load_registry
from fleetlake.stack.server import wait_until
from ingest.decoding import DecodedRun, RunDecoder
from ingest.history_buffer import BufferFailed, HistoryBuffer, OwnershipMoved
from ingest.history_commit import Committer
from ingest.metrics import SinkMetrics
from ingest.process import logger
from lake.bronze import Bronze, BronzePartition
from lake.schemas import BRONZE_EVENTS
from lake.settings import LakeSettings
from lake.storage import storage, wait_ready
from tests.faults.proxy import Faults
from tests.faults.s3 import COMMIT, DATA, FaultyLake, faulty, offsets
from tests.real_services import Real

KEY = BronzePartition("id-1", 0)
DEADLINE = 60.0
MANY_COMMITS = 22
"""More than a Delta checkpoint apart, whose requests are to fail too."""


@dataclass
class Owner:
    """What a history process does with the rows of one partition, without Kafka."""

    lake: LakeSettings
    abandoned: threading.Event = field(default_factory=threading.Event)
    recoveries: int = 0

    def __post_init__(self) -> None:
        bronze = Bronze(storage(self.lake))
        metrics = SinkMetrics("history")
        self._decoder = RunDecoder(load_registry(), metrics)
        self._committer = Committer(
            bronze, time.monotonic, self.abandoned.wait, logger("history"), patience_seconds=DEADLINE
        )
        self._committer.adopt([KEY])
        self.buffer = HistoryBuffer(
            bronze.new_file,
            self._committer,
            metrics,
            abandoned=self.abandoned,
            max_bytes=1 << 20,
            now=lambda: datetime.now(UTC),
        )

    def send(self, end: int) -> None:
        """Queues everything from the checkpoint to `end`, and its commit."""
        first = self._committer.owned[KEY] or 0
        self.buffer.append(self._run(first, end - first), KEY.topic_id)
        self.buffer.commit({KEY: end}, {})

    def land(self, end: int) -> None:
        """Goes on from the table's checkpoint until all is in it, as often as that takes."""
        while (self._committer.owned[KEY] or 0) < end:
            self.send(end)
            if not self.settled():
                self.recover()

    def settled(self) -> bool:
        """Waits until what was queued is done; whether it landed."""
        assert self.buffer.drain(DEADLINE)
        try:
            self.buffer.raise_failure()
        except BufferFailed:
            return False
        return True

    def recover(self) -> None:
        """Drops what is not committed and asks the table."""
        self.recoveries += 1
        self.buffer.drop()
        self._committer.adopt([])

    def _run(self, first: int, count: int) -> DecodedRun:
        payload = b'{"did":"1000","timestamp":1690000000000,"name":"odometer","float_value":123.45}'
        empty: list[Any] = [None] * count
        numbers, times = list(range(first, first + count)), [1_690_000_000_000] * count
        return self._decoder.decode(
            Records("telemetry_raw", 0, numbers, times, empty, empty, [payload] * count, first + count)
        )


@pytest.fixture
def direct(real: Real, s3_lake_settings: LakeSettings) -> LakeSettings:
    """A lake in the run's MinIO where it has one, else in its S3 server."""
    settings = real.lake() or s3_lake_settings
    wait_ready(settings)
    return settings


@pytest.fixture
def lake(direct: LakeSettings) -> Iterator[FaultyLake]:
    """Behind the fault proxy."""
    with faulty(direct) as made:
        yield made


@pytest.fixture
def owner(lake: FaultyLake) -> Iterator[Owner]:
    """The only process."""
    made = Owner(lake.settings)
    with closing(made.buffer):
        yield made


def rows_of(lake: FaultyLake) -> list[int]:
    return offsets(lake, BRONZE_EVENTS.name)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("faults", "counted"),
    [
        (Faults(fail_share=0.1, seed=1), "failed"),
        (Faults(fail_share=0.1, fail_when="after", seed=2), "failed"),
        (Faults(cut_share=0.3, cut_at="request", seed=3), "cut"),  # of those with a body: a third of all
        (Faults(cut_share=0.1, cut_at="answer", seed=4), "cut"),
    ],
)
def test_a_tenth_of_all_requests_goes_wrong_and_every_row_lands_once(
    lake: FaultyLake, owner: Owner, faults: Faults, counted: str
) -> None:
    """Failed before and after it was done, and cut on the way there and back; Delta checkpoints included."""
    lake.proxy.set(faults)
    for commit in range(1, MANY_COMMITS + 1):
        owner.land(commit * 10)
    assert getattr(lake.proxy.counts, counted) >= 3
    assert rows_of(lake) == list(range(MANY_COMMITS * 10))


@pytest.mark.slow
def test_a_store_that_takes_2_s_for_each_request_is_only_slow(lake: FaultyLake, owner: Owner) -> None:
    """Nothing is given up on, and nothing begun twice."""
    lake.proxy.set(Faults(delay_s=2.0))
    owner.send(10)
    assert owner.settled()
    assert lake.proxy.counts.delayed > 3
    assert rows_of(lake) == list(range(10))


@pytest.mark.parametrize(
    "request_",
    [COMMIT, DATA, r"^PUT /[^?]*\.checkpoint\.parquet", r"^PUT /[^?]*/_last_checkpoint"],
    ids=["commit", "file", "checkpoint", "last_checkpoint"],
)
def test_a_lost_acknowledgement_is_not_a_lost_or_second_commit(
    lake: FaultyLake, owner: Owner, request_: str
) -> None:
    """Whichever of a commit's writes was done without anybody hearing of it."""
    lake.proxy.lose_acknowledgement(request_)
    for commit in range(1, MANY_COMMITS + 1):
        owner.send(commit * 10)
        assert owner.settled()
    assert lake.proxy.counts.lost == 1
    assert rows_of(lake) == list(range(MANY_COMMITS * 10))


@pytest.mark.parametrize("request_", ["", DATA, COMMIT], ids=["all", "file", "commit"])
def test_a_store_away_for_a_while_is_waited_for(lake: FaultyLake, owner: Owner, request_: str) -> None:
    """It refuses connections, or only some of the requests, and comes back."""
    owner.land(10)
    lake.proxy.set(Faults(refuse=True) if not request_ else Faults(fail_share=1.0, matching=request_))
    with ThreadPoolExecutor(1) as pool:
        landing = pool.submit(owner.land, 20)
        time_to_heal(lake, request_)
        lake.proxy.heal()
        landing.result(DEADLINE)
    assert rows_of(lake) == list(range(20))


def time_to_heal(lake: FaultyLake, request: str) -> None:
    """Once the client has been told no, or could not even ask."""
    began = time.monotonic()
    assert wait_until(
        lambda: lake.proxy.counts.failed > 3 or (not request and time.monotonic() - began > 3.0), DEADLINE
    )


def test_files_of_a_commit_that_was_given_up_are_seen_by_nobody(lake: FaultyLake, owner: Owner) -> None:
    """The store has the file; the table does not, and its rows land once with the next."""
    owner.land(10)
    lake.proxy.set(Faults(fail_share=1.0, matching=COMMIT))
    owner.send(20)
    assert wait_until(lambda: lake.proxy.counts.failed > 0, DEADLINE)
    owner.recover()
    lake.proxy.heal()
    assert rows_of(lake) == list(range(10))
    owner.land(20)
    assert rows_of(lake) == list(range(20))
    assert data_files(lake) == 3


def data_files(lake: FaultyLake) -> int:
    store = storage(lake.direct)
    found = store.client().list_objects_v2(Bucket=store.locations.bucket)["Contents"]
    return sum(item["Key"].endswith(".zstd.parquet") for item in found)


# -- a commit that arrives after its process has given up on it ----------------------------------------------

HASTY_SECONDS = 1.0


@pytest.fixture
def hasty(direct: LakeSettings) -> Iterator[FaultyLake]:
    """A lake whose clients soon believe that a request was lost."""
    with faulty(direct, request_timeout_s=HASTY_SECONDS) as made:
        yield made


def test_a_commit_that_arrives_late_and_its_repetition_land_once(hasty: FaultyLake) -> None:
    """The process has asked the table, seen nothing, and committed again; then both arrive."""
    owner = Owner(hasty.settings)
    with closing(owner.buffer):
        owner.land(10)
        hasty.proxy.set(Faults(freeze=True, matching=COMMIT))
        owner.send(20)
        assert wait_until(lambda: hasty.proxy.counts.frozen >= 2, DEADLINE)
        hasty.proxy.heal()
        assert owner.settled()
    assert rows_of(hasty) == list(range(20))


@pytest.mark.parametrize("is_first", [True, False], ids=["before the new owner's", "after it"])
def test_a_commit_that_arrives_when_its_partition_has_another_owner(
    hasty: FaultyLake, is_first: bool
) -> None:
    """Whichever comes first is in the table; the other one is refused, whole."""
    old, new = Owner(hasty.settings), Owner(hasty.direct)
    with closing(old.buffer), closing(new.buffer):
        hasty.proxy.set(Faults(freeze=True, matching=COMMIT))
        old.send(20)
        assert wait_until(lambda: hasty.proxy.counts.frozen >= 1, DEADLINE)
        old.buffer.drop()
        if is_first:
            hasty.proxy.heal()
            assert wait_until(lambda: rows_of(hasty) == list(range(20)), DEADLINE)
            new.send(15)
            assert not new.settled()
            assert moved(new.buffer.raise_failure)
            new.recover()
        new.land(30)
        hasty.proxy.heal()
        new.land(40)
    assert rows_of(hasty) == list(range(40))


def moved(action: Callable[[], None]) -> bool:
    with pytest.raises(BufferFailed) as caught:
        action()
    return isinstance(caught.value.__cause__, OwnershipMoved)

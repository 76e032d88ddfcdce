"""The buffer between reading and committing: order, bounds, and what a failure leaves behind."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa
import pytest

from broker.record import Headers, Records
from contracts.load import load_registry
from ingest.decoding import DecodedRun, RunDecoder
from ingest.history_buffer import ROW_GROUP_ROWS, BufferFailed, HistoryBuffer, OwnershipMoved
from ingest.history_commit import Committer
from ingest.metrics import SinkMetrics
from ingest.process import logger
from lake.bronze import BronzePartition
from tests.ingest.test_history_commit import ScriptedTable

KEY = BronzePartition("id-1", 0)
DEADLINE = 10.0
MANY_SIGNALS = b'{"vehicle_id":"V","timestamp":"2025-07-06T12:00:00Z"%s}' % b"".join(
    b',"n%d":1' % number for number in range(100)
)
Beside = tuple[bytes | None, Headers | None]
CONTENTS: dict[str, tuple[Beside, bytes | None, int]] = {
    "nothing": ((None, None), None, 150),
    "a key": ((b"k" * 4096, None), None, 4096),
    "a header": ((None, [("trace", b"t" * 4096)]), b"{}", 4096),
    "a header's name": ((None, [("t" * 4096, None)]), b"{}", 4096),
    "many headers": ((None, [("", b"")] * 32), b"{}", 32 * 100),
    "many signals": ((None, None), MANY_SIGNALS, 100 * 30),
}
"""Key and headers, payload, and what such a message takes in memory at least."""


class MemoryFile:
    """A file of bronze in memory that can fail."""

    def __init__(self, day: date, failures: list[Exception]) -> None:
        self.day, self._failures = day, failures
        self.tables: list[pa.Table] = []
        self.closed = self.discarded = False
        self.may_be_deleted = True

    def write(self, table: pa.Table) -> None:
        if self._failures:
            raise self._failures.pop(0)
        self.tables.append(table)

    def close(self) -> "MemoryFile":
        self.closed = True
        return self

    def discard(self) -> None:
        if not self.may_be_deleted:
            problem = "no right to delete"
            raise PermissionError(problem)
        self.discarded = True

    def offsets(self) -> list[int]:
        return [offset for table in self.tables for offset in table["offset"].to_pylist()]


class World:
    """A buffer on a scripted table, with a clock the test moves."""

    def __init__(self, script: list[Any] | None = None, *, max_bytes: int = 1 << 20) -> None:
        self.table = ScriptedTable(script=script or [])
        self.files: list[MemoryFile] = []
        self.failures: list[Exception] = []
        self.now = datetime(2026, 3, 1, 12, tzinfo=UTC)
        abandoned = threading.Event()
        self.committer = Committer(self.table, lambda: 0.0, abandoned.wait, logger("history"), 60.0)
        self.committer.adopt([KEY])
        self.metrics = SinkMetrics("history")
        self.decoder = RunDecoder(load_registry(), self.metrics)
        self.left_behind: list[OSError] = []
        self.buffer = HistoryBuffer(
            self._file,
            self.committer,
            self.metrics,
            abandoned=abandoned,
            max_bytes=max_bytes,
            now=lambda: self.now,
            left_behind=self.left_behind.append,
        )

    def _file(self, day: date) -> MemoryFile:
        file = MemoryFile(day, self.failures)
        self.files.append(file)
        return file

    def hold_commits(self) -> threading.Event:
        """Commits wait from now on, and all that is queued behind them, until the event is set."""
        gate, commit = threading.Event(), self.table.commit

        def slow(*args: Any) -> None:
            gate.wait(DEADLINE)
            commit(*args)

        self.table.commit = slow  # type: ignore[method-assign]
        return gate

    def run(self, first: int, count: int = 1) -> DecodedRun:
        payload = b'{"did":"1000","timestamp":1690000000000,"name":"odometer","float_value":123.45}'
        empty: list[Any] = [None] * count
        offsets = list(range(first, first + count))
        times = [1_690_000_000_000] * count
        return self.decoder.decode(
            Records("telemetry_raw", 0, offsets, times, empty, empty, [payload] * count, first + count)
        )


@contextmanager
def world(*args: Any, **options: Any) -> Iterator[World]:
    made = World(*args, **options)
    try:
        yield made
    finally:
        made.buffer.close()


def test_rows_are_committed_in_order_with_their_checkpoint() -> None:
    """What was queued before a commit is in it; what came after is not."""
    with world() as w:
        w.buffer.append(w.run(0, 3), "id-1")
        w.buffer.commit({KEY: 3}, {})
        w.buffer.append(w.run(3, 2), "id-1")
        assert w.buffer.drain(DEADLINE)
        assert w.buffer.take_landed() == {KEY: 3}
        assert [file.offsets() for file in w.table.landed] == [[0, 1, 2]]
        assert w.table.recorded == {KEY: 3}


def test_memory_is_given_back_as_row_groups() -> None:
    """Rows do not wait for their commit."""
    with world() as w:
        for first in range(0, ROW_GROUP_ROWS, 16_384):
            w.buffer.append(w.run(first, 16_384), "id-1")
        assert w.buffer.drain(DEADLINE)
        assert [table.num_rows for table in w.files[0].tables] == [ROW_GROUP_ROWS]
        assert w.table.landed == []


def test_a_full_buffer_says_so_and_has_room_again() -> None:
    """The reader waits instead of polling."""
    with world(max_bytes=200) as w:
        gate = w.hold_commits()
        w.buffer.append(w.run(0), "id-1")
        w.buffer.commit({KEY: 1}, {})
        for offset in range(1, 5):
            w.buffer.append(w.run(offset), "id-1")
        assert not w.buffer.wait_for_room(0.01)
        gate.set()
        assert w.buffer.wait_for_room(DEADLINE)


@pytest.mark.parametrize(("beside", "value", "takes"), CONTENTS.values(), ids=CONTENTS)
def test_memory_is_bounded_whatever_messages_are_made_of(
    beside: Beside, value: bytes | None, takes: int
) -> None:
    """Payloads are not all that takes memory: by the least that these take, the buffer is full."""
    rows, bound = 100, 1 << 20
    key, headers = beside
    with world(max_bytes=bound) as w:
        gate = w.hold_commits()
        w.buffer.commit({KEY: 0}, {})
        offsets, times = list(range(rows)), [-1] * rows
        run = w.decoder.decode(
            Records(
                "vehicle.environment", 0, offsets, times, [key] * rows, [headers] * rows, [value] * rows, rows
            )
        )
        for _ in range(bound // (rows * takes) + 1):
            w.buffer.append(run, "id-1")
        assert not w.buffer.has_room
        gate.set()


def test_a_failed_write_is_reported_and_nothing_of_it_lands() -> None:
    """The reading side drops the buffer and reads again; the half-written file is removed."""
    with world() as w:
        w.failures.append(OSError("no space left on device"))
        w.buffer.append(w.run(0), "id-1")
        w.buffer.commit({KEY: 1}, {})
        assert w.buffer.drain(DEADLINE)
        with pytest.raises(BufferFailed) as caught:
            w.buffer.raise_failure()
        assert isinstance(caught.value.__cause__, OSError)
        w.buffer.drop()
        w.buffer.raise_failure()
        assert w.files[0].discarded
        assert w.table.landed == []
        w.buffer.append(w.run(0), "id-1")
        w.buffer.commit({KEY: 1}, {})
        assert w.buffer.drain(DEADLINE)
        assert [file.offsets() for file in w.table.landed] == [[0]]


def test_nothing_queued_behind_a_failure_is_committed() -> None:
    """A later commit would record offsets of rows that were lost with the failed one."""
    with world() as w:
        w.failures.append(OSError("reset"))
        w.buffer.append(w.run(0), "id-1")
        w.buffer.commit({KEY: 1}, {})
        assert w.buffer.drain(DEADLINE)  # the failure is known to the buffer, and not yet to the reader
        w.buffer.append(w.run(1), "id-1")
        w.buffer.commit({KEY: 2}, {})
        assert w.buffer.drain(DEADLINE)
        assert w.table.recorded == {}


def test_a_moved_partition_is_a_failure() -> None:
    """Another owner was faster: what is buffered must be dropped."""
    with world([("rival", {KEY: 40})]) as w:
        w.buffer.append(w.run(0), "id-1")
        w.buffer.commit({KEY: 1}, {})
        assert w.buffer.drain(DEADLINE)
        with pytest.raises(BufferFailed) as caught:
            w.buffer.raise_failure()
        assert isinstance(caught.value.__cause__, OwnershipMoved)


def test_midnight_begins_a_new_file() -> None:
    """A row stands in the partition of its own ingest time."""
    with world() as w:
        w.now = datetime(2026, 3, 1, 23, 59, 59, tzinfo=UTC)
        w.buffer.append(w.run(0), "id-1")
        assert w.buffer.drain(DEADLINE)
        w.now = datetime(2026, 3, 2, tzinfo=UTC)
        w.buffer.append(w.run(1), "id-1")
        w.buffer.commit({KEY: 2}, {})
        assert w.buffer.drain(DEADLINE)
        assert [(file.day, file.offsets()) for file in w.table.landed] == [
            (date(2026, 3, 1), [0]),
            (date(2026, 3, 2), [1]),
        ]
        assert [str(file.tables[0]["ingest_time"][0].as_py().date()) for file in w.table.landed] == [
            "2026-03-01",
            "2026-03-02",
        ]


def test_dropping_calls_off_a_commit_that_waits_for_the_store() -> None:
    """A rebalance does not wait for a store that is away."""
    with world([OSError("away")] * 1000) as w:
        w.buffer.append(w.run(0), "id-1")
        w.buffer.commit({KEY: 1}, {})
        w.buffer.drop()
        w.buffer.raise_failure()
        assert w.table.recorded == {}


def test_a_file_that_may_not_be_deleted_is_told_and_holds_nobody_up() -> None:
    """It stays, unseen, and the rows are read again into another one."""
    with world() as w:
        w.buffer.append(w.run(0, ROW_GROUP_ROWS), "id-1")
        assert w.buffer.drain(DEADLINE)
        w.files[0].may_be_deleted = False
        w.buffer.drop()
        assert [str(error) for error in w.left_behind] == ["no right to delete"]
        w.buffer.append(w.run(0, 1), "id-1")
        w.buffer.commit({KEY: 1}, {})
        assert w.buffer.drain(DEADLINE)
        assert w.buffer.take_landed() == {KEY: 1}

"""The thread that writes the state: patience, order, refusals and ends, with a scripted store."""

import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import polars as pl
import pytest

from ingest.metrics import SinkMetrics
from ingest.process import logger
from ingest.state_reduce import SCHEMA, Candidates
from ingest.state_writer import Checkpoint, Flush, StateWriter, WriterFailed
from lake.errors import StateRefused, StoreUnavailable
from lake.state import COLLECTION
from lake.state_marks import Held, Mark, Reach
from lake.state_model import VehicleState

AWAY = StoreUnavailable("MongoDB", "nowhere", "scripted")
CHECKPOINT = Checkpoint("here", Held("server", {Mark("t", "life.t", 0): Reach(0, 5)}))


@dataclass
class FakeStore:
    """Takes what is written; each call first plays one step of the script: an error, or nothing."""

    script: list[Exception | None] = field(default_factory=list)
    written: list[str] = field(default_factory=list)
    barriers: list[object] = field(default_factory=list)
    is_known: bool = True
    never: frozenset[str] = frozenset()

    def write(self, updates: Iterable[VehicleState]) -> int:
        vehicles = [update.vehicle_id for update in updates]
        self._play()
        refused = tuple(sorted(self.never.intersection(vehicles)))
        self.written += [vehicle for vehicle in vehicles if vehicle not in self.never]
        if refused:
            raise StateRefused(COLLECTION, refused if len(vehicles) > 1 else (), None, "scripted")
        return len(vehicles)

    def barrier(self, collection_id: str, held: Held) -> bool:
        self._play()
        self.barriers.append((collection_id, held, len(self.written)))
        return self.is_known

    def _play(self) -> None:
        step = self.script.pop(0) if self.script else None
        if step is not None:
            raise step


@pytest.fixture
def store() -> FakeStore:
    """A store whose script is empty."""
    return FakeStore()


@pytest.fixture
def writer(store: FakeStore) -> Iterator[StateWriter]:
    """A writer that gives up after five seconds."""
    opened = writer_of(store)
    yield opened
    opened.close()


def writer_of(store: FakeStore, patience_seconds: float = 5.0) -> StateWriter:
    """A writer over a scripted store."""
    return StateWriter(
        store, store, SinkMetrics("state"), logger("state"), patience_seconds=patience_seconds,
        now=lambda: datetime(2026, 1, 1, tzinfo=UTC),
    )  # fmt: skip


def candidates(vehicles: Sequence[str]) -> Candidates:
    """One reading a vehicle."""
    rows = [(vehicle, "speed", 1, 1.0, None, 0, "t/0") for vehicle in vehicles]
    return Candidates(pl.DataFrame(rows, schema=SCHEMA, orient="row"), pl.DataFrame(schema=SCHEMA))


def test_a_checkpoint_comes_after_everything_was_written(writer: StateWriter, store: FakeStore) -> None:
    """Otherwise it would vouch for writes still under way."""
    vehicles = [f"v{i:04}" for i in range(2500)]
    writer.submit(Flush(candidates(vehicles), CHECKPOINT))
    assert writer.drain(5)
    assert writer.take_outcome() is True
    assert sorted(store.written) == vehicles
    assert store.barriers == [("here", CHECKPOINT.held, 2500)]
    assert writer.take_outcome() is None


def test_a_flush_without_checkpoint_says_nothing_of_durability(writer: StateWriter) -> None:
    """Its offsets wait for the next one with it."""
    writer.submit(Flush(candidates(["v"]), None))
    assert writer.drain(5)
    assert writer.take_outcome() is None


def test_a_flush_may_wait_behind_another(store: FakeStore) -> None:
    """The store is never idle between two; they are written in order, and the checkpoint is not lost."""
    store.script = [AWAY]
    writer = writer_of(store)
    writer.submit(Flush(candidates(["a"]), CHECKPOINT))
    assert writer.has_room
    writer.submit(Flush(candidates(["b"]), None))
    assert not writer.has_room
    assert writer.drain(5)
    assert store.written == ["a", "b"]
    assert store.barriers == [("here", CHECKPOINT.held, 1)]
    assert writer.take_outcome() is True
    writer.close()


def test_nothing_is_written_behind_a_failure() -> None:
    """The flush that waited is given up with the one that failed; who drains is not kept waiting."""
    store = FakeStore([AWAY] * 100)
    writer = writer_of(store, patience_seconds=0.3)
    writer.submit(Flush(candidates(["a"]), None))
    writer.submit(Flush(candidates(["b"]), CHECKPOINT))
    assert writer.drain(5)
    with pytest.raises(WriterFailed):
        writer.take_outcome()
    assert not store.written
    assert not store.barriers
    writer.close()


def test_an_unknown_collection_is_reported(writer: StateWriter, store: FakeStore) -> None:
    """The reading side starts over."""
    store.is_known = False
    writer.submit(Flush(candidates([]), CHECKPOINT))
    assert writer.drain(5)
    assert writer.take_outcome() is False


def test_an_absent_store_is_tried_again(writer: StateWriter, store: FakeStore) -> None:
    """Writes and barriers alike; nothing is lost, nothing is done early."""
    store.script = [AWAY, AWAY, None, AWAY]
    writer.submit(Flush(candidates(["v"]), CHECKPOINT))
    assert not writer.drain(0)
    assert writer.is_busy
    assert writer.drain(5)
    assert store.written == ["v"]
    assert len(store.barriers) == 1


def test_patience_ends() -> None:
    """After that the process ends and is restarted; its supervisor says so."""
    store = FakeStore([AWAY] * 100)
    writer = writer_of(store, patience_seconds=0.3)
    writer.submit(Flush(candidates(["v"]), None))
    assert writer.drain(5)
    for _ in range(2):
        with pytest.raises(WriterFailed) as failure:
            writer.take_outcome()
        assert isinstance(failure.value.__cause__, StoreUnavailable)
    writer.close()


def test_a_refused_vehicle_stops_no_other(writer: StateWriter, store: FakeStore) -> None:
    """Named by the store in a batch, or found alone; the flush is done all the same."""
    store.never = frozenset({"bad"})
    for vehicles in (["a", "bad", "b"], ["bad"]):
        writer.submit(Flush(candidates(vehicles), CHECKPOINT))
        assert writer.drain(5)
        assert writer.take_outcome() is True
    assert sorted(store.written) == ["a", "b"]


def test_a_refusal_that_names_nobody_is_narrowed_down(store: FakeStore) -> None:
    """What cannot even be encoded fails before the server can say which it was."""
    store.script = [StateRefused("vehicle_state", (), None, "cannot be encoded")]
    store.never = frozenset({"bad"})
    writer = writer_of(store)
    writer.submit(Flush(candidates(["a", "bad", "b"]), CHECKPOINT))
    assert writer.drain(5)
    assert writer.take_outcome() is True
    assert sorted(store.written) == ["a", "b"]
    writer.close()


def test_closing_does_not_wait_for_an_absent_store() -> None:
    """A stop is soon; what is not written is read again."""
    store = FakeStore([AWAY] * 100)
    writer = writer_of(store)
    writer.submit(Flush(candidates(["v"]), None))
    writer.close()
    assert not store.written
    assert not [thread for thread in threading.enumerate() if thread.name == "state-writer"]

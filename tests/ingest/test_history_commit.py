"""The commit protocol of the history, against a table that fails the way real ones do."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from ingest.history_commit import Abandoned, Committer, Landed, Moved
from ingest.process import logger
from lake.bronze import BronzePartition
from lake.errors import StoreUnavailable

A, B = BronzePartition("topic", 0), BronzePartition("topic", 1)


@dataclass
class ScriptedTable:
    """A table whose commits follow a script of values and exceptions, one item a commit.

    None: lands. An exception: raised, nothing lands. ("lost", exception): lands, then raises.
    ("rival", checkpoints): another process commits these just before ours, which is then refused if they
    share a partition. `handle` is the version this process has seen; `refuse_stale` is delta-rs's rule.
    """

    script: list[Any] = field(default_factory=list)
    recorded: dict[BronzePartition, int] = field(default_factory=dict)
    landed: list[Any] = field(default_factory=list)
    version: int = 0
    seen_version: int = 0
    writers: list[tuple[int, frozenset[BronzePartition]]] = field(default_factory=list)
    reload_script: list[Any] = field(default_factory=list)
    reopened: int = 0
    compared: int = 0

    def reload(self) -> int:
        item = self.reload_script.pop(0) if self.reload_script else None
        if isinstance(item, Exception):
            raise item
        moved, self.seen_version = self.version - self.seen_version, self.version
        return moved

    def reopen(self) -> None:
        self.reopened += 1
        self.seen_version = self.version

    def checkpoints(self, partitions: Iterable[BronzePartition]) -> dict[BronzePartition, int | None]:
        self.compared += 1
        return {key: self.recorded.get(key) for key in partitions}

    def with_rows(self, partitions: Iterable[BronzePartition]) -> set[BronzePartition]:
        item = self.reload_script.pop(0) if self.reload_script else None
        if isinstance(item, Exception):
            raise item
        return {key for key in partitions if key in self.recorded}

    def commit(
        self, files: Sequence[Any], checkpoints: Mapping[BronzePartition, int], starts: object = None
    ) -> None:
        item = self.script.pop(0) if self.script else None
        match item:
            case ("rival", rival):
                self._record(rival, [])
            case Exception():
                raise item
        if any(version > self.seen_version and keys & checkpoints.keys() for version, keys in self.writers):
            message = "Concurrent transaction failed"
            raise RuntimeError(message)
        self._record(checkpoints, files)
        match item:
            case ("lost", error):
                raise error
            case ("rival after", rival):
                self._record(rival, [])

    def _record(self, checkpoints: Mapping[BronzePartition, int], files: Sequence[Any]) -> None:
        self.version += 1
        self.writers.append((self.version, frozenset(checkpoints)))
        self.recorded |= checkpoints
        self.landed.extend(files)


@dataclass
class FakeTime:
    """A clock that only pauses move."""

    now: float = 0.0
    abandon_after: float = float("inf")

    def clock(self) -> float:
        return self.now

    def pause(self, seconds: float) -> bool:
        self.now += seconds
        return self.now > self.abandon_after


def committer(table: ScriptedTable, time: FakeTime | None = None) -> Committer:
    time = time or FakeTime()
    made = Committer(table, time.clock, time.pause, logger("history"), patience_seconds=60.0)
    made.adopt([A, B])
    return made


def test_a_commit_records_every_owned_partition() -> None:
    """Also those without new rows: that is what makes a second owner's commit fail."""
    table = ScriptedTable(recorded={A: 5, B: 7})
    assert committer(table).commit(["file"], {A: 9, B: 7}, {}) == Landed()
    assert table.recorded == {A: 9, B: 7}
    assert table.writers == [(1, frozenset({A, B}))]


def test_a_failed_commit_is_tried_again_and_lands_once() -> None:
    """Nothing landed, so the same files are committed again."""
    table = ScriptedTable(script=[OSError("reset"), OSError("reset")], recorded={A: 5})
    assert committer(table).commit(["file"], {A: 9, B: 1}, {}) == Landed()
    assert table.landed == ["file"]


def test_a_lost_acknowledgement_does_not_double() -> None:
    """The commit is in the table although it raised: it must not be repeated."""
    table = ScriptedTable(script=[("lost", OSError("connection cut"))])
    assert committer(table).commit(["file"], {A: 9, B: 1}, {}) == Landed()
    assert table.landed == ["file"]


def test_a_rival_owner_of_one_partition_stops_the_whole_commit() -> None:
    """Two owners of a partition commit once: the slower one's rows are not in the table."""
    table = ScriptedTable(script=[("rival", {B: 30})], recorded={A: 5, B: 7})
    outcome = committer(table).commit(["file"], {A: 9, B: 12}, {})
    assert outcome == Moved({A: 5, B: 30}, landed=False)
    assert table.landed == []


def test_commits_of_others_without_our_partitions_do_not_matter() -> None:
    """Other members of the group commit all the time."""
    other = BronzePartition("topic", 2)
    table = ScriptedTable(script=[("rival", {other: 3}), ("rival", {other: 4})])
    owner = committer(table)
    assert owner.commit(["one"], {A: 9, B: 1}, {}) == Landed()
    assert owner.commit(["two"], {A: 10, B: 1}, {}) == Landed()
    assert table.landed == ["one", "two"]


def test_a_rival_commit_between_ours_and_the_reload_is_noticed() -> None:
    """The handle moves past it, so delta-rs could no longer refuse our next commit."""
    table = ScriptedTable(script=[("rival after", {B: 99})])
    outcome = committer(table).commit(["file"], {A: 9, B: 1}, {})
    assert outcome == Moved({A: 9, B: 99}, landed=True)


def test_a_store_that_stays_away_ends_with_a_named_error() -> None:
    """Patience has an end, and nothing is believed until the table was read."""
    table = ScriptedTable(script=[OSError("down")] * 1000)
    owner = committer(table)
    with pytest.raises(StoreUnavailable, match="did not succeed for 60 s"):
        owner.commit(["file"], {A: 9, B: 1}, {})
    assert table.landed == []


def test_a_store_away_while_settling_is_waited_for() -> None:
    """The doubt about a commit is settled only by reading the table."""
    away = StoreUnavailable("the lake", "somewhere", "down")
    table = ScriptedTable(script=[("lost", OSError("cut"))])
    owner = committer(table)
    table.reload_script = [away, away, None]
    assert owner.commit(["file"], {A: 9, B: 1}, {}) == Landed()
    assert table.landed == ["file"]


def test_a_retry_can_be_called_off() -> None:
    """A process that drops its buffer does not go on retrying the commit of it."""
    table = ScriptedTable(script=[OSError("down")] * 1000)
    owner = committer(table, FakeTime(abandon_after=1.0))
    with pytest.raises(Abandoned):
        owner.commit(["file"], {A: 9, B: 1}, {})


def test_the_handle_is_opened_anew_now_and_then_and_compared() -> None:
    """A fresh handle may stand behind commits of others: everything owned is compared."""
    table = ScriptedTable()
    owner = committer(table)
    for offset in range(1, 51):
        assert owner.commit([offset], {A: offset, B: 1}, {}) == Landed()
    assert table.reopened == 1
    assert table.compared == 2  # at adoption, and with the fresh handle


def test_a_lone_process_compares_nothing_after_its_own_commits() -> None:
    """Reading versions costs requests: one commit further means nobody else wrote."""
    table = ScriptedTable()
    owner = committer(table)
    for offset in range(1, 10):
        owner.commit([offset], {A: offset, B: 1}, {})
    assert table.compared == 1


def test_a_released_partition_is_no_longer_recorded() -> None:
    """Its next owner's checkpoint must not be touched."""
    table = ScriptedTable()
    owner = committer(table)
    owner.release([B])
    owner.commit(["file"], {A: 9}, {})
    assert table.recorded == {A: 9}

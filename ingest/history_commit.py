"""The commit that *is* the history's checkpoint, and what to believe after it failed.

A commit adds files and records the next offset of every partition this process owns. It goes through a
table handle that stands at a version whose checkpoints were all compared, so delta-rs refuses it if anybody
else has moved one of them since.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from ingest import went_back
from ingest.process import Log
from ingest.steps import HistoryStep, Steps
from lake.bronze import BronzePartition
from lake.errors import StoreFull, StoreUnavailable, Transient, plain
from lake.schemas import BRONZE_EVENTS
from lake.storage import STORE

Checkpoints = Mapping[BronzePartition, int]
T = TypeVar("T")

FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 10.0
REOPEN_COMMITS = 50
"""A handle keeps every file of the log it has seen; a fresh one starts from the last Delta checkpoint."""


class HistoryTable(Protocol):
    """What the history needs of bronze."""

    def reload(self) -> int: ...
    def reopen(self) -> None: ...
    def checkpoints(self, partitions: Iterable[BronzePartition]) -> dict[BronzePartition, int | None]: ...
    def with_rows(self, partitions: Iterable[BronzePartition]) -> set[BronzePartition]: ...
    def marks(self, names: Iterable[str]) -> dict[str, int | None]: ...
    def commit(
        self,
        files: Sequence[Any],
        checkpoints: Checkpoints,
        starts: Checkpoints | None = None,
        *,
        marks: Mapping[str, int] | None = None,
    ) -> None: ...


class Abandoned(Exception):
    """A retry was called off because its rows are dropped; only the table knows whether it landed."""


@dataclass(frozen=True, slots=True)
class Moved:
    """Somebody else committed partitions that this process thought its own. What is buffered must be dropped.

    `landed` says whether this process's own commit is part of the table all the same.
    """

    checkpoints: Mapping[BronzePartition, int | None]
    landed: bool


@dataclass(frozen=True, slots=True)
class Landed:
    """The commit is in the table, once."""


Outcome = Landed | Moved


@dataclass
class Committer:
    """Holds the checkpoints this process believes in, and moves them only together with the table's.

    `owned` has what the table records for each owned partition: None where it has never been committed.
    `pause` sleeps and returns True when waiting has become pointless. `patience_seconds` bounds how long a
    store may be away before the error is given up to the caller.
    """

    table: HistoryTable
    clock: Callable[[], float]
    pause: Callable[[float], bool]
    log: Log
    patience_seconds: float
    retried: Callable[[], None] = lambda: None
    done: Steps = lambda step: None
    owned: dict[BronzePartition, int | None] = field(default_factory=dict)
    _commits: int = 0

    def adopt(self, partitions: Iterable[BronzePartition]) -> dict[BronzePartition, int | None]:
        """Reloads the table and returns the checkpoints of all partitions: those owned and the new ones.

        Nothing may be buffered: an owned checkpoint that somebody else moved is simply believed.

        1. The handle moves to the newest version.
        2. All partitions' checkpoints are read at that version.
        """
        keys = {*self.owned, *partitions}
        self._patiently(self.table.reload)  # 1
        self.done(HistoryStep.RELOADED)
        self.owned = self._patiently(lambda: self.table.checkpoints(keys))  # 2
        self.done(HistoryStep.VERSIONS_READ)
        return dict(self.owned)

    def with_rows(self, partitions: Iterable[BronzePartition]) -> set[BronzePartition]:
        """Those of which the table has rows."""
        keys = set(partitions)
        return self._patiently(lambda: self.table.with_rows(keys))

    def went_back(self, checkpoints: Mapping[BronzePartition, int | None]) -> set[BronzePartition]:
        """Those whose log did not reach these checkpoints when it was looked at once."""
        return self._patiently(lambda: went_back.went_back(self.table, checkpoints))

    def record_went_back(self, partition: BronzePartition, checkpoint: int) -> None:
        """So that nobody goes on when the log has grown past its checkpoint. What cannot be recorded now is
        at the next look, if the log has not grown so far by then."""
        try:
            went_back.record(self.table, partition, checkpoint)
        except Exception as error:  # noqa: BLE001 - the caller raises what matters
            self.log.error("went_back_not_recorded", partition=str(partition), error=plain(error))

    def release(self, partitions: Iterable[BronzePartition]) -> None:
        """Forgets partitions; later commits no longer carry them."""
        for key in partitions:
            self.owned.pop(key, None)

    def commit(self, files: Sequence[Any], following: Checkpoints, starts: Checkpoints) -> Outcome:
        """Lands `files` exactly once, or says that somebody else was faster.

        `following` names every partition owned, with the offset behind its last row.

        1. One commit carries the files and the next offset of *every* owned partition.
        2. Landed: the handle is moved past it. If it moved over other commits, all owned are compared.
        3. Any exception, a lost acknowledgement included, says nothing: reload and compare all owned.
           a. all equal to the next offsets: it landed;
           b. all equal to the ones before: it did not, try again;
           c. anything else: somebody else owns some of them now.
        """
        following = {key: following[key] for key in self.owned}
        backoff = self._backoff(f"commit of {len(files)} files")
        while True:
            try:
                self.table.commit(files, following, starts)  # 1
            except Exception as error:  # noqa: BLE001 - whatever it was, only the table knows what happened
                event = "store_full" if isinstance(error, StoreFull) else "commit_in_doubt"
                self.log.warning(event, error=plain(error), files=len(files))
                self.retried()
                outcome = self._settle(following)  # 3
                if outcome is not None:
                    return outcome
                backoff(error)
            else:
                self.done(HistoryStep.COMMITTED)
                return self._advance(following)  # 2

    def _advance(self, following: Checkpoints) -> Outcome:
        self.owned = dict(following)
        self._commits += 1
        if self._commits % REOPEN_COMMITS == 0:
            self._patiently(self.table.reopen)
        elif self._patiently(self.table.reload) == 1:
            return Landed()
        return self._compared(following)

    def _settle(self, following: Checkpoints) -> Outcome | None:
        """What became of a commit that raised: landed, lost to another owner, or None for try again."""
        self._patiently(self.table.reload)
        found = self._patiently(lambda: self.table.checkpoints(following))
        if found == following:
            self.log.info("commit_had_landed")
            self.owned = dict(following)
            return Landed()
        return None if found == self.owned else Moved(found, landed=False)

    def _compared(self, following: Checkpoints) -> Outcome:
        found = self._patiently(lambda: self.table.checkpoints(following))
        return Landed() if found == following else Moved(found, landed=True)

    def _patiently(self, action: Callable[[], T]) -> T:
        """The action's result, tried again while the store is away."""
        backoff = self._backoff("reading the table")
        while True:
            try:
                return action()
            except Transient as error:
                self.log.warning("store_away", error=str(error))
                backoff(error)

    def _backoff(self, what: str) -> Callable[[Exception], None]:
        """A function that pauses longer each time and raises once patience has run out."""
        give_up = self.clock() + self.patience_seconds
        pause = FIRST_PAUSE_SECONDS

        def wait(error: Exception) -> None:
            nonlocal pause
            if self.clock() + pause > give_up:
                if isinstance(error, StoreFull):
                    raise error
                problem = f"{what} did not succeed for {self.patience_seconds:g} s: {plain(error)}"
                raise StoreUnavailable(STORE, BRONZE_EVENTS.name, problem) from error
            if self.pause(pause):
                raise Abandoned from error
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)

        return wait

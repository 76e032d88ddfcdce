"""How much the history has read since its last commit, and whether the next one is due."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import pyarrow.compute as pc

from ingest.decoding import DecodedRun
from ingest.settings import IngestSettings


@dataclass
class Uncommitted:
    """How much has been buffered since the last commit, and since when."""

    clock: Callable[[], float]
    rows: int = 0
    size: int = 0
    newest_event: datetime | None = None
    _since: float | None = None

    def add(self, run: DecodedRun) -> None:
        self.rows += len(run)
        self.size += run.size_bytes
        newest = pc.max(run.decoded["event_time"]).as_py()
        if newest is not None and (self.newest_event is None or newest > self.newest_event):
            self.newest_event = newest
        self.touch()

    def touch(self) -> None:
        """Something is to be recorded, if only that aborted messages were passed."""
        self._since = self.clock() if self._since is None else self._since

    def is_due(self, settings: IngestSettings) -> bool:
        """By rows, bytes or age."""
        return self._since is not None and (
            self.rows >= settings.commit_rows
            or self.size >= settings.commit_bytes
            or self.clock() - self._since >= settings.commit_seconds
        )

    @property
    def is_empty(self) -> bool:
        return self._since is None

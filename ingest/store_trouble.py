"""A store that takes no rows: what is wrong with it, told each time, and borne until patience is over."""

import time
from collections.abc import Callable

from ingest.process import Log
from lake.errors import LakeError, StoreFull, StoreUnavailable
from lake.schemas import BRONZE_EVENTS
from lake.storage import STORE

ASK_AFTER_SECONDS = 2.0
"""What fails for longer is not a request that got lost: then the store is asked what is wrong."""


class StoreTrouble:
    """Knows since when something is to land that has not. `check` raises what is wrong with the store."""

    def __init__(
        self,
        check: Callable[[], object],
        patience_seconds: float,
        log: Log,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._check, self._patience_seconds, self._log, self._clock = check, patience_seconds, log, clock
        self._since: float | None = None

    def waiting(self) -> None:
        """Something is to land."""
        self._since = self._clock() if self._since is None else self._since

    def over(self) -> None:
        """It landed, or it is not the store that kept it from landing."""
        self._since = None

    def bear(self, cause: LakeError | OSError) -> None:
        """Says what is wrong; raises it, by its name, once nothing landed for longer than patience."""
        self.waiting()
        error = self._named(cause)
        if isinstance(error, StoreFull):
            self._log.error("store_full", reason=str(error), folder=error.folder, free_bytes=error.free_bytes)
        else:
            self._log.error("store_refuses", reason=str(error), kind=type(error).__name__)
        if self._waited > self._patience_seconds:
            raise error

    def _named(self, cause: LakeError | OSError) -> LakeError:
        """A file that cannot be written says little about why."""
        if isinstance(cause, StoreFull):
            return cause
        if self._waited > ASK_AFTER_SECONDS:
            try:
                self._check()
            except LakeError as error:
                return error
        return StoreUnavailable(STORE, BRONZE_EVENTS.name, str(cause))

    @property
    def _waited(self) -> float:
        return 0.0 if self._since is None else self._clock() - self._since

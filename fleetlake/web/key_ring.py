"""The keys of one file, as a running interface knows them. It sees a change within a second, so that a key is
revoked without a restart; a file that cannot be read lets nobody in, and stops nothing else."""

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import structlog

from contracts.access import Principal
from fleetlake.web.key_file import KeysUnreadable, read_keys
from fleetlake.web.keys import Key, is_secret_of, parts_of

LOOK_EVERY_SECONDS = 0.5

Stamp = tuple[int, ...]
THERE = (0,)
"""Of a file that is there, and must be read to know more."""


class KeyRing:
    """Whose key is it?"""

    def __init__(
        self,
        path: Path,
        *,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._path, self._clock, self._now = path, clock, now
        self._stamp: Stamp | None = None
        self._looked_at: float | None = None
        self._keys: Mapping[str, Key] = {}
        self._was_seen = False
        self._problem: str | None = None

    @property
    def was_seen(self) -> bool:
        """Whether there is a file, or was one: taking it away must not open the door."""
        self._look()
        return self._was_seen

    def principal(self, credential: str) -> Principal | None:
        """Whose key it is; None where it is no good, for whatever reason."""
        self._look()
        parts = parts_of(credential)
        if parts is None:
            return None
        key = self._keys.get(parts[0])
        if not is_secret_of(key, parts[1]) or key is None or key.has_expired(self._now()):
            return None
        return key.principal

    def _look(self) -> None:
        """Reads the file if it has changed; asks at most twice a second whether it has."""
        now = self._clock()
        if self._looked_at is not None and now - self._looked_at < LOOK_EVERY_SECONDS:
            return
        self._looked_at = now
        stamp = _stamp(self._path)
        if stamp == self._stamp and stamp != THERE:
            return
        self._stamp = stamp
        self._was_seen = self._was_seen or stamp is not None
        self._keys = {key.id: key for key in self._read()}

    def _read(self) -> tuple[Key, ...]:
        """All keys; none of a file that cannot be read, which is said once."""
        log = structlog.get_logger()
        try:
            keys = read_keys(self._path) if self._stamp is not None else ()
        except KeysUnreadable as error:
            if error.reason != self._problem:
                log.error("keys_unreadable", file=str(self._path), reason=error.reason)
            self._problem = error.reason
            if isinstance(error.__cause__, OSError):
                self._stamp = THERE  # it may be over without a change of the file
            return ()
        self._problem = None
        log.info("keys_read", file=str(self._path), keys=len(keys))
        return keys


def _stamp(path: Path) -> Stamp | None:
    """What differs when the file does; None where there is none."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    except OSError:
        return THERE
    return found.st_ino, found.st_mtime_ns, found.st_size, found.st_mode

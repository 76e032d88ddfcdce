"""The lives of the embedded broker. It has no topic ids and may come back with an older log, so its present
life has an id of its own: renewed whenever the log may have gone back, before the broker is started again.
History's checkpoints carry the id, so offsets of one life are never taken for those of another.

The id is kept only over a stop that provably saved everything: exit code 0 on SIGTERM, no draft of a snapshot
left behind (on a full disk the broker exits 0 without having saved), and the snapshot still the same file.
"""

import hashlib
import json
import uuid
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from fleetlake.stack.embedded import SNAPSHOT, SNAPSHOT_DRAFT
from ingest.process import write_atomically

TAIL_BYTES = 1 << 20


class Life(StrEnum):
    """What a start of the broker means for its log."""

    FIRST = "first"
    CONTINUED = "continued"
    RENEWED = "renewed"


@dataclass(frozen=True, slots=True)
class Incarnation:
    """The id of the broker whose files are in `folder`."""

    folder: Path

    @property
    def file(self) -> Path:
        """Holds the id; read by every process that asks which life a topic belongs to."""
        return self.folder / "incarnation"

    @property
    def _stop_mark(self) -> Path:
        return self.folder / "clean-stop.json"

    def begin(self) -> Life:
        """Call before every start of the broker. Takes the mark of a clean stop away; renews the id if there
        was none."""
        was_clean = self._stopped_cleanly()
        self._stop_mark.unlink(missing_ok=True)
        if not self.file.exists():
            self._renew()
            return Life.FIRST if not (self.folder / SNAPSHOT).exists() else Life.RENEWED
        if was_clean:
            return Life.CONTINUED
        self._renew()
        return Life.RENEWED

    def stopped(self, *, is_clean: bool) -> bool:
        """Call after the broker has ended; `is_clean`: by SIGTERM, with exit code 0.

        Returns whether its log is safe on disk.
        """
        safe = is_clean and not (self.folder / SNAPSHOT_DRAFT).exists()
        if safe:
            write_atomically(self._stop_mark, json.dumps(self._fingerprint()))
        return safe

    def _renew(self) -> None:
        write_atomically(self.file, uuid.uuid4().hex)

    def _stopped_cleanly(self) -> bool:
        try:
            return bool(json.loads(self._stop_mark.read_text()) == self._fingerprint())
        except (FileNotFoundError, ValueError):
            return False

    def _fingerprint(self) -> dict[str, object]:
        """Tells a snapshot from an older or a missing one, at the cost of reading its last megabyte."""
        snapshot = self.folder / SNAPSHOT
        if not snapshot.exists():
            return {"bytes": 0, "tail": ""}
        with snapshot.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - TAIL_BYTES))
            return {"bytes": size, "tail": hashlib.sha256(file.read()).hexdigest()}

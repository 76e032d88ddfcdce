"""What an operator's schedule does beside ingest, far more often than anybody would: a process of its own
that compacts bronze, removes what compaction has replaced, writes Delta checkpoints and cleans the log. Plain
delta-rs. `python -m tests.faults.rig.maintainer ORDERS` with JSON; SIGTERM ends it after its round."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError

from tests.faults.rig.site import Site, eventually

END_SECONDS = 120.0


@dataclass(frozen=True)
class Orders:
    """`vacuum_hours` is the age below which vacuum leaves files alone; `is_full` lets it also remove files
    that the log does not name."""

    uri: str
    options: dict[str, str]
    every_seconds: float
    vacuum_hours: int
    is_full: bool
    no_vacuum: str
    """While this file is there, vacuum waits."""


class Maintainer:
    """A maintainer at work; it writes a line of JSON for each round."""

    def __init__(self, log: Path, no_vacuum: Path) -> None:
        self._log, self._no_vacuum = log, no_vacuum

    @property
    def rounds(self) -> list[dict[str, Any]]:
        """What it did, round by round."""
        return [json.loads(line) for line in self._log.read_text().splitlines() if line.startswith("{")]

    @contextmanager
    def without_vacuum(self) -> Iterator[None]:
        """No vacuum is under way while the block runs; all else goes on."""
        self._no_vacuum.touch()
        before = len(self.rounds)
        try:
            eventually(lambda: len(self.rounds) > before, END_SECONDS, "the maintainer ends its round")
            yield
        finally:
            self._no_vacuum.unlink()

    @property
    def compacted(self) -> int:
        """Small files that became part of large ones."""
        return sum(each["compacted"] for each in self.rounds)

    @property
    def removed(self) -> int:
        """Files that vacuum removed; it names those of earlier rounds again."""
        return max((each["removed"] for each in self.rounds), default=0)


@contextmanager
def maintaining(
    site: Site, *, every_seconds: float, vacuum_hours: int, is_full: bool
) -> Iterator[Maintainer]:
    """Maintains bronze while the block runs. What it cannot do ends it, and the case."""
    uri, options = site.lake
    log, no_vacuum = site.logs / "maintainer.log", site.folder / "no-vacuum"
    orders = Orders(f"{uri}/bronze/events", options, every_seconds, vacuum_hours, is_full, str(no_vacuum))
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.rig.maintainer", json.dumps(asdict(orders))],
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        yield Maintainer(log, no_vacuum)
        assert process.poll() is None, log.read_text()[-2000:]
    finally:
        process.terminate()
        process.wait(END_SECONDS)
    assert process.returncode == 0, log.read_text()[-2000:]


def maintain(orders: Orders) -> None:
    """Round by round until SIGTERM."""
    over = [False]
    signal.signal(signal.SIGTERM, lambda number, frame: over.__setitem__(0, True))
    while not over[0]:
        print(json.dumps(one_round(orders)), flush=True)
        time.sleep(orders.every_seconds)


def one_round(orders: Orders) -> dict[str, Any]:
    """1. Small files become large ones. 2. What they replace is removed. 3. The log is summed up, 4. and what
    its summaries replace is removed once it is old enough. A round that loses a race against an append is
    done again the next time."""
    table = DeltaTable(orders.uri, storage_options=orders.options)
    done: dict[str, Any] = {"compacted": 0, "removed": 0, "races_lost": 0}
    try:
        done["compacted"] = table.optimize.compact()["numFilesRemoved"]  # 1
        done["removed"] = 0 if Path(orders.no_vacuum).exists() else _vacuum(table, orders)  # 2
    except CommitFailedError:
        done["races_lost"] = 1
    table = DeltaTable(orders.uri, storage_options=orders.options)
    table.create_checkpoint()  # 3
    table.cleanup_metadata()  # 4
    return {**done, "version": table.version()}


def _vacuum(table: DeltaTable, orders: Orders) -> int:
    removed = table.vacuum(
        retention_hours=orders.vacuum_hours,
        enforce_retention_duration=False,
        dry_run=False,
        full=orders.is_full,
    )
    return len(removed)


if __name__ == "__main__":
    maintain(Orders(**json.loads(sys.argv[1])))

"""The disk of a local lake is full: history says so by name and goes on when there is room."""

import os
import subprocess
from functools import partial
from pathlib import Path

from tests.faults.case import Outcome, case
from tests.faults.rig.sinks import SinkProcess
from tests.faults.rig.site import Plan, Site, eventually
from tests.faults.rig.trial import trial

MIB = 1 << 20
DISK_MIB = 256
PATIENCE_SECONDS = 15
SAID_SECONDS = 120.0
ROUNDS = {0: 40.0, 48 << 10: 12.0, 200 << 10: 12.0, 600 << 10: 12.0}
"""Bytes left to history, and for how many seconds: for nothing, for half a file, for a file and no commit."""


@case(
    "Disk",
    "The disk of the local lake is full, four times: room for nothing, for less than a file, for a file or "
    "two. History lands nothing by half, names the folder and what to do, and goes on when there is room: by "
    "itself, or after the restart that follows where it took longer than `store_patience_seconds`. Nothing "
    "lost, nothing doubled; state and routes never wait (never more than 20 s behind)",
    Plan(store="folder", settings={"FLEETLAKE_INGEST__STORE_PATIENCE_SECONDS": str(PATIENCE_SECONDS)}),
)
def disk_full_under_the_lake(site: Site, scale: float) -> Outcome:
    """A file system of its own that something else fills up."""
    lake = site.folder / "lake"
    _mount(site, lake)
    with trial(site, scale) as run:
        history = run.member("history")
        times = []
        for room, seconds in ROUNDS.items():
            before = history.times_said("store_full")
            with run.fault():
                _fill(lake, room)
                eventually(partial(_says_more, history, before), SAID_SECONDS, "history says so")
                run.hold(seconds)
                (lake / "filler").unlink()
            times.append(run.recover("history"))
        log = history.log.read_text(errors="replace")
        ends = len(site.sinks.unasked().get("history", []))
        said = history.times_said("store_full")
        return run.outcome(
            "history",
            max(times),
            {"said so": f"{said} times", "ended by name and came back": f"{ends} times"},
            {
                "ended by name": f"fleetlake: the lake's store at {lake}" in log and ends > 0,
                "never without a name": "unexpected" not in log,
            },
        )


def _says_more(history: SinkProcess, before: int) -> bool:
    return history.times_said("store_full") > before


def _mount(site: Site, folder: Path) -> None:
    """A small file system in memory; unmounted when all processes have ended."""
    folder.mkdir(parents=True)
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK_MIB}m", "fleetlake-fault", str(folder)], check=True
    )
    site.on_exit(lambda: subprocess.run(["umount", "--lazy", str(folder)], check=True))


def _fill(folder: Path, room: int) -> None:
    """Leaves so many bytes."""
    with (folder / "filler").open("wb") as filler:
        free = os.statvfs(folder).f_bavail * os.statvfs(folder).f_frsize
        os.posix_fallocate(filler.fileno(), 0, max(4096, free - room))

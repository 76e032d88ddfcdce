"""Compaction and vacuum of bronze beside full ingest, by plain delta-rs."""

import json
import os
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.case import Outcome, case
from tests.faults.rig.maintainer import Maintainer, maintaining
from tests.faults.rig.site import Plan, Site
from tests.faults.rig.trial import Trial, trial

GROUP = "Maintenance"
EVERY_SECONDS = 3.0
MAINTAINED_SECONDS = 75.0
READ_EVERY_SECONDS = 2.0
ORPHANS = 5
ORPHAN_AGE_SECONDS = 2 * 3600
SAFE_HOURS = 1
"""The youngest age but 0 that a full vacuum can be told, and more than `store_patience_seconds` (10 minutes):
a file that is written waits for its commit for about that long; then it is given up."""


@case(
    GROUP,
    "Bronze compacted every few seconds beside full ingest, vacuumed at once of all that was replaced "
    "(retention 0), its log checkpointed and cleaned: no row touched, no commit of history refused for good, "
    "and whoever reads is answered; a reader whose files a vacuum of retention 0 removes under its eyes is "
    "told so, and answered without one. (This vacuum removes only files that the log names. A full one "
    "of retention 0 would also remove those that history has written and not yet committed, and lose their "
    "rows: see the other case for the age that is safe.)",
)
def bronze_compacted_and_vacuumed_beside_ingest(site: Site, scale: float) -> Outcome:
    """A query every two seconds, and an audit."""
    with trial(site, scale) as run:
        with (
            maintaining(site, every_seconds=EVERY_SECONDS, vacuum_hours=0, is_full=False) as maintainer,
            run.fault(),
        ):
            readers = Readers(site, maintainer)
            readers.read(MAINTAINED_SECONDS)
        return _outcome(
            run,
            maintainer,
            {"readers": readers.asked, "of them asked again": readers.asked_again},
            {"every reader was answered": not readers.troubles, **dict.fromkeys(readers.troubles, False)},
        )


@case(
    GROUP,
    f"A full vacuum (also of files that the log does not name) of {SAFE_HOURS} hour, more than "
    "`store_patience_seconds`, every few seconds beside ingest: what crashed processes left hours ago is "
    "removed, what history has yet to commit is not. No row touched",
    Plan(store="folder"),
)
def bronze_vacuumed_in_full_of_what_is_an_hour_old(site: Site, scale: float) -> Outcome:
    """Orphans are planted, dated two hours back."""
    with trial(site, scale) as run:
        with (
            maintaining(
                site, every_seconds=EVERY_SECONDS, vacuum_hours=SAFE_HOURS, is_full=True
            ) as maintainer,
            run.fault(),
        ):
            orphans = _plant_orphans(site)
            run.hold(MAINTAINED_SECONDS / 2)
            run.kill("history")
            run.hold(MAINTAINED_SECONDS / 2)
        left = sum(orphan.exists() for orphan in orphans)
        return _outcome(
            run, maintainer, {"orphans removed": ORPHANS - left}, {"no orphan is left": left == 0}
        )


def _outcome(run: Trial, maintainer: Maintainer, facts: dict[str, int], happened: dict[str, bool]) -> Outcome:
    recovery_s = run.recover("history")
    history = run.member("history")
    numbers = {
        "rounds": len(maintainer.rounds),
        "files compacted": maintainer.compacted,
        "files removed": maintainer.removed,
        "commits of history repeated": history.times_said("commit_in_doubt"),
    }
    went_on = run.worst("history")
    return run.outcome(
        "history",
        recovery_s,
        {**numbers, **facts},
        {
            "three rounds": numbers["rounds"] >= 3,
            "files were compacted": numbers["files compacted"] > 0,
            "files were removed": numbers["files removed"] > 0,
            "history went on (never 60 s behind)": went_on < 60.0,
            "history kept its rows": history.times_said("buffer_dropped") == 0,
            **happened,
        },
    )


@dataclass
class Readers:
    """Readers while bronze is maintained, each asked again, without a vacuum, where one was faster."""

    site: Site
    maintainer: Maintainer
    asked: int = 0
    asked_again: int = 0
    troubles: list[str] = field(default_factory=list)
    """What a reader said instead of an answer, or that rows it had seen were gone."""
    rows: int = 0

    def read(self, seconds: float) -> None:
        """A query every two seconds, and an audit in the middle and at the end."""
        began = time.monotonic()
        for part in (0.5, 1.0):
            while time.monotonic() - began < seconds * part:
                self._count()
                time.sleep(READ_EVERY_SECONDS)
            self._answer("audit", "--json")

    def _count(self) -> None:
        """Through a column of every file."""
        answer = self._answer("sql", "--format", "json", "select count(payload) as n from bronze.events")
        found = int(json.loads(answer)[0]["n"]) if answer else self.rows
        if found < self.rows:
            self.troubles.append(f"{found} rows after {self.rows}")
        self.rows = found

    def _answer(self, *words: str) -> str:
        """What the command says; nothing where it failed twice."""
        self.asked += 1
        done = self.site.command(*words, check=False)
        if not done.stdout:
            self.asked_again += 1
            if "ask again" not in done.stderr:
                self.troubles.append(done.stderr[-300:])
            with self.maintainer.without_vacuum():
                done = self.site.command(*words, check=False)
        if not done.stdout:
            self.troubles.append(done.stderr[-300:])
        return done.stdout


def _plant_orphans(site: Site) -> list[Path]:
    """Files as a process that was killed before its commit leaves them."""
    days = [path for path in (site.folder / "lake" / "bronze" / "events").glob("ingest_date=*")]
    old = time.time() - ORPHAN_AGE_SECONDS
    orphans = [days[0] / f"part-orphan-{number}.zstd.parquet" for number in range(ORPHANS)]
    for orphan in orphans:
        orphan.write_bytes(b"PAR1")
        os.utime(orphan, (old, old))
    return orphans

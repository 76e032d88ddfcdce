"""The embedded broker's id is kept over a clean stop, and over nothing else."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from fleetlake.stack.embedded import SNAPSHOT, SNAPSHOT_DRAFT, start_kafka
from fleetlake.stack.incarnation import Incarnation, Life
from fleetlake.stack.processes import identify
from fleetlake.stack.server import Server, wait_until


@pytest.fixture
def stopped(tmp_path: Path) -> Incarnation:
    """A broker that ran once and stopped cleanly."""
    incarnation = Incarnation(tmp_path)
    assert incarnation.begin() is Life.FIRST
    (tmp_path / SNAPSHOT).write_text('{"topics": []}')
    assert incarnation.stopped(is_clean=True)
    return incarnation


def test_a_clean_stop_keeps_the_id(stopped: Incarnation) -> None:
    """The same log goes on under the same id."""
    before = stopped.file.read_text()
    assert stopped.begin() is Life.CONTINUED
    assert stopped.file.read_text() == before


def test_a_crash_renews_the_id(stopped: Incarnation) -> None:
    """Begun and never stopped: the log may have gone back."""
    before = stopped.file.read_text()
    stopped.begin()
    assert stopped.begin() is Life.RENEWED
    assert stopped.file.read_text() != before


def test_a_stop_that_was_not_clean_renews_the_id(stopped: Incarnation) -> None:
    """A kill after the deadline of a stop is a crash."""
    stopped.begin()
    assert not stopped.stopped(is_clean=False)
    assert stopped.begin() is Life.RENEWED


def test_a_draft_left_behind_means_the_log_was_not_saved(stopped: Incarnation) -> None:
    """On a full disk the broker exits with 0 and leaves its draft."""
    stopped.begin()
    (stopped.folder / SNAPSHOT_DRAFT).write_text("half")
    assert not stopped.stopped(is_clean=True)
    assert stopped.begin() is Life.RENEWED


@pytest.mark.parametrize("change", ["older", "removed"])
def test_another_snapshot_than_the_one_saved_renews_the_id(stopped: Incarnation, change: str) -> None:
    """A backup was put back, or the log deleted: offsets mean something else now."""
    snapshot = stopped.folder / SNAPSHOT
    if change == "older":
        snapshot.write_text('{"topics": {}}')
    else:
        snapshot.unlink()
    assert stopped.begin() is Life.RENEWED


def test_a_log_without_an_id_gets_one_and_counts_as_renewed(tmp_path: Path) -> None:
    """Somebody deleted the id: nothing is known of the log."""
    (tmp_path / SNAPSHOT).write_text("{}")
    assert Incarnation(tmp_path).begin() is Life.RENEWED


def test_the_real_broker_stops_cleanly_on_sigterm(tmp_path: Path) -> None:
    """Exit code 0, a snapshot, no draft: the id is kept over a restart."""
    incarnation = Incarnation(tmp_path)
    incarnation.begin()
    server = start_kafka(tmp_path)
    assert incarnation.stopped(is_clean=server.stop() == 0)
    assert incarnation.begin() is Life.CONTINUED


def test_the_real_broker_on_a_disk_that_takes_nothing_more(tmp_path: Path) -> None:
    """Its exit code is 0 and nothing was saved: the id must not be kept."""
    incarnation = Incarnation(tmp_path / "kafka")
    incarnation.begin()
    server: Server = start_kafka(incarnation.folder)
    # The draft's name is taken by a folder, even root cannot write it: what a full disk looks like.
    (incarnation.folder / SNAPSHOT_DRAFT).mkdir()
    code = server.stop()
    assert not incarnation.stopped(is_clean=code == 0)
    shutil.rmtree(incarnation.folder / SNAPSHOT_DRAFT)
    assert incarnation.begin() is Life.RENEWED
    assert os.listdir(incarnation.folder)


PARENT = """
import os, sys
from pathlib import Path
from fleetlake.stack.embedded import start_kafka
print(start_kafka(Path(sys.argv[1])).process.pid, flush=True)
os.kill(os.getpid(), 9)
"""


def test_a_server_of_a_killed_test_run_does_not_stay(tmp_path: Path) -> None:
    """Nothing spins on after a run that could not clean up; only Linux can promise that."""
    done = subprocess.run([sys.executable, "-c", PARENT, str(tmp_path)], capture_output=True, check=False)
    pid = int(done.stdout)
    ended = wait_until(lambda: not is_running(pid), 20)
    if not ended:
        os.kill(pid, signal.SIGTERM)
    assert ended or sys.platform != "linux"


def is_running(pid: int) -> bool:
    found = identify(pid)
    return found is not None and found.is_alive

"""Ctrl-C at a question: within a moment one line, exit code 130, and no traceback."""

import errno
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from fleetlake.failures import INTERRUPTED, describe_failure
from fleetlake.stack.server import wait_until
from lake.settings import LakeSettings
from tests.transforms.small_lake import Lake, speed

START_SECONDS = 60.0
END_SECONDS = 5.0  # it takes 0.2 s where the machine has nothing else to do
RUN_END_SECONDS = 30.0  # Dagster writes down first how its run ended
BUSY_CPU_SECONDS = 3.0  # starting takes 1 s of it, and the queries below never end

ENDLESS = "from range(1000000) a, range(1000000) b"
HEAVY = {
    "one number": f"select sum(sin(a.range * b.range)) {ENDLESS}",
    "rows that never come": f"select a.range {ENDLESS} where sin(a.range * b.range) > 2",
    "rows that always come": f"select sin(a.range * b.range) {ENDLESS}",
}


@pytest.fixture(autouse=True)
def hear_ctrl_c() -> Iterator[None]:
    """A test run may ignore SIGINT, and what it starts inherits that."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def interrupt(
    arguments: list[str],
    environment: dict[str, str],
    is_under_way: Callable[[int], bool],
    end_seconds: float = END_SECONDS,
) -> tuple[int, str]:
    """The exit code and the error output of a command that gets a SIGINT when it is under way."""
    process = subprocess.Popen(
        [sys.executable, "-m", "fleetlake.cli", *arguments],
        env={**os.environ, **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert wait_until(lambda: is_under_way(process.pid), START_SECONDS)
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=end_seconds)
    finally:
        process.kill()
        process.communicate()
    return process.returncode, said


@pytest.mark.parametrize("sql", HEAVY.values(), ids=HEAVY)
def test_a_heavy_query_ends_with_ctrl_c(tmp_path: Path, sql: str) -> None:
    """Whether DuckDB computes, waits for a row, or rows are written; nothing is left of the file."""

    def is_busy(pid: int) -> bool:
        return sum(psutil.Process(pid).cpu_times()[:2]) > BUSY_CPU_SECONDS

    spill = tmp_path / "spill"
    spill.mkdir()
    environment = {
        "FLEETLAKE_DATA_DIR": str(tmp_path / "data"),
        "FLEETLAKE_LAKE__URI": str(tmp_path / "lake"),
        "FLEETLAKE_LAKE__QUERY__TEMP_DIR": str(spill),
    }
    answer = tmp_path / "answer.csv"
    done = interrupt(["sql", sql, "--output", str(answer)], environment, is_busy)
    assert done == (130, "fleetlake: interrupted\n")
    assert not list(tmp_path.glob("*answer*"))
    assert not list(spill.iterdir())


def test_an_audit_ends_with_ctrl_c(tmp_path: Path) -> None:
    """Also while it waits for a Kafka that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(0)
        accepted: list[socket.socket] = []

        def is_asked(pid: int) -> bool:
            del pid
            try:
                accepted.append(silent.accept()[0])
            except BlockingIOError:
                return bool(accepted)
            return True

        address = f"127.0.0.1:{silent.getsockname()[1]}"
        environment = {"FLEETLAKE_DATA_DIR": str(tmp_path), "FLEETLAKE_KAFKA__BOOTSTRAP_SERVERS": address}
        try:
            done = interrupt(["audit"], environment, is_asked)
        finally:
            for connected in accepted:
                connected.close()
    assert done == (130, "fleetlake: interrupted\n")


@pytest.mark.parametrize("table", ["silver/signals", "gold/signal_minute"])
def test_a_run_of_dagster_ends_with_ctrl_c(tmp_path: Path, table: str) -> None:
    """In the middle of a step or between two; no other run begins, and what is missing is still due."""
    lake = Lake(LakeSettings(uri=str(tmp_path / "lake")))
    lake.land(*([speed(1, days_before=days)] for days in (0, 40, 80)))
    environment = {"FLEETLAKE_DATA_DIR": str(tmp_path / "data"), "FLEETLAKE_LAKE__URI": lake.settings.uri}

    def has_begun(pid: int) -> bool:
        del pid
        return (tmp_path / "lake" / table).exists()

    done = interrupt(["materialize"], environment, has_begun, RUN_END_SECONDS)
    assert done == (130, "fleetlake: interrupted\n")
    assert not (tmp_path / "lake" / "gold" / "vehicle_day").exists()


def test_what_duckdb_makes_of_ctrl_c_is_an_interruption() -> None:
    """On the main thread it raises a RuntimeError, whose cause is the KeyboardInterrupt."""
    error = RuntimeError("Query interrupted")
    error.__cause__ = KeyboardInterrupt()
    assert describe_failure(error) == INTERRUPTED
    assert describe_failure(RuntimeError("Query interrupted")) != INTERRUPTED


class ThreadFailed(Exception):
    """Carries what a thread met."""


def carried_and_raised_in_its_place(failure: OSError) -> None:
    try:
        raise ThreadFailed from failure
    except ThreadFailed as carrier:
        raise (carrier.__cause__ or carrier) from None


def test_a_failure_that_stands_before_itself_is_told_all_the_same() -> None:
    """What a thread met is raised in place of what carried it: its cause and its context make a circle."""
    failure = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    with pytest.raises(OSError, match="No space left") as raised:
        carried_and_raised_in_its_place(failure)
    context = raised.value.__context__
    assert context is not None
    assert context.__cause__ is raised.value
    assert describe_failure(raised.value).text == "fleetlake: No space left on device"

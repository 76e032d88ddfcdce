"""What keeps Spark from running is named, in time, and Ctrl-C ends it."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lake.settings import EngineKind, LakeSettings, SparkSettings
from lake.spark_session import JavaMissing, SparkMissing, SparkUnavailable, session

pytestmark = [pytest.mark.spark, pytest.mark.timeout(300)]

ROOT = Path(__file__).parents[2]
STARTS = """
from lake.settings import LakeSettings
from lake.spark_session import JavaMissing, session
try:
    session(LakeSettings(engine="spark"))
except JavaMissing as error:
    print(error)
"""
COUNTS = """
from lake.settings import LakeSettings, SparkSettings
from lake.spark_engine import SparkEngine
from lake.spark_session import session
from lake.storage import storage
settings = LakeSettings(engine="spark", spark=SparkSettings(master="local[1]", memory="1g"))
engine = SparkEngine(session(settings), storage(settings), lambda sql, tables: sql, "here")
print("counting", flush=True)
engine.select("select count(*) from range(9999999) as a cross join range(9999999) as b where a.id < b.id")
"""


def chosen(**spark: object) -> LakeSettings:
    return LakeSettings(engine=EngineKind.SPARK, spark=SparkSettings.model_validate(spark))


def nobody_listens() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def test_missing_jars_are_named(tmp_path: Path) -> None:
    """With what installs them."""
    with pytest.raises(SparkMissing, match=rf"{tmp_path}.*make spark"):
        session(chosen(jars=tmp_path))


@pytest.mark.parametrize("scheme", ["spark", "sc"])
def test_a_server_that_does_not_answer_is_named(scheme: str) -> None:
    """At once: Spark's own clients go on asking for minutes."""
    address = f"{scheme}://127.0.0.1:{nobody_listens()}"
    with pytest.raises(SparkUnavailable, match=address):
        session(chosen(**{"remote" if scheme == "sc" else "master": address}))


def test_a_missing_java_is_named(tmp_path: Path) -> None:
    """By a process that has none on its PATH."""
    found = subprocess.run(
        [sys.executable, "-c", STARTS],
        cwd=ROOT,
        env={"PATH": f"{tmp_path}:/bin" if not Path("/bin/java").exists() else str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert str(JavaMissing()) in found.stdout, found.stderr


def test_an_interruption_ends_a_query_and_its_java_machine() -> None:
    """Within moments, though the query would take for ever."""
    running = subprocess.Popen(
        [sys.executable, "-c", COUNTS], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert running.stdout is not None
        assert running.stdout.readline() == "counting\n"
        time.sleep(1)
        os.kill(running.pid, signal.SIGINT)
        _, said = running.communicate(timeout=120)  # the Java machine holds the pipes for as long as it runs
    finally:
        running.kill()
    assert "KeyboardInterrupt" in said
    assert running.returncode != 0

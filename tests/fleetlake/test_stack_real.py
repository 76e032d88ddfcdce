"""`fleetlake up --kafka real --store minio`: what a single server without Docker gets."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from fleetlake.stack.server import free_port
from tests.fleetlake.conftest import StackUnderTest

ROOT = Path(__file__).parents[2]
COUNT = 'select count(*) as n, count(distinct (topic_id, partition, "offset")) as places from bronze.events'
PARTS = ("--kafka", "real", "--store", "minio")


def rows(stack: StackUnderTest) -> dict[str, int]:
    found: list[dict[str, int]] = json.loads(stack.command("sql", COUNT, "--format", "json").stdout)
    return found[0]


def send(stack: StackUnderTest, count: int) -> None:
    for words in (("simulate", "--source", "tcu", "--count", str(count)), ("wait", "--timeout", "120")):
        done = stack.command(*words, timeout=180)
        assert done.returncode == 0, done.stderr


@pytest.mark.slow
@pytest.mark.real_kafka
@pytest.mark.real_store
@pytest.mark.timeout(400)
def test_a_real_stack_keeps_its_data_through_a_stop_and_through_kills(stack: StackUnderTest) -> None:
    """What was begun goes on without options; a killed broker loses nothing, and its log gets no new id."""
    said = stack.up(*PARTS)
    assert "lake   s3://fleetlake at http://127.0.0.1:" in said
    send(stack, 500)
    stack.down()
    stack.up()
    assert rows(stack) == {"n": 500, "places": 500}
    stack.kill("kafka", "minio", "history")
    for name in ("kafka", "minio", "history"):
        stack.await_restart(name)
    send(stack, 500)
    assert rows(stack) == {"n": 1000, "places": 1000}
    audit = stack.command("audit")
    assert audit.returncode == 0, audit.stdout
    stack.kill("up")
    stack.up()
    assert rows(stack) == {"n": 1000, "places": 1000}


@pytest.mark.real_store
def test_a_data_folder_keeps_to_what_it_was_begun_with(stack: StackUnderTest) -> None:
    """Other parts would part the history from the state; the keys are only their owner's to read."""
    stack.up("--store", "minio", "--no-ingest")
    stack.down()
    assert (stack.layout.minio / "credentials.json").stat().st_mode & 0o077 == 0
    refused = stack.command("up", "--store", "folder")
    assert refused.returncode == 1
    assert "was begun with --store minio, not folder" in refused.stderr


def test_what_is_not_built_is_named_before_anything_is_begun(
    stack: StackUnderTest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder is as new afterwards: it may be begun with other parts."""
    monkeypatch.setenv("FLEETLAKE_SERVICES_DIR", str(tmp_path / "nowhere"))
    refused = stack.command("up", "--detach", *PARTS)
    assert refused.returncode == 1
    assert "make real-services" in refused.stderr
    assert not stack.layout.parts_file.exists()
    assert not stack.layout.minio.exists()


@pytest.mark.slow
@pytest.mark.real_kafka
@pytest.mark.parametrize("script", ["kafka.py", "minio.py"])
def test_a_service_can_be_run_by_hand(script: str, tmp_path: Path) -> None:
    """Start waits until it answers, status and stop find it again; a second start is refused."""

    port = str(free_port())

    def run(action: str) -> subprocess.CompletedProcess[str]:
        words = [sys.executable, str(ROOT / "infra/local" / script), action]
        words += ["--folder", str(tmp_path / "s"), "--port", port]
        return subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)

    try:
        started = run("start")
        assert started.returncode == 0, started.stderr
        assert "FLEETLAKE_" in started.stdout
        assert "runs" in run("status").stdout
        again = run("start")
        assert again.returncode == 1
        assert "run already" in again.stderr
        assert "Traceback" not in again.stderr
    finally:
        run("stop")
    assert "does not run" in run("status").stdout

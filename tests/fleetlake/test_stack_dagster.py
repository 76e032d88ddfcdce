"""Dagster in the local stack: started with it, true to its lake, stopped with it."""

import json
import urllib.request

import pytest

from fleetlake.stack.processes import identify
from fleetlake.stack.runfile import read_stack
from fleetlake.stack.server import wait_until
from tests.fleetlake.conftest import StackUnderTest

BUILD_SECONDS = 400.0

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def trips(stack: StackUnderTest) -> int:
    done = stack.command("sql", "select count(*) as trips from gold.trips", "--format", "json")
    return int(json.loads(done.stdout)[0]["trips"]) if done.returncode == 0 else 0


def test_what_is_sent_becomes_marts_by_itself(stack: StackUnderTest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The pages answer at the address that `status` gives; a daemon that is killed comes back; `down` ends
    all of it in order."""
    monkeypatch.setenv("FLEETLAKE_DAGSTER__IN_STACK", "true")
    for name in ("LOOK_EVERY_S", "SILVER_EVERY_S", "LATE_EVERY_S", "TODAY_EVERY_S", "QUIET_S"):
        monkeypatch.setenv(f"FLEETLAKE_DAGSTER__{name}", "4")
    assert "dagster http://127.0.0.1:" in stack.up()
    address = json.loads(stack.command("status", "--json").stdout)["dagster"]
    assert wait_until(lambda: answers(f"{address}/server_info"), 60)
    stack.kill("dagster-daemon")
    drive = stack.command("replay", "simulate/data/twizy/T3_05_31_2021.csv.gz", "--source", "twizy")
    assert drive.returncode == 0, drive.stderr
    assert wait_until(lambda: trips(stack) == 1, BUILD_SECONDS), stack.layout.log(
        "dagster-daemon"
    ).read_text()[-3000:]
    assert stack.process("dagster-daemon").restarts == 1
    running = stack.file.processes
    stack.down()
    assert read_stack(stack.layout) is None
    assert [entry.name for entry in running if identify(entry.pid) == entry.identity] == []


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as response:  # noqa: S310 - the stack's own page
            return bool(response.status == 200)
    except OSError:
        return False


def test_no_dagster_leaves_it_out(stack: StackUnderTest, monkeypatch: pytest.MonkeyPatch) -> None:
    """By an option, whatever the setting says."""
    monkeypatch.setenv("FLEETLAKE_DAGSTER__IN_STACK", "true")
    assert "dagster http" not in stack.up("--no-dagster")
    assert not [entry for entry in stack.file.processes if entry.name.startswith("dagster")]

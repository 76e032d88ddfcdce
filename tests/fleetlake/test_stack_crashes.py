"""The whole stack, sinks included, over the crashes that no sink can handle by itself."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from fleetlake.demo.plan import DRIVES
from fleetlake.stack.observe import cards
from fleetlake.stack.server import wait_until

if TYPE_CHECKING:
    from tests.fleetlake.conftest import StackUnderTest

SHORT_DRIVE = DRIVES[2]
ROWS = 1122
ORPHAN_SECONDS = 20.0


def land_a_drive(stack: StackUnderTest) -> None:
    """Sends a recorded drive, and waits until all sinks have done it."""
    sent = stack.command("replay", str(SHORT_DRIVE.file), "--source", "twizy")
    assert json.loads(sent.stdout)["acknowledged"] == ROWS, sent.stderr
    done = stack.command("wait", "--timeout", "90")
    assert done.returncode == 0, done.stderr


def audit(stack: StackUnderTest) -> dict[str, object]:
    done = stack.command("audit", "--json")
    found: dict[str, object] = json.loads(done.stdout)
    return found


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_new_life_of_the_broker_is_landed_again_and_the_audit_is_clean(stack: StackUnderTest) -> None:
    """The sinks were stopped before it came back: none of them uses a position of the old log."""
    stack.up()
    land_a_drive(stack)
    sinks = {name: stack.process(name).pid for name in ("history", "state", "routes")}
    stack.kill("kafka")
    stack.await_restart("kafka")
    for name, pid in sinks.items():
        stack.await_restart(name)
        assert stack.process(name).pid != pid
    land_a_drive(stack)
    assert audit(stack)["ok"] is True
    lives = "select topic_id, count(*) as n from bronze.events group by topic_id order by n"
    rows = json.loads(stack.command("sql", lives, "--format", "json").stdout)
    assert rows[0]["n"] == ROWS
    assert len(rows) == 2


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_no_sink_outlives_a_killed_stack(stack: StackUnderTest) -> None:
    """And the next start goes on where they stopped."""
    stack.up()
    land_a_drive(stack)
    sinks = [stack.process(name) for name in ("history", "state", "routes")]
    stack.kill("up")
    assert wait_until(lambda: not any(sink.is_alive for sink in sinks), ORPHAN_SECONDS)
    assert cards(stack.layout.run) == []
    stack.up()
    land_a_drive(stack)
    assert audit(stack)["ok"] is True
    count = json.loads(
        stack.command("sql", "select count(*) as n from bronze.events", "--format", "json").stdout
    )
    assert count == [{"n": 2 * ROWS}]

"""The use cases and two recorded drives, each on an empty lake, by the commands that a user types."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from fleetlake.demo.plan import DRIVES, USE_CASES

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fleetlake.conftest import StackUnderTest

COMPARED = ("did", "eventTime", "odo", "soc", "speed", "ignition")
ROWS_AND_BAD_TIMES = {"T1_03_29_2021": (6189, 10), "T2_03_30_2021": (6868, 56)}


def answer(stack: StackUnderTest, *words: str) -> Any:
    """What a command prints, as JSON."""
    done = stack.command(*words)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def replay(stack: StackUnderTest, source: str, *files: Path) -> None:
    """Sends files, and waits until all sinks have done them."""
    answer(stack, "replay", *map(str, files), "--source", source)
    done = stack.command("wait", "--timeout", "90")
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_use_cases_each_on_an_empty_lake_and_drives_with_a_glitching_clock(stack: StackUnderTest) -> None:
    """The documents equal the expected ones; every payload is a row of its own, byte for byte; rows with
    impossible dates are rejected for that, and the state has the last charge."""
    for name, (messages, expected) in USE_CASES.items():
        for folder in (stack.layout.kafka, stack.layout.mongo, stack.layout.lake):
            shutil.rmtree(folder, ignore_errors=True)
        stack.up()
        replay(stack, "tcu", messages)
        wanted = json.loads(expected.read_text())
        found = answer(stack, "state", "981", "--as", "tcu")
        assert {field: found[field] for field in COMPARED} == {field: wanted[field] for field in COMPARED}, (
            name
        )
        rows = answer(stack, "sql", "select payload from bronze.events", "--format", "json")
        assert sorted(row["payload"] for row in rows) == sorted(messages.read_text().splitlines())
        if name == "use case 2":
            check_drives(stack)
            assert answer(stack, "audit", "--json")["ok"] is True
        stack.down()


def check_drives(stack: StackUnderTest) -> None:
    """Two recorded drives on top of what is there."""
    drives = [drive for drive in DRIVES if drive.vehicle in ROWS_AND_BAD_TIMES]
    replay(stack, "twizy", *(drive.file for drive in drives))
    sql = """
        select vehicle_id, count(*) as n, count(error) as bad, any_value(error) as why
        from bronze.events
        where source = 'twizy'
        group by vehicle_id
    """
    rows = answer(stack, "sql", sql, "--format", "json")
    assert {row["vehicle_id"]: (row["n"], row["bad"]) for row in rows} == ROWS_AND_BAD_TIMES
    assert {row["why"] for row in rows} == {"bad_time"}
    for drive in drives:
        state = answer(stack, "state", drive.vehicle)
        assert state["signals"]["soc"]["value"] == drive.soc

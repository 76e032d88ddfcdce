"""Traffic that goes on after a demo: for as long as its stack runs, and once."""

import fcntl
import json
from dataclasses import asdict
from pathlib import Path

import pytest

from fleetlake.demo import traffic
from fleetlake.demo.traffic import LOCK, WhileItRuns
from fleetlake.settings import DATA_DIR_VARIABLE, Settings
from fleetlake.stack.layout import Layout, layout_of
from fleetlake.stack.processes import myself
from fleetlake.stack.runfile import StackFile, StackState


def write_stack(layout: Layout, state: StackState) -> None:
    """Of a stack that this process runs."""
    layout.run.mkdir(parents=True, exist_ok=True)
    me = myself()
    stack = StackFile("k", "m", "l", None, me.pid, me.started, state)
    layout.stack_file.write_text(json.dumps(asdict(stack)))


def test_it_is_over_when_the_stack_stops_or_is_gone(tmp_path: Path) -> None:
    """Not before."""
    layout = layout_of(tmp_path)
    assert WhileItRuns(layout).is_over()
    write_stack(layout, StackState.RUNNING)
    assert not WhileItRuns(layout).is_over()
    write_stack(layout, StackState.STOPPING)
    assert WhileItRuns(layout).is_over()


@pytest.mark.parametrize("is_taken", [True, False])
def test_a_second_demo_starts_no_second_traffic(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_taken: bool
) -> None:
    """It ends by itself."""
    monkeypatch.setenv(DATA_DIR_VARIABLE, str(tmp_path))
    layout = layout_of(tmp_path)
    layout.run.mkdir(parents=True)
    begun: list[Settings] = []
    monkeypatch.setattr(traffic, "send", begun.append)
    with (layout.run / LOCK).open("a") as lock:
        if is_taken:
            fcntl.flock(lock, fcntl.LOCK_EX)
        traffic.main()
    assert len(begun) == (not is_taken)

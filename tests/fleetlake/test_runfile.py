"""One stack a data folder; what a crash leaves is recognised and never mistaken."""

import socket
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from fleetlake.stack.layout import Layout, layout_of
from fleetlake.stack.ports import choose_ports, is_free
from fleetlake.stack.processes import ProcessId, identify, myself
from fleetlake.stack.runfile import (
    ProcessEntry,
    StackAlreadyRuns,
    StackFile,
    StackState,
    holding,
    is_held,
    read_stack,
)
from fleetlake.stack.server import free_port

HOLD = """
import sys
from pathlib import Path
from fleetlake.stack.server import free_port
from fleetlake.stack.layout import layout_of
from fleetlake.stack.runfile import holding
with holding(layout_of(Path(sys.argv[1]))):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return layout_of(tmp_path)


def test_two_stacks_in_one_folder_are_refused_with_the_first_ones_pid(layout: Layout) -> None:
    """And the folder is free again once the first was killed, whatever it left."""
    first = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(layout.root)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with first:
        assert first.stdout is not None
        assert first.stdout.readline() == b"held\n"
        with pytest.raises(StackAlreadyRuns, match=str(first.pid)), holding(layout, patience_s=0.1):
            pass
        assert is_held(layout)
        first.kill()
        first.wait()
    assert not is_held(layout)
    with holding(layout):
        assert is_held(layout)


def test_a_pid_used_again_is_another_process() -> None:
    """The start time tells them apart."""
    me = myself()
    assert me.is_alive
    assert not ProcessId(me.pid, me.started - 3600).is_alive


def test_a_process_that_nobody_reaped_is_gone() -> None:
    """A zombie does not run."""
    child = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
    identity = identify(child.pid)
    assert identity is not None
    assert identity.is_alive
    child.kill()
    assert identity.wait_gone(5)
    child.communicate()


def test_the_stack_file_says_what_was_written(layout: Layout) -> None:
    """Addresses, state and processes survive the file."""
    me = myself()
    entry = ProcessEntry("history", me.pid, me.started, restarts=2, state="running")
    stack = StackFile(
        "127.0.0.1:1", "mongodb://x", "lake", None, me.pid, me.started, StackState.RUNNING, [entry]
    )
    stack.write(layout)
    found = read_stack(layout)
    assert found == stack
    assert found is not None
    assert found.is_running
    assert found.processes[0].is_alive
    assert not replace(stack, started=me.started - 100).is_running


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"kafka": 1}'])
def test_a_stack_file_that_makes_no_sense_is_no_stack(layout: Layout, text: str) -> None:
    """A broken file does not block the next start."""
    layout.run.mkdir(parents=True)
    layout.stack_file.write_text(text)
    assert read_stack(layout) is None


def test_ports_are_kept_when_free_and_replaced_when_taken(layout: Layout) -> None:
    """The next start listens where clients look, unless another program does."""
    first = choose_ports(layout.ports_file, {"kafka": free_port(), "mongo": free_port()})
    second = choose_ports(layout.ports_file, {"kafka": free_port(), "mongo": free_port()})
    assert first == second
    with closing(socket.create_server(("127.0.0.1", first["kafka"]))):
        assert not is_free(first["kafka"])
        third = choose_ports(layout.ports_file, first)
    assert third["mongo"] == first["mongo"]
    assert third["kafka"] not in first.values()

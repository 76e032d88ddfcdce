"""The log of a stack that is started in the background belongs to that start alone."""

import fcntl
from pathlib import Path

import pytest

from fleetlake.settings import choose_data_dir
from fleetlake.stack.beside import Beside
from fleetlake.stack.control import start_detached
from fleetlake.stack.layout import layout_of
from fleetlake.stack.runfile import StackAlreadyRuns


def test_a_second_start_leaves_the_log_of_the_first_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first holds its log from before its process is there to hold the folder."""
    monkeypatch.setenv("FLEETLAKE_DATA_DIR", "set back by the test's end")
    choose_data_dir(tmp_path)
    log = layout_of(tmp_path).log("up")
    log.parent.mkdir(parents=True)
    with log.open("a") as first:
        fcntl.flock(first, fcntl.LOCK_EX)
        first.write("what the first start has to say")
        first.flush()
        with pytest.raises(StackAlreadyRuns):
            start_detached(with_sinks=True, beside=Beside())
    assert log.read_text() == "what the first start has to say"

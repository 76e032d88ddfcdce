"""Dagster's databases are made once, however many processes begin at the same time."""

import subprocess
import sys
from pathlib import Path

from orchestration.home import CONFIG, prepare
from orchestration.instance import instance


def test_processes_that_begin_at_once_find_one_instance(tmp_path: Path) -> None:
    """Each goes on as the program it was to become."""
    home = tmp_path / "dagster"
    command = [sys.executable, "-m", "orchestration.instance", str(home), "json.tool", "--help"]
    started = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    answers = [process.communicate(timeout=120)[0] for process in started]
    assert [process.returncode for process in started] == [0] * 4
    assert all("json.tool" in answer for answer in answers)
    with instance(home) as opened:
        assert opened.get_runs() == []


def test_a_configuration_that_is_there_is_kept(tmp_path: Path) -> None:
    """It is the operator's."""
    tmp_path.joinpath(CONFIG).write_text("telemetry: {enabled: false}\n")
    prepare(tmp_path)
    assert tmp_path.joinpath(CONFIG).read_text() == "telemetry: {enabled: false}\n"

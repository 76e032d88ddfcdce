"""Logs that are appended to, and read from their end."""

from pathlib import Path

import pytest

from fleetlake.stack import logs
from fleetlake.stack.logs import last_line, open_log


def test_a_large_log_is_begun_anew_and_the_one_before_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At a start; a crash loop cannot fill the disk."""
    monkeypatch.setattr(logs, "MAX_LOG_BYTES", 10)
    path = tmp_path / "logs" / "kafka.log"
    for text in (b"first, large\n", b"second, large\n", b"third"):
        with open_log(path) as log:
            log.write(text)
    assert path.read_bytes() == b"third"
    assert path.with_name("kafka.log.1").read_bytes() == b"second, large\n"


def test_the_last_line_that_says_something_is_found_at_the_end(tmp_path: Path) -> None:
    """Whatever the length of the log, and of the line."""
    path = tmp_path / "a.log"
    path.write_bytes(b"x" * 1_000_000 + b"\nthe reason\n \n\n")
    assert last_line(path) == "the reason"
    path.write_bytes(b"y" * 1_000_000)
    assert last_line(path) == "y" * 300
    path.write_bytes(b"\n")
    assert last_line(path) == "its log is empty"

"""Fixtures of the monitoring's tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ingest.alerts.hook_server import HookServer, hook_server


@pytest.fixture
def hook() -> Iterator[HookServer]:
    """Who is told."""
    with hook_server() as server:
        yield server


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Of one server."""
    made = tmp_path / "server"
    made.mkdir()
    return made

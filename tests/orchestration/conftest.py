"""Dagster's own memory, empty and of the test's own."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from orchestration.instance import create, instance


@pytest.fixture(scope="session")
def empty_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Databases in which nothing is on record. To be copied: making them takes longer than most tests."""
    home = tmp_path_factory.mktemp("dagster")
    create(home)
    return home


@pytest.fixture
def dagster(empty_home: Path, tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    """As the stack's processes have it, in files."""
    home = tmp_path / "dagster"
    shutil.copytree(empty_home, home)
    with instance(home) as opened:
        yield opened

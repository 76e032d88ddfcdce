"""Interfaces under test, and keys for them."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from contracts.access import Scope
from fleetlake.web.key_file import add
from fleetlake.web.keys import Key
from fleetlake.web.settings import HttpSettings
from tests.interfaces import Interface

MakeKey = Callable[..., str]


@pytest.fixture
def keys_file(tmp_path: Path) -> Path:
    """Where an interface on `tmp_path` looks for keys; it is not there yet."""
    return tmp_path / "keys.yml"


@pytest.fixture
def make_key(keys_file: Path) -> MakeKey:
    """Adds a key to the file; returns what a client sends."""

    def make(
        name: str,
        *scopes: Scope,
        fleets: frozenset[str] | None = None,
        expires: datetime | None = None,
    ) -> str:
        entry, key = Key.new(name, frozenset(scopes), fleets, created=datetime.now(UTC), expires=expires)
        add(keys_file, entry)
        return key

    return make


@pytest.fixture
def open_interface(tmp_path: Path) -> Interface:
    """Without authentication, on loopback."""
    return Interface(tmp_path)


@pytest.fixture
def logs() -> Iterator[list[Any]]:
    """What is logged during the test."""
    with capture_logs() as found:
        yield found


@pytest.fixture
def reader_key(make_key: MakeKey) -> str:
    """A key that may read."""
    return make_key("reader", Scope.READ)


@pytest.fixture
def closed_interface(tmp_path: Path, reader_key: str) -> Interface:
    """With a key file, beyond loopback."""
    del reader_key
    return Interface(tmp_path, http=HttpSettings(), host="0.0.0.0")  # noqa: S104 - never listened on

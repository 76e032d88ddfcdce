"""The servers that the other tests rely on."""

from pathlib import Path

import pytest

from fleetlake.stack.server import Server, listens
from tests.browser import axe_script
from tests.real_services import REQUIRED


def test_servers_listen_on_loopback(kafka: str, mongo_server: Server) -> None:
    """Broker and MongoDB are up and reachable."""
    host, _, port = kafka.partition(":")
    assert host == "127.0.0.1"
    assert listens(int(port))
    assert listens(mongo_server.port)


def test_without_axe_a_test_is_skipped_or_fails_where_it_is_required(
    pytestconfig: pytest.Config, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As without Chromium."""
    absent = tmp_path / "axe.min.js"
    for required, ending in (([], pytest.skip.Exception), (["browser"], pytest.fail.Exception)):
        monkeypatch.setitem(pytestconfig.stash, REQUIRED, required)
        with pytest.raises(ending, match="npm ci"):
            axe_script(pytestconfig, absent)
    absent.write_text("axe = 1")
    assert axe_script(pytestconfig, absent) == "axe = 1"

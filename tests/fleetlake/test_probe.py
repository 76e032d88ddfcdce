"""The health check of containers."""

import subprocess
import sys

from fleetlake.probe import trouble
from fleetlake.stack.server import free_port


def test_a_server_answers_and_a_missing_one_is_named(s3_endpoint: str) -> None:
    """Over HTTP, and by a connection alone; an error of the server is one of the check."""
    place = s3_endpoint.removeprefix("http://")
    assert trouble(f"{place}/moto-api/") is None
    assert trouble(place) is None
    assert "404" in str(trouble(f"{place}/moto-api/nothing/here"))
    port = free_port()
    done = subprocess.run(
        [sys.executable, "-m", "fleetlake.probe", f"127.0.0.1:{port}"], capture_output=True, text=True
    )
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert f"127.0.0.1:{port}: " in done.stderr

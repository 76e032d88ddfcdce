"""`fleetlake gateway` of a fault run: a process at one port, killed and started again as by a supervisor."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from fleetlake.stack.server import LOOPBACK, free_port

STOP_SECONDS = 30.0
SETTINGS = {
    "FLEETLAKE_HTTP__REQUESTS_PER_SECOND": "1000000",
    "FLEETLAKE_HTTP__BURST": "1000000",
}
"""Requests of a run come from one address."""


class Gateway:
    """One process at a time."""

    def __init__(self, environment: Mapping[str, str], logs: Path) -> None:
        self.port, self.kills = free_port(), 0
        self._environment = {
            **os.environ,
            **environment,
            **SETTINGS,
            "FLEETLAKE_GATEWAY__PORT": str(self.port),
        }
        self._log = logs / "gateway.log"
        self._process: subprocess.Popen[str] | None = None

    @property
    def address(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    def start(self) -> None:
        """Returns when it listens, whether or not Kafka is there."""
        with self._log.open("a") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "fleetlake.cli", "gateway"],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,
            )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line.startswith("gateway: "), f"it did not start: {self._log.read_text()[-2000:]}"

    def kill(self) -> None:
        """SIGKILL."""
        assert self._process is not None
        self._process.kill()
        assert self._process.wait() == -signal.SIGKILL, "it had ended by itself"
        self.kills += 1

    def stop(self) -> None:
        """SIGTERM, if it runs."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

"""One container as a process: started as the file says, asked for its health by its own check, ended by its
own signal within its own grace; and how long each of that took."""

import os
import signal
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from fleetlake.stack.logs import last_line
from fleetlake.stack.server import WITH_PARENT
from infra.compose_file import Service, seconds
from infra.rehearsal.stage import HOME, Stage

POLL_SECONDS = 0.2


class Failed(Exception):
    """A service is not as the file promises, or an answer is not as it should be."""


@dataclass
class Running:
    """One replica. `user` is what it runs as where this process may choose that."""

    stage: Stage
    service: Service
    replica: int = 1
    user: int | None = None
    process: "subprocess.Popen[bytes]" = field(init=False)
    start_s: float | None = None
    """From its start until its health check was content."""
    stop_s: float | None = None
    exit_code: int | None = None
    health: str = ""
    _started: float = field(init=False, default=0.0)

    @property
    def name(self) -> str:
        return f"{self.service.name}-{self.replica}"

    @property
    def log(self) -> Path:
        return self.stage.folder / "logs" / f"{self.name}.log"

    @property
    def output(self) -> Path:
        """What it wrote on stdout."""
        return self.log.with_suffix(".out")

    @property
    def address(self) -> str:
        return self.stage.address(self.service.name, self.replica)

    def start(self) -> None:
        """Without waiting."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self.stage.furnish(self.service, self.replica)
        if self.user is not None:
            _give(self.stage.folder / "volumes", self.user)
            _give(self.stage.folder / "containers" / self.name, self.user)
        self._started = time.monotonic()
        with self.log.open("ab") as log, self.output.open("ab") as output:
            self.process = subprocess.Popen(
                [*WITH_PARENT, *self.stage.command(self.service, self.replica, self.service.command)],
                cwd=self.stage.path(self.service, self.replica, HOME),
                env=self.stage.environment(self.service, self.replica),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=log,
                start_new_session=True,
                **self._identity,
            )

    def await_health(self) -> None:
        """Returns when its check is content, or when it has none; Failed after the time that it has."""
        check = self.service.health
        if not check:
            self.health = "none"
            return
        pause = seconds(str(check.get("start_interval", check["interval"])))
        deadline = self._started + self.service.health_s
        while self._is_sick(check["test"][1:], seconds(str(check["timeout"]))):
            if self.process.poll() is not None:
                self._fail(f"ended with exit code {self.process.returncode} before it was healthy")
            if time.monotonic() > deadline:
                self.health = "unhealthy"
                self._fail(f"is not healthy after {self.service.health_s:g} s")
            time.sleep(pause)
        self.start_s = time.monotonic() - self._started
        self.health = "healthy"

    def await_end(self, timeout_s: float) -> None:
        """Of one that ends by itself; Failed where that is not with 0, or takes longer."""
        try:
            self.exit_code = self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self._fail(f"has not ended after {timeout_s:g} s")
        self.start_s, self.health = time.monotonic() - self._started, "completed"
        if self.exit_code:
            self._fail(f"ended with exit code {self.exit_code}")

    def stop(self) -> None:
        """As `docker stop` does; what is not gone within its grace is killed."""
        if self.exit_code is not None:
            return
        began = time.monotonic()
        was_running = self.process.poll() is None
        if was_running:
            self.process.send_signal(getattr(signal, self.service.stop_signal))
        try:
            self.exit_code = self.process.wait(self.service.grace_s)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.exit_code = self.process.wait()
        self.stop_s = time.monotonic() - began if was_running else None

    def end_now(self) -> None:
        """Whatever happened: nothing of it runs on."""
        if hasattr(self, "process") and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    @property
    def trouble(self) -> str | None:
        """What is wrong with how it ended; None where nothing is."""
        if self.exit_code == 0 and (self.health == "completed" or self.stop_s is not None):
            return None
        if self.exit_code == 0:
            return f"{self.name} ended by itself"
        return f"{self.name} ended with exit code {self.exit_code} ({last_line(self.log)})"

    @property
    def _identity(self) -> dict[str, Any]:
        """Who the process is: the user of the file and nobody's group, where this process may choose."""
        return {} if self.user is None else {"user": self.user, "group": self.user, "extra_groups": []}

    def _is_sick(self, check: list[str], timeout_s: float) -> bool:
        try:
            done = subprocess.run(
                self.stage.command(self.service, self.replica, check),
                cwd=self.stage.path(self.service, self.replica, HOME),
                env=self.stage.environment(self.service, self.replica),
                capture_output=True,
                timeout=timeout_s,
                check=False,
                **self._identity,
            )
        except subprocess.TimeoutExpired:
            return True
        return done.returncode != 0

    def _fail(self, problem: str) -> NoReturn:
        told = f"{self.name} {problem} ({last_line(self.log)}); its log is {self.log}"
        raise Failed(told)


def _give(folder: Path, user: int) -> None:
    """A folder and all in it to the user of a container, as Docker does with a volume that is new."""
    for path in (folder, *folder.rglob("*")):
        with suppress(FileNotFoundError):  # others are at work in it
            os.chown(path, user, user, follow_symlinks=False)

"""A gateway in a process of its own, that asks itself something and may be killed at a step of it."""

import json
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ingest.process import configure_logs
from ingest.steps import GatewayStep, Step, Steps
from tests.deadlines import eventually
from tests.ingest.forked import forks
from tests.ingest.gateway.site import GatewaySite, reading

DEADLINE_SECONDS = 60.0
LINGER_SECONDS = 0.05
"""Until what was queued has reached the broker: the transaction that is left open must hold it."""

Ask = tuple[str, object]
"""An idempotency key, and a body."""


def killing_at(step: GatewayStep | None) -> Steps:
    """Ends this process the first time that the step was done."""

    def done(now: Step) -> None:
        if now is step:
            time.sleep(LINGER_SECONDS)
            os.kill(os.getpid(), signal.SIGKILL)

    return done


def ask_and_die(site: GatewaySite, step: GatewayStep, asks: Sequence[Ask], log: Path) -> None:
    """Returns when the process is gone; fails if it ends in another way."""
    process = forks.Process(target=_work, args=(site, step, asks, log), daemon=True)
    process.start()
    process.join(DEADLINE_SECONDS)
    code = process.exitcode
    process.kill()
    assert code == -signal.SIGKILL, f"ended with {code}:\n{log.read_text()}"


@contextmanager
def running_until(
    site: GatewaySite, step: GatewayStep, asks: Sequence[Ask], log: Path
) -> Iterator[Callable[[], object]]:
    """A gateway that runs already, asks when it is told to, and is gone at the step when the block ends."""
    ready, go = log.with_suffix(".ready"), log.with_suffix(".go")
    process = forks.Process(target=_work, args=(site, step, asks, log, (ready, go)), daemon=True)
    process.start()
    eventually(ready.exists)
    yield go.touch
    process.join(DEADLINE_SECONDS)
    code = process.exitcode
    process.kill()
    assert code == -signal.SIGKILL, f"ended with {code}:\n{log.read_text()}"


def ask_at_once(site: GatewaySite, processes: int, asks: Sequence[Ask], folder: Path) -> list[list[int]]:
    """The statuses of the same requests, asked by several processes at the same time."""
    logs = [folder / f"asker-{number}" for number in range(processes)]
    running = [forks.Process(target=_work, args=(site, None, asks, log), daemon=True) for log in logs]
    for process in running:
        process.start()
    for process in running:
        process.join(DEADLINE_SECONDS)
        process.kill()
    return [json.loads(log.with_suffix(".answers").read_text()) for log in logs]


def _work(
    site: GatewaySite,
    step: GatewayStep | None,
    asks: Sequence[Ask],
    log: Path,
    signs: tuple[Path, Path] | None = None,
) -> None:
    with log.open("w", buffering=1) as stream:
        configure_logs(stream=stream)
        with site.serving(done=killing_at(step)) as client:
            if signs is not None:
                client.post("/ingest", reading("first"), {"Idempotency-Key": "first"})
                signs[0].touch()
                eventually(signs[1].exists)
            answers = client.posts([("/ingest", body, {"Idempotency-Key": key}) for key, body in asks])
        log.with_suffix(".answers").write_text(json.dumps([answer.status_code for answer in answers]))

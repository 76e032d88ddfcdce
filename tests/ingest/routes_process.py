"""A routes process to be killed: `python -m tests.ingest.routes_process KAFKA INGEST SUFFIX [STEP N]`.

With STEP and N it kills itself with SIGKILL when that step is done for the N-th time, without a word.
"""

import os
import signal
import sys
import time

from broker.settings import KafkaSettings
from ingest.process import Stop, configure_logs
from ingest.routes_run import run
from ingest.routes_transaction import Step, Steps
from ingest.settings import IngestSettings
from tests.ingest.routes_fleet import registry_of

LINGER_SECONDS = 0.05
"""Until what was queued has reached the broker: the transaction that is left open must hold it."""


def killing_at(step: Step, count: int) -> Steps:
    """Ends this process at the `count`-th time that the step was done."""
    seen = 0

    def done(now: Step) -> None:
        nonlocal seen
        seen += now is step
        if seen == count:
            time.sleep(LINGER_SECONDS)
            os.kill(os.getpid(), signal.SIGKILL)

    return done


def main(kafka: str, ingest: str, suffix: str, step: str = "", count: str = "1") -> None:
    configure_logs()
    stop = Stop()
    with stop.on_signals():
        run(
            KafkaSettings.model_validate_json(kafka),
            IngestSettings.model_validate_json(ingest),
            registry_of(suffix),
            stop=stop,
            done=killing_at(Step(step), int(count)) if step else lambda now: None,
        )


if __name__ == "__main__":
    main(*sys.argv[1:])

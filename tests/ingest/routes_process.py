"""A routes process to be killed: `python -m tests.ingest.routes_process KAFKA INGEST SUFFIX [STEP N]`.

With STEP and N it kills itself with SIGKILL when that step is done for the N-th time, without a word.
"""

import sys

from broker.settings import KafkaSettings
from ingest.process import Stop, configure_logs
from ingest.routes_run import run
from ingest.settings import IngestSettings
from ingest.steps import RoutesStep
from tests.ingest.routes_fleet import registry_of
from tests.ingest.sink_process import killing_at, untold

TRANSACTION = (RoutesStep.BEGUN, RoutesStep.SENT, RoutesStep.OFFSETS_SENT, RoutesStep.COMMITTED)
"""The steps of every transaction that is not aborted."""


def main(kafka: str, ingest: str, suffix: str, step: str = "", count: str = "1") -> None:
    configure_logs()
    stop = Stop()
    with stop.on_signals():
        run(
            KafkaSettings.model_validate_json(kafka),
            IngestSettings.model_validate_json(ingest),
            registry_of(suffix),
            stop=stop,
            done=killing_at(RoutesStep(step), int(count)) if step else untold,
        )


if __name__ == "__main__":
    main(*sys.argv[1:])

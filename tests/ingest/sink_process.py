"""A sink that is run only to die: `python -m tests.ingest.sink_process SINK [STEP N] [--only SOURCE ...]`.

Like `fleetlake ingest SINK` (and `fleetlake state rebuild`), with the settings of the environment; when STEP
is done for the N-th time, the process is gone by SIGKILL, without a word, or with `--freeze` stands still by
SIGSTOP. Without a step it is an ordinary sink.
"""

import argparse
import os
import signal
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from broker.settings import KafkaSettings
from contracts.load import load_registry
from contracts.registry import Registry
from fleetlake.settings import Settings
from ingest import history_run, routes_run, state_run
from ingest.process import Stop, StoppedBeforeStart, configure_logs
from ingest.settings import IngestSettings
from ingest.state_rebuild import rebuild
from ingest.steps import HistoryStep, RebuildStep, RoutesStep, StateStep, Step, Steps
from lake.settings import LakeSettings, MongoSettings

LINGER_SECONDS = 0.05
"""Until what was queued has reached the broker: the transaction that is left open must hold it."""

STEPS: Mapping[str, type[Step]] = {
    "history": HistoryStep,
    "state": StateStep,
    "rebuild": RebuildStep,
    "routes": RoutesStep,
}


@dataclass(frozen=True, slots=True)
class Site:
    """What a sink runs with."""

    kafka: KafkaSettings
    mongo: MongoSettings
    lake: LakeSettings
    ingest: IngestSettings
    registry: Registry


def untold(step: Step) -> None:
    """As in production."""


def killing_at(step: Step, count: int, by: signal.Signals = signal.SIGKILL) -> Steps:
    """Ends this process, or freezes it, at the `count`-th time that the step was done."""
    seen = 0

    def done(now: Step) -> None:
        nonlocal seen
        if now is not step:
            return
        seen += 1
        if seen == count:
            if isinstance(step, RoutesStep):
                time.sleep(LINGER_SECONDS)
            os.kill(os.getpid(), by)

    return done


def run(sink: str, site: Site, stop: Stop, done: Steps = untold) -> None:
    """Until `stop` is requested, or the rebuild is through."""
    if sink == "history":
        history_run.run(site.kafka, site.lake, site.ingest, site.registry, stop=stop, done=done)
    elif sink == "state":
        state_run.run(site.kafka, site.mongo, site.ingest, site.registry, stop=stop, done=done)
    elif sink == "routes":
        routes_run.run(site.kafka, site.ingest, site.registry, stop=stop, done=done)
    else:
        rebuild(site.kafka, site.mongo, site.lake, site.registry, done=done)


def run_until_signalled(sink: str, site: Site, done: Steps = untold) -> None:
    """As the command line runs it."""
    stop = Stop()
    with stop.on_signals(), suppress(StoppedBeforeStart):
        run(sink, site, stop, done)


def site_of(settings: Settings, only: Sequence[str] = ()) -> Site:
    """The settings with all contracts, or with those of some sources."""
    registry = load_registry(settings.contracts)
    if only:
        contracts = {name: registry.contracts[name] for name in only}
        registry = Registry(registry.catalog, contracts, registry.limits)
    return Site(settings.kafka, settings.mongo, settings.lake, settings.ingest, registry)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sink", choices=STEPS)
    parser.add_argument("step", nargs="?", help="of ingest.steps, e.g. committed")
    parser.add_argument("count", nargs="?", type=int, default=1)
    parser.add_argument("--only", nargs="+", default=[], metavar="SOURCE", help="instead of all contracts")
    parser.add_argument("--freeze", action="store_true", help="SIGSTOP instead of SIGKILL")
    given = parser.parse_args()
    configure_logs()
    by = signal.SIGSTOP if given.freeze else signal.SIGKILL
    done = killing_at(STEPS[given.sink](given.step), given.count, by) if given.step else untold
    run_until_signalled(given.sink, site_of(Settings(), given.only), done)


if __name__ == "__main__":
    main()

"""How the sinks are run: which function with which settings, here or as processes of their own."""

import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from fleetlake.settings import Settings, child_environment
from fleetlake.stack.child import ChildSpec
from ingest.settings import IngestSettings

SINKS = ("history", "state", "routes")
METRICS_PORT_VARIABLE = "FLEETLAKE_INGEST__METRICS_PORT"


def run_sink(name: str, *, until_caught_up: bool) -> None:
    """Runs one sink in this process until it is told to stop, or has caught up."""
    from contracts.load import load_registry
    from ingest.process import Stop, StoppedBeforeStart, collect_garbage_seldom, configure_logs, logger

    settings = Settings()
    configure_logs()
    collect_garbage_seldom()
    stop = Stop()
    with stop.on_signals(), suppress(StoppedBeforeStart):
        logger(name).info("starting", kafka=settings.kafka.bootstrap_servers)
        registry = load_registry(settings.contracts)
        if name == "history":
            from ingest import history_run

            history_run.run(
                settings.kafka,
                settings.lake,
                settings.ingest,
                registry,
                stop=stop,
                until_caught_up=until_caught_up,
            )
        elif name == "state":
            from ingest import state_run

            state_run.run(
                settings.kafka,
                settings.mongo,
                settings.ingest,
                registry,
                stop=stop,
                until_caught_up=until_caught_up,
            )
        else:
            from ingest import routes_run

            routes_run.run(
                settings.kafka,
                settings.ingest,
                registry,
                stop=stop,
                until_caught_up=until_caught_up,
            )


def sink_specs(
    settings: Settings,
    names: Sequence[str],
    *,
    until_caught_up: bool = False,
    environment: Mapping[str, str] | None = None,
    log_folder: Path | None = None,
) -> list[ChildSpec]:
    """One supervised process a sink, each with a metrics port of its own."""
    ports = metrics_ports(settings.ingest, names)
    arguments = ["--supervised", *(["--until-caught-up"] if until_caught_up else [])]
    return [
        ChildSpec(
            name=name,
            command=[sys.executable, "-m", "fleetlake.cli", "ingest", name, *arguments],
            environment=child_environment({**(environment or {}), **ports[name]}),
            log=None if log_folder is None else log_folder / f"{name}.log",
            ends_by_itself=until_caught_up,
        )
        for name in names
    ]


def metrics_ports(settings: IngestSettings, names: Sequence[str]) -> dict[str, dict[str, str]]:
    """The configured port is the first process's, the others follow it; 0 and none are the same for all."""
    if settings.metrics_port is None:
        return {name: {} for name in names}
    step = 1 if settings.metrics_port else 0
    return {
        name: {METRICS_PORT_VARIABLE: str(settings.metrics_port + step * index)}
        for index, name in enumerate(names)
    }

"""`fleetlake ingest`: one sink in this process, or several as supervised processes of their own."""

import os
from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated

import typer


class SinkName(StrEnum):
    """The sinks that can be named."""

    HISTORY = "history"
    STATE = "state"
    ROUTES = "routes"


def ingest(
    sinks: Annotated[
        list[SinkName] | None, typer.Argument(help="One runs here; none or several: a process each.")
    ] = None,
    until_caught_up: Annotated[
        bool, typer.Option("--until-caught-up", help="End when the log's end of now is reached.")
    ] = False,
    supervised: Annotated[bool, typer.Option("--supervised", hidden=True)] = False,
) -> None:
    """Read the topics into the lake (history), into MongoDB (state), and on to other topics (routes).

    SIGTERM and Ctrl-C finish the batch, commit, and exit with 0.
    """
    from fleetlake.settings import Settings
    from fleetlake.stack.presence import require_choice

    if not supervised:
        require_choice(Settings(), "kafka")
    names = list(dict.fromkeys(sinks or list(SinkName)))
    if len(names) == 1:
        _run_here(names[0], until_caught_up, supervised)
    else:
        _supervise(names, until_caught_up)


def _run_here(name: SinkName, until_caught_up: bool, supervised: bool) -> None:
    from fleetlake.sinks import run_sink
    from fleetlake.supervised import ending_with_reason

    with ending_with_reason(supervised=supervised):
        run_sink(name, until_caught_up=until_caught_up)


def _supervise(names: Sequence[SinkName], until_caught_up: bool) -> None:
    from fleetlake.settings import Settings
    from fleetlake.sinks import sink_specs
    from fleetlake.stack.supervisor import Supervisor
    from ingest.process import Stop, configure_logs, logger

    settings = Settings()
    configure_logs()
    log = logger("supervisor")
    stop = Stop()
    specs = sink_specs(settings, names, until_caught_up=until_caught_up)
    supervisor = Supervisor(specs, lambda level, event, **fields: getattr(log, level)(event, **fields))
    with stop.on_signals():
        log.info("supervisor_started", processes=[spec.name for spec in specs], is_first=os.getpid() == 1)
        code = supervisor.run(stop, settings.ingest.shutdown_seconds)
    raise typer.Exit(code)

"""`fleetlake up | down | status | wait`: the local stack as seen from the terminal."""

import json
from typing import Annotated, Literal

import typer

DEFAULT_WAIT_SECONDS = 300.0


def up(
    detach: Annotated[
        bool, typer.Option("--detach", "-d", help="Return when everything is ready; `down` stops it.")
    ] = False,
    no_ingest: Annotated[bool, typer.Option("--no-ingest", help="Servers and topics only.")] = False,
    no_dagster: Annotated[
        bool,
        typer.Option("--no-dagster", help="Without Dagster; `fleetlake materialize` works all the same."),
    ] = False,
    no_http: Annotated[
        bool, typer.Option("--no-http", help="Without the gateway, the read API and the live page.")
    ] = False,
    kafka: Annotated[
        Literal["embedded", "real"] | None,
        typer.Option(
            help="Which Kafka to start; decided at a data folder's first start.", show_default="embedded"
        ),
    ] = None,
    store: Annotated[
        Literal["folder", "minio"] | None,
        typer.Option(help="Where its lake lies; decided at the first start, too.", show_default="folder"),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", hidden=True)] = False,
) -> None:
    """Start Kafka, MongoDB, the sinks, the HTTP interfaces with the live page, and Dagster in the data
    folder, and watch them. Ctrl-C stops all of it.

    A server whose address is set explicitly is used instead of one of its own. `make real-services` builds
    Apache Kafka and MinIO. Alerts are started where FLEETLAKE_ALERTS__RULES names their rules.
    """
    from fleetlake.settings import Settings
    from fleetlake.stack.beside import Beside
    from fleetlake.stack.control import start_detached
    from fleetlake.stack.parts import KafkaKind, StoreKind, Wanted

    settings = Settings()
    beside = Beside(
        dagster=settings.dagster.in_stack and not (no_dagster or no_ingest),
        http=settings.http.in_stack and not (no_http or no_ingest),
        alerts=settings.alerts.rules is not None and not no_ingest,
    )
    wanted = Wanted(kafka and KafkaKind(kafka), store and StoreKind(store))
    if detach:
        for line in start_detached(with_sinks=not no_ingest, beside=beside, wanted=wanted):
            typer.echo(line)
        return
    from fleetlake.stack.foreground import run_stack

    raise typer.Exit(run_stack(with_sinks=not no_ingest, beside=beside, is_quiet=quiet, wanted=wanted))


def down() -> None:
    """Stop the stack of the data folder, or end what a killed one left behind."""
    from fleetlake.stack.control import stop_stack

    typer.echo(stop_stack())


def status(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Addresses and processes of the stack, how far its sinks are behind, and their rates.

    A stopped stack is an answer, too: exit code 0. Scripts ask `running` of --json.
    """
    from fleetlake.stack.status import read_status, render

    found = read_status()
    typer.echo(json.dumps(found, indent=2) if as_json else render(found))


def wait(
    timeout: Annotated[
        float, typer.Option("--timeout", min=0, help="Seconds; what is left then is printed, exit code 1.")
    ] = DEFAULT_WAIT_SECONDS,
) -> None:
    """Return when all sinks have reached the log's end as it is now.

    Where the sinks do not read a topic, or none runs, that is said on stderr at once.
    """
    from contracts.load import load_registry
    from fleetlake.settings import Settings
    from fleetlake.stack.presence import require_choice
    from fleetlake.stack.progress import KafkaLog, routes_of
    from fleetlake.stack.unread import hindrance
    from fleetlake.stack.waiting import wait_until_done

    settings = Settings()
    require_choice(settings, "kafka")
    registry = load_registry(settings.contracts)
    found = hindrance(settings, registry)
    if found is not None:
        typer.echo(f"note: {found}", err=True)
    wait_until_done(
        KafkaLog(settings.kafka),
        routes_of(registry),
        timeout,
        hindered=lambda: hindrance(settings, registry),
    )
    typer.echo("all sinks have reached the log's end")
